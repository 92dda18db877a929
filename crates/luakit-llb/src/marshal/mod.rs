//! From a graph to a definition: each vertex once, inputs first, with the bytes that BuildKit's Go client
//! writes (`client/llb`).
//!
//! Vertices are visited depth first without recursion, so that a chain may be as long as memory allows.
//! Vertices of equal bytes become one, and their labels and places in the script are joined.

pub(crate) mod caps;
mod encode;
mod exec;
mod file;
pub(crate) mod go_json;
mod inherit;
mod run_defaults;
mod source;
mod source_files;
mod writer;

use std::borrow::Cow;

use luakit_proto::pb;

pub use encode::{encode_op, op_digest};
pub use run_defaults::RunDefaults;
pub use source::CONTEXT;

use crate::definition::Definition;
use crate::graph::{Graph, Metadata, VertexId};
use crate::op::{Op, ResolveMode};
use crate::pins::Pins;
use crate::platform::Platform;
use crate::state::{Output, State};
use crate::vertex_set::VertexSet;
use inherit::Inheritance;
use writer::Writer;

/// What a definition is written for.
#[derive(Debug, Clone, Copy)]
pub struct Options<'a> {
    /// The platform of everything that has none of its own.
    pub platform: &'a Platform,
    /// What references mean.
    pub pins: &'a Pins,
    /// What tells the local directories of one build from those of another of the same names.
    pub local_unique: &'a str,
    /// The context's ignore patterns: they come before those of a script's own.
    pub context_excludes: &'a [String],
    /// What runs get that don't say themselves.
    pub run_defaults: Option<&'a RunDefaults>,
    /// What runs again though its result is cached.
    pub no_cache: NoCache<'a>,
    /// When engines ask registries for images of which a script doesn't say it.
    pub resolve_mode: ResolveMode,
}

/// Which runs and changes of files are done again though their results are cached. Sources and merges are not: what
/// they give depends on nothing but what they name.
#[derive(Debug, Clone, Copy, Default)]
pub enum NoCache<'a> {
    /// Those that the script says.
    #[default]
    AsWritten,
    /// Those of these vertices too.
    Vertices(&'a VertexSet),
    /// All.
    Everything,
}

impl NoCache<'_> {
    fn covers(self, id: VertexId, op: &Op) -> bool {
        let can = matches!(op, Op::Exec(_) | Op::File(_));
        match self {
            Self::AsWritten => false,
            Self::Vertices(set) => can && set.contains(id),
            Self::Everything => can,
        }
    }
}

/// What one vertex is on the wire.
struct Wire {
    op: pb::Op,
    caps: Vec<&'static str>,
    /// Whether its platform is what the script said, rather than the target.
    explicit_platform: bool,
}

/// Writes what a state is made of. Scratch is an empty definition.
pub fn marshal(graph: &Graph, state: State, options: &Options<'_>) -> Definition {
    let Some(output) = state.output else {
        return Definition::scratch();
    };
    let mut marshaller = Marshaller {
        graph,
        options,
        inherit: Inheritance::new(graph, options.pins, options.platform),
        writer: Writer::new(graph, platform_message(options.platform)),
        written: vec![None; graph.len()],
    };
    marshaller.visit(output.vertex);
    let result = marshaller.input(output);
    marshaller.writer.finish(result)
}

struct Marshaller<'a> {
    graph: &'a Graph,
    options: &'a Options<'a>,
    inherit: Inheritance<'a>,
    writer: Writer<'a>,
    /// The op that each vertex has become.
    written: Vec<Option<usize>>,
}

impl Marshaller<'_> {
    /// Writes everything that `root` is made of, and `root`.
    fn visit(&mut self, root: VertexId) {
        let mut stack = vec![(root, self.inputs_of(root), 0)];
        while let Some((vertex, inputs, next)) = stack.last_mut() {
            if let Some(input) = inputs.get(*next) {
                *next += 1;
                let input = input.vertex;
                if self.op_of(input).is_none() {
                    let inputs = self.inputs_of(input);
                    stack.push((input, inputs, 0));
                }
            } else {
                let vertex = *vertex;
                stack.pop();
                if self.op_of(vertex).is_none() {
                    self.write(vertex);
                }
            }
        }
    }

    fn op_of(&self, vertex: VertexId) -> Option<usize> {
        self.written.get(vertex.0 as usize).copied().flatten()
    }

    /// What a vertex consumes, in the order in which it is visited.
    fn inputs_of(&self, vertex: VertexId) -> Vec<Output> {
        inputs_of(&self.graph.vertex(vertex).op)
    }

    fn write(&mut self, id: VertexId) {
        let vertex = self.graph.vertex(id);
        let metadata = match (&*vertex.op, self.options.run_defaults) {
            (Op::Exec(_), Some(defaults)) => defaults.limit(&vertex.metadata),
            _ => Cow::Borrowed(&vertex.metadata),
        };
        let wire = match &*vertex.op {
            Op::Foreign(op) => {
                let index = self.writer.add_foreign(op, &vertex.metadata, vertex.stack);
                return self.wrote(id, index);
            }
            Op::Source(source) => source::source(source, self.options),
            Op::Exec(exec) => {
                let inherited = self.inherit.of(exec.values);
                let mut inputs = Inputs::new(&self.written, &self.writer);
                exec::exec(exec, &metadata, &inherited, &mut inputs, self.options)
            }
            Op::File(file) => {
                let mut inputs = Inputs::new(&self.written, &self.writer);
                file::file(file, &mut self.inherit, &mut inputs)
            }
            Op::Merge(states) => {
                let inputs = states.iter().map(|output| self.input(*output)).collect();
                merge(inputs)
            }
            Op::Diff { lower, upper } => diff(lower.map(|o| self.input(o)), upper.map(|o| self.input(o))),
        };
        let index = self.writer.add(wire, &vertex.metadata, vertex.stack);
        if let Cow::Owned(limited) = &metadata {
            self.writer.overlay(index, limited);
        }
        if self.options.no_cache.covers(id, &vertex.op) {
            let again = Metadata {
                ignore_cache: true,
                ..Metadata::default()
            };
            self.writer.overlay(index, &again);
        }
        self.wrote(id, index);
    }

    fn wrote(&mut self, id: VertexId, index: usize) {
        if let Some(slot) = self.written.get_mut(id.0 as usize) {
            *slot = Some(index);
        }
    }

    /// An edge to an output that is written.
    fn input(&self, output: Output) -> pb::Input {
        input_message(&self.written, &self.writer, output)
    }
}

