//! `cargo xtask engine up|down|status`: a real BuildKit for tests, on a machine without one.
//!
//! It owns a state folder ([`place`]) and all that runs from it. Debian's packages are unpacked there
//! ([`packages`]), a Docker daemon and a registry run from them in namespaces of their own ([`daemon`]),
//! base images are made from Debian's packages ([`images`]) and pushed to the registry ([`registry`]).
//! What a namespace cannot hold (a bridge, cgroups, emulators) is in [`footprint`], and `down` removes it.
//! Nothing is installed on the machine. `docs/contributing/test-engine.md` is the reader's account.

mod daemon;
mod footprint;
mod images;
mod packages;
mod place;
mod process;
mod registry;

use std::fs::{self, File};
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use clap::Subcommand;
use luakit_testkit::engine::{Engine, FACTS_FILE, Facts, state_folder};

use place::Place;

/// A real engine for tests: a Docker daemon with its BuildKit, and a registry of base images.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The state folder [default: `$LUAKIT_TEST_ENGINE`, else `target/engine`].
    #[arg(long, global = true, value_name = "DIR")]
    dir: Option<PathBuf>,

    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Start the engine, making what it lacks; prints the environment to use.
    Up,
    /// Stop the engine and leave the machine as it was.
    Down {
        /// Also remove the unpacked packages and the made images.
        #[arg(long)]
        purge: bool,
    },
    /// Say what runs, and which images it serves.
    Status,
}

/// Runs one action on the engine of a state folder.
pub(crate) fn run(args: &Args) -> Result<()> {
    let folder = args.dir.clone().unwrap_or_else(state_folder);
    match args.action {
        Action::Up => {
            let place = Place::make(&folder)?;
            let _lock = lock(&place)?;
            up(&place)
        }
        Action::Down { purge } => {
            if !folder.exists() {
                println!("nothing to stop: `{}` does not exist", folder.display());
                return Ok(());
            }
            let place = Place::make(&folder)?;
            let _lock = lock(&place)?;
            down(&place, purge)
        }
        Action::Status => status(&folder),
    }
}

/// Has an engine run while `work` does: one that runs already is left running, one that is started is stopped.
pub(crate) fn while_up(work: impl FnOnce() -> Result<()>) -> Result<()> {
    let place = Place::make(&state_folder())?;
    let ran = daemon::pid(&place).is_some();
    {
        let _lock = lock(&place)?;
        up(&place)?;
    }
    let outcome = work();
    if !ran {
        let _lock = lock(&place)?;
        down(&place, false)?;
    }
    outcome
}

fn up(place: &Place) -> Result<()> {
    let started = Instant::now();
    process::require_root()?;
    if let Ok(engine) = Engine::at(&place.root)
        && daemon::pid(place).is_some()
    {
        println!("the engine is running already");
        return serve_images(place, engine.facts().clone());
    }
    // Whatever a killed run left behind goes before anything new is made.
    daemon::stop(place)?;
    let tools = packages::unpack_tools(place, &packages::Apt::prepare(place)?)?;
    let facts = daemon::start(place, &tools)?;
    match serve_images(place, facts) {
        Ok(()) => {
            println!("\nup in {:.1} s", started.elapsed().as_secs_f32());
            Ok(())
        }
        Err(why) => {
            daemon::stop(place)?;
            Err(why)
        }
    }
}

/// Makes and pushes what the recipes have and the engine lacks; only then is the engine announced.
fn serve_images(place: &Place, mut facts: Facts) -> Result<()> {
    let apt = packages::Apt::prepare(place)?;
    let tools = packages::unpack_tools(place, &apt)?;
    facts.images =
        images::provide(place, &apt, &tools, &facts.registry).context("the base images could not be made")?;
    write_facts(place, &facts)?;
    print_environment(place, &facts);
    Ok(())
}

fn down(place: &Place, purge: bool) -> Result<()> {
    let ran = daemon::pid(place).is_some();
    daemon::stop(place)?;
    println!(
        "{}",
        if ran {
            "the engine is down"
        } else {
            "the engine was not running"
        }
    );
    if purge {
        fs::remove_dir_all(&place.root).with_context(|| format!("cannot remove `{}`", place.root.display()))?;
        println!("removed `{}`", place.root.display());
    }
    Ok(())
}

fn status(folder: &std::path::Path) -> Result<()> {
    let engine = match Engine::at(folder) {
        Ok(engine) => engine,
        Err(why) => bail!("{why}"),
    };
    let place = Place::make(folder)?;
    print_environment(&place, engine.facts());
    println!("\nimages");
    for image in &engine.facts().images {
        println!(
            "  {:55} {}  {}",
            image.reference,
            image.digest,
            image.platforms.join(",")
        );
    }
    Ok(())
}

fn print_environment(place: &Place, facts: &Facts) {
    println!(
        "  docker    {} (BuildKit inside, containerd image store)",
        facts.version
    );
    println!(
        "            with a graph driver: unix://{}",
        facts.graph_socket.display()
    );
    println!(
        "  registry  http://{} (also as {})",
        facts.registry,
        facts.mirrored.join(", ")
    );
    println!("  images    {}", facts.images.len());
    println!("  runs      {}", facts.runs.join(", "));
    println!("  client    {}", facts.docker_cli.display());
    println!("\n  export DOCKER_HOST={}", facts.docker_host);
    println!("  export DOCKER_CONFIG={}", facts.docker_config.display());
    println!(
        "  export {}={}",
        luakit_testkit::engine::STATE_VARIABLE,
        place.root.display()
    );
}

/// Written last, and whole: a test that sees the file finds everything it names.
fn write_facts(place: &Place, facts: &Facts) -> Result<()> {
    let file = place.root.join(FACTS_FILE);
    let partial = file.with_extension("partial");
    fs::write(&partial, serde_json::to_vec_pretty(facts)?)?;
    fs::rename(&partial, &file).with_context(|| format!("cannot write `{}`", file.display()))
}

/// One `up` or `down` at a time for a state folder.
fn lock(place: &Place) -> Result<File> {
    let path = place.root.join("lock");
    let file = File::create(&path).with_context(|| format!("cannot write `{}`", path.display()))?;
    file.lock()
        .with_context(|| format!("cannot lock `{}`", path.display()))?;
    Ok(file)
}
