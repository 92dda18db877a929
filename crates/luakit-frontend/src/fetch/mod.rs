//! What a git reference and a URL mean now: the lookups of `luakit lock`.
//!
//! Both ask as BuildKit would: git by the `git` command, with the user's own configuration, files by GET. Secrets come
//! in by name, as the script names them; none is ever part of an error or of a command line.

mod git;
mod git_login;
mod http;
mod secrets;

use std::path::PathBuf;
use std::time::Duration;

use luakit_diagnostic::Diagnostic;
use luakit_llb::ImageDigest;
use luakit_llb::reach::{GitRequest, HttpRequest};

use crate::public_url::{GitName, public_url};
use crate::resolve::{Failure, Network};

pub use secrets::{SecretError, Secrets};

/// Looks up git references and files.
#[derive(Debug, Default)]
pub struct Fetcher {
    network: Network,
    git: GitCommand,
    secrets: Secrets,
}

/// How git is run.
#[derive(Debug, Clone)]
pub struct GitCommand {
    /// The program: `git`, or a path of one.
    pub program: PathBuf,
    /// How long one question to a remote may take.
    pub timeout: Duration,
    /// The user's own ssh command, as `GIT_SSH_COMMAND` has it. `None` is what git's configuration says, else `ssh`.
    pub ssh_command: Option<String>,
}

impl Default for GitCommand {
    fn default() -> Self {
        Self {
            program: "git".into(),
            timeout: Duration::from_secs(60),
            ssh_command: None,
        }
    }
}

/// A git reference or a file that can't be looked up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("can't pin {subject}: {failure}")]
pub struct PinError {
    /// The source, without credentials.
    pub subject: String,
    /// Why.
    pub failure: PinFailure,
}

/// Why a lookup failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PinFailure {
    /// There is no git here.
    #[error("`{program}` is not installed")]
    NoGit {
        /// What was run.
        program: String,
    },
    /// git could not be run, or failed.
    #[error("git says: {message}")]
    Git {
        /// What it says.
        message: String,
    },
    /// git didn't come back.
    #[error("git didn't answer within {} s", limit.as_secs_f32())]
    GitTimedOut {
        /// How long was waited.
        limit: Duration,
    },
    /// The remote has no such branch or tag.
    #[error("the repository has no branch or tag `{reference}`")]
    NoReference {
        /// The branch or tag.
        reference: String,
    },
    /// The remote has no commit at all.
    #[error("the repository is empty")]
    Empty,
    /// Not a URL that BuildKit could fetch.
    #[error("{0}")]
    Url(String),
    /// git could not be given what it needs.
    #[error("can't prepare git: {0}")]
    Prepare(String),
    /// A secret that the source names can't be had.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The server failed.
    #[error(transparent)]
    Server(#[from] Failure),
}

/// What a git source is called in a [`PinError`].
pub(crate) fn git_subject(url: &str, reference: Option<&str>) -> String {
    format!("git source `{}`", GitName(&public_url(url), reference))
}

/// What a file is called there.
pub(crate) fn file_subject(url: &str) -> String {
    format!("file `{}`", public_url(url))
}

impl PinError {
    /// As a diagnostic.
    pub fn diagnostic(&self) -> Diagnostic {
        let diagnostic = Diagnostic::error("unresolved-source", self.to_string());
        match self.failure.hint() {
            Some(hint) => diagnostic.with_hint(hint),
            None => diagnostic,
        }
    }
}

impl PinFailure {
    fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NoGit { .. } => Some("git sources are looked up by the `git` command: install it"),
            Self::Git { message } if message.contains("Host key verification failed") => {
                Some("connect to the host once with `ssh`, or name its key by `known_ssh_hosts`")
            }
            Self::Git { message }
                if [
                    "could not read Username",
                    "could not read Password",
                    "Authentication failed",
                ]
                .iter()
                .any(|said| message.contains(said)) =>
            {
                Some(
                    "no one is asked for a password: give a token with `--secret id=GIT_AUTH_TOKEN`, or set up a \
                     credential helper of git",
                )
            }
            Self::Server(Failure::Denied { credentials: false, .. }) => Some(
                "name a secret that holds its `Authorization` header by `auth_header_secret`, and give it with `--secret`",
            ),
            _ => None,
        }
    }
}

impl Fetcher {
    /// A fetcher that may show servers these secrets.
    pub fn new(network: Network, git: GitCommand, secrets: Secrets) -> Self {
        Self { network, git, secrets }
    }

    /// The commit that a branch or a tag is now; an annotated tag is the commit that it names.
    pub async fn commit(&self, request: &GitRequest) -> Result<String, PinError> {
        let outcome = git::commit(&self.git, &self.secrets, request).await;
        outcome.map_err(|failure| PinError {
            subject: git_subject(&request.url, request.reference.as_deref()),
            failure,
        })
    }

    /// The digest of a file.
    pub async fn checksum(&self, request: &HttpRequest) -> Result<ImageDigest, PinError> {
        let outcome = http::checksum(&self.network, &self.secrets, request).await;
        outcome.map_err(|failure| PinError {
            subject: file_subject(&request.url),
            failure,
        })
    }
}
