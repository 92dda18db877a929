//! Names of steps that say what the steps are for.

use std::collections::HashMap;

use super::read::CUSTOM_NAME;
use super::size::SOLVE_LIMIT;
use super::{Definition, Kind, describe};

/// What a label takes besides a name, in bytes.
const LABEL: usize = 64;

impl Definition {
    /// Digests of all ops that are labelled; of a definition that was marshalled these are all ops.
    pub fn labelled(&self) -> impl Iterator<Item = &str> {
        self.message.metadata.iter().filter_map(|entry| entry.key.as_deref())
    }

    /// Puts `mark`, which begins with a bracket, and another bracket before the names of the steps among those digests:
    /// runs, changes of files, merges and differences. A name that begins with the mark has it already. No digest
    /// changes. A definition that no engine would take then stays as it is.
    pub fn mark_steps(&mut self, mark: &str, wanted: impl Fn(&str) -> bool) {
        let Ok(parsed) = self.read() else { return };
        let mut marked = HashMap::new();
        let mut size = self.size();
        for (vertex, name) in parsed.vertices().iter().zip(parsed.names()) {
            let is_step = matches!(vertex.kind(), Kind::Exec | Kind::File | Kind::Merge | Kind::Diff);
            if is_step && wanted(&vertex.digest) && !name.starts_with(mark) {
                let name = format!("{mark}] {name}");
                size += name.len() + LABEL;
                marked.insert(vertex.digest.clone(), name);
            }
        }
        if size > SOLVE_LIMIT {
            return;
        }
        for entry in &mut self.message.metadata {
            let Some(name) = entry.key.as_deref().and_then(|digest| marked.remove(digest)) else {
                continue;
            };
            describe(entry.value.get_or_insert_default(), CUSTOM_NAME, name);
        }
    }
}
