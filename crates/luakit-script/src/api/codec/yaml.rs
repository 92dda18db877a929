//! YAML, read by the rules of YAML 1.2's core schema, with the merge key (`<<`) that compose files use.

use std::collections::{BTreeMap, HashMap};

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Tag};

use super::{DEEPEST, MOST, Node};

pub(super) fn decode(text: &str) -> Result<Node, String> {
    let mut composer = Composer {
        anchors: HashMap::new(),
        open: Vec::new(),
        document: None,
        left: MOST,
    };
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error: ScanError| {
            let mark = error.marker();
            format!("{} at line {} column {}", error.info(), mark.line(), mark.col() + 1)
        })?;
        composer
            .event(event)
            .map_err(|why| format!("{why} at line {} column {}", span.start.line(), span.start.col() + 1))?;
    }
    Ok(composer.document.unwrap_or(Node::Null))
}

/// Builds a tree from events, without recursion.
struct Composer {
    anchors: HashMap<usize, (Node, usize)>,
    open: Vec<Open>,
    document: Option<Node>,
    /// Values that may still come. An alias counts as all that it stands for.
    left: usize,
}

/// A collection whose end has not come yet.
struct Open {
    anchor: usize,
    /// Values in it, itself included.
    size: usize,
    kind: Kind,
}

enum Kind {
    List(Vec<Node>),
    Map {
        pairs: BTreeMap<String, Node>,
        /// The key whose value comes next.
        key: Option<Key>,
        /// What `<<` brought in: weaker than the map's own.
        merged: Vec<BTreeMap<String, Node>>,
    },
}

enum Key {
    Name(String),
    Merge,
}

impl Composer {
    fn event(&mut self, event: Event<'_>) -> Result<(), String> {
        match event {
            Event::DocumentStart(_) if self.document.is_some() => Err("there is more than one document".to_owned()),
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) | Event::DocumentEnd => {
                Ok(())
            }
            Event::Alias(anchor) => {
                let (node, size) = self
                    .anchors
                    .get(&anchor)
                    .cloned()
                    .ok_or("an alias stands inside what it stands for")?;
                self.count(size)?;
                self.place(node, None, size)
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.count(1)?;
                let node = scalar(&text, style, tag.as_deref())?;
                let plain = matches!(style, ScalarStyle::Plain) && tag.is_none();
                if anchor > 0 {
                    self.anchors.insert(anchor, (node.clone(), 1));
                }
                self.place(node, Some((&text, plain)), 1)
            }
            Event::SequenceStart(anchor, tag) => {
                check_tag(tag.as_deref(), "seq")?;
                self.start(anchor, Kind::List(Vec::new()))
            }
            Event::MappingStart(anchor, tag) => {
                check_tag(tag.as_deref(), "map")?;
                self.start(
                    anchor,
                    Kind::Map {
                        pairs: BTreeMap::new(),
                        key: None,
                        merged: Vec::new(),
                    },
                )
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
        }
    }

    fn count(&mut self, values: usize) -> Result<(), String> {
        self.left = self
            .left
            .checked_sub(values)
            .ok_or_else(|| format!("it stands for more than {MOST} values"))?;
        Ok(())
    }

    fn start(&mut self, anchor: usize, kind: Kind) -> Result<(), String> {
        self.count(1)?;
        if self.open.len() >= DEEPEST {
            return Err(format!("it is nested more than {DEEPEST} deep"));
        }
        if let Some(Open {
            kind: Kind::Map { key: None, .. },
            ..
        }) = self.open.last()
        {
            return Err("a key must be a scalar".to_owned());
        }
        self.open.push(Open { anchor, size: 1, kind });
        Ok(())
    }

    fn end(&mut self) -> Result<(), String> {
        let Some(Open { anchor, size, kind }) = self.open.pop() else {
            return Ok(());
        };
        let node = match kind {
            Kind::List(items) => Node::List(items),
            Kind::Map { mut pairs, merged, .. } => {
                for source in merged {
                    for (key, value) in source {
                        pairs.entry(key).or_insert(value);
                    }
                }
                Node::Map(pairs)
            }
        };
        if anchor > 0 {
            self.anchors.insert(anchor, (node.clone(), size));
        }
        self.place(node, None, size)
    }

