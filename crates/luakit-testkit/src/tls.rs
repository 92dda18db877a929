//! TLS in front of something that speaks without: certificates of a CA of our own, and a relay that ends TLS.
//!
//! For engines on `tcp://`, BuildKit's and Docker's, with certificates asked of clients too.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection};

/// PEM files in a folder, named as Docker and buildctl expect them: `ca.pem`, `cert.pem`, `key.pem` for a client, and
/// `server-cert.pem`, `server-key.pem` for a server of these names.
#[derive(Debug, Clone)]
pub struct Certificates {
    folder: PathBuf,
}

fn failed(error: impl std::fmt::Display) -> io::Error {
    io::Error::other(error.to_string())
}

impl Certificates {
    /// Makes them.
    pub fn make(folder: &Path, server_names: &[&str]) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let ca_key = KeyPair::generate().map_err(failed)?;
        let mut ca = CertificateParams::new(Vec::new()).map_err(failed)?;
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = ca.self_signed(&ca_key).map_err(failed)?;
        fs::write(folder.join("ca.pem"), root.pem())?;
        let issuer = Issuer::new(ca, ca_key);
        let names: Vec<String> = server_names.iter().map(|name| (*name).to_owned()).collect();
        for (prefix, names) in [("", vec!["client".to_owned()]), ("server-", names)] {
            let key = KeyPair::generate().map_err(failed)?;
            let params = CertificateParams::new(names).map_err(failed)?;
            let certificate = params.signed_by(&key, &issuer).map_err(failed)?;
            fs::write(folder.join(format!("{prefix}cert.pem")), certificate.pem())?;
            fs::write(folder.join(format!("{prefix}key.pem")), key.serialize_pem())?;
        }
        Ok(Self {
            folder: folder.to_owned(),
        })
    }

    /// One of the files.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn server(&self, ask_clients: bool, protocol: &str) -> io::Result<ServerConfig> {
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_safe_default_protocol_versions().map_err(failed)?;
        let builder = if ask_clients {
            let mut roots = RootCertStore::empty();
            let ca = CertificateDer::from_pem_file(self.file("ca.pem")).map_err(failed)?;
            roots.add(ca).map_err(failed)?;
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.map_err(failed)?)
        } else {
            builder.with_no_client_auth()
        };
        let chain = CertificateDer::from_pem_file(self.file("server-cert.pem")).map_err(failed)?;
        let key = PrivateKeyDer::from_pem_file(self.file("server-key.pem")).map_err(failed)?;
        let mut config = builder.with_single_cert(vec![chain], key).map_err(failed)?;
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        Ok(config)
    }
}

/// Listens on a port of loopback until the process ends, and carries each connection to a unix socket. With
/// `certificates` the connections are TLS, negotiate `protocol` (`h2`, `http/1.1`) and show a certificate of the same CA.
pub fn listen(socket: &Path, certificates: Option<&Certificates>, protocol: &str) -> io::Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    let config = certificates
        .map(|c| c.server(true, protocol))
        .transpose()?
        .map(Arc::new);
    let socket = socket.to_owned();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let (config, socket) = (config.clone(), socket.clone());
            // What fails closes the connection, and the client under test says so.
            thread::spawn(move || {
                let inner = UnixStream::connect(socket)?;
                match config {
                    Some(config) => secure(client, config, inner),
                    None => plain(client, inner),
                }
            });
        }
    });
    Ok(port)
}

fn plain(client: TcpStream, inner: UnixStream) -> io::Result<()> {
    let (mut from_client, mut to_inner) = (client.try_clone()?, inner.try_clone()?);
    let up = thread::spawn(move || {
        let copied = io::copy(&mut from_client, &mut to_inner);
        to_inner.shutdown(Shutdown::Write).and(copied)
    });
    let (mut from_inner, mut to_client) = (inner, client);
    io::copy(&mut from_inner, &mut to_client)?;
    to_client.shutdown(Shutdown::Write)?;
    up.join().unwrap_or(Ok(0)).map(drop)
}

/// Two threads share the TLS state; neither holds it while it waits for bytes.
fn secure(client: TcpStream, config: Arc<ServerConfig>, inner: UnixStream) -> io::Result<()> {
    let state = Arc::new(Mutex::new(ServerConnection::new(config).map_err(failed)?));
    let lock = |state: &Mutex<ServerConnection>, work: &mut dyn FnMut(&mut ServerConnection) -> io::Result<()>| {
        work(&mut state.lock().unwrap_or_else(PoisonError::into_inner))
    };
    let (down_state, mut down_client, mut from_inner) = (Arc::clone(&state), client.try_clone()?, inner.try_clone()?);
    thread::spawn(move || -> io::Result<()> {
        let mut space = vec![0; 16 << 10];
        loop {
            let read = from_inner.read(&mut space)?;
            let bytes = space.get(..read).unwrap_or_default();
            lock(&down_state, &mut |tls| {
                if bytes.is_empty() {
                    tls.send_close_notify();
                } else {
                    tls.writer().write_all(bytes)?;
                }
                while tls.wants_write() {
                    tls.write_tls(&mut down_client)?;
                }
                Ok(())
            })?;
            if read == 0 {
                return down_client.shutdown(Shutdown::Write);
            }
        }
    });
    let (mut from_client, mut to_client, mut to_inner) = (client.try_clone()?, client, inner);
    let mut space = vec![0; 16 << 10];
    loop {
        let read = from_client.read(&mut space)?;
        let mut plain = Vec::new();
        let mut bytes = space.get(..read).unwrap_or_default();
        lock(&state, &mut |tls| {
            while !bytes.is_empty() {
                tls.read_tls(&mut bytes)?;
                let processed = tls.process_new_packets();
                // An alert says why, so it goes out before the end.
                while tls.wants_write() {
                    tls.write_tls(&mut to_client)?;
                }
                let waiting = processed.map_err(failed)?.plaintext_bytes_to_read();
                let from = plain.len();
                plain.resize(from + waiting, 0);
                tls.reader().read_exact(plain.get_mut(from..).unwrap_or_default())?;
            }
            Ok(())
        })?;
        to_inner.write_all(&plain)?;
        if read == 0 {
            return to_inner.shutdown(Shutdown::Write);
        }
    }
}
