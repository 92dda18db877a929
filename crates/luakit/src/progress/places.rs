//! Where in the scripts each step comes from, as `build.lua:12`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use luakit_llb::Definition;

/// Places by the digest of a step. Definitions may be added while a display reads it: some are only made during the
/// build.
#[derive(Debug, Clone, Default)]
pub(crate) struct Places(Arc<Mutex<HashMap<String, String>>>);

impl Places {
    /// Adds what a definition's source map says: of each step the innermost call.
    pub(crate) fn add(&self, definition: &Definition) {
        let Some(source) = &definition.message().source else {
            return;
        };
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for entry in &source.locations {
            let location = entry.value.iter().flat_map(|value| &value.locations).next();
            let place = location.and_then(|location| {
                let info = source.infos.get(usize::try_from(location.source_index).ok()?)?;
                let line = location.ranges.first()?.start.as_ref()?.line;
                Some(format!("{}:{line}", info.filename))
            });
            if let (Some(digest), Some(place)) = (&entry.key, place) {
                places.entry(digest.clone()).or_insert(place);
            }
        }
    }

    /// The place of a step.
    pub(crate) fn get(&self, digest: &str) -> Option<String> {
        let places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        places.get(digest).cloned()
    }
}
