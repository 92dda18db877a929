//! TOML.

use toml::Value;

use super::{DEEPEST, Node};
use crate::api::table::MAX_EXACT;

pub(super) fn decode(text: &str) -> Result<Node, String> {
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| place(&error, text))?;
    node(Value::Table(table), 0)
}

/// The message on one line, with its place.
fn place(error: &toml::de::Error, text: &str) -> String {
    let message = error.message().lines().collect::<Vec<_>>().join(", ");
    let Some(before) = error.span().and_then(|span| text.get(..span.start)) else {
        return message;
    };
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |last| last.chars().count()) + 1;
    format!("{message} at line {line} column {column}")
}

#[allow(clippy::cast_precision_loss, reason = "Lua's numbers are doubles")]
fn node(value: Value, depth: usize) -> Result<Node, String> {
    if depth > DEEPEST {
        return Err(format!("it is nested more than {DEEPEST} deep"));
    }
    Ok(match value {
        Value::String(text) => Node::Text(text),
        Value::Integer(value) => Node::Number(value as f64),
        Value::Float(value) => Node::Number(value),
        Value::Boolean(value) => Node::Bool(value),
        Value::Datetime(time) => Node::Text(time.to_string()),
        Value::Array(items) => Node::List(
            items
                .into_iter()
                .map(|item| node(item, depth + 1))
                .collect::<Result<_, _>>()?,
        ),
        Value::Table(pairs) => {
            let pairs = pairs.into_iter().map(|(key, value)| Ok((key, node(value, depth + 1)?)));
            Node::Map(pairs.collect::<Result<_, String>>()?)
        }
    })
}

pub(super) fn encode(root: &Node) -> Result<String, String> {
    let Node::Map(_) = root else {
        return Err("a document is a table with names as keys".to_owned());
    };
    let value = value(root, "value")?;
    toml::to_string(&value).map_err(|error| error.to_string())
}

fn value(node: &Node, path: &str) -> Result<Value, String> {
    Ok(match node {
        Node::Null => return Err(format!("{path} is null, which TOML has not")),
        Node::Bool(value) => Value::Boolean(*value),
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_precision_loss,
            reason = "it is whole, and its size is checked"
        )]
        Node::Number(value) if value.fract() == 0.0 && value.abs() <= MAX_EXACT as f64 => Value::Integer(*value as i64),
        Node::Number(value) => Value::Float(*value),
        Node::Text(text) => Value::String(text.clone()),
        Node::List(items) => {
            let items = (1..)
                .zip(items)
                .map(|(index, item)| value(item, &format!("{path}[{index}]")));
            Value::Array(items.collect::<Result<_, _>>()?)
        }
        Node::Map(pairs) => {
            let mut table = toml::Table::new();
            for (key, inner) in pairs {
                table.insert(key.clone(), value(inner, &format!("{path}.{key}"))?);
            }
            Value::Table(table)
        }
    })
}
