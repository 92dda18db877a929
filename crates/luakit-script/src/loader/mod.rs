//! The one way by which a script reads anything: modules, and files of the build context.

mod dir;
mod glob;

use std::path::{Component, Path};
use std::time::Duration;

pub use dir::DirLoader;
pub use glob::{Glob, GlobError};

use crate::error::Limit;

/// Where a file is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Root {
    /// The script's directory.
    Script,
    /// The build context.
    Context,
}

/// Reads on behalf of a script. Paths are relative and use `/`. An implementation never leaves its root,
/// symlinks included.
pub trait SourceLoader: Send + Sync {
    /// A file's bytes; `None` when there is no such file.
    fn read(&self, root: Root, path: &str) -> Result<Option<Vec<u8>>, LoadError>;
    /// Whether there is a file or a directory.
    fn exists(&self, root: Root, path: &str) -> Result<bool, LoadError>;
    /// The paths that match, sorted bytewise. The pattern's language is moby/patternmatcher's.
    fn glob(&self, root: Root, pattern: &str) -> Result<Vec<String>, LoadError>;

    /// The patterns of the ignore file of a directory that a context stands for, where the context says by what key
    /// ([`crate::Excludes::Asked`]).
    fn excludes(&self, _key: &str) -> Result<Vec<String>, LoadError> {
        Ok(Vec::new())
    }

    /// How long it has waited for others so far, the present wait included: that is no time of the script's.
    fn waited(&self) -> Duration {
        Duration::ZERO
    }
}

/// The largest file that a script may read.
pub const LARGEST: u64 = 64 << 20;

impl Root {
    /// What it is called.
    fn name(self) -> &'static str {
        match self {
            Self::Script => "the script's directory",
            Self::Context => "the build context",
        }
    }
}

/// Whether a path reads as one below its root. What links make of it is for the loader to see.
pub fn check_path(root: Root, path: &str) -> Result<(), LoadError> {
    let mut depth = 0_usize;
    for component in Path::new(path).components() {
        match component {
            Component::Normal(_) => depth += 1,
            Component::CurDir => {}
            Component::ParentDir => depth = depth.checked_sub(1).ok_or_else(|| outside(root, path))?,
            Component::RootDir | Component::Prefix(_) => return Err(outside(root, path)),
        }
    }
    if path.contains('\0') {
        return Err(LoadError::Unreadable {
            path: path.replace('\0', "\\0"),
            reason: "a path can't hold a zero byte".to_owned(),
        });
    }
    Ok(())
}

/// That a path leads out of its root.
pub fn outside(root: Root, path: &str) -> LoadError {
    LoadError::Outside {
        path: path.to_owned(),
        root: root.name(),
    }
}

/// Why something can't be read.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum LoadError {
    /// It lies outside its root: an absolute path, `..`, or a symlink that leads out.
    #[error("`{path}` is outside {root}")]
    Outside {
        /// The path as given.
        path: String,
        /// What it would leave.
        root: &'static str,
    },
    /// It is no pattern.
    #[error("`{pattern}` is no pattern: {error}")]
    Pattern {
        /// The pattern as given.
        pattern: String,
        /// Why.
        error: GlobError,
    },
    /// It can't be read.
    #[error("can't read `{path}`: {reason}")]
    Unreadable {
        /// The path as given.
        path: String,
        /// Why.
        reason: String,
    },
    /// An ignore file has a line that is no pattern.
    #[error("can't read `{path}`: {reason}")]
    IgnoreFile {
        /// The key of the context that it is for.
        key: String,
        /// The file, without its directory.
        path: String,
        /// Why.
        reason: String,
    },
    /// It was asked for too much: the script ends.
    #[error(transparent)]
    Limit(#[from] Limit),
}
