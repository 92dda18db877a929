//! TLS on a connection to an engine.
//!
//! gRPC's servers want `h2` to be negotiated, Docker's API is HTTP/1.1 up to its upgrade.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use luakit_frontend::tls::{self, Identity, TlsFileError, Trust};
use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::pki_types::ServerName;
use rustls::sign::CertifiedKey;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// How a connection is secured.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TlsSettings {
    /// Whom to trust.
    pub trust: Trust,
    /// What we show of ourselves.
    pub identity: Option<Identity>,
    /// The name in the server's certificate; without it, the host's.
    pub server_name: Option<String>,
}

/// What is spoken inside.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Inside {
    Grpc,
    DockerApi,
}

/// A handshake that hasn't begun: its files are read.
pub(crate) struct Prepared {
    connector: TlsConnector,
    name: String,
    asked: Arc<Asked>,
}

/// A connection whose handshake is over as far as this side can tell.
pub(crate) struct Secured {
    pub(crate) stream: TlsStream<TcpStream>,
    pub(crate) unidentified: bool,
}

/// Shows no certificate, and remembers whether the server asked for one.
///
/// In TLS 1.3 a server refuses a client without a certificate after the client's side of the handshake is over, and may
/// hang up before its alert is read (<https://www.rfc-editor.org/rfc/rfc8446#section-4.4.2>): that it asked is the one
/// thing that is always known.
#[derive(Debug, Default)]
struct Asked(AtomicBool);

impl ResolvesClientCert for Asked {
    fn resolve(&self, _issuers: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.0.store(true, Ordering::Relaxed);
        None
    }

    fn has_certs(&self) -> bool {
        false
    }
}

/// Whether it is the server that ended a handshake. It has asked before this side looks at its certificate.
fn is_the_servers(error: &io::Error) -> bool {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
    cause.is_none_or(|cause| matches!(cause, rustls::Error::AlertReceived(_)))
}

/// Why a server that was shown no certificate may not have answered.
pub(crate) fn unidentified(error: &str) -> String {
    format!("it asks for a client's certificate, and none is set ({error})")
}

impl TlsSettings {
    /// Reads the files.
    pub(crate) fn prepare(&self, host: &str, inside: Inside) -> Result<Prepared, TlsFileError> {
        let mut config = tls::client(&self.trust, self.identity.as_ref())?;
        config.alpn_protocols = match inside {
            Inside::Grpc => vec![b"h2".to_vec()],
            Inside::DockerApi => vec![b"http/1.1".to_vec()],
        };
        let asked = Arc::new(Asked::default());
        if self.identity.is_none() {
            config.client_auth_cert_resolver = Arc::clone(&asked) as Arc<dyn ResolvesClientCert>;
        }
        Ok(Prepared {
            asked,
            connector: TlsConnector::from(Arc::new(config)),
            name: self.server_name.as_deref().unwrap_or(host).to_owned(),
        })
    }
}

impl Prepared {
    /// Shakes hands.
    pub(crate) async fn over(self, stream: TcpStream) -> io::Result<Secured> {
        let Self { connector, name, asked } = self;
        let server = ServerName::try_from(name.clone());
        let server = server.map_err(|_| io::Error::other(format!("`{name}` can't be a server's name")))?;
        let stream = connector.connect(server, stream).await;
        let asked = asked.0.load(Ordering::Relaxed);
        match stream {
            Ok(stream) => Ok(Secured {
                stream,
                unidentified: asked,
            }),
            Err(error) if asked && is_the_servers(&error) => Err(io::Error::other(unidentified(&error.to_string()))),
            Err(error) => Err(error),
        }
    }
}
