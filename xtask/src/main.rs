//! The repository's own chores, run as `cargo xtask COMMAND`.
//!
//! Each subcommand is a file of its own. Nothing here ships: a chore may print and shell out.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod again;
mod demo;
mod dist;
mod docs;
mod engine;
mod machine;
mod proto;
mod test;

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
    Demo(demo::Args),
    Dist(dist::Args),
    Docs(docs::Args),
    Engine(engine::Args),
    Proto(proto::Args),
    Test(test::Args),
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Demo(args) => demo::run(&args),
        Command::Dist(args) => dist::run(&args),
        Command::Docs(args) => docs::run(&args),
        Command::Engine(args) => engine::run(&args),
        Command::Proto(args) => proto::run(&args),
        Command::Test(args) => test::run(&args),
    }
}
