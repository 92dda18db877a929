//! Operations of definitions that somebody else wrote, which are passed on as they are.

use std::sync::Arc;

use luakit_proto::pb;

use crate::graph::VertexId;

/// An operation of another client's definition, kept byte for byte.
#[derive(Debug, Clone, PartialEq)]
pub struct ForeignOp {
    /// Its bytes; they name its inputs by digest.
    pub(crate) bytes: Vec<u8>,
    /// What its definition has before it. Only the last op of a definition is a state's, and needs all before it: so
    /// they are written together, in their order.
    pub(crate) before: Option<VertexId>,
    /// Its platform, which the bytes hold too.
    pub(crate) platform: Option<pb::Platform>,
    /// What labels it.
    pub(crate) metadata: pb::OpMetadata,
    /// Where its own script asked for it.
    pub(crate) places: Vec<ForeignPlace>,
}

/// A place in another client's script.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ForeignPlace {
    /// The script.
    pub(crate) file: Arc<pb::SourceInfo>,
    /// Where in it.
    pub(crate) ranges: Vec<pb::Range>,
}
