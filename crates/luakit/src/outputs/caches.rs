//! The caches of a build, as the flags name them and the environment completes them.

use std::collections::BTreeMap;
use std::path::Path;

use luakit_buildkit::CacheEntry;
use luakit_buildkit::layout::{LATEST, Layout};

use crate::environment;
use crate::failure::Failure;
use crate::flags::cache::{self, Way};
use crate::printer::Printer;

/// Where cache comes from, and where it goes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct CacheEntries {
    pub(crate) imports: Vec<CacheEntry>,
    pub(crate) exports: Vec<CacheEntry>,
}

impl CacheEntries {
    /// The image carries its cache.
    pub(crate) fn export_inline(&mut self) {
        let inline = CacheEntry {
            kind: "inline".to_owned(),
            attrs: BTreeMap::new(),
        };
        if !self.exports.contains(&inline) {
            self.exports.push(inline);
        }
    }
}

/// Says of caches in S3 that no credentials go along, though there are some: the engine then looks for its own.
pub(super) fn warn_without_credentials(flag: &str, entries: &[CacheEntry], profile: Option<&str>, printer: &Printer) {
    let bare = |entry: &CacheEntry| entry.kind == "s3" && !entry.attrs.contains_key("access_key_id");
    if let Some(profile) = profile
        && entries.iter().any(bare)
    {
        printer.warning(
            "cache-credentials",
            &format!(
                "`{flag} type=s3` goes without credentials: `{profile}` is not read. Set `AWS_ACCESS_KEY_ID` and \
                 `AWS_SECRET_ACCESS_KEY` (`aws configure export-credentials --format env`), or let the engine have its own"
            ),
        );
    }
}

/// Says of local caches that they aren't there, as docker buildx does: the build goes on without. One that this build
/// writes is there the next time.
pub(super) fn warn_missing(flag: &str, entries: &CacheEntries, printer: &Printer) {
    let local = |entry: &&CacheEntry| entry.kind == "local";
    let place = |entry: &CacheEntry, key: &str| entry.attrs.get(key).cloned();
    for entry in entries.imports.iter().filter(local) {
        let Some(dir) = place(entry, "src") else { continue };
        let tag = place(entry, "tag").unwrap_or_else(|| LATEST.to_owned());
        let written = entries.exports.iter().filter(local);
        if written
            .clone()
            .any(|export| place(export, "dest").as_deref() == Some(&dir))
        {
            continue;
        }
        let lack = if !Path::new(&dir).is_dir() {
            "there is no such directory".to_owned()
        } else if entry.attrs.contains_key("digest") || !matches!(Layout::new(&dir).digest(&tag), Ok(None)) {
            continue;
        } else {
            format!("there is no cache `{tag}` in it")
        };
        let message = format!("the local cache `{dir}` of `{flag}` is left out: {lack}");
        printer.warning("missing-cache", &message);
    }
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
