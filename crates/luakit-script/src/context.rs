//! Named contexts: what a caller puts in the place of images and local directories that a script names.
//!
//! Names are compared as BuildKit's Dockerfile frontend compares them, normalised: `alpine`, `alpine:latest` and
//! `docker.io/library/alpine` are one
//! (<https://github.com/moby/buildkit/blob/master/frontend/dockerui/config.go>, `NamedContext`).

use std::collections::BTreeMap;

use luakit_llb::op::GitSource;
use luakit_llb::reference::ReferenceError;
use luakit_llb::{Definition, Reference};

/// What a name stands for.
#[derive(Debug, Clone)]
pub enum NamedContext {
    /// A directory that the client offers under the context's name.
    Local {
        /// The patterns of its ignore file; they come before those of a script.
        exclude: Vec<String>,
    },
    /// An image of a registry.
    Image(Reference),
    /// Nothing at all.
    Scratch,
    /// An image of an OCI layout directory.
    OciLayout {
        /// A name and the digest.
        reference: Reference,
        /// What the client calls the directory.
        store: String,
    },
    /// A git repository.
    Git(GitSource),
    /// One file over HTTP.
    Http(String),
    /// What another client's definition gives.
    Input {
        /// The definition.
        definition: Definition,
        /// The image config of its result, as JSON: it is inherited as an image's is.
        config: Option<Vec<u8>>,
    },
}

/// Contexts by normalised name.
#[derive(Debug, Clone, Default)]
pub struct NamedContexts(BTreeMap<String, NamedContext>);

impl NamedContexts {
    /// A name as contexts have it.
    pub fn normalise(name: &str) -> Result<String, ReferenceError> {
        Ok(name.parse::<Reference>()?.familiar())
    }

    /// Adds a context; what had that normalised name before is returned.
    pub fn insert(&mut self, name: String, context: NamedContext) -> Option<NamedContext> {
        self.0.insert(name, context)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The context of a normalised name.
    pub(crate) fn get(&self, name: &str) -> Option<&NamedContext> {
        self.0.get(name)
    }
}
