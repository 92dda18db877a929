//! `cargo xtask test`: everything that must hold, in the order in which it fails fastest.
//!
//! Format, lints, unit and golden tests, generated files, docs; then the end-to-end tests on a real engine that is
//! started for them, and what is released. What is missing on the machine is installed first. CI runs this and nothing
//! else.

use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result, anyhow, bail};

use crate::{dist, engine, machine};

/// Run all tests: format, lints, generated files, unit, golden and end-to-end tests, docs.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Leave out the end-to-end tests, which need root and Debian packages for their engine.
    #[arg(long)]
    no_engine: bool,
}

/// What every step chooses: with other packages or features, cargo compiles anew what they stand on.
const EVERYTHING: &[&str] = &["--workspace", "--features", "xtask/docs,xtask/proto"];

/// What needs no engine: a command of cargo's, and what it is given besides.
const QUICK: &[(&str, &str, &[&str])] = &[
    ("lints", "clippy", &["--all-targets", "--", "-D", "warnings"]),
    // Targets that are not tested by themselves are not among all.
    (
        "lints of the engine tests",
        "clippy",
        &["--test", "engine", "--", "-D", "warnings"],
    ),
    (
        "unit and golden tests, the docs' examples, what is generated",
        "test",
        &[],
    ),
    ("docs", "doc", &["--no-deps", "--document-private-items"]),
];

/// What needs one: which of the engine tests run, and how.
const ON_THE_ENGINE: &[(&str, &[&str])] = &[
    ("end-to-end tests", &["--skip", "caches::"]),
    // To forget a step, Docker collects what nobody holds, and takes from builds under way: no other test runs then.
    ("end-to-end tests of caches", &["caches::", "--test-threads=1"]),
];

pub(crate) fn run(args: &Args) -> Result<()> {
    machine::provide_build_tools()?;
    cargo("format", &["fmt", "--all", "--check"])?;
    for (name, command, args) in QUICK {
        cargo(name, &[&[*command], EVERYTHING, *args].concat())?;
    }
    if args.no_engine {
        println!("left out: the end-to-end tests");
        return Ok(());
    }
    std::thread::scope(|scope| {
        // Most of either's time one processor is enough: a binary is optimised as a whole, an engine's images are packed.
        let compiled = scope.spawn(dist::compile);
        engine::while_up(|| {
            let compiled = compiled.join();
            compiled.map_err(|_| anyhow!("what is released could not be compiled"))??;
            for (name, chosen) in ON_THE_ENGINE {
                cargo(
                    name,
                    &[&["test"], EVERYTHING, &["--test", "engine", "--"], *chosen].concat(),
                )?;
            }
            released()
        })
    })
}

/// What ships, which no other test compiles: it is optimised and static.
fn released() -> Result<()> {
    println!("==> what is released: cargo xtask dist");
    let started = Instant::now();
    dist::trial::run()?;
    println!("==> what is released: ok ({:.0} s)", started.elapsed().as_secs_f32());
    Ok(())
}

/// Runs one step, and says how long it took.
fn cargo(name: &str, args: &[&str]) -> Result<()> {
    println!("==> {name}: cargo {}", args.join(" "));
    let started = Instant::now();
    let status = Command::new(env!("CARGO"))
        .args(args)
        .env("RUSTDOCFLAGS", "-D warnings")
        .status()
        .context("cargo can't be started")?;
    if !status.success() {
        bail!("{name}: {status}");
    }
    println!("==> {name}: ok ({:.0} s)", started.elapsed().as_secs_f32());
    Ok(())
}
