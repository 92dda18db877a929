//! What a vertex does, as the script said it: nothing here is resolved, joined or encoded.

mod exec;
mod file;
mod foreign;
mod source;

pub use exec::{
    CacheSharing, Command, Device, Exec, ExtraHost, Mount, MountKind, Network, Proxy, Run, Secret, SecretFile,
    Security, SshMount, Ulimit,
};
pub use file::{Copy, FileAction, FileOp, Mkdir, Mkfile, Mode, Owner, OwnerId, Rm, Symlink};
pub use foreign::ForeignOp;
pub(crate) use foreign::ForeignPlace;
pub use source::{Differ, GitSource, HttpSource, ImageSource, LocalSource, OciLayoutSource, ResolveMode, Source};

use crate::platform::Platform;
use crate::state::Output;

/// What a vertex does.
#[derive(Debug, Clone)]
#[allow(
    clippy::large_enum_variant,
    reason = "an op lives behind an `Arc`, one allocation each"
)]
pub enum Op {
    /// Brings a filesystem in.
    Source(Source),
    /// Runs a process.
    Exec(Exec),
    /// Changes files without a process.
    File(FileOp),
    /// Lays filesystems over each other, the last on top.
    Merge(Vec<Output>),
    /// What `upper` has over `lower`. Neither is `None` in both places.
    Diff {
        /// What is taken away.
        lower: Option<Output>,
        /// What it is taken from.
        upper: Option<Output>,
    },
    /// What another client's definition says.
    Foreign(ForeignOp),
}

impl Op {
    /// The platform that an image source was asked for with.
    pub(crate) fn image_platform(&self) -> Option<&Platform> {
        match self {
            Self::Source(Source::Image(image)) => image.platform.as_ref(),
            Self::Source(Source::OciLayout(layout)) => layout.platform.as_ref(),
            _ => None,
        }
    }
}
