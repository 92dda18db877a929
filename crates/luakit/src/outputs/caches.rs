//! The caches of a build, as the flags name them and the environment completes them.

use luakit_buildkit::CacheEntry;

use crate::environment;
use crate::failure::Failure;
use crate::flags::cache::{self, Caches, Way};

/// Where cache comes from, and where it goes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct CacheEntries {
    pub(crate) imports: Vec<CacheEntry>,
    pub(crate) exports: Vec<CacheEntry>,
}

/// Collects them. `incomplete` is told what one lacks, and may refuse it; else it is left out.
pub(super) fn collect(
    from: &[Caches],
    to: &[Caches],
    incomplete: impl Fn(Way, &str) -> Result<(), Failure>,
) -> Result<CacheEntries, Failure> {
    let variable = |name: &str| environment::variable(name)?.into_string().ok();
    let complete = |way: Way, flags: &[Caches]| {
        let mut entries = Vec::new();
        for mut entry in flags.iter().flat_map(|caches| caches.0.iter().cloned()) {
            cache::complete(&mut entry, variable);
            match cache::lacks(&entry) {
                Some(lack) => incomplete(way, lack)?,
                None => entries.push(entry),
            }
        }
        Ok(entries)
    };
    Ok(CacheEntries {
        imports: complete(Way::From, from)?,
        exports: complete(Way::To, to)?,
    })
}
