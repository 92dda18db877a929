//! What subcommands share that build: the choice of an engine, where results go, and how a failure is told.

pub(crate) mod build;
pub(crate) mod connect;
pub(crate) mod exports;
mod report;
