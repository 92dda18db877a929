//! Docker's credentials: `config.json` and the helpers that it names.
//!
//! The directory of `config.json` is given; a missing file is no credentials. Helpers run on a thread of
//! their own, with a limit, and what they print never reaches an error: it may hold what it must not.

use std::collections::HashMap;
use std::fmt;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use docker_credential::{CredentialRetrievalError, DockerCredential};
use tokio::sync::{Mutex, oneshot};

use crate::resolve::error::CredentialError;

/// How Docker Hub is called in `config.json`, and by helpers.
const DOCKER_HUB: &[&str] = &["https://index.docker.io/v1/", "index.docker.io", "docker.io"];

/// What a registry is shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Credential {
    /// A user's name and password.
    Password { user: String, password: String },
    /// A refresh token.
    Identity(String),
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Password { .. } => "Password(…)",
            Self::Identity(_) => "Identity(…)",
        })
    }
}

/// Docker's credentials, each asked for once.
#[derive(Debug)]
pub(crate) struct Credentials {
    config: Option<PathBuf>,
    limit: Duration,
    known: Mutex<HashMap<String, Option<Credential>>>,
}

impl Credentials {
    pub(crate) fn new(config_dir: Option<PathBuf>, limit: Duration) -> Self {
        Self {
            config: config_dir.map(|dir| dir.join("config.json")),
            limit,
            known: Mutex::default(),
        }
    }

    /// What a registry is to be shown; `None` is nothing. One helper runs at a time: some ask the user.
    pub(crate) async fn of(&self, host: &str) -> Result<Option<Credential>, CredentialError> {
        let mut known = self.known.lock().await;
        if let Some(credential) = known.get(host) {
            return Ok(credential.clone());
        }
        let credential = self.look_up(host).await?;
        known.insert(host.to_owned(), credential.clone());
        Ok(credential)
    }

    async fn look_up(&self, host: &str) -> Result<Option<Credential>, CredentialError> {
        let Some(path) = &self.config else {
            return Ok(None);
        };
        let unreadable = |reason: String| CredentialError::Config {
            path: path.display().to_string(),
            reason,
        };
        let config: Arc<[u8]> = match std::fs::read(path) {
            Ok(config) => config.into(),
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
            Err(e) => return Err(unreadable(e.to_string())),
        };
        let single = [host];
        let servers = match host {
            "docker.io" | "index.docker.io" | "registry-1.docker.io" => DOCKER_HUB,
            _ => &single,
        };
        for server in servers {
            match ask(Arc::clone(&config), server, self.limit).await {
                None => {
                    return Err(CredentialError::HelperTimedOut {
                        host: host.to_owned(),
                        limit: self.limit,
                    });
                }
                Some(Ok(DockerCredential::IdentityToken(token))) => return Ok(Some(Credential::Identity(token))),
                Some(Ok(DockerCredential::UsernamePassword(user, password))) => {
                    return Ok(Some(Credential::Password { user, password }));
                }
                Some(Err(CredentialRetrievalError::NoCredentialConfigured)) => {}
                // The sentence by which helpers say that they have none; it comes on either stream.
                Some(Err(CredentialRetrievalError::HelperFailure { stdout, stderr, .. }))
                    if [&stdout, &stderr].iter().any(|s| s.contains("credentials not found")) => {}
                Some(Err(CredentialRetrievalError::ConfigReadError)) => {
                    return Err(unreadable("it is not the JSON that Docker writes".to_owned()));
                }
                Some(Err(
                    CredentialRetrievalError::CredentialDecodingError
                    | CredentialRetrievalError::CredentialMismatchError,
                )) => return Err(CredentialError::Unusable { host: host.to_owned() }),
                Some(Err(_)) => return Err(CredentialError::Helper { host: host.to_owned() }),
            }
        }
        Ok(None)
    }
}

/// Asks on a thread of its own, which a runtime that shuts down does not wait for. `None` is no answer in time.
async fn ask(
    config: Arc<[u8]>,
    server: &str,
    limit: Duration,
) -> Option<Result<DockerCredential, CredentialRetrievalError>> {
    let (tell, told) = oneshot::channel();
    let server = server.to_owned();
    std::thread::spawn(move || {
        // Nobody may be waiting any more.
        let _ = tell.send(docker_credential::get_credential_from_reader(&config[..], &server));
    });
    match tokio::time::timeout(limit, told).await {
        Ok(Ok(answer)) => Some(answer),
        Ok(Err(_)) => Some(Err(CredentialRetrievalError::HelperCommunicationError)),
        Err(_) => None,
    }
}
