//! GraphViz, with the shapes of `buildctl debug dump-llb --dot`.

use std::fmt::Write as _;

use super::dag::{Dag, Link, show_place};
use super::one_line;
use crate::definition::Kind;

/// How much of a name fits a node.
const NAME: usize = 100;

pub(super) fn render(dag: &Dag<'_>) -> String {
    let mut out = String::from("digraph {\n");
    for node in &dag.nodes {
        let Some(vertex) = dag.vertex(node) else { continue };
        let mut lines = vec![one_line(dag.name(node.position), NAME)];
        lines.extend(dag.platform(vertex).map(|platform| one_line(&platform, NAME)));
        lines.extend(vertex.places.first().map(|place| one_line(&show_place(*place), NAME)));
        let style = if node.matched { "" } else { " style=dashed" };
        put(
            &mut out,
            format_args!(
                "  \"{}\" [label=\"{}\" shape={}{style}];\n",
                vertex.digest,
                label(&lines),
                shape(vertex.kind())
            ),
        );
    }
    out.push_str("  result [shape=plaintext];\n");
    for node in &dag.nodes {
        let Some(vertex) = dag.vertex(node) else { continue };
        let to = format!("\"{}\"", vertex.digest);
        links(&mut out, dag, &node.links, &to);
    }
    links(&mut out, dag, &dag.result, "result");
    out.push_str("}\n");
    out
}

fn links(out: &mut String, dag: &Dag<'_>, links: &[Link], to: &str) {
    for link in links {
        let Some(from) = dag.parsed.vertices().get(link.from) else {
            continue;
        };
        let mut attributes = Vec::new();
        let output = (link.output > 0).then(|| format!("output {}", link.output));
        let mount = (!link.label.is_empty()).then(|| one_line(&link.label, NAME));
        let lines: Vec<String> = output.into_iter().chain(mount).collect();
        if !lines.is_empty() {
            attributes.push(format!("label=\"{}\"", label(&lines)));
        }
        if !link.direct {
            attributes.push("style=dashed".to_owned());
        }
        let attributes = match attributes.join(" ") {
            none if none.is_empty() => none,
            some => format!(" [{some}]"),
        };
        put(out, format_args!("  \"{}\" -> {to}{attributes};\n", from.digest));
    }
}

fn shape(kind: Kind) -> &'static str {
    match kind {
        Kind::Source => "ellipse",
        Kind::Exec => "box",
        Kind::File => "note",
        Kind::Merge => "invtriangle",
        Kind::Diff => "doublecircle",
        Kind::Build => "box3d",
        Kind::Passthrough => "cds",
        Kind::Unknown => "plaintext",
    }
}

/// Lines as a quoted label: GraphViz reads escapes of its own in one.
fn label(lines: &[String]) -> String {
    let escaped: Vec<String> = lines
        .iter()
        .map(|line| line.replace('\\', "\\\\").replace('"', "\\\""))
        .collect();
    escaped.join("\\n")
}

fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String can't fail.
    let _infallible = out.write_fmt(text);
}
