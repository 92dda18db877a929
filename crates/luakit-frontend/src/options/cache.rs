//! Caches: what is done again, and where results come from.

use std::collections::BTreeMap;

use serde_json::Value;

use super::OptionError;
use super::given::Given;
use crate::plan::NoCacheFor;

/// A cache to import from. Its attributes may hold secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct CacheImport {
    /// What kind of cache, as `registry`.
    pub kind: String,
    /// What it takes.
    pub attrs: BTreeMap<String, String>,
}

impl std::fmt::Debug for CacheImport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let keys: Vec<&String> = self.attrs.keys().collect();
        f.debug_struct("CacheImport")
            .field("kind", &self.kind)
            .field("attrs", &keys)
            .finish()
    }
}

/// Present and empty is everything.
pub(super) fn no_cache(given: Given<'_>) -> NoCacheFor {
    match given.even_empty("no-cache") {
        None => NoCacheFor::Script,
        Some("") => NoCacheFor::Everything,
        Some(names) => {
            let names = names.split(',').filter(|name| !name.is_empty());
            NoCacheFor::Targets(names.map(str::to_owned).collect())
        }
    }
}

/// The caches of `cache-imports`, then those of `cache-from`, its older form.
pub(super) fn imports(given: Given<'_>) -> Result<Vec<CacheImport>, OptionError> {
    let option = "cache-imports";
    let mut imports = match given.get(option) {
        Some(json) => read_imports(json).map_err(|why| OptionError::secret(option, why))?,
        None => Vec::new(),
    };
    let references = given.get("cache-from").unwrap_or_default().split(',');
    imports.extend(
        references
            .filter(|reference| !reference.is_empty())
            .map(|reference| CacheImport {
                kind: "registry".to_owned(),
                attrs: BTreeMap::from([("ref".to_owned(), reference.to_owned())]),
            }),
    );
    Ok(imports)
}

/// `[{"Type": "registry", "Attrs": {"ref": "…"}}]`. What stands there may be secret, so errors don't quote it.
fn read_imports(json: &str) -> Result<Vec<CacheImport>, &'static str> {
    const FORM: &str = "it must be JSON, as `[{\"Type\":\"registry\",\"Attrs\":{\"ref\":\"…\"}}]`";
    let entries = match serde_json::from_str(json) {
        Ok(Value::Array(entries)) => entries,
        Ok(Value::Null) => return Ok(Vec::new()),
        _ => return Err(FORM),
    };
    entries.iter().map(|entry| read_import(entry).ok_or(FORM)).collect()
}

fn read_import(entry: &Value) -> Option<CacheImport> {
    let entry = entry.as_object()?;
    // Go's JSON doesn't mind the case of names.
    let member = |name: &str| {
        entry
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    };
    let attrs = match member("attrs") {
        None | Some(Value::Null) => BTreeMap::new(),
        Some(attrs) => {
            let attrs = attrs.as_object()?.iter();
            attrs
                .map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
                .collect::<Option<_>>()?
        }
    };
    Some(CacheImport {
        kind: member("type")?.as_str().filter(|kind| !kind.is_empty())?.to_owned(),
        attrs,
    })
}
