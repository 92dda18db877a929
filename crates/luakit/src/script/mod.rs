//! What subcommands share that take a script: its flags, its context, and the way to a plan.

mod args;
mod context;
mod plan;

pub(crate) use args::ScriptArgs;
pub(crate) use context::{ignore_patterns, local_unique};
pub(crate) use plan::planning_failure;
