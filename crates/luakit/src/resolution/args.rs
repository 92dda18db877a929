//! How references are resolved: the flags of it, and the pins that come of it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::ValueEnum;
use luakit_buildkit::ContentStore;
use luakit_frontend::resolve::{Network, complete};
use luakit_frontend::{Plan, References, lock};
use luakit_llb::Pins;

use super::{LockFile, RegistryArgs, layouts};
use crate::environment::Environment;
use crate::failure::{Failure, Kind};
use crate::printer::Printer;
use crate::runtime::block_on;
use crate::script::ScriptArgs;

/// How references are resolved.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Images and the lock file")]
pub(crate) struct ResolutionArgs {
    /// The lock file [default: luakit.lock beside the script]
    #[arg(long, value_name = "FILE")]
    lock: Option<PathBuf>,
    /// Refuse to build what the lock file does not pin
    #[arg(long, conflicts_with = "resolve")]
    locked: bool,
    /// Whether images are resolved: `auto` takes them from the lock file, else asks the engine, or their registries when
    /// a definition is written; `never` leaves every reference as it is written, without what its image's config says
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    resolve: Resolve,
    #[command(flatten)]
    pub(crate) registries: RegistryArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Resolve {
    Auto,
    Never,
}

impl ResolutionArgs {
    /// What the references of a plan mean where an engine looks up what the lock file doesn't pin. `stores` are the
    /// layouts that the build offers.
    pub(crate) fn references(
        &self,
        script: &ScriptArgs,
        plan: &Plan,
        stores: &BTreeMap<String, ContentStore>,
    ) -> Result<References, Failure> {
        if self.resolve == Resolve::Never {
            return Ok(References::AsWritten);
        }
        let mut pins = self.lock_file(script, plan)?;
        layouts::note(plan, stores, &mut pins)?;
        Ok(References::Resolved(pins))
    }

    /// What the lock file pins, which must be all of the plan if it is to be `locked`.
    fn lock_file(&self, script: &ScriptArgs, plan: &Plan) -> Result<Pins, Failure> {
        let file = LockFile::find(self.lock.as_deref(), script);
        let locked = file.read(self.lock.is_some())?.unwrap_or_default();
        if self.locked {
            lock::check(&plan.reached(), &locked).map_err(|e| Failure::new(Kind::Script, plan.unlocked(&e)))?;
        }
        Ok(locked)
    }

    /// What the references of a plan mean. `stores` are the layouts that are known.
    pub(crate) fn pins(
        &self,
        script: &ScriptArgs,
        plan: &Plan,
        stores: &BTreeMap<String, ContentStore>,
        environment: &Environment,
        printer: &Printer,
    ) -> Result<Pins, Failure> {
        if self.resolve == Resolve::Never {
            return Ok(Pins::new());
        }
        let locked = self.lock_file(script, plan)?;
        let reached = plan.reached();
        let mut pins = lock::select(&reached, &locked);
        if reached
            .images
            .iter()
            .any(|(reference, platform)| pins.image(reference, platform).is_none())
        {
            let registry = self.registries.registry(environment)?;
            let parallel = Network::default().parallel;
            let completed = block_on(complete(pins, &locked, &reached, &registry, parallel))?;
            pins = completed.map_err(|e| Failure::several(Kind::Build, plan.unresolved(&e)))?;
        }
        layouts::note(plan, stores, &mut pins)?;
        for warning in plan.image_warnings(&pins) {
            printer.diagnostic(&warning);
        }
        Ok(pins)
    }
}
