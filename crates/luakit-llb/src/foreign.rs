//! States made from definitions that other clients wrote: a frontend's inputs.
//!
//! Every op becomes a vertex of its own, so that what is built on top is marshalled with it, joined by digest and
//! shown like any other. Its bytes, its labels and its places in its own script stay as they are, as with
//! `NewDefinitionOp` of BuildKit's client (`client/llb/definition.go`): what its client resolved is not resolved again, and no option
//! of this build reaches it.

use std::collections::HashMap;
use std::sync::Arc;

use luakit_proto::pb;

use crate::definition::{Definition, DefinitionError};
use crate::graph::{Graph, Metadata};
use crate::op::{ForeignOp, ForeignPlace, Op};
use crate::state::{Output, State};
use crate::values::Origin;

impl Graph {
    /// The result of a definition. Later runs take over what `config`, the JSON of an image config, says, as they do from an
    /// image; without one they have the platform of the definition's last operation. An empty definition is scratch.
    pub fn definition(&mut self, definition: &Definition, config: Option<Vec<u8>>) -> Result<State, DefinitionError> {
        let parsed = definition.read()?;
        let files = Files::of(definition.message());
        let no_place = self.intern_stack(&[]);
        let needed = parsed.needed();
        let mut before = None;
        let mut output = None;
        for &position in parsed.inputs_first() {
            let Some(vertex) = parsed.vertices().get(position) else {
                continue;
            };
            if !needed.get(position).copied().unwrap_or_default() {
                continue;
            }
            let op = ForeignOp {
                bytes: vertex.bytes.to_vec(),
                before,
                platform: vertex.op.platform.clone(),
                metadata: vertex.metadata.cloned().unwrap_or_default(),
                places: files.places(&vertex.digest),
            };
            let added = self.add_vertex(Op::Foreign(op), Metadata::default(), no_place);
            before = Some(added);
            if let Some(returns) = parsed.returns().filter(|r| r.result.vertex == position) {
                // Reading has refused what is larger.
                let index = u32::try_from(returns.result.output).unwrap_or(u32::MAX);
                output = Some(Output { vertex: added, index });
            }
        }
        let platform = parsed
            .returns()
            .and_then(|r| parsed.input(r.result)?.op.platform.clone());
        Ok(self.foreign_state(output, Origin { config, platform }))
    }
}

/// The source map of a definition.
struct Files<'a> {
    infos: Vec<Arc<pb::SourceInfo>>,
    locations: HashMap<&'a str, &'a [pb::Location]>,
}

impl<'a> Files<'a> {
    fn of(message: &'a pb::Definition) -> Self {
        let source = message.source.as_ref();
        let infos = source.map_or(&[][..], |source| &source.infos);
        let locations = source.map_or(&[][..], |source| &source.locations);
        let located = locations.iter().filter_map(|entry| {
            let places = entry.value.as_ref()?.locations.as_slice();
            Some((entry.key.as_deref().unwrap_or_default(), places))
        });
        Self {
            infos: infos.iter().cloned().map(Arc::new).collect(),
            locations: located.collect(),
        }
    }

    fn places(&self, digest: &str) -> Vec<ForeignPlace> {
        let places = self.locations.get(digest).copied().unwrap_or_default();
        let place = |location: &pb::Location| {
            let file = self.infos.get(usize::try_from(location.source_index).ok()?)?;
            Some(ForeignPlace {
                file: Arc::clone(file),
                ranges: location.ranges.clone(),
            })
        };
        places.iter().filter_map(place).collect()
    }
}
