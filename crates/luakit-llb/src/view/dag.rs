//! What is shown of a definition, and how it hangs together.
//!
//! A vertex that a filter leaves out is contracted: what consumes it hangs on the nearest shown vertices below it. A
//! vertex left out that joins many of those for several consumers stays as a junction, so that the edges shown are never many
//! more than those that there are.

use std::borrow::Cow;

use luakit_proto::pb;

use super::Options;
use crate::definition::{Edge, Parsed, Vertex};
use crate::platform::Platform;

/// How many vertices a vertex that is left out may join for each of several consumers.
const JUNCTION: usize = 16;

pub(super) struct Dag<'a> {
    pub(super) parsed: &'a Parsed<'a>,
    /// Names by position.
    pub(super) names: Vec<String>,
    /// The platform that goes without saying.
    pub(super) target: Option<Platform>,
    /// What is shown, in the definition's order.
    pub(super) nodes: Vec<Node>,
    /// What the result hangs on.
    pub(super) result: Vec<Link>,
    /// Whether there is a filter.
    pub(super) filtered: bool,
}

/// A vertex that is shown.
pub(super) struct Node {
    /// Its position in the definition.
    pub(super) position: usize,
    /// Whether it was asked for; a junction was not.
    pub(super) matched: bool,
    /// What it hangs on.
    pub(super) links: Vec<Link>,
}

/// An edge that is shown.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Link {
    /// The position of the vertex that it comes from.
    pub(super) from: usize,
    /// Which of its outputs; 0 across vertices that are left out.
    pub(super) output: u64,
    /// Where an exec mounts it, unless that is the root.
    pub(super) label: String,
    /// Whether nothing is left out between the two.
    pub(super) direct: bool,
}

impl<'a> Dag<'a> {
    pub(super) fn new(parsed: &'a Parsed<'a>, options: &Options) -> Self {
        let names = parsed.names();
        let vertices = parsed.vertices();
        let mut contraction = Contraction::new(parsed);
        let mut nodes = Vec::new();
        for &position in parsed.inputs_first() {
            let Some(vertex) = vertices.get(position) else { continue };
            let name = names.get(position).map_or("", String::as_str);
            let matched = options.filter.matches(vertex.kind(), name);
            if matched || contraction.leave_out(position, vertex) {
                let labels = mount_labels(vertex);
                let labels = labels.iter().map(String::as_str).chain(std::iter::repeat(""));
                nodes.push(Node {
                    position,
                    matched,
                    links: contraction.show(position, vertex.inputs.iter().copied().zip(labels)),
                });
            }
        }
        nodes.sort_unstable_by_key(|node| node.position);
        let result = parsed.returns().map(|returns| (returns.result, ""));
        Self {
            parsed,
            target: target(parsed, options),
            result: contraction.links(result.into_iter()),
            filtered: !options.filter.is_empty(),
            names,
            nodes,
        }
    }

    /// The vertex of a node.
    pub(super) fn vertex(&self, node: &Node) -> Option<&Vertex<'a>> {
        self.parsed.vertices().get(node.position)
    }

    pub(super) fn name(&self, position: usize) -> &str {
        self.names.get(position).map_or("", String::as_str)
    }

    /// The platform of a vertex, unless it goes without saying.
    pub(super) fn platform(&self, vertex: &Vertex<'_>) -> Option<String> {
        let said = vertex.op.platform.as_ref()?;
        let known = Platform::of_config(&said.os, &said.architecture, &said.variant);
        if known.is_some() && known == self.target {
            return None;
        }
        Some(show_platform(said))
    }
}

/// The path of a script file and its lines.
pub(super) fn show_place(place: crate::definition::Place<'_>) -> String {
    if place.last > place.line {
        return format!("{}:{}-{}", place.file, place.line, place.last);
    }
    format!("{}:{}", place.file, place.line)
}

fn show_platform(said: &pb::Platform) -> String {
    let parts = [&said.os, &said.architecture, &said.variant];
    let parts: Vec<&str> = parts
        .into_iter()
        .map(String::as_str)
        .filter(|p| !p.is_empty())
        .collect();
    parts.join("/")
}

fn target(parsed: &Parsed<'_>, options: &Options) -> Option<Platform> {
    if options.target.is_some() {
        return options.target.clone();
    }
    if let Ok(Some(record)) = parsed.definition().export() {
        return Some(record.platform);
    }
    let mut said = parsed.vertices().iter().filter_map(|v| v.op.platform.as_ref());
    let first = said.next()?;
    let platform = Platform::of_config(&first.os, &first.architecture, &first.variant)?;
    said.all(|other| other == first).then_some(platform)
}

