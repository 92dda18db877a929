//! `bk.json`, `bk.yaml`, `bk.toml`: text to values and back.
//!
//! Between Lua and a format stands a plain [`Node`] tree. Encoding is canonical: keys sorted bytewise, one
//! way to write each value. Depth and size are limited on both ways, so that no text and no table, however
//! nested or shared, takes the process down.

mod json;
mod toml_text;
mod yaml;
mod yaml_text;

use std::collections::BTreeMap;
use std::fmt;

use mlua::{Lua, Result, Table, Value};

use super::args::values_behind;
use super::decode::{Call, Out, number_text, type_name};
use crate::error::Subject;

/// How deep values may be nested.
const DEEPEST: usize = 120;

/// Bytes of text that is decoded or made.
const LONGEST: usize = 16 << 20;

/// Values that one text or table may hold, aliases counted as often as they are used.
const MOST: usize = 1_000_000;

/// A value of any of the formats.
#[derive(Debug, Clone, PartialEq)]
enum Node {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    List(Vec<Node>),
    Map(BTreeMap<String, Node>),
}

/// A format.
struct Format {
    name: &'static str,
    decode: fn(&str) -> std::result::Result<Node, String>,
    encode: fn(&Node) -> std::result::Result<String, String>,
}

const JSON: Format = Format {
    name: "JSON",
    decode: json::decode,
    encode: |node| Ok(json::encode(node)),
};

const YAML: Format = Format {
    name: "YAML",
    decode: yaml::decode,
    encode: |node| Ok(yaml_text::encode(node)),
};

const TOML: Format = Format {
    name: "TOML",
    decode: toml_text::decode,
    encode: toml_text::encode,
};

pub(super) fn json_decode(call: &mut Call<'_>) -> Result<Out> {
    decode(call, &JSON)
}

pub(super) fn json_encode(call: &mut Call<'_>) -> Result<Out> {
    encode(call, &JSON)
}

pub(super) fn yaml_decode(call: &mut Call<'_>) -> Result<Out> {
    decode(call, &YAML)
}

pub(super) fn yaml_encode(call: &mut Call<'_>) -> Result<Out> {
    encode(call, &YAML)
}

pub(super) fn toml_decode(call: &mut Call<'_>) -> Result<Out> {
    decode(call, &TOML)
}

pub(super) fn toml_encode(call: &mut Call<'_>) -> Result<Out> {
    encode(call, &TOML)
}

fn decode(call: &mut Call<'_>, format: &Format) -> Result<Out> {
    let bytes: Vec<u8> = call.arg(0)?;
    let fail = |call: &Call<'_>, why: String| {
        let message = format!("this is no {}: {why}", format.name);
        call.error("bad-text", message).about(Subject::Argument(1))
    };
    if bytes.len() > LONGEST {
        return Err(fail(call, format!("it is longer than {} MiB", LONGEST >> 20)).into());
    }
    let text = match std::str::from_utf8(&bytes) {
        Ok(text) => text.strip_prefix('\u{feff}').unwrap_or(text),
        Err(error) => return Err(fail(call, format!("byte {} is not UTF-8", error.valid_up_to() + 1)).into()),
    };
    let node = (format.decode)(text).map_err(|why| fail(call, why))?;
    to_lua(call.lua, &lists(call.lua)?, node).map(Out::Lua)
}

fn encode(call: &mut Call<'_>, format: &Format) -> Result<Out> {
    let value: Value = call.arg(0)?;
    let mut reader = Reader {
        lua: call.lua,
        lists: lists(call.lua)?,
        left: MOST,
        text_left: LONGEST,
    };
    let made = reader
        .node(&value, Path::Root, 0)
        .and_then(|node| (format.encode)(&node));
    let text = made.map_err(|why| {
        let message = format!("can't be encoded as {}: {why}", format.name);
        call.error("bad-value", message).about(Subject::Argument(1))
    })?;
    if text.len() > LONGEST {
        let message = format!(
            "can't be encoded as {}: the text is longer than {} MiB",
            format.name,
            LONGEST >> 20
        );
        return Err(call.error("bad-value", message).into());
    }
    call.lua.create_string(text).map(|text| Out::Lua(Value::String(text)))
}

/// The metatable that marks a table as a list, so that an empty one stays one.
fn lists(lua: &Lua) -> Result<Table> {
    struct Lists(Table);
    if let Some(lists) = lua.app_data_ref::<Lists>() {
        return Ok(lists.0.clone());
    }
    let lists = lua.create_table()?;
    lists.raw_set("__metatable", false)?;
    lists.set_readonly(true);
    lua.set_app_data(Lists(lists.clone()));
    Ok(lists)
}

/// As deep as the decoders let a node be.
fn to_lua(lua: &Lua, lists: &Table, node: Node) -> Result<Value> {
    Ok(match node {
        Node::Null => Value::NULL,
        Node::Bool(value) => Value::Boolean(value),
        Node::Number(value) => Value::Number(value),
        Node::Text(text) => Value::String(lua.create_string(text)?),
        Node::List(items) => {
            let table = lua.create_table_with_capacity(items.len(), 0)?;
            for item in items {
                table.raw_push(to_lua(lua, lists, item)?)?;
            }
            table.set_metatable(Some(lists.clone()))?;
            Value::Table(table)
        }
        Node::Map(pairs) => {
            let table = lua.create_table_with_capacity(0, pairs.len())?;
            for (key, value) in pairs {
                table.raw_set(key, to_lua(lua, lists, value)?)?;
            }
            Value::Table(table)
        }
    })
}

