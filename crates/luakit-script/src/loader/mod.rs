//! The one way by which a script reads anything: modules, and files of the build context.

mod dir;
mod glob;

pub use dir::DirLoader;
pub use glob::{Glob, GlobError};

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
}
