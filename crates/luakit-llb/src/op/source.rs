//! Sources: where filesystems come from.

use crate::pins::LayoutImage;
use crate::platform::Platform;
use crate::reference::{ImageDigest, Reference};

/// Where a filesystem comes from.
#[derive(Debug, Clone)]
pub enum Source {
    /// An image of a registry.
    Image(ImageSource),
    /// A directory of the client.
    Local(LocalSource),
    /// A git repository.
    Git(GitSource),
    /// One file over HTTP.
    Http(HttpSource),
    /// An image of an OCI layout directory of the client.
    OciLayout(OciLayoutSource),
}

/// When an engine asks the registry for an image that it already has. In order of how often.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum ResolveMode {
    /// Only when it has none.
    PreferLocal,
    /// As the engine decides.
    #[default]
    Default,
    /// Always.
    ForcePull,
}

impl ResolveMode {
    /// BuildKit's name for it (<https://github.com/moby/buildkit/blob/master/solver/pb/attr.go>).
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::ForcePull => "pull",
            Self::PreferLocal => "local",
        }
    }
}

/// `bk.image`.
#[derive(Debug, Clone)]
pub struct ImageSource {
    /// The normalised reference.
    pub reference: Reference,
    /// The platform asked for; `None` is the target platform.
    pub platform: Option<Platform>,
    /// When the engine asks the registry.
    pub resolve_mode: ResolveMode,
    /// Whether a resolved image is pinned by its digest.
    pub resolve_digest: bool,
    /// How many of the image's layers are taken, from the lowest.
    pub layer_limit: Option<i64>,
    /// The digest that the image must have.
    pub checksum: Option<ImageDigest>,
}

/// How the engine compares a directory with what it was sent before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Differ {
    /// Not at all: everything is sent again.
    None,
    /// By metadata.
    Metadata,
}

/// `bk.local_`. Empty lists are as good as none.
#[derive(Debug, Clone, Default)]
pub struct LocalSource {
    /// The name that the client offers the directory under.
    pub name: String,
    /// Patterns of what is sent.
    pub include: Vec<String>,
    /// Patterns of what is left out.
    pub exclude: Vec<String>,
    /// Paths that are sent with what their symlinks point at.
    pub follow_paths: Vec<String>,
    /// What lets several names share what an engine was sent before.
    pub shared_key_hint: Option<String>,
    /// How the engine compares.
    pub differ: Option<Differ>,
    /// The session that offers it, where it isn't the build's own.
    pub session: Option<String>,
    /// Whether files are only listed, in one file of BuildKit's own at the root, and nothing of them is sent.
    pub list_only: bool,
}

/// `bk.git`.
#[allow(clippy::struct_excessive_bools, reason = "each is a switch of BuildKit's own")]
#[derive(Debug, Clone, Default)]
pub struct GitSource {
    /// The remote as given, with any `#ref:subdir` taken off.
    pub url: String,
    /// Branch, tag or commit.
    pub reference: Option<String>,
    /// The directory of the repository that becomes the root.
    pub subdir: Option<String>,
    /// Whether `.git` stays.
    pub keep_git_dir: bool,
    /// The commit that the reference must resolve to, whole or a prefix.
    pub checksum: Option<String>,
    /// The secret that holds a token; the default name is not written as a requirement.
    pub auth_token_secret: Option<String>,
    /// The secret that holds an `Authorization` header.
    pub auth_header_secret: Option<String>,
    /// Lines of a `known_hosts` file.
    pub known_ssh_hosts: Option<String>,
    /// The id of the ssh socket.
    pub ssh_socket: Option<String>,
    /// Whether submodules are left alone.
    pub skip_submodules: bool,
    /// Whether files get the commit's time rather than that of the checkout.
    pub mtime_commit: bool,
    /// Whether `checksum` is fetched itself, and the reference only names it.
    pub fetch_by_commit: bool,
}

/// `bk.http`.
#[derive(Debug, Clone, Default)]
pub struct HttpSource {
    /// The URL, verbatim.
    pub url: String,
    /// The digest that the file must have.
    pub checksum: Option<ImageDigest>,
    /// The file's name in the result.
    pub filename: Option<String>,
    /// Its permission bits.
    pub chmod: Option<u32>,
    /// Its owner.
    pub uid: Option<u32>,
    /// Its group.
    pub gid: Option<u32>,
    /// The secret that holds an `Authorization` header.
    pub auth_header_secret: Option<String>,
    /// The `Accept` header.
    pub accept: Option<String>,
    /// The `User-Agent` header.
    pub user_agent: Option<String>,
}

/// `bk.oci_layout`.
#[derive(Debug, Clone, Default)]
pub struct OciLayoutSource {
    /// The reference, used as given: it must hold a digest.
    pub reference: String,
    /// The platform asked for; `None` is the target platform.
    pub platform: Option<Platform>,
    /// The id of the store that the client offers.
    pub store: Option<String>,
    /// How many of the image's layers are taken, from the lowest.
    pub layer_limit: Option<i64>,
}

impl OciLayoutSource {
    /// What its config is known by. A source without a store names no layout.
    pub fn image(&self) -> Option<LayoutImage> {
        Some(LayoutImage {
            store: self.store.clone()?,
            reference: self.reference.clone(),
        })
    }
}