/// Where in a value a part stands.
#[derive(Clone, Copy)]
enum Path<'a> {
    Root,
    Key(&'a Path<'a>, &'a str),
    Index(&'a Path<'a>, i64),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => f.write_str("value"),
            Self::Key(of, key) => write!(f, "{of}.{key}"),
            Self::Index(of, index) => write!(f, "{of}[{index}]"),
        }
    }
}

/// Reads a Lua value into a node.
struct Reader<'a> {
    lua: &'a Lua,
    lists: Table,
    left: usize,
    text_left: usize,
}

impl Reader<'_> {
    fn node(&mut self, value: &Value, path: Path<'_>, depth: usize) -> std::result::Result<Node, String> {
        let left = self.left.checked_sub(1);
        self.left = left.ok_or_else(|| format!("it holds more than {MOST} values"))?;
        match value {
            Value::LightUserData(data) if data.0.is_null() => Ok(Node::Null),
            Value::Nil => Err(format!("{path} is nil; write bk.null for null")),
            Value::Boolean(value) => Ok(Node::Bool(*value)),
            #[allow(clippy::cast_precision_loss, reason = "Lua's numbers are doubles: it was one")]
            Value::Integer(value) => Ok(Node::Number(*value as f64)),
            Value::Number(value) if value.is_finite() => Ok(Node::Number(*value)),
            Value::Number(value) => Err(format!("{path} is {value}, which no text form has")),
            Value::String(text) => self.text(&text.as_bytes(), path).map(Node::Text),
            Value::Table(_) if depth >= DEEPEST => {
                Err(format!("it is nested more than {DEEPEST} deep, or holds itself"))
            }
            Value::Table(table) => self.table(table, path, depth),
            other => Err(format!("{path} is a {}", type_name(other))),
        }
    }

    fn text(&mut self, bytes: &[u8], path: Path<'_>) -> std::result::Result<String, String> {
        let text = std::str::from_utf8(bytes).map_err(|_| format!("{path} is not UTF-8 text"))?;
        let left = self.text_left.checked_sub(bytes.len());
        self.text_left = left.ok_or_else(|| format!("the text is longer than {} MiB", LONGEST >> 20))?;
        Ok(text.to_owned())
    }

    fn table(&mut self, table: &Table, path: Path<'_>, depth: usize) -> std::result::Result<Node, String> {
        if let Some(args) = values_behind(self.lua, table) {
            return self.table(&args, path, depth);
        }
        let mut named: Vec<(Vec<u8>, Value)> = Vec::new();
        let mut numbered: Vec<(i64, Value)> = Vec::new();
        let mut strange: Option<&'static str> = None;
        let walked = table.for_each(|key: Value, value: Value| {
            match key {
                Value::String(key) => named.push((key.as_bytes().to_vec(), value)),
                Value::Integer(index) => numbered.push((index, value)),
                other => strange = strange.max(Some(type_name(&other))),
            }
            Ok(())
        });
        walked.map_err(|error| error.to_string())?;
        if let Some(kind) = strange {
            return Err(format!("{path} has a key that is a {kind}"));
        }
        if !named.is_empty() && !numbered.is_empty() {
            return Err(format!("{path} is a list and has names as keys too"));
        }
        if !numbered.is_empty() || (named.is_empty() && table.metatable().as_ref() == Some(&self.lists)) {
            return self.list(numbered, path, depth);
        }
        named.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        let mut pairs = BTreeMap::new();
        for (key, value) in named {
            let key = self.text(&key, Path::Key(&path, "(a key)"))?;
            let node = self.node(&value, Path::Key(&path, &key), depth + 1)?;
            pairs.insert(key, node);
        }
        Ok(Node::Map(pairs))
    }

    fn list(
        &mut self,
        mut items: Vec<(i64, Value)>,
        path: Path<'_>,
        depth: usize,
    ) -> std::result::Result<Node, String> {
        items.sort_unstable_by_key(|(index, _)| *index);
        if let Some((due, (index, _))) = (1..).zip(&items).find(|(due, (index, _))| due != index) {
            return Err(match index {
                index if *index < due => format!("{path} has the key {index}, and a list starts at 1"),
                _ => format!("{path}[{due}] is nil; write bk.null for null"),
            });
        }
        let mut list = Vec::with_capacity(items.len());
        for (index, value) in items {
            list.push(self.node(&value, Path::Index(&path, index), depth + 1)?);
        }
        Ok(Node::List(list))
    }
}

/// A number as JSON and YAML have it: whole ones without a fraction.
fn number(value: f64) -> String {
    number_text(value).unwrap_or_else(|| {
        // The shortest digits that read back as the same number.
        let text = format!("{value:?}");
        text.strip_suffix(".0").map_or_else(|| text.clone(), str::to_owned)
    })
}

#[cfg(test)]
mod tests;
