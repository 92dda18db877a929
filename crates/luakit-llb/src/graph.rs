//! The arena: vertices, the call stacks that made them, and the script files these point into.
//!
//! Vertices are only ever added. Equal vertices may be added more than once: marshalling joins them by
//! digest, as BuildKit's client does. Call stacks are interned, so that a loop of a hundred thousand
//! runs holds one stack.

use std::collections::HashMap;
use std::sync::Arc;

use crate::op::{Op, Source};
use crate::platform::Platform;
use crate::reference::Reference;
use crate::values::{Values, ValuesId};

/// The position of a vertex in its [`Graph`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VertexId(pub(crate) u32);

/// The position of an interned call stack in its [`Graph`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StackId(u32);

/// The position of a script file in its [`Graph`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(u32);

/// A script file, kept for the source map of a definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceText {
    /// The name shown to the user: relative to the script's directory or the context, never a path of this machine.
    pub name: String,
    /// The text, byte for byte as read.
    pub data: Arc<[u8]>,
}

/// One frame of a call stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Frame {
    /// The file the call stands in.
    pub file: FileId,
    /// Its line, from 1.
    pub line: u32,
}

/// One operation, what labels it, and where the script asked for it.
#[derive(Debug, Clone)]
pub struct Vertex {
    /// What the vertex does. Shared, because labelling a vertex copies it.
    pub op: Arc<Op>,
    /// What labels it; never part of its digest.
    pub metadata: Metadata,
    /// The call stack that made it, innermost frame first.
    pub stack: StackId,
}

/// What labels a vertex and never changes its digest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    /// The name shown for the step (`llb.customname`).
    pub description: Option<String>,
    /// The group of steps that it is shown in.
    pub progress_group: Option<ProgressGroup>,
    /// Whether the step runs even when its result is cached.
    pub ignore_cache: bool,
    /// Whether the step's result goes into an exported cache; `None` leaves it to the engine.
    pub export_cache: Option<bool>,
    /// Limits on what the step's process may use.
    pub resources: Option<Resources>,
}

impl Metadata {
    /// Lays `other` over this: what `other` sets wins, what it leaves open stays.
    pub fn overlay(&mut self, other: Self) {
        self.ignore_cache |= other.ignore_cache;
        self.description = other.description.or(self.description.take());
        self.progress_group = other.progress_group.or(self.progress_group.take());
        self.export_cache = other.export_cache.or(self.export_cache);
        self.resources = other.resources.or(self.resources.take());
    }
}

/// Steps that are shown as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgressGroup {
    /// What tells groups apart.
    pub id: String,
    /// What is shown.
    pub name: String,
    /// Whether the step alone does not make the group visible.
    pub weak: bool,
}

/// Limits on a step's process, as `docker run` names them. Zero values are "no limit".
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resources {
    /// Memory in bytes.
    pub memory: i64,
    /// Memory and swap together in bytes; -1 is unlimited.
    pub memory_swap: i64,
    /// Relative weight of CPU time.
    pub cpu_shares: i64,
    /// CFS period in microseconds.
    pub cpu_period: i64,
    /// CFS quota in microseconds.
    pub cpu_quota: i64,
    /// CPUs that it may run on (`0-3`).
    pub cpuset_cpus: String,
    /// Memory nodes that it may use (`0,1`).
    pub cpuset_mems: String,
}

/// An arena of vertices.
#[derive(Debug, Default)]
pub struct Graph {
    vertices: Vec<Vertex>,
    values: Vec<Values>,
    stacks: Vec<Arc<[Frame]>>,
    stack_ids: HashMap<Arc<[Frame]>, StackId>,
    files: Vec<SourceText>,
}

impl Graph {
    /// An empty graph.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a script file for frames to point into.
    pub fn add_file(&mut self, file: SourceText) -> FileId {
        self.files.push(file);
        FileId(index(self.files.len() - 1))
    }

    /// The files that were added, in order.
    pub fn files(&self) -> &[SourceText] {
        &self.files
    }

