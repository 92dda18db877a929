//! Why an image can't be resolved, as data. No variant ever holds a credential or a token.

use std::fmt;
use std::time::Duration;

use luakit_diagnostic::Diagnostic;
use luakit_llb::{ImageDigest, Platform, Reference};

use crate::credentials::{CredentialError, login_name};

/// One image that can't be resolved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("can't resolve image `{}` for {platform}: {failure}{}", reference.familiar(), Tried(attempts))]
pub struct ResolveError {
    /// The image.
    pub reference: Reference,
    /// The platform that it was asked for.
    pub platform: Platform,
    /// Why.
    pub failure: Failure,
    /// The mirrors that were asked before, and why they didn't do.
    pub attempts: Vec<Attempt>,
}

/// A mirror that was asked in vain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Its host.
    pub host: String,
    /// Why it didn't do.
    pub failure: Failure,
}

/// What went wrong with one registry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The registry has no such image.
    #[error("`{host}` has no such image")]
    NotFound {
        /// The registry.
        host: String,
    },
    /// The registry doesn't let us.
    #[error("`{host}` refuses access{}", Detail(detail))]
    Denied {
        /// The registry.
        host: String,
        /// Whether it was shown credentials.
        credentials: bool,
        /// What it says about it.
        detail: String,
    },
    /// Too many requests, and it stayed so.
    #[error("`{host}` takes no more requests from here for now{}", Detail(detail))]
    RateLimited {
        /// The registry.
        host: String,
        /// What it says about it.
        detail: String,
    },
    /// Any other answer that is no success.
    #[error("`{host}` answers {status}{}", Detail(detail))]
    Status {
        /// The registry.
        host: String,
        /// The HTTP status.
        status: u16,
        /// What it says about it.
        detail: String,
    },
    /// No connection, or one that broke.
    #[error("can't reach `{host}`: {reason}")]
    Unreachable {
        /// The registry, or its token server.
        host: String,
        /// Why.
        reason: String,
    },
    /// No answer in time.
    #[error("`{host}` didn't answer within {} s", limit.as_secs_f32())]
    TimedOut {
        /// The registry, or its token server.
        host: String,
        /// How long was waited.
        limit: Duration,
    },
    /// The content is not what its digest says.
    #[error("`{host}` sent a {part} with digest {actual}, and not {expected}")]
    DigestMismatch {
        /// The registry.
        host: String,
        /// Of what.
        part: Part,
        /// What was asked for, or promised.
        expected: ImageDigest,
        /// What came.
        actual: ImageDigest,
    },
    /// More bytes than such a document can have.
    #[error("`{host}` sent a {part} of more than {limit} bytes")]
    TooLarge {
        /// The registry.
        host: String,
        /// Of what.
        part: Part,
        /// The most there can be.
        limit: usize,
    },
    /// A document that can't be read.
    #[error("the {part} is malformed: {reason}")]
    Malformed {
        /// Which.
        part: Part,
        /// Why.
        reason: String,
    },
    /// The manifest format of before 2016.
    #[error("it is in Docker's manifest format 1, which no engine takes any more")]
    SchemaOne,
    /// A chart, a signature, a module: an artifact that is no filesystem.
    #[error("it is no container image: its config is `{media_type}`")]
    NotAnImage {
        /// What its config is.
        media_type: String,
    },
    /// The index has nothing for the platform.
    #[error("it is not there for that platform; it is for {}", List(available))]
    NoPlatform {
        /// What it has.
        available: Vec<String>,
    },
    /// The engine looked it up, and failed.
    #[error("the engine says: {message}")]
    Engine {
        /// What it says.
        message: String,
    },
    /// The credentials for a registry can't be had.
    #[error(transparent)]
    Credentials(#[from] CredentialError),
    /// A registry on https whose token server is not.
    #[error("`{host}` would have credentials sent unencrypted to `{realm}`")]
    InsecureRealm {
        /// The registry.
        host: String,
        /// The host of the token server.
        realm: String,
    },
    /// A challenge or a token that can't be read.
    #[error("can't log in at `{host}`: {reason}")]
    Login {
        /// The registry.
        host: String,
        /// Why.
        reason: String,
    },
    /// A TLS file of the registry's configuration can't be used.
    #[error("can't use the CA file `{path}` of `{host}`: {reason}")]
    Ca {
        /// The registry.
        host: String,
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
}

/// What is asked of a registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// A manifest or an index.
    Manifest,
    /// An image config.
    Config,
    /// The answer of a token server.
    Token,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Manifest => "manifest",
            Self::Config => "config",
            Self::Token => "token",
        })
    }
}

impl Failure {
    /// Whether a second try may go better.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::RateLimited { .. } | Self::TimedOut { .. } => true,
            Self::Status { status, .. } => matches!(status, 408 | 500 | 502 | 503 | 504),
            _ => false,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NotFound { .. } => "check the name and the tag".to_owned(),
            Self::Denied { host, credentials, .. } if *credentials => {
                format!("the image does not exist, or your login at `{host}` may not read it")
            }
            Self::Denied { host, .. } => {
                format!(
                    "the image does not exist, or it needs `docker login{}`",
                    login_name(host)
                )
            }
            Self::RateLimited { host, .. } => format!(
                "`docker login{}` raises the limit; a lock file (`luakit lock`) needs no registry at all",
                login_name(host)
            ),
            Self::Unreachable { .. } | Self::TimedOut { .. } => {
                "a lock file (`luakit lock`) builds without the registry; `--resolve=never` leaves references as \
                 written"
                    .to_owned()
            }
            Self::NoPlatform { .. } => "give the image a platform of its own, or choose another image".to_owned(),
            Self::Credentials(error) => error.hint(),
            Self::InsecureRealm { host, .. } => {
                format!("if that is meant, say `http = true` under `[registry.\"{host}\"]` in luakit/registries.toml")
            }
            _ => return None,
        };
        Some(hint)
    }
}

impl ResolveError {
    /// As a diagnostic; whoever knows where the script names the image adds the place.
    pub fn diagnostic(&self) -> Diagnostic {
        let diagnostic = Diagnostic::error("unresolved-image", self.to_string());
        let gone = matches!(self.failure, Failure::NotFound { .. }) && self.reference.digest().is_some();
        let hint = if gone {
            Some("check the name; registries drop images that no tag names any more".to_owned())
        } else {
            self.failure.hint()
        };
        match hint {
            Some(hint) => diagnostic.with_hint(hint),
            None => diagnostic,
        }
    }
}

struct Tried<'a>(&'a [Attempt]);

impl fmt::Display for Tried<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for attempt in self.0 {
            write!(f, " (mirror `{}`: {})", attempt.host, attempt.failure)?;
        }
        Ok(())
    }
}

struct Detail<'a>(&'a str);

impl fmt::Display for Detail<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            "" => Ok(()),
            detail => write!(f, ": {detail}"),
        }
    }
}

struct List<'a>(&'a [String]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [] => f.write_str("none"),
            list => f.write_str(&list.join(", ")),
        }
    }
}
