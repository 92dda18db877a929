//! The repository's own chores, run as `cargo xtask COMMAND`.
//!
//! Each subcommand is a file of its own. Nothing here ships: a chore may print and shell out.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod engine;
mod proto;

use clap::{Parser, Subcommand};

/// The repository's own chores.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Engine(engine::Args),
    Proto(proto::Args),
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Engine(args) => engine::run(&args),
        Command::Proto(args) => proto::run(&args),
    }
}
