//! Source files, and places in them.

use std::ops::Range;
use std::sync::Arc;

/// A file that a diagnostic points into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// The name shown to the user.
    pub name: String,
    /// The text, byte for byte as read; it need not be UTF-8.
    pub data: Arc<[u8]>,
}

impl SourceFile {
    /// A file of this name and text.
    pub fn new(name: impl Into<String>, data: impl Into<Arc<[u8]>>) -> Arc<Self> {
        Arc::new(Self {
            name: name.into(),
            data: data.into(),
        })
    }

    /// A line without its end, from 1; `None` past the last.
    pub fn line(&self, line: u32) -> Option<&[u8]> {
        let skip = usize::try_from(line.checked_sub(1)?).ok()?;
        let text = self.data.split(|b| *b == b'\n').nth(skip)?;
        Some(text.strip_suffix(b"\r").unwrap_or(text))
    }
}

/// A place in a file: a line, and columns where they are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// The file.
    pub file: Arc<SourceFile>,
    /// The line, from 1.
    pub line: u32,
    /// Columns from 1, counted in characters, the end excluded. `None` where only the line is known: a
    /// column is never made up.
    pub columns: Option<Range<u32>>,
}

impl Span {
    /// A whole line.
    pub fn line(file: Arc<SourceFile>, line: u32) -> Self {
        Self {
            file,
            line,
            columns: None,
        }
    }

    /// A part of a line.
    pub fn columns(file: Arc<SourceFile>, line: u32, columns: Range<u32>) -> Self {
        Self {
            file,
            line,
            columns: Some(columns),
        }
    }
}
