//! Sets of a graph's vertices: what states are made of.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::graph::{Graph, Vertex, VertexId};
use crate::marshal::inputs_of;
use crate::op::Op;
use crate::state::State;

/// Vertices of one graph.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VertexSet(Vec<bool>);

impl VertexSet {
    /// Whether a vertex is in it.
    pub fn contains(&self, vertex: VertexId) -> bool {
        self.0.get(vertex.0 as usize).copied().unwrap_or_default()
    }

    /// The vertices of the graph that it is of.
    pub fn vertices<'g>(&self, graph: &'g Graph) -> impl Iterator<Item = &'g Vertex> {
        let members = self.0.iter();
        graph
            .vertices()
            .zip(members)
            .filter_map(|(vertex, member)| member.then_some(vertex))
    }

    /// Adds what is in `other`.
    pub fn extend(&mut self, other: &Self) {
        self.0.resize(self.0.len().max(other.0.len()), false);
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            *mine |= theirs;
        }
    }

    /// Takes away what is in `other`.
    pub fn remove_all(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            *mine &= !theirs;
        }
    }

    /// Adds a vertex; whether it is new.
    fn insert(&mut self, vertex: VertexId) -> bool {
        match self.0.get_mut(vertex.0 as usize) {
            Some(slot) => !std::mem::replace(slot, true),
            None => false,
        }
    }
}

impl Graph {
    /// Everything that a state is made of, its own vertex among it.
    pub fn made_of(&self, state: State) -> VertexSet {
        let mut set = VertexSet(vec![false; self.len()]);
        let mut pending: Vec<VertexId> = state.output.iter().map(|output| output.vertex).collect();
        while let Some(vertex) = pending.pop() {
            if set.insert(vertex) {
                let inputs = inputs_of(&self.vertex(vertex).op);
                pending.extend(inputs.iter().map(|input| input.vertex));
            }
        }
        set
    }

    /// Runs and changes of files that are lost, in order: none of the `kept` states is made of them, and no other vertex.
    pub fn lost_steps(&self, kept: &[State]) -> Vec<&Vertex> {
        let mut used = VertexSet(vec![false; self.len()]);
        for output in kept.iter().filter_map(|state| state.output) {
            used.insert(output.vertex);
        }
        for vertex in self.vertices() {
            for input in inputs_of(&vertex.op) {
                used.insert(input.vertex);
            }
        }
        let is_step = |vertex: &Vertex| matches!(&*vertex.op, Op::Exec(_) | Op::File(_));
        let unused = self.vertices().zip(&used.0).filter(|(_, used)| !**used);
        let mut lost: Vec<&Vertex> = unused.map(|(vertex, _)| vertex).filter(|v| is_step(v)).collect();
        if !lost.is_empty() {
            // A vertex that was labelled is there twice, and then it is the label's that is used.
            let mut seen: BTreeSet<*const Op> = used.vertices(self).map(|vertex| Arc::as_ptr(&vertex.op)).collect();
            lost.retain(|vertex| seen.insert(Arc::as_ptr(&vertex.op)));
        }
        lost
    }
}
