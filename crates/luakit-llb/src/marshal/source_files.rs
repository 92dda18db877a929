//! The files of a source map: scripts of this graph, and those that foreign ops come from.

use std::collections::HashMap;
use std::sync::Arc;

use luakit_proto::pb;

use crate::graph::Graph;

/// What a definition says its files are written in; GitHub linguist's spelling.
const LANGUAGE: &str = "Lua";

/// Files in the order in which they are first named, equal ones once.
#[derive(Default)]
pub(super) struct SourceFiles {
    pub(super) infos: Vec<pb::SourceInfo>,
    scripts: HashMap<usize, i32>,
    /// By address: the graph keeps them where they are.
    foreign: HashMap<*const pb::SourceInfo, i32>,
}

impl SourceFiles {
    /// The place of a script, which is the graph's file of that number.
    pub(super) fn script(&mut self, graph: &Graph, number: usize) -> i32 {
        if let Some(known) = self.scripts.get(&number) {
            return *known;
        }
        let file = graph.files().get(number);
        let place = self.add(file.map_or_else(pb::SourceInfo::default, |file| pb::SourceInfo {
            filename: file.name.clone(),
            data: file.data.to_vec(),
            definition: None,
            language: LANGUAGE.to_owned(),
        }));
        self.scripts.insert(number, place);
        place
    }

    /// The place of another client's file.
    pub(super) fn foreign(&mut self, file: &Arc<pb::SourceInfo>) -> i32 {
        if let Some(known) = self.foreign.get(&Arc::as_ptr(file)) {
            return *known;
        }
        let place = self.add(pb::SourceInfo::clone(file));
        self.foreign.insert(Arc::as_ptr(file), place);
        place
    }

    fn add(&mut self, info: pb::SourceInfo) -> i32 {
        let known = self.infos.iter().position(|present| *present == info);
        let place = known.unwrap_or_else(|| {
            self.infos.push(info);
            self.infos.len() - 1
        });
        i32::try_from(place).unwrap_or(i32::MAX)
    }
}
