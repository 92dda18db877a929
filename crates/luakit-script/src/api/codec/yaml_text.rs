//! YAML, written: block style, two spaces, keys sorted, quotes where a reader of YAML 1.1 or 1.2 would take
//! plain text for something else.

use super::{Node, json, number, yaml};

pub(super) fn encode(node: &Node) -> String {
    let mut text = String::new();
    match node {
        Node::List(items) if !items.is_empty() => list(items, 0, &mut text),
        Node::Map(pairs) if !pairs.is_empty() => {
            for (key, value) in pairs {
                pair(key, value, 0, &mut text);
            }
        }
        other => {
            scalar(other, &mut text);
            text.push('\n');
        }
    }
    text
}

fn indent(depth: usize, out: &mut String) {
    for _ in 0..depth {
        out.push_str("  ");
    }
}

fn list(items: &[Node], depth: usize, out: &mut String) {
    for item in items {
        indent(depth, out);
        element(item, depth, out);
    }
}

/// What follows the indentation of a list's element.
fn element(item: &Node, depth: usize, out: &mut String) {
    out.push_str("- ");
    match item {
        Node::List(items) if !items.is_empty() => {
            for (index, inner) in items.iter().enumerate() {
                if index > 0 {
                    indent(depth + 1, out);
                }
                element(inner, depth + 1, out);
            }
        }
        Node::Map(pairs) if !pairs.is_empty() => {
            for (index, (key, value)) in pairs.iter().enumerate() {
                if index > 0 {
                    indent(depth + 1, out);
                }
                after_indent(key, value, depth + 1, out);
            }
        }
        other => {
            scalar(other, out);
            out.push('\n');
        }
    }
}

fn pair(key: &str, value: &Node, depth: usize, out: &mut String) {
    indent(depth, out);
    after_indent(key, value, depth, out);
}

fn after_indent(key: &str, value: &Node, depth: usize, out: &mut String) {
    string(key, out);
    out.push(':');
    match value {
        Node::List(items) if !items.is_empty() => {
            out.push('\n');
            list(items, depth + 1, out);
        }
        Node::Map(pairs) if !pairs.is_empty() => {
            out.push('\n');
            for (key, value) in pairs {
                pair(key, value, depth + 1, out);
            }
        }
        other => {
            out.push(' ');
            scalar(other, out);
            out.push('\n');
        }
    }
}

fn scalar(node: &Node, out: &mut String) {
    match node {
        Node::Null => out.push_str("null"),
        Node::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Node::Number(value) => out.push_str(&number(*value)),
        Node::Text(text) => string(text, out),
        Node::List(_) => out.push_str("[]"),
        Node::Map(_) => out.push_str("{}"),
    }
}

fn string(text: &str, out: &mut String) {
    if is_plain(text) {
        out.push_str(text);
    } else {
        json::string(text, out);
    }
}

/// Whether every reader takes the bare text for the string that it is.
fn is_plain(text: &str) -> bool {
    let first = text.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '_' | '/'));
    let rest = text.chars().all(|c| c.is_ascii_alphanumeric() || "_./-+@ ".contains(c));
    let words = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];
    first
        && rest
        && !text.ends_with(' ')
        && !words.iter().any(|word| text.eq_ignore_ascii_case(word))
        && matches!(yaml::plain(text), Node::Text(_))
}
