//! One subcommand, one file: its arguments and what it does. What several share is outside: `flags`, `script`,
//! `resolution`, `definition`, `engine`.

pub(crate) mod build;
pub(crate) mod completions;
pub(crate) mod dag;
pub(crate) mod engines;
pub(crate) mod frontend;
pub(crate) mod lock;
pub(crate) mod solve;
pub(crate) mod validate;
pub(crate) mod version;

use crate::cli::{Cli, Command};
use crate::failure::Failure;
use crate::printer::Printer;

/// Runs the subcommand.
pub(crate) fn run(cli: Cli, printer: &Printer) -> Result<(), Failure> {
    match cli.command {
        Command::Build(args) => build::run(*args, printer),
        Command::Solve(args) => solve::run(*args, printer),
        Command::Dag(args) => dag::run(args, printer),
        Command::Validate(args) => validate::run(args, printer),
        Command::Lock(args) => lock::run(args, printer),
        Command::Engines(args) => engines::run(&args, printer),
        Command::Frontend(args) => frontend::run(args),
        Command::Version(args) => version::run(&args, printer),
        Command::Completions(args) => completions::run(&args, printer),
    }
}
