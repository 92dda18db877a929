//! The definition under way: op bytes by digest, their labels, and their places in the script.

use std::collections::{BTreeSet, HashMap};

use luakit_proto::{map, pb};

use super::encode::{Sum, show_sum, sum_of};
use super::{Wire, caps, encode_op, metadata_message};
use crate::definition::{Definition, PlatformMarks};
use crate::graph::{Graph, Metadata, StackId};

/// What a definition says its files are written in; GitHub linguist's spelling.
const LANGUAGE: &str = "Lua";

pub(super) struct Writer<'a> {
    graph: &'a Graph,
    target: pb::Platform,
    ops: Vec<Written<'a>>,
    by_sum: HashMap<Sum, usize>,
}

struct Written<'a> {
    digest: String,
    bytes: Vec<u8>,
    metadata: Labels<'a>,
    /// Sorted, each once.
    caps: Vec<&'static str>,
    stack: StackId,
    /// Where else the script asked for the same.
    more_stacks: Vec<StackId>,
    /// Whether the script said the platform of one of its vertices, and said the target's.
    explicit_platform: bool,
    /// Whether the target decided it for one of them.
    target_platform: bool,
}

/// What labels an op: a vertex's metadata, until that of an equal one is laid over it.
enum Labels<'a> {
    Of(&'a Metadata),
    Joined(Box<Metadata>),
}

impl Labels<'_> {
    fn get(&self) -> &Metadata {
        match self {
            Self::Of(metadata) => metadata,
            Self::Joined(metadata) => metadata,
        }
    }

    fn overlay(&mut self, other: &Metadata) {
        if *other != Metadata::default() {
            let mut joined = self.get().clone();
            joined.overlay(other.clone());
            *self = Self::Joined(Box::new(joined));
        }
    }
}

impl<'a> Writer<'a> {
    pub(super) fn new(graph: &'a Graph, target: pb::Platform) -> Self {
        Self {
            graph,
            target,
            ops: Vec::new(),
            by_sum: HashMap::new(),
        }
    }

    /// Adds an op, or joins it with the one of the same bytes, and returns its place.
    pub(super) fn add(&mut self, wire: Wire, metadata: &'a Metadata, stack: StackId) -> usize {
        let explicit = wire.explicit_platform && wire.op.platform.as_ref() == Some(&self.target);
        let bytes = encode_op(wire.op);
        let sum = sum_of(&bytes);
        if let Some(&at) = self.by_sum.get(&sum) {
            if let Some(present) = self.ops.get_mut(at) {
                present.metadata.overlay(metadata);
                present.caps.extend(wire.caps);
                present.caps.sort_unstable();
                present.caps.dedup();
                present.explicit_platform |= explicit;
                present.target_platform |= !explicit;
                if present.stack != stack && !present.more_stacks.contains(&stack) {
                    present.more_stacks.push(stack);
                }
            }
            return at;
        }
        let mut caps = wire.caps;
        caps.sort_unstable();
        caps.dedup();
        self.by_sum.insert(sum, self.ops.len());
        self.ops.push(Written {
            digest: show_sum(&sum),
            bytes,
            metadata: Labels::Of(metadata),
            caps,
            stack,
            more_stacks: Vec::new(),
            explicit_platform: explicit,
            target_platform: !explicit,
        });
        self.ops.len() - 1
    }

    /// Lays labels over an op's.
    pub(super) fn overlay(&mut self, op: usize, metadata: &Metadata) {
        if let Some(written) = self.ops.get_mut(op) {
            written.metadata.overlay(metadata);
        }
    }

    pub(super) fn digest(&self, op: usize) -> &str {
        self.ops.get(op).map_or("", |written| &written.digest)
    }

    /// Ends the definition with the vertex that points at its result.
    pub(super) fn finish(mut self, result: pb::Input) -> Definition {
        self.by_sum = HashMap::new();
        let terminal = encode_op(pb::Op {
            inputs: vec![result],
            ..Default::default()
        });
        let terminal_digest = show_sum(&sum_of(&terminal));
        let terminal_metadata = pb::OpMetadata {
            caps: map::entries(self.terminal_caps().into_iter().map(|cap| (cap, true))),
            ..Default::default()
        };
        let source = self.source_map();
        let explicit = self.ops.iter().filter(|op| op.explicit_platform);
        let mixed = explicit.clone().filter(|op| op.target_platform);
        let platforms = PlatformMarks {
            explicit: explicit.map(|op| op.digest.clone()).collect(),
            mixed: mixed.map(|op| op.digest.clone()).collect(),
        };

        let mut metadata = Vec::with_capacity(self.ops.len() + 1);
        let mut def = Vec::with_capacity(self.ops.len() + 1);
        for op in self.ops {
            let mut message = metadata_message(op.metadata.get());
            message.caps = op.caps.iter().map(|cap| map::Entry::new(*cap, true)).collect();
            metadata.push(<pb::MetadataEntry as map::Entry>::new(op.digest, message));
            def.push(op.bytes);
        }
        def.push(terminal);
        metadata.push(map::Entry::new(terminal_digest, terminal_metadata));
        metadata.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        Definition::new(
            pb::Definition {
                def,
                metadata,
                source: Some(source),
            },
            platforms,
        )
    }

    fn terminal_caps(&self) -> BTreeSet<&'static str> {
        let mut needs = BTreeSet::from([caps::CONSTRAINTS, caps::PLATFORM]);
        for metadata in self.ops.iter().map(|op| op.metadata.get()) {
            if metadata.ignore_cache {
                needs.insert(caps::META_IGNORE_CACHE);
            }
            if metadata.description.is_some() {
                needs.insert(caps::META_DESCRIPTION);
            }
            if metadata.export_cache.is_some() {
                needs.insert(caps::META_EXPORT_CACHE);
            }
        }
        needs
    }

    /// Every op's places in the script, and the files that they are in. An op without a place has an empty
    /// entry: an engine crashes on a missing one.
    fn source_map(&self) -> pb::Source {
        let mut files: Vec<usize> = Vec::new();
        let mut locations: Vec<pb::LocationsEntry> = Vec::with_capacity(self.ops.len());
        for op in &self.ops {
            let stacks = std::iter::once(&op.stack).chain(&op.more_stacks);
            let frames = stacks.flat_map(|stack| self.graph.stack(*stack));
            let places = frames.map(|frame| {
                let file = self.graph.file_index(frame.file);
                let index = files.iter().position(|f| *f == file).unwrap_or_else(|| {
                    files.push(file);
                    files.len() - 1
                });
                location(index, frame.line)
            });
            let mut message = pb::Locations {
                locations: places.collect(),
            };
            message.locations.dedup();
            locations.push(map::Entry::new(op.digest.as_str(), message));
        }
        locations.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        let infos = files.iter().filter_map(|index| self.graph.files().get(*index));
        pb::Source {
            locations,
            infos: infos
                .map(|file| pb::SourceInfo {
                    filename: file.name.clone(),
                    data: file.data.to_vec(),
                    definition: None,
                    language: LANGUAGE.to_owned(),
                })
                .collect(),
        }
    }
}

fn location(file: usize, line: u32) -> pb::Location {
    let at = pb::Position {
        line: i32::try_from(line).unwrap_or(i32::MAX),
        character: 0,
    };
    pb::Location {
        source_index: i32::try_from(file).unwrap_or(i32::MAX),
        ranges: vec![pb::Range {
            start: Some(at),
            end: Some(at),
        }],
    }
}
