//! A definition: what is piped, stored and solved.

use luakit_proto::{Message as _, map, pb};

use crate::marshal::{MarshalError, caps};

/// The most that a Solve message holds: gRPC's limit on an engine (`util/grpcutil`), less the room that the
/// rest of the message takes.
pub const SOLVE_LIMIT: usize = 16 * 1024 * 1024 - 64 * 1024;

/// A marshalled graph.
#[derive(Debug, Clone, PartialEq)]
pub struct Definition {
    message: pb::Definition,
    /// Digests of the ops whose platform the script said.
    explicit_platforms: Vec<String>,
}

/// Why bytes are no definition.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum DefinitionError {
    /// They are no protobuf message of that kind.
    #[error("this is not an LLB definition: {0}")]
    Malformed(String),
}

impl Definition {
    /// The definition of the empty filesystem.
    pub fn scratch() -> Self {
        Self::new(pb::Definition::default(), Vec::new())
    }

    pub(crate) fn new(message: pb::Definition, explicit_platforms: Vec<String>) -> Self {
        Self {
            message,
            explicit_platforms,
        }
    }

    /// Reads what [`Definition::to_bytes`], or any other client, wrote.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DefinitionError> {
        let message = pb::Definition::decode(bytes).map_err(|e| DefinitionError::Malformed(e.to_string()))?;
        Ok(Self::new(message, Vec::new()))
    }

    /// The bytes, maps sorted by key.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.message.encode_to_vec()
    }

    /// The bytes, unless they are more than an engine takes.
    pub fn to_solvable_bytes(&self) -> Result<Vec<u8>, MarshalError> {
        let size = self.message.encoded_len();
        if size > SOLVE_LIMIT {
            return Err(MarshalError::TooLarge {
                size,
                limit: SOLVE_LIMIT,
            });
        }
        Ok(self.to_bytes())
    }

    /// The message.
    pub fn message(&self) -> &pb::Definition {
        &self.message
    }

    /// Whether it is the empty filesystem.
    pub fn is_scratch(&self) -> bool {
        self.message.def.is_empty()
    }

    /// Digests of the ops whose platform the script said, rather than the target.
    pub fn explicit_platforms(&self) -> &[String] {
        &self.explicit_platforms
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
                let metadata = entry.value.get_or_insert_default();
                let mut description = map::map(std::mem::take(&mut metadata.description));
                description.insert(key.to_owned(), value);
                metadata.description = map::entries(description);
                let mut needs = map::map(std::mem::take(&mut metadata.caps));
                needs.insert(caps::META_DESCRIPTION.to_owned(), true);
                metadata.caps = map::entries(needs);
                return;
            }
        }
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
