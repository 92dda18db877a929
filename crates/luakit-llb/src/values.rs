//! What a state hands on to later runs, kept symbolic.
//!
//! A state's environment, working directory, user, shell and platform start from an image's config,
//! which is not known while a script runs. So each change is a node that points at the one before it;
//! marshalling reads the chain once the images are resolved.

use luakit_proto::pb;

use crate::graph::VertexId;
use crate::platform::Platform;

/// The position of a [`Values`] node in its graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ValuesId(pub(crate) u32);

/// What a definition of another client came with.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    /// The image config of its result, as JSON.
    pub(crate) config: Option<Vec<u8>>,
    /// The platform of its last operation.
    pub(crate) platform: Option<pb::Platform>,
}

/// One change to what a state hands on.
#[derive(Debug, Clone)]
pub(crate) enum Values {
    /// Nothing: scratch and the sources that are no images.
    Empty,
    /// The config of an image source's image.
    Image(VertexId),
    /// What a definition of another client came with.
    Foreign(Origin),
    /// Variables added or replaced, in order.
    Env {
        parent: ValuesId,
        vars: Vec<(String, String)>,
    },
    /// A working directory, absolute or relative to the one before.
    Workdir { parent: ValuesId, path: String },
    /// The user that runs run as.
    User { parent: ValuesId, user: String },
    /// What a shell-form command is handed to.
    Shell { parent: ValuesId, shell: Vec<String> },
    /// The platform that later runs are for.
    Platform { parent: ValuesId, platform: Platform },
}

impl Values {
    /// What was changed; what a state began with has none.
    pub(crate) fn parent(&self) -> Option<ValuesId> {
        match self {
            Self::Empty | Self::Image(_) | Self::Foreign(_) => None,
            Self::Env { parent, .. }
            | Self::Workdir { parent, .. }
            | Self::User { parent, .. }
            | Self::Shell { parent, .. }
            | Self::Platform { parent, .. } => Some(*parent),
        }
    }
}
