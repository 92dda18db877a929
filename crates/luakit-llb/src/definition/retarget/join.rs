//! Ops that have become equal are one: inputs that share a place, labels and places in the script that add up.

use std::collections::{BTreeMap, HashMap, btree_map};

use luakit_proto::pb::file_action::Action;
use luakit_proto::{Message as _, map, pb};

use crate::definition::read::{Parsed, Vertex};
use crate::marshal::encode_op;

/// Inputs of an exec or a file op that were different and are now equal share one place, as BuildKit's client has it. The
/// op is written anew then: `None` when that would lose what this version can't read.
pub(super) fn join_inputs(vertex: &Vertex<'_>, bytes: Vec<u8>) -> Option<Vec<u8>> {
    if !matches!(vertex.op.op, Some(pb::op::Op::Exec(_) | pb::op::Op::File(_))) {
        return Some(bytes);
    }
    let mut op = pb::Op::decode(&*bytes).ok()?;
    let mut joined: Vec<pb::Input> = Vec::with_capacity(op.inputs.len());
    let mut firsts: Vec<usize> = Vec::new();
    let mut places: Vec<i64> = Vec::with_capacity(op.inputs.len());
    for (position, input) in op.inputs.iter().enumerate() {
        let old = vertex.op.inputs.get(position);
        // Those that were equal before stay as they were written.
        let place = joined.iter().zip(&firsts).position(|(present, first)| {
            present == input
                && vertex.op.inputs.get(*first).map(|i| (&i.digest, i.index)) != old.map(|i| (&i.digest, i.index))
        });
        let place = place.unwrap_or_else(|| {
            joined.push(input.clone());
            firsts.push(position);
            joined.len() - 1
        });
        places.push(i64::try_from(place).ok()?);
    }
    let (before, after) = (op.inputs.len(), joined.len());
    if before == after {
        return Some(bytes);
    }
    if encode_op(op.clone()).len() != bytes.len() {
        return None;
    }
    op.inputs = joined;
    let renumber = Renumber {
        places,
        shift: i64::try_from(before - after).ok()?,
    };
    renumber.op(&mut op);
    Some(encode_op(op))
}

/// New places of an op's inputs; what counts on after the inputs moves down.
struct Renumber {
    places: Vec<i64>,
    shift: i64,
}

impl Renumber {
    fn op(&self, op: &mut pb::Op) {
        match &mut op.op {
            Some(pb::op::Op::Exec(exec)) => {
                for mount in &mut exec.mounts {
                    self.index(&mut mount.input);
                }
            }
            Some(pb::op::Op::File(file)) => {
                for action in &mut file.actions {
                    self.index(&mut action.input);
                    self.index(&mut action.secondary_input);
                    if let Some(action) = &mut action.action {
                        self.owner(action);
                    }
                }
            }
            _ => {}
        }
    }

    fn owner(&self, action: &mut Action) {
        let owner = match action {
            Action::Copy(copy) => &mut copy.owner,
            Action::Mkfile(file) => &mut file.owner,
            Action::Mkdir(dir) => &mut dir.owner,
            Action::Symlink(link) => &mut link.owner,
            Action::Rm(_) => return,
        };
        let Some(owner) = owner else { return };
        for part in [&mut owner.user, &mut owner.group].into_iter().flatten() {
            if let Some(pb::user_opt::User::ByName(named)) = &mut part.user {
                self.index(&mut named.input);
            }
        }
    }

    fn index(&self, index: &mut i64) {
        match usize::try_from(*index).map(|i| self.places.get(i)) {
            Ok(Some(place)) => *index = *place,
            Ok(None) => *index -= self.shift,
            Err(_) => {}
        }
    }
}

