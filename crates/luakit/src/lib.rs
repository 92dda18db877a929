//! The program behind the `luakit` binary: parses, calls, maps an exit code.
//!
//! It is a library so that the reference of the command line can be made from its own definitions.
#![allow(clippy::needless_pass_by_value, reason = "a subcommand owns its arguments")]

mod call;
mod cli;
mod commands;
mod definition;
mod engine;
mod environment;
mod failure;
mod flags;
mod options;
mod output_file;
mod outputs;
mod piped;
mod printer;
mod progress;
mod resolution;
mod runtime;
mod script;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let cli = match cli::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return cli::report_usage(error),
    };
    let printer = printer::Printer::new(cli.color);
    match commands::run(cli, &printer) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            printer.failure(&failure);
            failure.exit_code()
        }
    }
}

/// The command line's definition.
pub fn command() -> clap::Command {
    cli::Cli::command()
}
