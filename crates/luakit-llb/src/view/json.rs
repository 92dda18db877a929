//! JSON lines as `buildctl debug dump-llb` prints them: `Op`, `Digest` and `OpMetadata` of each op, the return vertex last.
//!
//! Keys, their order and what is left out are those of Go's `encoding/json` on the structs of `solver/pb/ops.pb.go`, with
//! `solver/pb/json.go` for what protobuf has no JSON of its own for. One thing is added inside: `symlink`
//! actions, which BuildKit's printer forgets. Behind, for scripts: `Name`, `Locations`, and under a filter `Inputs`, the
//! nearest vertices shown.

mod object;
mod op;

use super::dag::{Dag, Link};
use crate::definition::Vertex;
use luakit_proto::pb;
use object::Object;

pub(super) fn render(dag: &Dag<'_>) -> String {
    let mut out = String::new();
    for node in &dag.nodes {
        if let Some(vertex) = dag.vertex(node) {
            show(&mut out, dag, node.position, vertex, &node.links);
        }
    }
    if let Some(returns) = dag.parsed.returns() {
        let mut line = Object::open(&mut out);
        head(&mut line, &returns.op, &returns.digest, returns.metadata);
        inputs(&mut line, dag, &dag.result);
        line.close();
        out.push('\n');
    }
    out
}

fn show(out: &mut String, dag: &Dag<'_>, position: usize, vertex: &Vertex<'_>, links: &[Link]) {
    let mut line = Object::open(out);
    head(&mut line, &vertex.op, &vertex.digest, vertex.metadata);
    line.string_always("Name", dag.name(position));
    line.list("Locations", &vertex.places, |object, place| {
        object.string_always("file", place.file);
        object.int("line", place.line.into());
        if place.last != place.line {
            object.int("last", place.last.into());
        }
    });
    inputs(&mut line, dag, links);
    line.close();
    out.push('\n');
}

fn head(line: &mut Object<'_>, op: &pb::Op, digest: &str, metadata: Option<&pb::OpMetadata>) {
    line.object("Op", |object| op::op(object, op));
    line.string_always("Digest", digest);
    line.object("OpMetadata", |object| {
        if let Some(metadata) = metadata {
            op::metadata(object, metadata);
        }
    });
}

fn inputs(line: &mut Object<'_>, dag: &Dag<'_>, links: &[Link]) {
    if dag.filtered {
        let vertices = dag.parsed.vertices();
        let digests = links.iter().filter_map(|link| vertices.get(link.from));
        let digests: Vec<String> = digests.map(|vertex| vertex.digest.clone()).collect();
        line.strings("Inputs", &digests);
    }
}