/// Metadata under the new digests. Of joined ops the later one's is laid over the earlier one's.
pub(super) fn rename_metadata(
    parsed: &Parsed<'_>,
    message: &pb::Definition,
    rename: &impl Fn(&str) -> String,
) -> Vec<pb::MetadataEntry> {
    let mut merged: BTreeMap<String, pb::OpMetadata> = BTreeMap::new();
    for vertex in parsed.vertices() {
        if let Some(metadata) = vertex.metadata {
            match merged.entry(rename(&vertex.digest)) {
                btree_map::Entry::Vacant(slot) => {
                    slot.insert(metadata.clone());
                }
                btree_map::Entry::Occupied(mut slot) => overlay(slot.get_mut(), metadata),
            }
        }
    }
    for entry in &message.metadata {
        let (Some(key), Some(value)) = (&entry.key, &entry.value) else {
            continue;
        };
        merged.entry(rename(key)).or_insert_with(|| value.clone());
    }
    map::entries(merged)
}

fn overlay(under: &mut pb::OpMetadata, over: &pb::OpMetadata) {
    let mut description = map::map(std::mem::take(&mut under.description));
    description.extend(map::map(over.description.clone()));
    under.description = map::entries(description);
    let mut caps = map::map(std::mem::take(&mut under.caps));
    caps.extend(map::map(over.caps.clone()));
    under.caps = map::entries(caps);
    under.ignore_cache |= over.ignore_cache;
    under.export_cache = over.export_cache.or(under.export_cache);
    under.progress_group = over.progress_group.clone().or(under.progress_group.take());
    under.linux_resources = over.linux_resources.clone().or(under.linux_resources.take());
}

/// The source map under the new digests. Joined ops have the places of all.
pub(super) fn rename_locations(
    parsed: &Parsed<'_>,
    source: &pb::Source,
    rename: &impl Fn(&str) -> String,
) -> pb::Source {
    let said: HashMap<&str, &pb::Locations> = source
        .locations
        .iter()
        .filter_map(|entry| Some((entry.key.as_deref()?, entry.value.as_ref()?)))
        .collect();
    let mut merged: BTreeMap<String, pb::Locations> = BTreeMap::new();
    for vertex in parsed.vertices() {
        if let Some(locations) = said.get(vertex.digest.as_str()) {
            let present = merged.entry(rename(&vertex.digest)).or_default();
            let new = &locations.locations;
            if present.locations.is_empty() {
                present.locations.clone_from(new);
            } else if !new.is_empty() && !present.locations.windows(new.len()).any(|run| run == new.as_slice()) {
                present.locations.extend(new.iter().cloned());
                present.locations.dedup();
            }
        }
    }
    for (digest, locations) in said {
        merged.entry(rename(digest)).or_insert_with(|| locations.clone());
    }
    pb::Source {
        locations: map::entries(merged),
        infos: source.infos.clone(),
    }
}

/// Numbers the files in the order in which the ops come from them, as marshalling does.
pub(super) fn sort_files<'a>(source: &mut pb::Source, ops: impl Iterator<Item = &'a str>) {
    let mut order: Vec<usize> = Vec::new();
    {
        let by_digest: HashMap<&str, &pb::Locations> = source
            .locations
            .iter()
            .filter_map(|e| Some((e.key.as_deref()?, e.value.as_ref()?)))
            .collect();
        let mut seen = vec![false; source.infos.len()];
        for location in ops.filter_map(|op| by_digest.get(op)).flat_map(|l| &l.locations) {
            if let Ok(file) = usize::try_from(location.source_index)
                && let Some(seen) = seen.get_mut(file)
                && !*seen
            {
                *seen = true;
                order.push(file);
            }
        }
        order.extend((0..source.infos.len()).filter(|file| !seen.get(*file).copied().unwrap_or_default()));
    }
    let mut numbers = vec![0; order.len()];
    for (new, old) in (0..).zip(&order) {
        if let Some(slot) = numbers.get_mut(*old) {
            *slot = new;
        }
    }
    let all = source.locations.iter_mut().filter_map(|e| e.value.as_mut());
    for location in all.flat_map(|l| &mut l.locations) {
        let number = usize::try_from(location.source_index).ok().and_then(|i| numbers.get(i));
        location.source_index = number.copied().unwrap_or(location.source_index);
    }
    source.infos = order
        .iter()
        .filter_map(|file| source.infos.get(*file).cloned())
        .collect();
}
