//! TLS on a connection to an engine.
//!
//! gRPC's servers want `h2` to be negotiated, Docker's API is HTTP/1.1 up to its upgrade.

use std::io;
use std::sync::Arc;

use luakit_frontend::tls::{self, Identity, TlsFileError, Trust};
use rustls::pki_types::ServerName;
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
}

impl TlsSettings {
    /// Reads the files.
    pub(crate) fn prepare(&self, host: &str, inside: Inside) -> Result<Prepared, TlsFileError> {
        let mut config = tls::client(&self.trust, self.identity.as_ref())?;
        config.alpn_protocols = match inside {
            Inside::Grpc => vec![b"h2".to_vec()],
            Inside::DockerApi => vec![b"http/1.1".to_vec()],
        };
        Ok(Prepared {
            connector: TlsConnector::from(Arc::new(config)),
            name: self.server_name.as_deref().unwrap_or(host).to_owned(),
        })
    }
}

impl Prepared {
    /// Shakes hands.
    pub(crate) async fn over(self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let Self { connector, name } = self;
        let server = ServerName::try_from(name.clone());
        let server = server.map_err(|_| io::Error::other(format!("`{name}` can't be a server's name")))?;
        connector.connect(server, stream).await
    }
}
