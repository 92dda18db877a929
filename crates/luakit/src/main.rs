//! The `luakit` binary: parses, calls, maps an exit code.

mod cli;
mod commands;
mod environment;
mod export_record;
mod failure;
mod output_file;
mod printer;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let cli = match cli::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return cli::report_usage(&error),
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
