//! What a step works on, for telling people why it failed: the paths of its file actions, and where they come from.
//!
//! Engines say which path was missing, and not of what. Anything that can't be read is left out, since what the engine
//! says stands without it.

use luakit_proto::pb;
use luakit_proto::pb::file_action::Action;

use super::Definition;
use super::read::{Parsed, Vertex};

/// One action of a file step, with its path as the definition has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileDeed {
    /// Copies a path of something else.
    Copy {
        /// The path, or a pattern.
        path: String,
        /// What it is a path of.
        from: Origin,
    },
    /// Makes a directory.
    MakeDir(String),
    /// Removes a path.
    Remove(String),
}

/// Where files come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A local directory.
    Local {
        /// Its name.
        name: String,
        /// The patterns of what isn't sent of it.
        exclude: Vec<String>,
    },
    /// Any other source, by its identifier: `docker-image://…`, `git://…`, `https://…`.
    Source(String),
    /// Another step, by its name.
    Step(String),
    /// Nothing: the empty filesystem.
    Scratch,
}

impl Definition {
    /// The actions of a file step; none of a step that is no such.
    pub fn file_deeds(&self, digest: &str) -> Vec<FileDeed> {
        let Ok(parsed) = self.read() else { return Vec::new() };
        let Some(vertex) = parsed.vertices().iter().find(|vertex| vertex.digest == digest) else {
            return Vec::new();
        };
        match &vertex.op.op {
            Some(pb::op::Op::File(file)) => {
                let deeds = file.actions.iter().filter_map(|action| deed(&parsed, vertex, action));
                deeds.collect()
            }
            _ => Vec::new(),
        }
    }

    /// The identifier of a source.
    pub fn source_identifier(&self, digest: &str) -> Option<String> {
        let parsed = self.read().ok()?;
        let vertex = parsed.vertices().iter().find(|vertex| vertex.digest == digest)?;
        match &vertex.op.op {
            Some(pb::op::Op::Source(source)) => Some(source.identifier.clone()),
            _ => None,
        }
    }
}

fn deed(parsed: &Parsed<'_>, vertex: &Vertex<'_>, action: &pb::FileAction) -> Option<FileDeed> {
    match action.action.as_ref()? {
        Action::Copy(copy) => Some(FileDeed::Copy {
            path: copy.src.clone(),
            from: origin(parsed, vertex, action.secondary_input)?,
        }),
        Action::Mkdir(dir) => Some(FileDeed::MakeDir(dir.path.clone())),
        Action::Rm(rm) => Some(FileDeed::Remove(rm.path.clone())),
        Action::Mkfile(_) | Action::Symlink(_) => None,
    }
}

/// What an action's input is; nothing where it is what another action of the same step made.
fn origin(parsed: &Parsed<'_>, vertex: &Vertex<'_>, input: i64) -> Option<Origin> {
    let Ok(input) = usize::try_from(input) else {
        return Some(Origin::Scratch);
    };
    let edge = vertex.inputs.get(input)?;
    let from = parsed.input(*edge)?;
    let Some(pb::op::Op::Source(source)) = &from.op.op else {
        return Some(Origin::Step(parsed.names().get(edge.vertex)?.clone()));
    };
    let Some(name) = source.identifier.strip_prefix("local://") else {
        return Some(Origin::Source(source.identifier.clone()));
    };
    let exclude = source
        .attrs
        .iter()
        .find(|attr| attr.key.as_deref() == Some("local.excludepatterns"));
    let exclude = exclude.and_then(|attr| serde_json::from_str(attr.value.as_deref()?).ok());
    Some(Origin::Local {
        name: name.to_owned(),
        exclude: exclude.unwrap_or_default(),
    })
}
