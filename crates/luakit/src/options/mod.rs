//! The flags of `build` that change what is built: run options, caches passed by, named contexts, times.
//!
//! They become settings that definitions are marshalled with and contexts that scripts are evaluated with; a script
//! itself never sees them.

pub(crate) mod arguments;
mod cache;
pub(crate) mod consent;
mod contexts;
pub(crate) mod epoch;
mod run;

use std::collections::BTreeMap;

use luakit_buildkit::Worker;
use luakit_frontend::plan::{MarshalSettings, NoCacheFor};

pub(crate) use contexts::Contexts;

use crate::failure::Failure;

/// What changes a build without its script.
#[derive(Debug, clap::Args)]
pub(crate) struct BuildOptions {
    #[command(flatten)]
    run: run::RunArgs,
    #[command(flatten)]
    cache: cache::CacheArgs,
    #[command(flatten)]
    contexts: contexts::ContextArgs,
}

impl BuildOptions {
    /// Adds what they say to what definitions are marshalled with, and the build arguments that say more than a script
    /// reads. `workers` are the engine's, where there is one.
    pub(crate) fn apply(
        &self,
        settings: &mut MarshalSettings,
        args: &BTreeMap<String, String>,
        workers: Option<&[Worker]>,
    ) -> Result<(), Failure> {
        settings.run_defaults = self.run.defaults(workers)?;
        settings.run_defaults.hostname = args.get(arguments::HOSTNAME).filter(|name| !name.is_empty()).cloned();
        settings.no_cache = self.cache.no_cache();
        settings.resolve_mode = self.cache.resolve_mode();
        Ok(())
    }

    /// Whether what they say depends on the engine's workers.
    pub(crate) fn need_workers(&self) -> bool {
        self.run.names_gateway()
    }

    /// The names of the targets whose cache is passed by.
    pub(crate) fn no_cache_targets(&self) -> &[String] {
        &self.cache.no_cache_filter
    }

    /// Whether everything is done again.
    pub(crate) fn no_cache(&self) -> bool {
        self.cache.no_cache() == NoCacheFor::Everything
    }

    /// Whether images are looked up anew.
    pub(crate) fn pull(&self) -> bool {
        self.cache.pull
    }

    /// What the flags alone allow the build: who writes `--network=host` means it.
    pub(crate) fn entitlement(&self) -> Option<&'static str> {
        self.run.wants_host().then_some("network.host")
    }

    /// What takes the place of images and directories.
    pub(crate) fn contexts(&self) -> Result<Contexts, Failure> {
        self.contexts.read()
    }
}
