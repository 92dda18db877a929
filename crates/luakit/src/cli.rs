//! The command line's shape: the subcommands, and what they share.

use std::process::ExitCode;

use clap::{ColorChoice, Parser, Subcommand};

use crate::commands::{build, completions, dag, engines, frontend, lock, solve, validate, version};

/// Container images described in Lua, built by BuildKit.
#[derive(Debug, Parser)]
#[command(name = "luakit", version, propagate_version = true, arg_required_else_help = true)]
pub(crate) struct Cli {
    /// When messages are coloured; `auto` is on a terminal, unless `NO_COLOR` is set
    #[arg(
        long,
        global = true,
        default_value = "auto",
        value_name = "WHEN",
        help_heading = "Messages"
    )]
    pub(crate) color: ColorChoice,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What can be asked for.
#[derive(Debug, Subcommand)]
#[allow(clippy::large_enum_variant, reason = "there is one, once")]
pub(crate) enum Command {
    Build(Box<build::Args>),
    Solve(Box<solve::Args>),
    Dag(dag::Args),
    Validate(validate::Args),
    Lock(lock::Args),
    Engines(engines::Args),
    Frontend(frontend::Args),
    Version(version::Args),
    Completions(completions::Args),
}

/// Prints what clap says of a command line: help and version on stdout, wrong usage on stderr with exit code 2.
pub(crate) fn report_usage(error: &clap::Error) -> ExitCode {
    // When not even this can be printed, there is nowhere to say so.
    let _unprintable = error.print();
    if error.use_stderr() {
        ExitCode::from(2)
    } else {
        ExitCode::SUCCESS
    }
}
