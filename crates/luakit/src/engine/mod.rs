//! What subcommands share that build: the choice of an engine, where results go, and how a failure is told.

mod args;
mod attach;
pub(crate) mod build;
pub(crate) mod choice;
pub(crate) mod connect;
pub(crate) mod demands;
mod divide;
pub(crate) mod exports;
mod joint_index;
mod lacking;
mod missing;
mod node_events;
pub(crate) mod nodes;
pub(crate) mod report;
mod tarball;

pub(crate) use args::EngineArgs;