/// Where an exec mounts each of its inputs, the root left out.
fn mount_labels(vertex: &Vertex<'_>) -> Vec<String> {
    let Some(pb::op::Op::Exec(exec)) = &vertex.op.op else {
        return Vec::new();
    };
    let mut labels = vec![String::new(); vertex.inputs.len()];
    for mount in exec.mounts.iter().filter(|mount| mount.dest != "/") {
        let label = usize::try_from(mount.input).ok().and_then(|i| labels.get_mut(i));
        if let Some(label) = label {
            if !label.is_empty() {
                label.push_str(", ");
            }
            label.push_str(&mount.dest);
        }
    }
    labels
}

/// Where each vertex so far can be hung on.
struct Contraction {
    /// By position: itself for a vertex that is shown, else the shown ones below it.
    below: Vec<Below>,
    /// How many edges leave each vertex.
    consumers: Vec<u32>,
}

enum Below {
    Shown,
    LeftOut(Vec<usize>),
}

impl Contraction {
    fn new(parsed: &Parsed<'_>) -> Self {
        let mut consumers = vec![0_u32; parsed.vertices().len()];
        let edges = parsed.vertices().iter().flat_map(|v| &v.inputs);
        for edge in edges.chain(parsed.returns().map(|r| &r.result)) {
            if let Some(count) = consumers.get_mut(edge.vertex) {
                *count = count.saturating_add(1);
            }
        }
        Self {
            below: parsed.vertices().iter().map(|_| Below::LeftOut(Vec::new())).collect(),
            consumers,
        }
    }

    /// Leaves a vertex out; `true` when it has to be shown after all.
    fn leave_out(&mut self, position: usize, vertex: &Vertex<'_>) -> bool {
        let mut joined: Vec<usize> = Vec::new();
        let shared = self.consumers.get(position).is_some_and(|count| *count > 1);
        let bound = |below: &[usize]| shared && below.len() > JUNCTION;
        // A junction must find what is below it again: look first, take afterwards.
        if shared {
            let mut probe: Vec<usize> = vertex
                .inputs
                .iter()
                .flat_map(|edge| self.peek(*edge).into_owned())
                .collect();
            probe.sort_unstable();
            probe.dedup();
            if bound(&probe) {
                return true;
            }
            joined = probe;
        } else {
            for edge in &vertex.inputs {
                let mut below = self.take(*edge);
                if below.len() > joined.len() {
                    std::mem::swap(&mut below, &mut joined);
                }
                joined.append(&mut below);
            }
        }
        if let Some(slot) = self.below.get_mut(position) {
            *slot = Below::LeftOut(joined);
        }
        false
    }

    /// Shows a vertex, and says what it hangs on.
    fn show<'l>(&mut self, position: usize, inputs: impl Iterator<Item = (Edge, &'l str)>) -> Vec<Link> {
        let links = self.links(inputs);
        if let Some(slot) = self.below.get_mut(position) {
            *slot = Below::Shown;
        }
        links
    }

    fn links<'l>(&mut self, inputs: impl Iterator<Item = (Edge, &'l str)>) -> Vec<Link> {
        let mut links = Vec::new();
        for (edge, label) in inputs {
            if matches!(self.below.get(edge.vertex), Some(Below::Shown)) {
                links.push(Link {
                    from: edge.vertex,
                    output: edge.output,
                    label: label.to_owned(),
                    direct: true,
                });
                continue;
            }
            let mut below = self.take(edge);
            below.sort_unstable();
            below.dedup();
            links.extend(below.into_iter().map(|from| Link {
                from,
                output: 0,
                label: label.to_owned(),
                direct: false,
            }));
        }
        let mut seen = std::collections::HashSet::new();
        links.retain(|link| link.direct || seen.insert((link.from, link.label.clone())));
        links
    }

    /// What an edge hangs on: copied for each of several consumers, else handed over.
    fn take(&mut self, edge: Edge) -> Vec<usize> {
        let sole = self.consumers.get(edge.vertex).is_some_and(|count| *count < 2);
        match self.below.get_mut(edge.vertex) {
            Some(Below::LeftOut(below)) if sole => std::mem::take(below),
            _ => self.peek(edge).into_owned(),
        }
    }

    fn peek(&self, edge: Edge) -> Cow<'_, [usize]> {
        match self.below.get(edge.vertex) {
            Some(Below::Shown) => Cow::Owned(vec![edge.vertex]),
            Some(Below::LeftOut(below)) => Cow::Borrowed(below),
            None => Cow::Borrowed(&[]),
        }
    }
}
