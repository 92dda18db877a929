//! What a named context stands for: the forms that a client's `--build-context` and a frontend's `context:NAME` have in
//! common. Directories are not among them: a client has their path, a frontend only what the client calls them.

use luakit_llb::Reference;
use luakit_llb::op::GitSource;
use luakit_llb::reference::{DigestError, ImageDigest, ReferenceError};

use crate::git_context::{self, GitContextError};

/// What a name stands for, wherever it is said.
#[derive(Debug, Clone)]
pub enum ContextValue {
    /// `docker-image://REF`: an image of a registry.
    Image(Reference),
    /// `docker-image://scratch`: nothing at all.
    Scratch,
    /// `oci-layout://STORE[:TAG][@DIGEST]`: an image of a layout.
    OciLayout {
        /// The layout's directory; for a frontend, what the client calls it.
        store: String,
        /// The entry of its index, unless there is a digest.
        tag: Option<String>,
        /// The image.
        digest: Option<ImageDigest>,
    },
    /// The URL of a git repository.
    Git(GitSource),
    /// The URL of one file.
    Http(String),
}

/// Why a value is none. The message may be shown: it never holds what a URL says of a user.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum ContextValueError {
    /// A malformed image reference.
    #[error(transparent)]
    Image(#[from] ReferenceError),
    /// A malformed digest of an image in a layout.
    #[error(transparent)]
    Digest(#[from] DigestError),
    /// A layout without a name, or with an empty tag.
    #[error("it must be oci-layout://PATH[:TAG][@DIGEST]")]
    Layout,
    /// A git URL that asks for what there isn't.
    #[error(transparent)]
    Git(#[from] GitContextError),
    /// A web address with a user.
    #[error("a user in a URL would be in the build's definition: leave it out")]
    User,
}

impl ContextValue {
    /// Reads a value. `None` when it has none of these forms.
    pub fn parse(text: &str) -> Result<Option<Self>, ContextValueError> {
        if let Some(reference) = text.strip_prefix("docker-image://") {
            if reference == "scratch" {
                return Ok(Some(Self::Scratch));
            }
            return Ok(Some(Self::Image(reference.parse()?)));
        }
        if let Some(layout) = text.strip_prefix("oci-layout://") {
            return oci_layout(layout).map(Some);
        }
        if git_context::is_git(text) {
            return Ok(Some(Self::Git(git_context::parse(text)?)));
        }
        if text.starts_with("http://") || text.starts_with("https://") {
            if git_context::has_credentials(text) {
                return Err(ContextValueError::User);
            }
            return Ok(Some(Self::Http(text.to_owned())));
        }
        Ok(None)
    }
}

fn oci_layout(text: &str) -> Result<ContextValue, ContextValueError> {
    let (rest, digest) = match text.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest.parse()?)),
        None => (text, None),
    };
    let (store, tag) = match rest.split_once(':') {
        Some((store, tag)) => (store, Some(tag.to_owned())),
        None => (rest, None),
    };
    if store.is_empty() || tag.as_deref() == Some("") {
        return Err(ContextValueError::Layout);
    }
    Ok(ContextValue::OciLayout {
        store: store.to_owned(),
        tag,
        digest,
    })
}
