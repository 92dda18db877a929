//! Evaluates a build script, in a sandbox, to plain values.
//!
//! [`evaluate`] takes the script's text, its arguments and a [`SourceLoader`] for everything else it may
//! read, runs it once for one target platform, and returns an [`Evaluation`]: a graph of states, the
//! exports that the script named, the arguments that it declared. Nothing is resolved, fetched or built
//! here, and nothing of this machine is visible to the script but what the loader gives.
//!
//! `vm` is the sandboxed interpreter (libraries, limits, modules, call stacks); `api` is the `bk` table.

mod api;
mod build;
mod context;
mod error;
mod evaluation;
mod loader;
mod prelude;
mod size;
mod vm;

pub use api::table as reference;
pub use api::table::api_table;
pub use context::{Excludes, HTTP_FILE, NamedContext, NamedContexts};
pub use error::{CallError, Failure, Limit, ModuleError, ScriptError, Step, Subject};
pub use evaluation::{ArgDeclaration, Evaluation, Export, Input, Limits, Print};
pub use loader::{DirLoader, Glob, GlobError, LARGEST, LoadError, Root, SourceLoader, check_path, outside};
pub use prelude::prelude_source;
pub use size::{SizeError, parse_size};
pub use vm::evaluate;
