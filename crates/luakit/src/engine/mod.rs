//! What subcommands share that build: the choice of an engine, where results go, and how a failure is told.

mod args;
mod attach;
pub(crate) mod build;
pub(crate) mod choice;
pub(crate) mod connect;
pub(crate) mod exports;
mod report;

pub(crate) use args::EngineArgs;
