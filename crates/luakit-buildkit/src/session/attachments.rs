//! What a build may ask of the client besides directories, results and credentials.
//!
//! A caller fills [`Attachments`]; before the engine hears of the build they are opened ([`Opened`]), so
//! that an encrypted key or a missing file ends it at once. What is empty is not offered.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::content::{ContentStore, Stores};
use super::secrets::{self, SECRET_LIMIT, SecretSource};
use super::ssh::{Agents, KeyError, SshSource};
use super::upload::Upload;

/// Services that a build's steps, sources and caches use.
#[derive(Debug, Default)]
pub struct Attachments {
    /// Secrets by id.
    pub secrets: BTreeMap<String, SecretSource>,
    /// SSH agents by id; the usual one is [`DEFAULT_SSH`](crate::DEFAULT_SSH).
    pub ssh: BTreeMap<String, SshSource>,
    /// Image layouts by what the engine calls them: `oci:NAME` is the store `NAME` of an `oci-layout` source,
    /// `local:DIR` the directory of a local cache, as its `src` or `dest` says.
    pub stores: BTreeMap<String, ContentStore>,
    /// Streams by id; a source reads one by [`UPLOAD_URL`](crate::UPLOAD_URL) and the id.
    pub uploads: BTreeMap<String, Upload>,
}

/// Attachments that can be served. What wasn't given isn't there.
#[derive(Default)]
pub(crate) struct Opened {
    pub(crate) secrets: BTreeMap<String, SecretSource>,
    pub(crate) ssh: Option<Agents>,
    pub(crate) stores: Option<Stores>,
    pub(crate) uploads: BTreeMap<String, Upload>,
}

impl Attachments {
    /// The same without streams, which go to one engine.
    pub(crate) fn for_another(&self) -> Self {
        Self {
            secrets: self.secrets.clone(),
            ssh: self.ssh.clone(),
            stores: self.stores.clone(),
            uploads: BTreeMap::new(),
        }
    }

    pub(crate) fn open(self) -> Result<Opened, ServiceError> {
        secrets::check(&self.secrets)?;
        Ok(Opened {
            secrets: self.secrets,
            ssh: (!self.ssh.is_empty()).then(|| Agents::new(self.ssh)).transpose()?,
            stores: (!self.stores.is_empty())
                .then(|| Stores::open(self.stores))
                .transpose()?,
            uploads: self.uploads,
        })
    }
}

/// Why something attached to a build can't be used. None of the texts holds a secret.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// A secret's file.
    #[error("can't read `{}`, given as the secret `{id}`: {source}", path.display())]
    Secret {
        /// The secret.
        id: String,
        /// Its file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A secret that no engine takes.
    #[error("the secret `{id}` is longer than {SECRET_LIMIT} bytes")]
    SecretSize {
        /// The secret.
        id: String,
    },
    /// An agent that contradicts itself.
    #[error("can't forward the ssh agent `{id}`: {reason}")]
    Ssh {
        /// The agent.
        id: String,
        /// Why.
        reason: &'static str,
    },
    /// An agent's socket.
    #[error("can't forward the ssh agent `{id}` from `{}`: {source}", path.display())]
    SshSocket {
        /// The agent.
        id: String,
        /// Its socket, or a key.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// An agent's key.
    #[error("can't forward the ssh agent `{id}`: {source}")]
    SshKey {
        /// The agent.
        id: String,
        /// Why.
        source: KeyError,
    },
    /// A content store.
    #[error("can't open the image layout `{}`: {source}", path.display())]
    Store {
        /// What the engine calls it.
        id: String,
        /// Its directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A blob of a content store.
    #[error("can't {action} the blob `{name}` of `{}`: {source}", path.display())]
    Blob {
        /// A verb: `read`, `write`, `list`.
        action: &'static str,
        /// Its digest, or what the engine calls it while it is written.
        name: String,
        /// The layout.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A stream that the engine fetched.
    #[error("can't read {name}: {source}")]
    Upload {
        /// What it is.
        name: String,
        /// What the system said.
        source: io::Error,
    },
}

impl ServiceError {
    pub(crate) fn secret(id: &str, path: &Path, source: impl Into<io::Error>) -> Self {
        Self::Secret {
            id: id.to_owned(),
            path: path.to_owned(),
            source: source.into(),
        }
    }

    pub(crate) fn agent(id: &str, path: &Path, source: io::Error) -> Self {
        Self::SshSocket {
            id: id.to_owned(),
            path: path.to_owned(),
            source,
        }
    }
}
