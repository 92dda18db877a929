//! The texts that Lua code was made of, by the name that Lua knows each by.
//!
//! Lua tells where code stands by its chunk's name and a line. So every text that becomes code is kept
//! here under a name of its own: the script, its modules, and what `load` was given. A text becomes a
//! file of the graph when the first call site points into it.

use std::collections::HashMap;
use std::sync::Arc;

use luakit_diagnostic::SourceFile;
use luakit_llb::graph::{FileId, Graph, SourceText};

/// The texts of an evaluation.
#[derive(Debug, Default)]
pub(crate) struct Chunks {
    by_name: HashMap<String, Chunk>,
    /// By the name asked for, then by the text: the name it got.
    names: HashMap<String, HashMap<Arc<[u8]>, String>>,
}

#[derive(Debug)]
struct Chunk {
    data: Arc<[u8]>,
    file: Option<FileId>,
    /// Whether it is of Luakit's own library.
    library: bool,
}

impl Chunks {
    /// Keeps a text, and gives the name to load it under: the one asked for, unless that is another
    /// text's.
    pub(crate) fn add(&mut self, name: &str, data: Arc<[u8]>) -> String {
        let texts = self.names.entry(name.to_owned()).or_default();
        if let Some(own) = texts.get(&data) {
            return own.clone();
        }
        let mut own = name.to_owned();
        let mut count = texts.len();
        while self.by_name.contains_key(&own) {
            count += 1;
            own = format!("{name} #{count}");
        }
        texts.insert(Arc::clone(&data), own.clone());
        let chunk = Chunk {
            data,
            file: None,
            library: false,
        };
        self.by_name.insert(own.clone(), chunk);
        own
    }

    /// Keeps a text of Luakit's own library.
    pub(crate) fn add_library(&mut self, name: &str, data: Arc<[u8]>) -> String {
        let own = self.add(name, data);
        if let Some(chunk) = self.by_name.get_mut(&own) {
            chunk.library = true;
        }
        own
    }

    /// Whether the text of that name is of Luakit's own library.
    pub(crate) fn is_library(&self, name: &str) -> bool {
        self.by_name.get(name).is_some_and(|chunk| chunk.library)
    }

    /// The text of that name as a file of the graph.
    pub(crate) fn file(&mut self, name: &str, graph: &mut Graph) -> Option<FileId> {
        let chunk = self.by_name.get_mut(name)?;
        if chunk.file.is_none() {
            chunk.file = Some(graph.add_file(SourceText {
                name: name.to_owned(),
                data: Arc::clone(&chunk.data),
            }));
        }
        chunk.file
    }

    /// Whether there is a text of that name.
    pub(crate) fn contains(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    /// Splits `NAME:LINE: message` where the name is a text's.
    pub(crate) fn split_place<'t>(&self, text: &'t str) -> Option<(&'t str, u32, &'t str)> {
        text.match_indices(':').take(64).find_map(|(at, _)| {
            let (name, rest) = text.split_at_checked(at)?;
            let (line, message) = rest.strip_prefix(':')?.split_once(": ")?;
            let line = line.parse().ok().filter(|_| self.contains(name))?;
            Some((name, line, message))
        })
    }

    /// The text of that name, to point into.
    pub(crate) fn source(&self, name: &str) -> Option<Arc<SourceFile>> {
        let chunk = self.by_name.get(name)?;
        Some(SourceFile::new(name, Arc::clone(&chunk.data)))
    }
}
