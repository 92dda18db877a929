//! `cargo xtask demo`: a real image from a real script, on a real engine.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, anyhow, bail};
use luakit_testkit::engine::{Engine, state_folder};

use crate::{engine, machine};

/// Build a real image from a real script, and run it.
#[derive(clap::Args)]
pub(crate) struct Args {}

const EXAMPLE: &str = "examples/hello";

pub(crate) fn run(_args: &Args) -> Result<()> {
    machine::provide_build_tools()?;
    check(Command::new(env!("CARGO")).args(["build", "--package", "luakit"]))?;
    engine::while_up(build_and_run)
}

fn build_and_run() -> Result<()> {
    let engine = Engine::at(&state_folder()).map_err(|why| anyhow!("{why}"))?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let luakit = root.join("target/debug/luakit");
    let example = root.join(EXAMPLE);
    let registries = tempfile::NamedTempFile::new()?;
    std::fs::write(registries.path(), engine.registries_toml())?;

    println!("\n$ cd {EXAMPLE}");
    println!("$ luakit build | luakit solve --local context=. -t hello");
    let mut build = Command::new(&luakit)
        .args(["build", "--registry-config"])
        .arg(registries.path())
        .current_dir(&example)
        .stdout(Stdio::piped())
        .spawn()
        .context("luakit can't be started")?;
    let definition = build.stdout.take().context("luakit build has no output")?;
    let facts = engine.facts();
    check(
        Command::new(&luakit)
            .args(["solve", "--local", "context=.", "-t", "hello"])
            .current_dir(&example)
            .env("DOCKER_HOST", &facts.docker_host)
            .stdin(definition),
    )?;
    if !build.wait()?.success() {
        bail!("luakit build failed");
    }
    println!("\n$ docker run --rm hello");
    check(
        Command::new(&facts.docker_cli)
            .args(["run", "--rm", "hello"])
            .env("DOCKER_HOST", &facts.docker_host)
            .env("DOCKER_CONFIG", &facts.docker_config),
    )
}

fn check(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("{command:?} can't be started"))?;
    if !status.success() {
        bail!("{command:?}: {status}");
    }
    Ok(())
}
