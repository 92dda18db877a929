//! Why there are no credentials where there should be, as data. No variant ever holds one.

use std::path::PathBuf;
use std::time::Duration;

/// Why the credentials for a registry can't be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// `config.json` can't be read.
    #[error("can't read Docker's config `{}`: {reason}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// An entry that can't be decoded.
    #[error("Docker's config holds no usable credentials for `{host}`")]
    Unusable {
        /// The registry.
        host: String,
    },
    /// The credential helper isn't there.
    #[error("Docker's config names the credential helper `{program}` for `{host}`, which is not installed")]
    NoHelper {
        /// The registry.
        host: String,
        /// The helper's program.
        program: String,
    },
    /// The credential helper failed, or its answer makes no sense. What it said may hold a secret.
    #[error("the credential helper `{program}` failed for `{host}`")]
    Helper {
        /// The registry.
        host: String,
        /// The helper's program.
        program: String,
    },
    /// The credential helper hangs.
    #[error("the credential helper `{program}` didn't answer for `{host}` within {} s", limit.as_secs_f32())]
    HelperTimedOut {
        /// The registry.
        host: String,
        /// The helper's program.
        program: String,
        /// How long was waited.
        limit: Duration,
    },
}

impl CredentialError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Config { .. } => "mend the file, or name another directory by `DOCKER_CONFIG`".to_owned(),
            Self::Unusable { host } | Self::Helper { host, .. } => {
                format!("log in again with `docker login{}`", login_name(host))
            }
            Self::NoHelper { program, .. } => {
                format!("install `{program}`, or take it out of `credsStore` and `credHelpers` in Docker's config")
            }
            Self::HelperTimedOut { host, program, .. } => {
                let server = if login_name(host).is_empty() {
                    super::DOCKER_HUB
                } else {
                    host
                };
                format!("see what it waits for: `echo {server} | {program} get`")
            }
        }
    }
}

/// What `docker login` is given for a registry: Docker Hub goes without a name.
pub(crate) fn login_name(host: &str) -> String {
    match host {
        "registry-1.docker.io" | "docker.io" | "index.docker.io" => String::new(),
        other => format!(" {other}"),
    }
}
