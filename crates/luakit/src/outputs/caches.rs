//! The caches of a build, as the flags name them and the environment completes them.

use luakit_buildkit::CacheEntry;

use crate::environment;
use crate::failure::Failure;
use crate::flags::cache::{self, Way};

/// Where cache comes from, and where it goes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct CacheEntries {
    pub(crate) imports: Vec<CacheEntry>,
    pub(crate) exports: Vec<CacheEntry>,
}

/// Reads the values of a flag. They may hold secrets, so errors don't repeat them.
pub(super) fn read(flag: &str, way: Way, values: &[String]) -> Result<Vec<CacheEntry>, Failure> {
    let variable = |name: &str| environment::variable(name)?.into_string().ok();
    let mut entries = Vec::new();
    for value in values {
        let read = cache::parse(way, value);
        entries.extend(read.map_err(|e| Failure::usage(format!("`{flag}`: {e}")))?);
    }
    for entry in &mut entries {
        cache::complete(entry, variable);
    }
    Ok(entries)
}
