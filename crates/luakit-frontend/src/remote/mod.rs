//! A frontend inside an engine: from a request's options to solved results, with no files but the engine's.
//!
//! [`open`] finds the script and the build context, wherever the request says they are; [`contexts`] makes contexts of
//! its named ones; [`demands`] looks for what the script needs besides; [`build()`] is the whole way. What a script
//! reads is asked of the engine when it is read, and so are the ignore files of the directories that it uses
//! ([`loader`]). The engine is a [`Host`]: which one, and how it is spoken to, is not known here.

mod archive;
mod build;
mod contexts;
mod demands;
mod loader;
mod open;
mod printed;
mod source;
mod tree;
mod workers;

use luakit_diagnostic::Diagnostic;
use luakit_llb::Definition;

pub use build::{Answer, Build, Job, build};
pub use workers::{Machine, UnreadableWorkers};

use crate::host::Host;
use crate::options::OptionError;
use crate::subrequest::UnknownRequest;

/// Why a frontend has no answer.
#[derive(Debug)]
pub enum RemoteFailure<E> {
    /// Something is wrong with the script, the request, or an image.
    Told(Vec<Diagnostic>),
    /// The engine doesn't do what it was asked for.
    Host {
        /// Why.
        error: E,
        /// The definitions that it was about, where these are the script's.
        definitions: Vec<Definition>,
    },
    /// The request needs the capability of this name, which this frontend hasn't.
    Incapable(String),
    /// The request asks for what this frontend doesn't know.
    UnknownRequest(UnknownRequest),
}

impl<E> From<Diagnostic> for RemoteFailure<E> {
    fn from(diagnostic: Diagnostic) -> Self {
        Self::Told(vec![diagnostic])
    }
}

impl<E> From<OptionError> for RemoteFailure<E> {
    fn from(error: OptionError) -> Self {
        if let OptionError::Capability(name) = error {
            return Self::Incapable(name);
        }
        let diagnostic = Diagnostic::error("option", error.to_string());
        match error.hint() {
            Some(hint) => diagnostic.with_hint(hint).into(),
            None => diagnostic.into(),
        }
    }
}

/// The failure of a call to the engine that the script has no part in.
fn refused<H: Host>(error: H::Error) -> RemoteFailure<H::Error> {
    RemoteFailure::Host {
        error,
        definitions: Vec::new(),
    }
}
