//! What references mean: by the lock file, and the registries behind it.

mod args;
mod document;
mod layouts;
mod lock_file;
mod registries;

pub(crate) use args::ResolutionArgs;
pub(crate) use lock_file::LockFile;
pub(crate) use registries::{RegistryArgs, network};
