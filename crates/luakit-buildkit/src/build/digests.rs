//! From the digests that an engine speaks of to those of the definition.
//!
//! They are the same but for one case: a step that must not use the cache, while an equal one that may is
//! under way, gets a digest derived from its own
//! (<https://github.com/moby/buildkit/blob/v0.13.2/solver/jobs.go>, `dgstWithoutCache`). Engines before
//! 0.18 key steps by the bytes they were sent and only re-encode what a source policy changed; later ones
//! re-encode everything, into the bytes that our definitions have anyhow.

use std::collections::HashMap;

use luakit_proto::pb;
use sha2::{Digest as _, Sha256};

/// The derived digests of a build's steps.
#[derive(Debug, Default)]
pub(crate) struct Digests(HashMap<String, String>);

impl Digests {
    pub(crate) fn new<'a>(definitions: impl IntoIterator<Item = &'a pb::Definition>) -> Self {
        let uncached = definitions
            .into_iter()
            .flat_map(|d| &d.metadata)
            .filter(|entry| entry.value.as_ref().is_some_and(|metadata| metadata.ignore_cache));
        Self(
            uncached
                .map(|entry| (derived(entry.key()), entry.key().to_owned()))
                .collect(),
        )
    }

    /// The definition's digest for an engine's; those of the engine's own steps stay.
    pub(crate) fn ours(&self, digest: String) -> String {
        self.0.get(&digest).cloned().unwrap_or(digest)
    }
}

fn derived(digest: &str) -> String {
    let hash = Sha256::digest(format!("{digest}-ignorecache"));
    format!("sha256:{}", hex::encode(hash))
}
