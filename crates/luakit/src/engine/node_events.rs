//! What happens on several nodes, told so that one display can show it.
//!
//! Two nodes may run the same step, with the same digest: each gets digests of its own here, and names that say where.

use luakit_buildkit::progress::{Event, Update};
use sha2::{Digest as _, Sha256};

/// What a step's digest is in the display of a build on several nodes.
pub(super) fn of_node(node: &str, digest: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(node);
    hash.update([0]);
    hash.update(digest);
    format!("sha256:{}", hex::encode(hash.finalize()))
}

/// An event of a node, as one of the whole build.
pub(super) fn event_of_node(node: &str, event: Event) -> Event {
    match event {
        Event::Update(update) => Event::Update(update_of_node(node, update)),
        other @ (Event::SkippedDevice { .. } | Event::Unfollowed { .. }) => other,
    }
}

fn update_of_node(node: &str, mut update: Update) -> Update {
    let own = |digest: &mut String| *digest = of_node(node, digest);
    for vertex in &mut update.vertices {
        own(&mut vertex.digest);
        vertex.inputs.iter_mut().for_each(own);
        vertex.name = format!("[{node}] {}", vertex.name);
        if let Some(group) = &mut vertex.group {
            group.id = format!("{node}/{}", group.id);
            group.name = format!("[{node}] {}", group.name);
        }
    }
    update.statuses.iter_mut().for_each(|status| own(&mut status.vertex));
    update.logs.iter_mut().for_each(|log| own(&mut log.vertex));
    update.warnings.iter_mut().for_each(|warning| own(&mut warning.vertex));
    update
}

#[cfg(test)]
mod tests {
    use luakit_buildkit::progress::Vertex;

    use super::*;

    #[test]
    fn the_same_step_on_two_nodes_is_two() {
        let vertex = |digest: &str, inputs: &[&str]| Vertex {
            digest: digest.to_owned(),
            inputs: inputs.iter().map(|input| (*input).to_owned()).collect(),
            name: "make".to_owned(),
            ..Vertex::default()
        };
        let update = Update {
            vertices: vec![vertex("sha256:a", &[]), vertex("sha256:b", &["sha256:a"])],
            ..Update::default()
        };
        let one = update_of_node("one", update.clone());
        let two = update_of_node("two", update);
        let [a, b] = one.vertices.as_slice() else {
            unreachable!()
        };
        assert_eq!(b.inputs, [a.digest.as_str()], "the graph stays");
        assert_eq!(a.name, "[one] make");
        assert_ne!(
            a.digest,
            two.vertices.first().map(|v| v.digest.clone()).unwrap_or_default()
        );
    }
}
