//! A definition taken apart: its vertices, what each consumes, and where the script asked for it.
//!
//! [`Definition::read`] takes any client's definition and refuses what an engine refuses before it looks at single
//! operations (`loadLLB` in `solver/llbsolver/vertex.go`), with the place of the fault; [`Parsed::check`], in
//! `check.rs`, goes on to the operations. Ops are known by the digests of their bytes and name their inputs by digest, so
//! no definition holds a cycle. The order of the ops is free on the wire, and kept; [`Parsed::inputs_first`] is one that
//! a single pass can follow.

use std::collections::{HashMap, HashSet};

use luakit_proto::{Message as _, pb};

use super::Definition;
use crate::marshal::op_digest;

/// The key of a description under which an op has a name of its own.
pub(super) const CUSTOM_NAME: &str = "llb.customname";

/// Why bytes are no definition.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum DefinitionError {
    /// They are no protobuf message of that kind.
    #[error("this is not an LLB definition: {0}")]
    Malformed(String),
    /// One of its ops is no protobuf message of that kind.
    #[error("op {number} of the definition is damaged: {reason}")]
    MalformedOp {
        /// Which one, from 1.
        number: usize,
        /// What the decoder says.
        reason: String,
    },
    /// Nothing but a return vertex: an engine wants it and an operation at least.
    #[error("the definition has a single op: it needs an operation and the return vertex after it")]
    SingleOp,
    /// The last op has no input, so that there is no result.
    #[error("the definition has no return vertex: its last op, {digest}, has no input")]
    NoReturn {
        /// The last op.
        digest: String,
    },
    /// An op consumes what the definition doesn't have.
    #[error("input {input} of op {digest} is {missing}, which the definition doesn't have")]
    MissingInput {
        /// The op.
        digest: String,
        /// Which of its inputs, from 0.
        input: usize,
        /// The digest that it names.
        missing: String,
    },
    /// An op consumes an output with a number that no output has.
    #[error("input {input} of op {digest} asks for output {index}")]
    ImpossibleOutput {
        /// The op.
        digest: String,
        /// Which of its inputs, from 0.
        input: usize,
        /// The number.
        index: i64,
    },
    /// Two metadata entries for one op; which one counts would depend on who reads it.
    #[error("the definition has two metadata entries for {digest}")]
    DuplicateMetadata {
        /// The op.
        digest: String,
    },
    /// A place in a file that the definition doesn't have.
    #[error("op {digest} is said to come from file {index} of the source map, which has {files}")]
    UnknownFile {
        /// The op.
        digest: String,
        /// The file's number, from 0.
        index: i32,
        /// How many files there are.
        files: usize,
    },
}

/// A definition taken apart. Scratch has no vertex and no return.
#[derive(Debug)]
pub struct Parsed<'a> {
    definition: &'a Definition,
    vertices: Vec<Vertex<'a>>,
    order: Vec<usize>,
    returns: Option<Return<'a>>,
}

/// One operation.
#[derive(Debug)]
pub struct Vertex<'a> {
    /// `sha256:…` of its bytes.
    pub digest: String,
    /// Its bytes.
    pub bytes: &'a [u8],
    /// What the bytes say.
    pub op: pb::Op,
    /// What it consumes, in the order of the op's inputs.
    pub inputs: Vec<Edge>,
    /// What labels it.
    pub metadata: Option<&'a pb::OpMetadata>,
    /// Where the script asked for it.
    pub places: Vec<Place<'a>>,
}

/// An output of a vertex.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edge {
    /// The position of the vertex in [`Parsed::vertices`].
    pub vertex: usize,
    /// Which of its outputs.
    pub output: u64,
}

/// The vertex that ends a definition: it only points at the result.
#[derive(Debug)]
pub struct Return<'a> {
    /// `sha256:…` of its bytes.
    pub digest: String,
    /// Its bytes.
    pub bytes: &'a [u8],
    /// What the bytes say.
    pub op: pb::Op,
    /// The result.
    pub result: Edge,
    /// What labels it.
    pub metadata: Option<&'a pb::OpMetadata>,
}

/// Lines of a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    /// The file, as the definition names it.
    pub file: &'a str,
    /// The first line, from 1.
    pub line: i32,
    /// The last line.
    pub last: i32,
}

