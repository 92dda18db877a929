//! The definition under way: op bytes by digest, their labels, and their places in the script.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use luakit_proto::{map, pb};

use super::{Wire, caps, encode_op, metadata_message, op_digest};
use crate::definition::{Definition, PlatformMarks};
use crate::graph::{Graph, Metadata, StackId};

/// What a definition says its files are written in; GitHub linguist's spelling.
const LANGUAGE: &str = "Lua";

pub(super) struct Writer<'a> {
    graph: &'a Graph,
    target: pb::Platform,
    ops: Vec<Written>,
    by_digest: HashMap<String, usize>,
}

struct Written {
    digest: String,
    bytes: Vec<u8>,
    metadata: Metadata,
    caps: BTreeSet<&'static str>,
    stacks: Vec<StackId>,
    /// Whether the script said the platform of one of its vertices, and said the target's.
    explicit_platform: bool,
    /// Whether the target decided it for one of them.
    target_platform: bool,
}

impl<'a> Writer<'a> {
    pub(super) fn new(graph: &'a Graph, target: pb::Platform) -> Self {
        Self {
            graph,
            target,
            ops: Vec::new(),
            by_digest: HashMap::new(),
        }
    }

    /// Adds an op, or joins it with the one of the same bytes, and returns its place.
    pub(super) fn add(&mut self, wire: Wire, metadata: &Metadata, stack: StackId) -> usize {
        let explicit = wire.explicit_platform && wire.op.platform.as_ref() == Some(&self.target);
        let bytes = encode_op(wire.op);
        let digest = op_digest(&bytes);
        if let Some(&at) = self.by_digest.get(&digest) {
            if let Some(present) = self.ops.get_mut(at) {
                present.metadata.overlay(metadata.clone());
                present.caps.extend(wire.caps);
                present.explicit_platform |= explicit;
                present.target_platform |= !explicit;
                if !present.stacks.contains(&stack) {
                    present.stacks.push(stack);
                }
            }
            return at;
        }
        self.by_digest.insert(digest.clone(), self.ops.len());
        self.ops.push(Written {
            digest,
            bytes,
            metadata: metadata.clone(),
            caps: wire.caps.into_iter().collect(),
            stacks: vec![stack],
            explicit_platform: explicit,
            target_platform: !explicit,
        });
        self.ops.len() - 1
    }

    pub(super) fn digest(&self, op: usize) -> &str {
        self.ops.get(op).map_or("", |written| &written.digest)
    }

    /// Ends the definition with the vertex that points at its result.
    pub(super) fn finish(self, result: pb::Input) -> Definition {
        let terminal = encode_op(pb::Op {
            inputs: vec![result],
            ..Default::default()
        });
        let terminal_digest = op_digest(&terminal);
        let terminal_caps = self.terminal_caps();
        let source = self.source_map();
        let explicit = self.ops.iter().filter(|op| op.explicit_platform);
        let mixed = explicit.clone().filter(|op| op.target_platform);
        let platforms = PlatformMarks {
            explicit: explicit.map(|op| op.digest.clone()).collect(),
            mixed: mixed.map(|op| op.digest.clone()).collect(),
        };

        let mut metadata = BTreeMap::new();
        let mut def = Vec::with_capacity(self.ops.len() + 1);
        for op in self.ops {
            let mut message = metadata_message(&op.metadata);
            message.caps = cap_entries(&op.caps);
            metadata.insert(op.digest, message);
            def.push(op.bytes);
        }
        def.push(terminal);
        let message = pb::OpMetadata {
            caps: cap_entries(&terminal_caps),
            ..Default::default()
        };
        metadata.insert(terminal_digest, message);
        Definition::new(
            pb::Definition {
                def,
                metadata: map::entries(metadata),
                source: Some(source),
            },
            platforms,
        )
    }

    fn terminal_caps(&self) -> BTreeSet<&'static str> {
        let mut needs = BTreeSet::from([caps::CONSTRAINTS, caps::PLATFORM]);
        for op in &self.ops {
            if op.metadata.ignore_cache {
                needs.insert(caps::META_IGNORE_CACHE);
            }
            if op.metadata.description.is_some() {
                needs.insert(caps::META_DESCRIPTION);
            }
            if op.metadata.export_cache.is_some() {
                needs.insert(caps::META_EXPORT_CACHE);
            }
        }
        needs
    }

    /// Every op's places in the script, and the files that they are in. An op without a place has an empty
    /// entry: an engine crashes on a missing one.
    fn source_map(&self) -> pb::Source {
        let mut files: Vec<usize> = Vec::new();
        let mut locations = BTreeMap::new();
        for op in &self.ops {
            let frames = op.stacks.iter().flat_map(|stack| self.graph.stack(*stack));
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
            locations.insert(op.digest.clone(), message);
        }
        let infos = files.iter().filter_map(|index| self.graph.files().get(*index));
        pb::Source {
            locations: map::entries(locations),
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

fn cap_entries(caps: &BTreeSet<&'static str>) -> Vec<pb::CapEntry> {
    map::entries(caps.iter().map(|cap| (*cap, true)))
}