/// What an op consumes, in the order in which BuildKit's client visits it. Of a foreign op it is what is written before
/// it.
pub(crate) fn inputs_of(op: &Op) -> Vec<Output> {
    match op {
        Op::Source(_) => Vec::new(),
        Op::Exec(exec) => exec::placed_mounts(exec)
            .iter()
            .filter_map(exec::Placed::source)
            .collect(),
        Op::File(file) => file::visited_inputs(file),
        Op::Merge(inputs) => inputs.clone(),
        Op::Diff { lower, upper } => [*lower, *upper].into_iter().flatten().collect(),
        Op::Foreign(op) => op
            .before
            .map(|vertex| Output { vertex, index: 0 })
            .into_iter()
            .collect(),
    }
}

fn input_message(written: &[Option<usize>], writer: &Writer<'_>, output: Output) -> pb::Input {
    let op = written.get(output.vertex.0 as usize).copied().flatten();
    pb::Input {
        digest: op.map(|op| writer.digest(op).to_owned()).unwrap_or_default(),
        index: output.index.into(),
    }
}

fn merge(inputs: Vec<pb::Input>) -> Wire {
    let numbered = (0..).zip(&inputs).map(|(input, _)| pb::MergeInput { input });
    let message = pb::MergeOp {
        inputs: numbered.collect(),
    };
    plain(inputs, pb::op::Op::Merge(message), caps::MERGE)
}

fn diff(lower: Option<pb::Input>, upper: Option<pb::Input>) -> Wire {
    let lower_index = if lower.is_some() { 0 } else { -1 };
    let upper_index = if upper.is_some() { lower_index + 1 } else { -1 };
    let message = pb::DiffOp {
        lower: Some(pb::LowerDiffInput { input: lower_index }),
        upper: Some(pb::UpperDiffInput { input: upper_index }),
    };
    let inputs = [lower, upper].into_iter().flatten().collect();
    plain(inputs, pb::op::Op::Diff(message), caps::DIFF)
}

/// An op that has no platform.
fn plain(inputs: Vec<pb::Input>, op: pb::op::Op, cap: &'static str) -> Wire {
    let op = pb::Op {
        inputs,
        platform: None,
        constraints: Some(pb::WorkerConstraints::default()),
        op: Some(op),
    };
    Wire {
        op,
        caps: vec![cap],
        explicit_platform: false,
    }
}

pub(crate) fn platform_message(platform: &Platform) -> pb::Platform {
    pb::Platform {
        architecture: platform.arch().to_owned(),
        os: platform.os().to_owned(),
        variant: platform.variant().to_owned(),
        ..Default::default()
    }
}

/// The inputs of one op as it is written: equal ones share a place.
struct Inputs<'a> {
    written: &'a [Option<usize>],
    writer: &'a Writer<'a>,
    list: Vec<pb::Input>,
    len: usize,
}

impl<'a> Inputs<'a> {
    fn new(written: &'a [Option<usize>], writer: &'a Writer<'a>) -> Self {
        Self {
            written,
            writer,
            list: Vec::new(),
            len: 0,
        }
    }

    /// The place of an output among the inputs; -1 for scratch.
    fn index_of(&mut self, output: Option<Output>) -> i64 {
        let Some(output) = output else { return -1 };
        let input = input_message(self.written, self.writer, output);
        let at = self
            .list
            .iter()
            .position(|present| *present == input)
            .unwrap_or_else(|| {
                self.list.push(input);
                self.list.len() - 1
            });
        self.len = self.list.len();
        i64::try_from(at).unwrap_or(i64::MAX)
    }

    fn take(&mut self) -> Vec<pb::Input> {
        std::mem::take(&mut self.list)
    }

    /// How many there are, or were when they were taken.
    fn len(&self) -> usize {
        self.len
    }
}

/// Labels, as a definition's metadata has them.
pub(crate) fn metadata_message(metadata: &Metadata) -> pb::OpMetadata {
    let description = metadata.description.iter().map(|name| ("llb.customname", name.clone()));
    pb::OpMetadata {
        ignore_cache: metadata.ignore_cache,
        description: luakit_proto::map::entries(description),
        export_cache: metadata.export_cache.map(|value| pb::ExportCache { value }),
        caps: Vec::new(),
        progress_group: metadata.progress_group.as_ref().map(|group| pb::ProgressGroup {
            id: group.id.clone(),
            name: group.name.clone(),
            weak: group.weak,
        }),
        linux_resources: metadata.resources.as_ref().map(|limits| pb::LinuxResources {
            memory: limits.memory,
            memory_swap: limits.memory_swap,
            cpu_shares: u64::try_from(limits.cpu_shares).unwrap_or_default(),
            cpu_period: u64::try_from(limits.cpu_period).unwrap_or_default(),
            cpu_quota: limits.cpu_quota,
            cpuset_cpus: limits.cpuset_cpus.clone(),
            cpuset_mems: limits.cpuset_mems.clone(),
        }),
    }
}