/// What a vertex does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Brings a filesystem in.
    Source,
    /// Runs a process.
    Exec,
    /// Changes files.
    File,
    /// Lays filesystems over each other.
    Merge,
    /// Takes one filesystem from another.
    Diff,
    /// Builds the definition that an input holds.
    Build,
    /// Hands inputs on once others are done.
    Passthrough,
    /// Nothing that this version knows.
    Unknown,
}

impl Kind {
    /// Its name in views and filters.
    pub fn name(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Exec => "exec",
            Self::File => "file",
            Self::Merge => "merge",
            Self::Diff => "diff",
            Self::Build => "build",
            Self::Passthrough => "passthrough",
            Self::Unknown => "unknown",
        }
    }
}

impl Vertex<'_> {
    /// What it does.
    pub fn kind(&self) -> Kind {
        match &self.op.op {
            Some(pb::op::Op::Source(_)) => Kind::Source,
            Some(pb::op::Op::Exec(_)) => Kind::Exec,
            Some(pb::op::Op::File(_)) => Kind::File,
            Some(pb::op::Op::Merge(_)) => Kind::Merge,
            Some(pb::op::Op::Diff(_)) => Kind::Diff,
            Some(pb::op::Op::Build(_)) => Kind::Build,
            Some(pb::op::Op::Passthrough(_)) => Kind::Passthrough,
            None => Kind::Unknown,
        }
    }

    /// The name that the script gave it.
    pub fn custom_name(&self) -> Option<&str> {
        let description = &self.metadata?.description;
        let entry = description.iter().rfind(|e| e.key.as_deref() == Some(CUSTOM_NAME))?;
        Some(entry.value.as_deref().unwrap_or_default())
    }
}

impl<'a> Parsed<'a> {
    /// The definition that was taken apart.
    pub fn definition(&self) -> &'a Definition {
        self.definition
    }

    /// The vertices as the definition has them, the return vertex left out. One that is written twice counts once.
    pub fn vertices(&self) -> &[Vertex<'a>] {
        &self.vertices
    }

    /// The vertex that ends the definition; scratch has none.
    pub fn returns(&self) -> Option<&Return<'a>> {
        self.returns.as_ref()
    }

    /// Positions of all vertices, each after those that it consumes.
    pub fn inputs_first(&self) -> &[usize] {
        &self.order
    }

    /// The vertex that an edge comes from.
    pub fn input(&self, edge: Edge) -> Option<&Vertex<'a>> {
        self.vertices.get(edge.vertex)
    }
}

impl Definition {
    /// Takes the definition apart.
    pub fn read(&self) -> Result<Parsed<'_>, DefinitionError> {
        let Some((last, ops)) = self.message().def.split_last() else {
            return Ok(Parsed {
                definition: self,
                vertices: Vec::new(),
                order: Vec::new(),
                returns: None,
            });
        };
        let labels = Labels::new(self.message())?;
        let returns = op_digest(last);
        let (mut vertices, index) = vertices(ops, &returns, &labels)?;
        let (_, op) = decode(last, ops.len())?;
        if vertices.is_empty() {
            return Err(DefinitionError::SingleOp);
        }
        for vertex in &mut vertices {
            vertex.inputs = edges(&vertex.digest, &vertex.op, &index)?;
        }
        let Some(result) = edges(&returns, &op, &index)?.first().copied() else {
            return Err(DefinitionError::NoReturn { digest: returns });
        };
        let order = inputs_first(&vertices);
        Ok(Parsed {
            definition: self,
            vertices,
            order,
            returns: Some(Return {
                metadata: labels.metadata.get(returns.as_str()).copied(),
                digest: returns,
                bytes: last,
                op,
                result,
            }),
        })
    }
}

/// What a definition says about ops by digest.
struct Labels<'a> {
    metadata: HashMap<&'a str, &'a pb::OpMetadata>,
    locations: HashMap<&'a str, &'a pb::Locations>,
    files: &'a [pb::SourceInfo],
}

