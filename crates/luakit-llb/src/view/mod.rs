//! Definitions for people: as a list, as a graph for GraphViz or Mermaid, as JSON.
//!
//! A view is made from a definition that was read apart, so it shows what an engine would be sent, whoever wrote it.
//! [`dag`] decides what is shown and how it hangs together; each format is a module that only writes that down. All
//! take time linear in the definition, but for sorting, and are the same for the same bytes. Text from a definition is
//! shown with control characters escaped, so that it can't play tricks on a terminal.

mod dag;
mod dot;
mod filter;
mod json;
mod mermaid;
mod text;

use std::fmt::Write as _;
use std::str::FromStr;

pub use filter::{Filter, FilterError};

use crate::definition::Parsed;
use crate::platform::Platform;
use dag::Dag;

/// How a definition is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// A list to read.
    #[default]
    Text,
    /// GraphViz.
    Dot,
    /// What `buildctl debug dump-llb` prints, a line for each op, with the name and the places in the script added.
    Json,
    /// A Mermaid flowchart.
    Mermaid,
}

impl Format {
    /// The names of all formats.
    pub const NAMES: [&'static str; 4] = ["text", "dot", "json", "mermaid"];
}

/// No format has this name.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
#[error("unknown format `{0}`: it must be text, dot, json or mermaid")]
pub struct UnknownFormat(pub String);

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "text" => Ok(Self::Text),
            "dot" => Ok(Self::Dot),
            "json" => Ok(Self::Json),
            "mermaid" => Ok(Self::Mermaid),
            _ => Err(UnknownFormat(name.to_owned())),
        }
    }
}

/// What of a definition is shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// The vertices that are shown; the default is all.
    pub filter: Filter,
    /// The platform that goes without saying. By default it is the one that the definition's export record names, or
    /// else the only one that there is.
    pub target: Option<Platform>,
}

/// Shows a definition. The text ends with a newline.
pub fn render(parsed: &Parsed<'_>, format: Format, options: &Options) -> String {
    let dag = Dag::new(parsed, options);
    match format {
        Format::Text => text::render(&dag),
        Format::Dot => dot::render(&dag),
        Format::Json => json::render(&dag),
        Format::Mermaid => mermaid::render(&dag),
    }
}

/// A text on one line, cut after `limit` characters.
fn one_line(text: &str, limit: usize) -> String {
    let mut out = String::with_capacity(text.len().min(limit));
    for (count, c) in text.chars().enumerate() {
        if count == limit {
            out.push('…');
            break;
        }
        match c {
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            // Control characters, and those that change the direction of what follows.
            c if c.is_control()
                || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}') =>
            {
                // Writing to a String can't fail.
                let _infallible = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}
