//! What is released, tried on the test engine: the image starts in an empty container, without a network, as its own
//! user, and builds a script whose first line names it.

use std::process::Command;

use anyhow::{Context as _, Result, anyhow, ensure};
use luakit_testkit::engine::{Engine, state_folder};

use super::Args;

/// A build that needs no other image.
const SCRIPT: &str = "bk.export(bk.scratch():mkfile(\"/said\", bk.read_file(\"words\")))\n";

/// Makes everything for this machine's platform, runs the image, and has it build.
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
    build(&engine, &image)
}

/// A build by the image, as its users write it.
fn build(engine: &Engine, image: &str) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("build.lua"), format!("# syntax={image}\n{SCRIPT}"))?;
    std::fs::write(path("words"), "built by what is released")?;
    let (script, dest) = (path("build.lua").display().to_string(), path("out"));
    let output = format!("type=local,dest={}", dest.display());
    let context = folder.path().display().to_string();
    docker(engine, &["buildx", "build", "-f", &script, "-o", &output, &context])?;
    let said = std::fs::read_to_string(dest.join("said")).context("the build gives no file")?;
    println!("as a frontend: {said}");
    ensure!(
        said == "built by what is released",
        "the frontend builds something else"
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
