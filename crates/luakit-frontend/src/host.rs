//! The engine that runs a frontend, as the frontend sees it: a [`Solver`] whose results can be looked into.
//!
//! A frontend in a container has no files of its own: script, modules and context are results that it has solved, and
//! what it has to tell goes through the engine to whoever waits for the build.

use std::collections::BTreeMap;
use std::future::Future;

use luakit_diagnostic::Diagnostic;
use luakit_llb::{Definition, Platform, Reference};

use crate::solver::Solver;

/// An engine that a frontend runs in.
pub trait Host:
    Solver<Ref: Clone + Send + Sync + 'static, Error: std::error::Error + Send + Sync + 'static>
    + Clone
    + Send
    + Sync
    + 'static
{
    /// Has a definition solved that is not of the build's results, but one that the frontend looks into itself. No cache
    /// is imported for it: a registry that answers late would keep the script waiting.
    fn load(&self, definition: Definition) -> impl Future<Output = Result<Self::Ref, Self::Error>> + Send;

    /// The first `limit` bytes of a file of a result. The path begins with `/`; links lead nowhere outside the result.
    fn read_file(
        &self,
        at: &Self::Ref,
        path: &str,
        limit: u64,
    ) -> impl Future<Output = Result<Vec<u8>, Self::Error>> + Send;

    /// What is in a directory of a result, which must be there.
    fn read_dir(&self, at: &Self::Ref, path: &str) -> impl Future<Output = Result<Vec<Entry>, Self::Error>> + Send;

    /// Whether a directory of the client's can be sent as a list of what is in it.
    fn sends_lists(&self) -> bool;

    /// What such a list names, by paths relative to the directory.
    fn read_list(&self, at: &Self::Ref) -> impl Future<Output = Result<Vec<Entry>, Self::Error>> + Send;

    /// The config of an image in a layout that the client offers as `store`, for a platform. `step` is what looking it up
    /// is called.
    fn layout_config(
        &self,
        store: &str,
        image: &Reference,
        platform: &Platform,
        step: &str,
    ) -> impl Future<Output = Result<Vec<u8>, Self::Error>> + Send;

    /// What the client has built already, by name.
    fn inputs(&self) -> impl Future<Output = Result<BTreeMap<String, Definition>, Self::Error>> + Send;

    /// Tells the user something, as a remark on the step of that digest; `false` where the engine passes none on.
    fn warn(&self, vertex: &str, warning: &Diagnostic) -> impl Future<Output = bool> + Send;
}

/// Something in a directory, or on a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name; on a list its path.
    pub name: String,
    /// What it is.
    pub kind: EntryKind,
}

/// What is in directories.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link, and what it says.
    Link(String),
    /// A device, a pipe, a socket.
    Other,
}
