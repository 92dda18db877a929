//! TLS as a client, for registries and for engines: whom it trusts, and what it shows of itself.
//!
//! A registry is trusted by the machine's roots and those of its configuration. An engine that comes with a CA of its
//! own is trusted by that one alone, and may want a certificate of ours. Files are read when a connection is made.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WantsClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, ConfigBuilder, DigitallySignedStruct, RootCertStore, SignatureScheme};

/// A certificate or a key that can't be used.
#[derive(Debug, thiserror::Error)]
#[error("can't use `{}`: {reason}", path.display())]
pub struct TlsFileError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub reason: String,
}

/// Whom a client trusts.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum Trust {
    /// The machine's roots; a machine without any, a scratch container say, gets Mozilla's.
    #[default]
    Machine,
    /// The certificates of a PEM file, and nobody else.
    Only(PathBuf),
    /// Anybody: there is no check.
    Anyone,
}

/// What a client shows of itself: PEM files.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identity {
    /// The certificate, followed by those that vouch for it.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// A client's configuration.
pub fn client(trust: &Trust, identity: Option<&Identity>) -> Result<ClientConfig, TlsFileError> {
    let builder = match trust {
        Trust::Machine => builder().with_root_certificates(machine_roots()),
        Trust::Only(ca) => {
            let mut roots = RootCertStore::empty();
            add(&mut roots, ca)?;
            builder().with_root_certificates(roots)
        }
        Trust::Anyone => trusting_anyone(),
    };
    let Some(identity) = identity else {
        return Ok(builder.with_no_client_auth());
    };
    let refused = |path: &Path| {
        let path = path.to_owned();
        move |reason: String| TlsFileError { path, reason }
    };
    let chain = certificates(&identity.cert)?;
    let key = PrivateKeyDer::from_pem_file(&identity.key).map_err(|e| refused(&identity.key)(e.to_string()))?;
    builder
        .with_client_auth_cert(chain, key)
        .map_err(|e| refused(&identity.cert)(e.to_string()))
}

/// The machine's roots and those of `ca`.
pub(crate) fn verified(ca: &[PathBuf]) -> Result<ClientConfig, TlsFileError> {
    let mut roots = machine_roots();
    for path in ca {
        add(&mut roots, path)?;
    }
    Ok(builder().with_root_certificates(roots).with_no_client_auth())
}

/// Takes any certificate: what `insecure = true` asks for, and what a registry on this machine gets.
pub(crate) fn unverified() -> ClientConfig {
    trusting_anyone().with_no_client_auth()
}

fn machine_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    roots
}

fn add(roots: &mut RootCertStore, path: &Path) -> Result<(), TlsFileError> {
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|e| TlsFileError {
            path: path.to_owned(),
            reason: e.to_string(),
        })?;
    }
    Ok(())
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsFileError> {
    let refused = |reason: String| TlsFileError {
        path: path.to_owned(),
        reason,
    };
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let read = read.map_err(|e| refused(e.to_string()))?;
    if read.is_empty() {
        return Err(refused("it holds no certificate".to_owned()));
    }
    Ok(read)
}

fn trusting_anyone() -> ConfigBuilder<ClientConfig, WantsClientCert> {
    builder()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anyone(Arc::new(ring::default_provider()))))
}

#[allow(clippy::expect_used, reason = "ring serves both versions, as its tests show")]
fn builder() -> ConfigBuilder<ClientConfig, rustls::WantsVerifier> {
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring has the protocol versions' ciphers")
}

#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
