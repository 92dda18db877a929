//! A definition: what is piped, stored and solved.
//!
//! [`Definition`] owns the message and hands out its bytes. Beside it: reading one apart with an engine's rules
//! (`read`, `check`, `name`, `deed`), the record that takes along what is no part of the graph (`export`), and giving a definition
//! another target platform (`retarget`), names that say what steps are for (`mark`), and what an engine takes at most (`size`). Writing one from a graph is [`crate::marshal`]'s.

mod check;
mod deed;
mod export;
mod mark;
mod name;
mod read;
mod retarget;
mod size;

use luakit_proto::{Message as _, map, pb};

use crate::marshal::caps;

pub use check::{InvalidOp, OpProblem};
pub use deed::{FileDeed, Origin};
pub use export::{AppliedImage, EXPORT_KEY, EXPORT_VERSION, ExportError, ExportRecord};
pub use read::{DefinitionError, Edge, Kind, Parsed, Place, Return, Vertex};
pub use retarget::{RetargetError, retarget};
pub use size::{SOLVE_LIMIT, TooLarge, check_size, largest_op};

/// A line of a script, with the script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourcePlace<'a> {
    /// The script's name.
    pub file: &'a str,
    /// Its text.
    pub text: &'a [u8],
    /// The line, from 1.
    pub line: u32,
}

/// A marshalled graph.
#[derive(Debug, Clone, PartialEq)]
pub struct Definition {
    message: pb::Definition,
    platforms: PlatformMarks,
}

/// What the bytes of a definition don't tell: which ops have their platform from the script.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct PlatformMarks {
    /// Digests of the ops whose platform the script said, and said the target's.
    pub(crate) explicit: Vec<String>,
    /// Digests of those among them that also stand for a vertex whose platform is the target.
    pub(crate) mixed: Vec<String>,
}

impl Definition {
    /// The definition of the empty filesystem.
    pub fn scratch() -> Self {
        Self::new(pb::Definition::default(), PlatformMarks::default())
    }

    pub(crate) fn new(message: pb::Definition, platforms: PlatformMarks) -> Self {
        Self { message, platforms }
    }

    /// Reads what [`Definition::to_bytes`], or any other client, wrote. Only the outermost message is looked at:
    /// [`Definition::read`] goes on. No bytes at all are scratch.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DefinitionError> {
        let mut message = pb::Definition::decode(bytes).map_err(|e| DefinitionError::Malformed(e.to_string()))?;
        for entry in message.source.iter_mut().flat_map(|source| &mut source.locations) {
            // Other clients leave an empty value out; passed on so, it would crash the engine when that op fails.
            entry.value.get_or_insert_default();
        }
        Ok(Self::new(message, PlatformMarks::default()))
    }

    /// The bytes, maps sorted by key.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.message.encode_to_vec()
    }

    /// How many bytes [`Definition::to_bytes`] gives.
    pub fn size(&self) -> usize {
        self.message.encoded_len()
    }

    /// The message.
    pub fn message(&self) -> &pb::Definition {
        &self.message
    }

    /// Where the scripts asked for each op, as far as the source map is readable: digests with places, innermost call
    /// first. [`Definition::read`] is stricter.
    pub fn sources(&self) -> impl Iterator<Item = (&str, Vec<SourcePlace<'_>>)> {
        let source = self.message.source.iter();
        source.flat_map(|source| {
            source.locations.iter().filter_map(|entry| {
                let locations = entry.value.iter().flat_map(|value| &value.locations);
                let places = locations.filter_map(|location| {
                    let info = source.infos.get(usize::try_from(location.source_index).ok()?)?;
                    Some(SourcePlace {
                        file: &info.filename,
                        text: &info.data,
                        line: u32::try_from(location.ranges.first()?.start.as_ref()?.line).ok()?,
                    })
                });
                Some((entry.key.as_deref()?, places.collect()))
            })
        })
    }

    /// Whether it is the empty filesystem.
    pub fn is_scratch(&self) -> bool {
        self.message.def.is_empty()
    }

    /// Digests of the ops whose platform is the target's because the script said so: nothing in their bytes tells them
    /// from those that follow the target. Known after marshalling; a definition that was read knows them from its
    /// [`ExportRecord`] alone.
    pub fn explicit_platforms(&self) -> &[String] {
        &self.platforms.explicit
    }

    /// Digests of the ops that stand for two vertices, equal for this target alone: of one the script said the platform,
    /// of the other it did not. For another target they would be two ops.
    pub fn mixed_platforms(&self) -> &[String] {
        &self.platforms.mixed
    }

    /// Adds to the description of the return vertex, which no engine reads: it takes along what is not part of
    /// the graph. Scratch has no such vertex.
    pub fn describe_result(&mut self, key: &str, value: String) {
        let Some(terminal) = self.message.def.last() else {
            return;
        };
        let digest = crate::marshal::op_digest(terminal);
        for entry in &mut self.message.metadata {
            if entry.key.as_deref() == Some(digest.as_str()) {
                describe(entry.value.get_or_insert_default(), key, value);
                return;
            }
        }
    }

    /// Has every step run again, whatever an engine remembers of it. No digest changes.
    pub fn ignore_cache(&mut self) {
        let mut metadata = map::map(std::mem::take(&mut self.message.metadata));
        for op in &self.message.def {
            metadata.entry(crate::marshal::op_digest(op)).or_default().ignore_cache = true;
        }
        self.message.metadata = map::entries(metadata);
    }

    /// What [`Definition::describe_result`] added.
    pub fn result_description(&self, key: &str) -> Option<&str> {
        let terminal = self.message.def.last()?;
        let digest = crate::marshal::op_digest(terminal);
        let entry = self
            .message
            .metadata
            .iter()
            .find(|e| e.key.as_deref() == Some(&digest))?;
        let description = &entry.value.as_ref()?.description;
        let entry = description.iter().find(|e| e.key.as_deref() == Some(key))?;
        entry.value.as_deref()
    }
}

/// Puts something into an op's description, and what an engine must know for that.
fn describe(metadata: &mut pb::OpMetadata, key: &str, value: String) {
    let mut description = map::map(std::mem::take(&mut metadata.description));
    description.insert(key.to_owned(), value);
    metadata.description = map::entries(description);
    let mut needs = map::map(std::mem::take(&mut metadata.caps));
    needs.insert(caps::META_DESCRIPTION.to_owned(), true);
    metadata.caps = map::entries(needs);
}