impl<'a> Labels<'a> {
    fn new(message: &'a pb::Definition) -> Result<Self, DefinitionError> {
        let mut metadata = HashMap::with_capacity(message.metadata.len());
        let mut seen = HashSet::with_capacity(message.metadata.len());
        for entry in &message.metadata {
            let digest = entry.key.as_deref().unwrap_or_default();
            if !seen.insert(digest) {
                return Err(DefinitionError::DuplicateMetadata {
                    digest: digest.to_owned(),
                });
            }
            if let Some(value) = &entry.value {
                metadata.insert(digest, value);
            }
        }
        let source = message.source.as_ref();
        let entries = source.map_or(&[][..], |source| &source.locations);
        let locations = entries
            .iter()
            .filter_map(|e| Some((e.key.as_deref().unwrap_or_default(), e.value.as_ref()?)))
            .collect();
        Ok(Self {
            metadata,
            locations,
            files: source.map_or(&[], |source| &source.infos),
        })
    }

    fn places(&self, digest: &str) -> Result<Vec<Place<'a>>, DefinitionError> {
        let Some(locations) = self.locations.get(digest) else {
            return Ok(Vec::new());
        };
        let mut places = Vec::new();
        for location in &locations.locations {
            let index = location.source_index;
            let file = usize::try_from(index).ok().and_then(|i| self.files.get(i));
            let Some(file) = file else {
                return Err(DefinitionError::UnknownFile {
                    digest: digest.to_owned(),
                    index,
                    files: self.files.len(),
                });
            };
            places.extend(location.ranges.iter().map(|range| {
                let line = range.start.map_or(0, |at| at.line);
                Place {
                    file: &file.filename,
                    line,
                    last: range.end.map_or(line, |at| at.line).max(line),
                }
            }));
        }
        Ok(places)
    }
}

/// The vertices of a definition in its order, without their edges, and their positions by digest.
fn vertices<'a>(
    ops: &'a [Vec<u8>],
    returns: &str,
    labels: &Labels<'a>,
) -> Result<(Vec<Vertex<'a>>, HashMap<String, usize>), DefinitionError> {
    let mut vertices = Vec::with_capacity(ops.len());
    let mut index = HashMap::with_capacity(ops.len());
    for (position, bytes) in ops.iter().enumerate() {
        let (digest, op) = decode(bytes, position)?;
        if digest == returns || index.contains_key(&digest) {
            continue;
        }
        index.insert(digest.clone(), vertices.len());
        vertices.push(Vertex {
            bytes,
            op,
            inputs: Vec::new(),
            metadata: labels.metadata.get(digest.as_str()).copied(),
            places: labels.places(&digest)?,
            digest,
        });
    }
    Ok((vertices, index))
}

fn decode(bytes: &[u8], position: usize) -> Result<(String, pb::Op), DefinitionError> {
    let op = pb::Op::decode(bytes).map_err(|e| DefinitionError::MalformedOp {
        number: position + 1,
        reason: e.to_string(),
    })?;
    Ok((op_digest(bytes), op))
}

fn edges(digest: &str, op: &pb::Op, index: &HashMap<String, usize>) -> Result<Vec<Edge>, DefinitionError> {
    let edge = |(input, named): (usize, &pb::Input)| {
        let output = u32::try_from(named.index).map_err(|_| DefinitionError::ImpossibleOutput {
            digest: digest.to_owned(),
            input,
            index: named.index,
        })?;
        let Some(&vertex) = index.get(&named.digest) else {
            return Err(DefinitionError::MissingInput {
                digest: digest.to_owned(),
                input,
                missing: named.digest.clone(),
            });
        };
        let output = output.into();
        Ok(Edge { vertex, output })
    };
    op.inputs.iter().enumerate().map(edge).collect()
}

/// Depth first, without recursion: a chain may be as long as a definition has room for.
fn inputs_first(vertices: &[Vertex<'_>]) -> Vec<usize> {
    let mut order = Vec::with_capacity(vertices.len());
    let mut seen = vec![false; vertices.len()];
    let mut stack: Vec<(usize, usize)> = Vec::new();
    for root in 0..vertices.len() {
        enter(root, &mut seen, &mut stack);
        while let Some((vertex, next)) = stack.last_mut() {
            let input = vertices.get(*vertex).and_then(|v| v.inputs.get(*next));
            if let Some(edge) = input {
                *next += 1;
                let input = edge.vertex;
                enter(input, &mut seen, &mut stack);
            } else {
                order.push(*vertex);
                stack.pop();
            }
        }
    }
    order
}

fn enter(vertex: usize, seen: &mut [bool], stack: &mut Vec<(usize, usize)>) {
    if let Some(seen) = seen.get_mut(vertex)
        && !*seen
    {
        *seen = true;
        stack.push((vertex, 0));
    }
}
