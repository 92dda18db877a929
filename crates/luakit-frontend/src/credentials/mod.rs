//! What registries are shown: Docker's `config.json`, and the credential helpers that it names.
//!
//! The one reader of both, for image resolution here and for the session that an engine asks. It finds what docker's
//! own CLI would: `credHelpers` for the registry, else `credsStore`, else `auths`
//! (<https://github.com/docker/cli/blob/master/cli/config/configfile/file.go>). The directory of `config.json` is
//! given; a missing file is no credentials. Answers are kept for as long as BuildKit's client keeps them.

mod config;
mod error;
mod helper;

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

pub use error::CredentialError;
pub(crate) use error::login_name;

/// Docker Hub's name in `config.json` and for helpers, since it was the only registry.
const DOCKER_HUB: &str = "https://index.docker.io/v1/";

/// How long an answer is good: some helpers hand out tokens that live five minutes
/// (<https://github.com/moby/buildkit/blob/master/session/auth/authprovider/authprovider.go>).
const KEPT: Duration = Duration::from_secs(290);

/// What a registry is shown.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// A user's name and password.
    Password {
        /// The name, which isn't empty.
        user: String,
        /// The password.
        password: String,
    },
    /// An identity token: a token server gives tokens for it.
    Identity(String),
    /// A token that goes to the registry as it is.
    Registry(String),
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Password { .. } => "Password(…)",
            Self::Identity(_) => "Identity(…)",
            Self::Registry(_) => "Registry(…)",
        })
    }
}

/// Docker's credentials.
#[derive(Debug)]
pub struct Credentials {
    config: Option<PathBuf>,
    limit: Duration,
    known: Mutex<HashMap<String, (Instant, Option<Credential>)>>,
}

impl Credentials {
    /// Those of the `config.json` in `config_dir`; without a directory there are none. `limit` is how long a helper
    /// may take: then it is ended, and that is an error.
    pub fn new(config_dir: Option<PathBuf>, limit: Duration) -> Self {
        Self {
            config: config_dir.map(|dir| dir.join("config.json")),
            limit,
            known: Mutex::default(),
        }
    }

    /// What the registry at `host` (with its port, if it has one) is to be shown; `None` is nothing. One helper runs
    /// at a time: some ask the user, and macOS's keychain hangs otherwise.
    pub async fn of(&self, host: &str) -> Result<Option<Credential>, CredentialError> {
        let mut known = self.known.lock().await;
        if let Some((since, credential)) = known.get(host)
            && since.elapsed() < KEPT
        {
            return Ok(credential.clone());
        }
        let credential = self.look_up(host).await?;
        known.insert(host.to_owned(), (Instant::now(), credential.clone()));
        Ok(credential)
    }

    async fn look_up(&self, host: &str) -> Result<Option<Credential>, CredentialError> {
        let Some(path) = &self.config else {
            return Ok(None);
        };
        let Some(config) = config::read(path)? else {
            return Ok(None);
        };
        let server = match host {
            "docker.io" | "index.docker.io" | "registry-1.docker.io" => DOCKER_HUB,
            other => other,
        };
        // Helpers store no such tokens; docker takes them from the file whatever keeps the rest.
        if let Some(token) = config.registry_token(server) {
            return Ok(Some(Credential::Registry(token)));
        }
        match config.helper(server) {
            Some(helper) => helper::get(helper, host, server, self.limit).await,
            None => config.stored(host, server),
        }
    }
}

/// As BuildKit's client reads them: no secret is no credentials, a secret without a user is an identity token.
fn credential(user: String, secret: String) -> Option<Credential> {
    match (user.as_str(), secret.as_str()) {
        (_, "") => None,
        ("" | "<token>", _) => Some(Credential::Identity(secret)),
        _ => Some(Credential::Password { user, password: secret }),
    }
}

#[cfg(test)]
mod tests;
