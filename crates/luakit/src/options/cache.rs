//! Caches that are passed by.

use clap::ArgAction;
use luakit_frontend::plan::NoCacheFor;
use luakit_llb::op::ResolveMode;

use crate::flags::switch;

/// What is done again.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Cache")]
pub(super) struct CacheArgs {
    /// Run and copy everything again, cached or not
    #[arg(long, value_name = "BOOL", action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_value = "false", hide_default_value = true, default_missing_value = "true", value_parser = switch::parse, conflicts_with = "no_cache_filter")]
    no_cache: bool,
    /// The same for these targets alone, separated by commas; what they share with other targets that they are built
    /// on stays cached
    #[arg(long, value_name = "TARGET", value_delimiter = ',')]
    pub(super) no_cache_filter: Vec<String>,
    /// Ask registries for images though Docker has some of these names, or the engine has copies of them
    #[arg(long, value_name = "BOOL", action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_value = "false", hide_default_value = true, default_missing_value = "true", value_parser = switch::parse)]
    pub(super) pull: bool,
}

impl CacheArgs {
    pub(super) fn resolve_mode(&self) -> ResolveMode {
        if self.pull {
            ResolveMode::ForcePull
        } else {
            ResolveMode::Default
        }
    }

    pub(super) fn no_cache(&self) -> NoCacheFor {
        match (self.no_cache, self.no_cache_filter.as_slice()) {
            (true, _) => NoCacheFor::Everything,
            (false, []) => NoCacheFor::Script,
            (false, targets) => NoCacheFor::Targets(targets.to_vec()),
        }
    }
}
