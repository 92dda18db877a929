//! The command line's shape: the subcommands, and what they share.

use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
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

/// Flags whose values are shown when they are wrong, since nobody has a secret there.
const SHOWN: [&str; 9] = [
    "--add-host",
    "--allow",
    "--call",
    "--memory-limit",
    "--output",
    "--platform",
    "--shm-size",
    "--timeout",
    "--ulimit",
];

/// Prints what clap says of a command line: help and version on stdout, wrong usage on stderr with exit code 2. What may
/// be a secret, or hold one, isn't repeated; why it is wrong says which part of it is.
pub(crate) fn report_usage(mut error: clap::Error) -> ExitCode {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.as_str(),
        _ => "",
    };
    let flag = text(ContextKind::InvalidArg);
    let hidden = match error.kind() {
        ErrorKind::ValueValidation => {
            let name = flag.split([' ', '=']).next().unwrap_or_default();
            (!SHOWN.contains(&name)).then_some(ContextKind::InvalidValue)
        }
        // An address, which may hold a password, or a key.
        ErrorKind::UnknownArgument if flag.contains(|c: char| c == '@' || c.is_whitespace()) => {
            Some(ContextKind::InvalidArg)
        }
        _ => None,
    };
    if let Some(kind) = hidden {
        error.remove(ContextKind::Suggested);
        error.insert(kind, ContextValue::String("…".to_owned()));
    }
    // When not even this can be printed, there is nowhere to say so.
    let _unprintable = error.print();
    if error.use_stderr() {
        ExitCode::from(2)
    } else {
        ExitCode::SUCCESS
    }
}
