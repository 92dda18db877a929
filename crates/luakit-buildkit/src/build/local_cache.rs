//! Caches in directories of the client: image layouts that the engine reads and writes through the session.
//!
//! The engine knows such a directory by its path, as the entry's `src` or `dest` has it, and a cache in it by
//! digest alone: the client looks that up in the layout's index by the entry's `tag`, and notes it there after
//! the build. A cache that isn't there yet is none to import, as with every client of BuildKit. Attributes:
//! <https://github.com/moby/buildkit#local-directory-1>.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::CacheEntry;
use crate::error::BuildError;
use crate::layout::{EntryName, LATEST, Layout};
use crate::session::content::ContentStore;

const LOCAL: &str = "local";

/// What is to be noted once the build has succeeded: directories, and what a cache is called in each.
#[derive(Debug, Default)]
pub(super) struct Written(Vec<(PathBuf, String)>);

/// Gives local imports their digests, leaves out those that aren't there, and adds the stores that imports and
/// exports need.
pub(super) fn attach(
    imports: &mut Vec<CacheEntry>,
    exports: &[CacheEntry],
    stores: &mut BTreeMap<String, ContentStore>,
) -> Result<Written, BuildError> {
    let mut kept = Vec::with_capacity(imports.len());
    for mut entry in std::mem::take(imports) {
        if entry.kind == LOCAL {
            let (dir, tag) = place(&entry, "src")?;
            if !entry.attrs.contains_key("digest") {
                let Some(digest) = Layout::new(&dir).digest(&tag)? else {
                    continue;
                };
                entry.attrs.insert("digest".to_owned(), digest);
            }
            if !Path::new(&dir).is_dir() {
                continue;
            }
            add(stores, dir, false);
        }
        kept.push(entry);
    }
    *imports = kept;
    let mut written = Written::default();
    for entry in exports.iter().filter(|entry| entry.kind == LOCAL) {
        let (dir, tag) = place(entry, "dest")?;
        written.0.push((PathBuf::from(&dir), tag));
        add(stores, dir, true);
    }
    Ok(written)
}

/// The directory of an entry, as it is written, and its tag.
fn place(entry: &CacheEntry, key: &str) -> Result<(String, String), BuildError> {
    let dir = entry.attrs.get(key).filter(|dir| !dir.is_empty());
    let dir = dir.ok_or_else(|| BuildError::Request(format!("a local cache needs `{key}`, its directory")))?;
    let tag = entry.attrs.get("tag").map_or(LATEST, String::as_str);
    Ok((dir.clone(), tag.to_owned()))
}

/// One store serves a directory that is both read and written.
fn add(stores: &mut BTreeMap<String, ContentStore>, dir: String, writable: bool) {
    let store = stores.entry(format!("local:{dir}")).or_insert(ContentStore {
        dir: dir.into(),
        writable,
    });
    store.writable |= writable;
}

impl Written {
    /// Notes the cache that `response` tells of. An engine that wrote none says nothing.
    pub(super) async fn note(&self, response: &BTreeMap<String, String>) -> Result<(), BuildError> {
        if let Some(descriptor) = response.get("cache.manifest") {
            for (dir, tag) in &self.0 {
                let name = EntryName::Tag(tag.clone());
                Layout::new(dir).put(descriptor, &[name]).await?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(kind: &str, attrs: &[(&str, &str)]) -> CacheEntry {
        CacheEntry {
            kind: kind.to_owned(),
            attrs: attrs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        }
    }

    #[tokio::test]
    async fn a_cache_is_found_again_by_its_tag() {
        let outer = tempfile::tempdir().unwrap();
        let dir = outer.path().join("cache");
        let path = dir.to_str().unwrap();
        let other = entry("registry", &[("ref", "x")]);
        let mut imports = vec![entry("local", &[("src", path)]), other.clone()];
        let exports = [entry("local", &[("dest", path), ("tag", "main")]), other.clone()];
        let mut stores = BTreeMap::new();
        let written = attach(&mut imports, &exports, &mut stores).unwrap();
        assert_eq!(imports, std::slice::from_ref(&other), "there is nothing to import yet");
        let store = ContentStore {
            dir: dir.clone(),
            writable: true,
        };
        assert_eq!(stores, BTreeMap::from([(format!("local:{path}"), store)]));

        std::fs::create_dir(&dir).unwrap();
        let response = r#"{"digest":"sha256:1","size":1}"#;
        written
            .note(&BTreeMap::from([("cache.manifest".to_owned(), response.to_owned())]))
            .await
            .unwrap();
        let mut imports = vec![
            entry("local", &[("src", path), ("tag", "main")]),
            entry("local", &[("src", path)]),
        ];
        let mut stores = BTreeMap::new();
        attach(&mut imports, &[], &mut stores).unwrap();
        let digests: Vec<_> = imports.iter().filter_map(|i| i.attrs.get("digest")).collect();
        assert_eq!(digests, ["sha256:1"], "the other tag isn't there");
        assert!(!stores[&format!("local:{path}")].writable);
        let nowhere = attach(&mut vec![entry("local", &[])], &[], &mut stores).unwrap_err();
        assert_eq!(nowhere.to_string(), "a local cache needs `src`, its directory");
    }
}