    /// The place of a file in [`Graph::files`].
    pub fn file_index(&self, file: FileId) -> usize {
        file.0 as usize
    }

    /// Interns a call stack, innermost frame first.
    pub fn intern_stack(&mut self, frames: &[Frame]) -> StackId {
        if let Some(id) = self.stack_ids.get(frames) {
            return *id;
        }
        let id = StackId(index(self.stacks.len()));
        let frames: Arc<[Frame]> = frames.into();
        self.stacks.push(Arc::clone(&frames));
        self.stack_ids.insert(frames, id);
        id
    }

    /// The frames of a call stack, innermost first.
    pub fn stack(&self, id: StackId) -> &[Frame] {
        self.stacks.get(id.0 as usize).map_or(&[], |frames| frames)
    }

    /// How many vertices there are.
    pub fn len(&self) -> usize {
        self.vertices.len()
    }

    /// Whether there is no vertex.
    pub fn is_empty(&self) -> bool {
        self.vertices.is_empty()
    }

    /// All vertices, in the order in which they were added.
    pub fn vertices(&self) -> impl Iterator<Item = &Vertex> {
        self.vertices.iter()
    }

    /// A vertex of this graph.
    ///
    /// # Panics
    /// When the id is another graph's.
    #[allow(clippy::indexing_slicing, reason = "ids are only made by this graph")]
    pub fn vertex(&self, id: VertexId) -> &Vertex {
        &self.vertices[id.0 as usize]
    }

    /// What a state of this graph inherits.
    #[allow(clippy::indexing_slicing, reason = "ids are only made by this graph")]
    pub(crate) fn values(&self, id: ValuesId) -> &Values {
        &self.values[id.0 as usize]
    }

    pub(crate) fn values_len(&self) -> usize {
        self.values.len()
    }

    pub(crate) fn add_vertex(&mut self, op: Op, metadata: Metadata, stack: StackId) -> VertexId {
        self.push_vertex(Vertex {
            op: Arc::new(op),
            metadata,
            stack,
        })
    }

    pub(crate) fn push_vertex(&mut self, vertex: Vertex) -> VertexId {
        self.vertices.push(vertex);
        VertexId(index(self.vertices.len() - 1))
    }

    pub(crate) fn add_values(&mut self, values: Values) -> ValuesId {
        self.values.push(values);
        ValuesId(index(self.values.len() - 1))
    }

    /// The platform that the script gave a state: by `state:platform()`, else as its image's option.
    pub fn explicit_platform(&self, state: crate::State) -> Option<&Platform> {
        let set = self.ancestry(state).find_map(|values| match values {
            Values::Platform { platform, .. } => Some(platform),
            _ => None,
        });
        set.or_else(|| self.image_platform(state))
    }

    /// The platform that the script gave the image that a state began with, whatever `state:platform()` says since.
    pub fn image_platform(&self, state: crate::State) -> Option<&Platform> {
        self.first_image(state)?.op.image_platform()
    }

    /// The image that a state began with.
    pub fn base_image(&self, state: crate::State) -> Option<&Reference> {
        match &*self.first_image(state)?.op {
            Op::Source(Source::Image(image)) => Some(&image.reference),
            _ => None,
        }
    }

    /// The vertex of the image that a state began with.
    fn first_image(&self, state: crate::State) -> Option<&Vertex> {
        self.ancestry(state).find_map(|values| match values {
            Values::Image(vertex) => Some(self.vertex(*vertex)),
            _ => None,
        })
    }

    /// What a state inherits, from what it set last back to what it began with.
    pub(crate) fn ancestry(&self, state: crate::State) -> impl Iterator<Item = &Values> {
        let last = self.values(state.values);
        std::iter::successors(Some(last), |values| values.parent().map(|id| self.values(id)))
    }
}

/// An arena index. Four thousand million vertices do not fit in memory, so the cast cannot cut.
#[allow(clippy::cast_possible_truncation)]
fn index(len: usize) -> u32 {
    len as u32
}
