//! What the definitions tell of the digests that an engine speaks of.
//!
//! They are those of the definitions but for one case: a step that must not use the cache, while an equal one that may is
//! under way, gets a digest derived from its own
//! (<https://github.com/moby/buildkit/blob/v0.13.2/solver/jobs.go>, `dgstWithoutCache`). Engines before
//! 0.18 key steps by the bytes they were sent and only re-encode what a source policy changed; later ones
//! re-encode everything, into the bytes that our definitions have anyhow.

use std::collections::HashMap;

use luakit_proto::{Message as _, pb};
use sha2::{Digest as _, Sha256};

/// The steps of a build, by their digests.
#[derive(Debug, Default)]
pub(crate) struct Digests {
    /// From the derived digests to the steps' own.
    derived: HashMap<String, String>,
    steps: HashMap<String, Kind>,
}

/// What a step of a definition does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It pulls the image of this identifier, `docker-image://…`.
    Image(String),
    /// It does something else.
    Other,
}

impl Digests {
    /// Adds the steps of definitions that are sent.
    pub(crate) fn add<'a>(&mut self, definitions: impl IntoIterator<Item = &'a pb::Definition>) {
        for definition in definitions {
            let uncached = definition
                .metadata
                .iter()
                .filter(|entry| entry.value.as_ref().is_some_and(|metadata| metadata.ignore_cache));
            self.derived
                .extend(uncached.map(|entry| (derived(entry.key()), entry.key().to_owned())));
            let digest = |op: &[u8]| format!("sha256:{}", hex::encode(Sha256::digest(op)));
            self.steps
                .extend(definition.def.iter().map(|op| (digest(op), Kind::of(op))));
        }
    }

    /// The definition's digest for an engine's; those of the engine's own steps stay.
    pub(crate) fn ours(&self, digest: String) -> String {
        self.derived.get(&digest).cloned().unwrap_or(digest)
    }

    /// What the step of that digest does, if it is one of the definitions'.
    pub(crate) fn kind(&self, digest: &str) -> Option<&Kind> {
        self.steps.get(digest)
    }
}

impl Kind {
    fn of(op: &[u8]) -> Self {
        match pb::Op::decode(op).ok().and_then(|op| op.op) {
            Some(pb::op::Op::Source(source)) if source.identifier.starts_with(IMAGE) => Self::Image(source.identifier),
            _ => Self::Other,
        }
    }
}

/// How the identifiers of images in registries begin; a step that pulls one is called so, unless a script says otherwise.
pub(super) const IMAGE: &str = "docker-image://";

fn derived(digest: &str) -> String {
    let hash = Sha256::digest(format!("{digest}-ignorecache"));
    format!("sha256:{}", hex::encode(hash))
}
