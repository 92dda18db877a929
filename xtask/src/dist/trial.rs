//! What is released, tried on the test engine: the image starts in an empty container, without a network, as its own
//! user.

use std::process::Command;

use anyhow::{Context as _, Result, anyhow, ensure};
use luakit_testkit::engine::{Engine, state_folder};

use super::Args;

/// Makes everything for this machine's platform, and runs the image.
pub(crate) fn run() -> Result<()> {
    let engine = Engine::at(&state_folder()).map_err(|why| anyhow!("{why}"))?;
    let image = format!("{}/luakit-test/released:latest", engine.registry());
    super::run(&Args {
        platform: Vec::new(),
        tag: Vec::new(),
        push: vec![image.clone()],
        no_image: false,
        verify: false,
    })?;
    let run = ["run", "--rm", "--pull=always", "--network=none", "--read-only"];
    let said = docker(
        &engine,
        &[&run[..], &["--entrypoint=/luakit", &image, "version"]].concat(),
    )?;
    println!("in an empty container: {}", said.trim_end());
    ensure!(
        said.contains(env!("CARGO_PKG_VERSION")),
        "`luakit version` says something else in a container"
    );
    Ok(())
}

/// What `docker` prints, when it succeeds.
fn docker(engine: &Engine, args: &[&str]) -> Result<String> {
    let facts = engine.facts();
    let output = Command::new(&facts.docker_cli)
        .args(args)
        .env("DOCKER_HOST", &facts.docker_host)
        .env("DOCKER_CONFIG", &facts.docker_config)
        .output()
        .context("docker can't be started")?;
    ensure!(
        output.status.success(),
        "docker {}: {}",
        args.join(" "),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