    /// Puts a finished value where it belongs. `scalar` is its text, and whether it is plain.
    fn place(&mut self, node: Node, scalar: Option<(&str, bool)>, size: usize) -> Result<(), String> {
        let Some(open) = self.open.last_mut() else {
            self.document = Some(node);
            return Ok(());
        };
        open.size += size;
        // A nested alias must not make what holds it deeper than a written value could be.
        if depth(&node) + self.open.len() > DEEPEST {
            return Err(format!("it is nested more than {DEEPEST} deep"));
        }
        let Some(open) = self.open.last_mut() else {
            return Ok(());
        };
        match &mut open.kind {
            Kind::List(items) => items.push(node),
            Kind::Map { pairs, key, merged } => match key.take() {
                None => *key = Some(name(node, scalar)?),
                Some(Key::Merge) => merge(node, merged)?,
                Some(Key::Name(name)) => {
                    if pairs.contains_key(&name) {
                        return Err(format!("the key `{name}` is there twice"));
                    }
                    pairs.insert(name, node);
                }
            },
        }
        Ok(())
    }
}

/// How deep a value is nested: 0 for a scalar. Only an alias brings in something deep at once, and what it
/// stands for passed the same check, so the recursion is bounded.
fn depth(node: &Node) -> usize {
    match node {
        Node::List(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Node::Map(pairs) => 1 + pairs.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

fn name(node: Node, scalar: Option<(&str, bool)>) -> Result<Key, String> {
    match (node, scalar) {
        (_, Some(("<<", true))) => Ok(Key::Merge),
        (Node::Text(text), _) => Ok(Key::Name(text)),
        // `80: web` has the key "80".
        (_, Some((text, _))) => Ok(Key::Name(text.to_owned())),
        _ => Err("a key must be a scalar".to_owned()),
    }
}

fn merge(node: Node, merged: &mut Vec<BTreeMap<String, Node>>) -> Result<(), String> {
    let items = match node {
        Node::List(items) => items,
        one => vec![one],
    };
    for item in items {
        match item {
            Node::Map(pairs) => merged.push(pairs),
            _ => return Err("`<<` takes a map, or a list of maps".to_owned()),
        }
    }
    Ok(())
}

fn check_tag(tag: Option<&Tag>, due: &str) -> Result<(), String> {
    match tag {
        None => Ok(()),
        Some(tag) if tag.is_yaml_core_schema() && tag.suffix == due => Ok(()),
        Some(tag) => Err(format!("unknown tag `{}{}`", tag.handle, tag.suffix)),
    }
}

fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<Node, String> {
    let Some(tag) = tag else {
        return Ok(match style {
            ScalarStyle::Plain => plain(text),
            _ => Node::Text(text.to_owned()),
        });
    };
    let wrong = || format!("`{text}` is no `{}`", tag.suffix);
    match (tag.is_yaml_core_schema(), tag.suffix.as_str()) {
        (true, "str") | (false, "") => Ok(Node::Text(text.to_owned())),
        (true, "null") => Some(plain(text)).filter(|n| *n == Node::Null).ok_or_else(wrong),
        (true, "bool") => Some(plain(text))
            .filter(|n| matches!(n, Node::Bool(_)))
            .ok_or_else(wrong),
        (true, "int" | "float") => Some(plain(text))
            .filter(|n| matches!(n, Node::Number(_)))
            .ok_or_else(wrong),
        _ => Err(format!("unknown tag `{}{}`", tag.handle, tag.suffix)),
    }
}

/// The core schema (<https://yaml.org/spec/1.2.2/#103-core-schema>).
pub(super) fn plain(text: &str) -> Node {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Node::Null,
        "true" | "True" | "TRUE" => return Node::Bool(true),
        "false" | "False" | "FALSE" => return Node::Bool(false),
        ".nan" | ".NaN" | ".NAN" => return Node::Number(f64::NAN),
        _ => {}
    }
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    if matches!(rest, ".inf" | ".Inf" | ".INF") {
        return Node::Number(sign * f64::INFINITY);
    }
    let radix = |prefix: &str, radix: u32| {
        let digits = text.strip_prefix(prefix)?;
        (!digits.is_empty() && digits.chars().all(|c| c.is_digit(radix))).then(|| {
            digits
                .chars()
                .filter_map(|c| c.to_digit(radix))
                .fold(0.0, |value, digit| value * f64::from(radix) + f64::from(digit))
        })
    };
    if let Some(value) = radix("0x", 16).or_else(|| radix("0o", 8)) {
        return Node::Number(value);
    }
    match is_decimal(rest).then(|| rest.parse::<f64>()) {
        Some(Ok(value)) => Node::Number(sign * value),
        _ => Node::Text(text.to_owned()),
    }
}

/// `1`, `1.5`, `.5`, `1.`, `1e3`.
fn is_decimal(text: &str) -> bool {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mantissa_fits = digits(whole) && digits(fraction) && !(whole.is_empty() && fraction.is_empty());
    mantissa_fits
        && exponent.is_none_or(|exponent| {
            let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            !exponent.is_empty() && digits(exponent)
        })
}
