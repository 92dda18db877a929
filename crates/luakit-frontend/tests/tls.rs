//! Registries on TLS: whom we believe.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;

use luakit_diagnostic::SourceFile;
use luakit_frontend::resolve::{Network, Registry, RegistryConfig, resolve};
use luakit_llb::{Pins, Platform};
use luakit_testkit::registry as fake;
use rustls::crypto::ring;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// Puts TLS before a server, with a certificate that nobody knows; returns its port and the certificate.
fn terminate_tls(server: &fake::Registry) -> (u16, String) {
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let (config, inner) = (Arc::new(config), server.host());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let (config, inner) = (Arc::clone(&config), inner.clone());
            // A client that doesn't believe us ends the exchange.
            std::thread::spawn(move || exchange(connection.unwrap(), config, &inner).ok());
        }
    });
    (port, made.cert.pem())
}

/// Hands one request on, and its answer back.
fn exchange(connection: TcpStream, config: Arc<ServerConfig>, inner: &str) -> std::io::Result<()> {
    let mut outer = StreamOwned::new(ServerConnection::new(config).unwrap(), connection);
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        outer.read_exact(&mut byte)?;
        request.extend(byte);
    }
    let mut inner = TcpStream::connect(inner)?;
    inner.write_all(&request)?;
    let mut answer = Vec::new();
    inner.read_to_end(&mut answer)?;
    outer.write_all(&answer)?;
    outer.conn.send_close_notify();
    outer.flush()
}

fn outcome(port: u16, options: &str, dir: &Path) -> String {
    let host = format!("localhost:{port}");
    let text = format!("[registry.\"{host}\"]\n{options}\n");
    let config = RegistryConfig::parse(SourceFile::new("registries.toml", text.into_bytes()), dir).unwrap();
    let registry = Registry::new(config, None, Network::default());
    let wanted = [(format!("{host}/app:1").parse().unwrap(), Platform::linux_amd64())];
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    match runtime.block_on(resolve(wanted, &Pins::new(), &registry, 1)) {
        Ok(_) => "resolved".to_owned(),
        Err(e) => e.to_string().replace(&port.to_string(), "PORT"),
    }
}

#[test]
fn certificates_are_verified_unless_it_is_said_otherwise() {
    let server = fake::Registry::start();
    server.put_image("app", Some("1"), r#"{"architecture":"amd64","os":"linux"}"#);
    let (port, certificate) = terminate_tls(&server);
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("ca.pem"), certificate).unwrap();
    std::fs::write(dir.path().join("empty.pem"), "").unwrap();
    let outcome = |options: &str| outcome(port, options, dir.path()).replace(&dir.path().display().to_string(), "DIR");
    insta::assert_snapshot!(
        outcome("http = false"),
        @"can't resolve image `localhost:PORT/app:1` for linux/amd64: can't reach `localhost:PORT`: invalid peer certificate: UnknownIssuer"
    );
    assert_eq!(outcome("http = false\nca = [\"ca.pem\"]"), "resolved");
    assert_eq!(outcome("insecure = true"), "resolved");
    assert_eq!(outcome("http = true\ninsecure = true"), "resolved");
    assert_eq!(
        outcome(""),
        "resolved",
        "a registry of this machine needs no configuration"
    );
    insta::assert_snapshot!(
        outcome("http = false\nca = [\"empty.pem\"]"),
        @"can't resolve image `localhost:PORT/app:1` for linux/amd64: can't use the CA file `DIR/empty.pem` of `localhost:PORT`: it holds no certificate"
    );
    insta::assert_snapshot!(
        outcome("http = false\nca = [\"none.pem\"]"),
        @"can't resolve image `localhost:PORT/app:1` for linux/amd64: can't use the CA file `DIR/none.pem` of `localhost:PORT`: I/O error: No such file or directory (os error 2)"
    );
}
