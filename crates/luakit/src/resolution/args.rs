//! How references are resolved: the flags of it, and the pins that come of it.

use std::path::PathBuf;

use clap::ValueEnum;
use luakit_frontend::Plan;
use luakit_frontend::lock;
use luakit_frontend::resolve::{Network, Registry, platform_warnings, resolve};
use luakit_llb::{Pins, Reached};

use super::{LockFile, RegistryArgs};
use crate::environment::Environment;
use crate::failure::{Failure, Kind};
use crate::printer::Printer;
use crate::runtime::block_on;
use crate::script::ScriptArgs;

/// How references are resolved.
#[derive(Debug, clap::Args)]
pub(crate) struct ResolutionArgs {
    /// The lock file [default: luakit.lock beside the script]
    #[arg(long, value_name = "FILE")]
    lock: Option<PathBuf>,
    /// Refuse to build what the lock file does not pin
    #[arg(long, conflicts_with = "resolve")]
    locked: bool,
    /// Whether images are resolved: `auto` takes them from the lock file, else from their registries; `never`
    /// leaves every reference as it is written, without what its image's config says
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    resolve: Resolve,
    #[command(flatten)]
    registries: RegistryArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Resolve {
    Auto,
    Never,
}

impl ResolutionArgs {
    /// What the references of a plan mean.
    pub(crate) fn pins(&self, script: &ScriptArgs, plan: &Plan, printer: &Printer) -> Result<Pins, Failure> {
        if self.resolve == Resolve::Never {
            return Ok(Pins::new());
        }
        let reached = plan.reached();
        let file = LockFile::find(self.lock.as_deref(), script);
        let locked = file.read(self.lock.is_some())?.unwrap_or_default();
        if self.locked {
            lock::check(&reached, &locked).map_err(|e| Failure::new(Kind::Script, e.diagnostic()))?;
        }
        let mut pins = lock::select(&reached, &locked);
        if reached
            .images
            .iter()
            .any(|(reference, platform)| pins.image(reference, platform).is_none())
        {
            let registry = self.registries.registry(&Environment::read()?)?;
            pins = block_on(resolve_images(pins, &locked, &reached, &registry))??;
        }
        for warning in platform_warnings(&pins) {
            printer.diagnostic(&warning);
        }
        Ok(pins)
    }
}

/// Adds the images that a lock file lacks. It is given whole: a new platform of a locked image comes from the index
/// that the others came from.
async fn resolve_images(
    mut pins: Pins,
    locked: &Pins,
    reached: &Reached,
    registry: &Registry,
) -> Result<Pins, Failure> {
    let parallel = Network::default().parallel;
    let images = resolve(reached.images.iter().cloned(), locked, registry, parallel).await;
    let images = images.map_err(|e| Failure::several(Kind::Build, e.diagnostics()))?;
    for ((reference, platform), image) in images {
        pins.insert_image(reference, platform, image);
    }
    Ok(pins)
}
