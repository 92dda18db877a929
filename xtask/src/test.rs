//! `cargo xtask test`: everything that must hold, in the order in which it fails fastest.
//!
//! Format, lints, generated files, unit and golden tests, docs; then the end-to-end tests on a real engine
//! that is started for them, and what is released. What is missing on the machine is installed first. CI runs this and
//! nothing else.

use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};

use crate::{dist, engine, machine};

/// Run all tests: format, lints, generated files, unit, golden and end-to-end tests, docs.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Leave out the end-to-end tests, which need root and Debian packages for their engine.
    #[arg(long)]
    no_engine: bool,
}

/// What needs no engine.
const QUICK: &[(&str, &[&str])] = &[
    ("format", &["fmt", "--all", "--check"]),
    (
        "lints",
        &[
            "clippy",
            "--workspace",
            "--all-targets",
            "--features",
            "luakit/engine-tests,luakit-buildkit/engine-tests,luakit-testkit/engine-tests,xtask/docs",
            "--",
            "-D",
            "warnings",
        ],
    ),
    (
        "generated protobuf code",
        &["run", "--quiet", "-p", "xtask", "--", "proto", "--check"],
    ),
    (
        "generated docs and stubs",
        &["run", "--quiet", "-p", "xtask", "--", "docs", "--check"],
    ),
    (
        "unit and golden tests, the docs' examples",
        &["test", "--workspace", "--features", "xtask/docs"],
    ),
    ("docs", &["doc", "--workspace", "--no-deps", "--document-private-items"]),
];

/// What needs one: the tests of a package, as they are chosen and run.
const ON_THE_ENGINE: &[(&str, &str, &[&str])] = &[
    ("the engine itself", "luakit-testkit", &[]),
    ("client tests on the engine", "luakit-buildkit", &[]),
    ("end-to-end tests", "luakit", &["--skip", "caches::"]),
    // To forget a step, Docker collects what nobody holds, and takes from builds under way: no other test runs then.
    (
        "end-to-end tests of caches",
        "luakit",
        &["caches::", "--test-threads=1"],
    ),
];

pub(crate) fn run(args: &Args) -> Result<()> {
    machine::provide_build_tools()?;
    for (name, args) in QUICK {
        cargo(name, args)?;
    }
    if args.no_engine {
        println!("left out: the end-to-end tests");
        return Ok(());
    }
    engine::while_up(|| {
        for (name, package, chosen) in ON_THE_ENGINE {
            let engine = [
                "test",
                "-p",
                package,
                "--features",
                "engine-tests",
                "--test",
                "engine",
                "--",
            ];
            cargo(name, &[&engine, *chosen].concat())?;
        }
        released()
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
