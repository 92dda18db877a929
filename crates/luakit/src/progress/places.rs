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
        self.add_as(definition, str::to_owned);
    }

    /// The same where steps are shown with other digests.
    pub(crate) fn add_as(&self, definition: &Definition, shown: impl Fn(&str) -> String) {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (digest, found) in definition.sources() {
            if let Some(place) = found.first() {
                let place = || format!("{}:{}", place.file, place.line);
                places.entry(shown(digest)).or_insert_with(place);
            }
        }
    }

    /// The place of a step.
    pub(crate) fn get(&self, digest: &str) -> Option<String> {
        let places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        places.get(digest).cloned()
    }
}
