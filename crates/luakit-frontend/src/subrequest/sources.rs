//! The files that an answer points into, and places in them.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use luakit_diagnostic::{SourceFile, Span};
use luakit_llb::{Graph, StackId};
use serde::Serialize;

/// The files of one answer. The script is the first, whatever else there is.
pub(super) struct Sources(Vec<Arc<SourceFile>>);

/// A place in a script, as BuildKit's messages have it. Zero is left out, as there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Location {
    #[serde(rename = "sourceIndex", skip_serializing_if = "is_zero")]
    pub(super) source_index: i32,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) ranges: Vec<Range>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Range {
    pub(super) start: Position,
    pub(super) end: Position,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Position {
    pub(super) line: u32,
    /// From 0, unlike lines.
    #[serde(skip_serializing_if = "is_zero")]
    character: u32,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(number: &(impl Copy + Into<i64>)) -> bool {
    (*number).into() == 0
}

impl Location {
    /// In no file. Clients take no location at all for granted nowhere.
    pub(super) fn nowhere() -> Self {
        Self {
            source_index: -1,
            ranges: Vec::new(),
        }
    }

    /// In the script, and nobody knows where.
    pub(super) fn script() -> Self {
        Self {
            source_index: 0,
            ranges: Vec::new(),
        }
    }
}

impl Sources {
    pub(super) fn new(script: &Arc<SourceFile>) -> Self {
        Self(vec![Arc::clone(script)])
    }

    pub(super) fn files(&self) -> &[Arc<SourceFile>] {
        &self.0
    }

    /// The texts of the files.
    pub(super) fn texts(&self) -> Vec<String> {
        self.0.iter().map(|file| text_of(file)).collect()
    }

    /// The place of a span.
    pub(super) fn span(&mut self, span: &Span) -> Location {
        let position = |column: Option<u32>| Position {
            line: span.line,
            character: column.unwrap_or(1).saturating_sub(1),
        };
        let columns = span.columns.as_ref();
        Location {
            source_index: self.index(&span.file),
            ranges: vec![Range {
                start: position(columns.map(|columns| columns.start)),
                end: position(columns.map(|columns| columns.end)),
            }],
        }
    }

    /// The place of a call: the innermost frame's.
    pub(super) fn call(&mut self, graph: &Graph, stack: StackId) -> Option<Location> {
        let frame = graph.stack(stack).first()?;
        let file = graph.files().get(graph.file_index(frame.file))?;
        let known = self
            .0
            .iter()
            .find(|known| known.name == file.name && known.data == file.data);
        let file = known
            .cloned()
            .unwrap_or_else(|| SourceFile::new(file.name.as_str(), Arc::clone(&file.data)));
        Some(self.span(&Span::line(file, frame.line)))
    }

    fn index(&mut self, file: &Arc<SourceFile>) -> i32 {
        let known = self.0.iter().position(|known| known == file);
        let index = known.unwrap_or_else(|| {
            self.0.push(Arc::clone(file));
            self.0.len() - 1
        });
        i32::try_from(index).unwrap_or(-1)
    }
}

/// A file's text, as Go's JSON has bytes.
pub(super) fn text_of(file: &SourceFile) -> String {
    STANDARD.encode(&file.data)
}
