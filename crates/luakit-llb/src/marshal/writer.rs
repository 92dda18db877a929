//! The definition under way: op bytes by digest, their labels, and their places in the script.

use std::collections::{BTreeSet, HashMap};

use luakit_proto::{map, pb};

use super::encode::{Sum, show_sum, sum_of};
use super::source_files::SourceFiles;
use super::{Wire, caps, encode_op, metadata_message};
use crate::definition::{Definition, PlatformMarks};
use crate::graph::{Graph, Metadata, StackId};
use crate::op::ForeignOp;

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
    /// The ops of other clients that it stands for.
    foreign: Vec<&'a ForeignOp>,
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

impl Written<'_> {
    /// Takes over what an op of the same bytes has.
    fn join(&mut self, other: Self) {
        self.metadata.overlay(other.metadata.get());
        self.caps.extend(other.caps);
        self.caps.sort_unstable();
        self.caps.dedup();
        for op in other.foreign {
            if !self.foreign.contains(&op) {
                self.foreign.push(op);
            }
        }
        self.explicit_platform |= other.explicit_platform;
        self.target_platform |= other.target_platform;
        if self.stack != other.stack && !self.more_stacks.contains(&other.stack) {
            self.more_stacks.push(other.stack);
        }
    }

    /// What labels it: its foreign labels, and this graph's over them.
    fn message(&self) -> pb::OpMetadata {
        let mut own = metadata_message(self.metadata.get());
        own.caps = self.caps.iter().map(|cap| map::Entry::new(*cap, true)).collect();
        let mut all = self.foreign.iter().map(|op| op.metadata.clone());
        match all.next() {
            None => own,
            Some(first) => all.chain([own]).fold(first, laid_over),
        }
    }
}

/// Labels with others over them, as BuildKit's client joins those of equal ops (`client/llb/state.go`).
fn laid_over(under: pb::OpMetadata, over: pb::OpMetadata) -> pb::OpMetadata {
    let mut description = map::map(under.description);
    description.extend(map::map(over.description));
    let mut caps = map::map(under.caps);
    caps.extend(map::map(over.caps));
    pb::OpMetadata {
        ignore_cache: under.ignore_cache || over.ignore_cache,
        description: map::entries(description),
        export_cache: over.export_cache.or(under.export_cache),
        caps: map::entries(caps),
        progress_group: over.progress_group.or(under.progress_group),
        linux_resources: over.linux_resources.or(under.linux_resources),
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
        let mut caps = wire.caps;
        caps.sort_unstable();
        caps.dedup();
        self.put(Written {
            digest: String::new(),
            bytes: encode_op(wire.op),
            metadata: Labels::Of(metadata),
            caps,
            foreign: Vec::new(),
            stack,
            more_stacks: Vec::new(),
            explicit_platform: explicit,
            target_platform: !explicit,
        })
    }

    /// Adds another client's op as it is. Its platform is as its client said it, whatever the target.
    pub(super) fn add_foreign(&mut self, op: &'a ForeignOp, metadata: &'a Metadata, stack: StackId) -> usize {
        let explicit = op.platform.as_ref() == Some(&self.target);
        self.put(Written {
            digest: String::new(),
            bytes: op.bytes.clone(),
            metadata: Labels::Of(metadata),
            caps: Vec::new(),
            foreign: vec![op],
            stack,
            more_stacks: Vec::new(),
            explicit_platform: explicit,
            target_platform: !explicit,
        })
    }

    fn put(&mut self, mut op: Written<'a>) -> usize {
        let sum = sum_of(&op.bytes);
        let next = self.ops.len();
        let at = *self.by_sum.entry(sum).or_insert(next);
        if let Some(present) = self.ops.get_mut(at) {
            present.join(op);
        } else {
            op.digest = show_sum(&sum);
            self.ops.push(op);
        }
        at
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
            let message = op.message();
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
        for op in &self.ops {
            let own = op.metadata.get();
            let foreign = |has: fn(&pb::OpMetadata) -> bool| op.foreign.iter().any(|op| has(&op.metadata));
            if own.ignore_cache || foreign(|m| m.ignore_cache) {
                needs.insert(caps::META_IGNORE_CACHE);
            }
            if own.description.is_some() || foreign(|m| !m.description.is_empty()) {
                needs.insert(caps::META_DESCRIPTION);
            }
            if own.export_cache.is_some() || foreign(|m| m.export_cache.is_some()) {
                needs.insert(caps::META_EXPORT_CACHE);
            }
        }
        needs
    }

    /// Every op's places in the script, and the files that they are in. An op without a place has an empty
    /// entry: an engine crashes on a missing one.
    fn source_map(&self) -> pb::Source {
        let mut files = SourceFiles::default();
        let mut locations: Vec<pb::LocationsEntry> = Vec::with_capacity(self.ops.len());
        for op in &self.ops {
            let mut message = pb::Locations::default();
            for place in op.foreign.iter().flat_map(|op| &op.places) {
                message.locations.push(pb::Location {
                    source_index: files.foreign(&place.file),
                    ranges: place.ranges.clone(),
                });
            }
            let stacks = std::iter::once(&op.stack).chain(&op.more_stacks);
            for frame in stacks.flat_map(|stack| self.graph.stack(*stack)) {
                let file = files.script(self.graph, self.graph.file_index(frame.file));
                message.locations.push(location(file, frame.line));
            }
            message.locations.dedup();
            locations.push(map::Entry::new(op.digest.as_str(), message));
        }
        locations.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        pb::Source {
            locations,
            infos: files.infos,
        }
    }
}

fn location(file: i32, line: u32) -> pb::Location {
    let at = pb::Position {
        line: i32::try_from(line).unwrap_or(i32::MAX),
        character: 0,
    };
    pb::Location {
        source_index: file,
        ranges: vec![pb::Range {
            start: Some(at),
            end: Some(at),
        }],
    }
}
