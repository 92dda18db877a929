//! A Mermaid flowchart: what GitHub shows in a Markdown file.

use std::fmt::Write as _;

use super::dag::{Dag, Link, show_place};
use super::one_line;
use crate::definition::Kind;

/// How much of a name fits a node.
const NAME: usize = 100;

pub(super) fn render(dag: &Dag<'_>) -> String {
    let mut out = String::from("flowchart TD\n");
    for node in &dag.nodes {
        let Some(vertex) = dag.vertex(node) else { continue };
        let mut lines = vec![one_line(dag.name(node.position), NAME)];
        lines.extend(dag.platform(vertex).map(|platform| one_line(&platform, NAME)));
        lines.extend(vertex.places.first().map(|place| one_line(&show_place(*place), NAME)));
        let lines: Vec<String> = lines.iter().map(|line| escape(line)).collect();
        let (open, close) = shape(vertex.kind());
        put(
            &mut out,
            format_args!("  v{}{open}\"{}\"{close}\n", node.position + 1, lines.join("<br>")),
        );
    }
    out.push_str("  result((result))\n");
    for node in &dag.nodes {
        links(&mut out, &node.links, &format!("v{}", node.position + 1));
    }
    links(&mut out, &dag.result, "result");
    if dag.nodes.iter().any(|node| !node.matched) {
        let junctions = dag.nodes.iter().filter(|node| !node.matched);
        let ids: Vec<String> = junctions.map(|node| format!("v{}", node.position + 1)).collect();
        out.push_str("  classDef junction stroke-dasharray: 4\n");
        put(&mut out, format_args!("  class {} junction\n", ids.join(",")));
    }
    out
}

fn links(out: &mut String, links: &[Link], to: &str) {
    for link in links {
        let arrow = if link.direct { "-->" } else { "-.->" };
        let output = (link.output > 0).then(|| format!("output {}", link.output));
        let mount = (!link.label.is_empty()).then(|| escape(&one_line(&link.label, NAME)));
        let label: Vec<String> = output.into_iter().chain(mount).collect();
        let label = if label.is_empty() {
            String::new()
        } else {
            format!("|\"{}\"|", label.join("<br>"))
        };
        put(out, format_args!("  v{} {arrow}{label} {to}\n", link.from + 1));
    }
}

fn shape(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Source => ("([", "])"),
        Kind::Exec => ("[", "]"),
        Kind::File => ("[/", "/]"),
        Kind::Merge => ("[\\", "/]"),
        Kind::Diff => ("{{", "}}"),
        Kind::Build => ("[[", "]]"),
        Kind::Passthrough | Kind::Unknown => (">", "]"),
    }
}

/// What Mermaid would read as its own, or as HTML or Markdown, by number.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' | '#' | ';' | '&' | '<' | '>' | '`' | '\\' => {
                put(&mut out, format_args!("#{};", u32::from(c)));
            }
            c => out.push(c),
        }
    }
    out
}

fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String can't fail.
    let _infallible = out.write_fmt(text);
}
