//! A diagnostic as data.

use std::fmt;

use crate::source::Span;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Nothing was built.
    Error,
    /// It was built, and something is odd.
    Warning,
}

/// Something to tell the user about a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// What kind of thing, in kebab case (`unknown-option`).
    pub code: &'static str,
    /// What is wrong, on one line: lower case, no final period.
    pub message: String,
    /// Where.
    pub span: Option<Span>,
    /// What is said right at the caret.
    pub label: Option<String>,
    /// Other places that matter.
    pub labels: Vec<Label>,
    /// How the script came there, innermost frame first.
    pub traceback: Vec<TraceFrame>,
    /// What else there is to know.
    pub notes: Vec<String>,
    /// What to do about it.
    pub hint: Option<String>,
}

/// A place beside the main one, and what it has to do with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Where.
    pub span: Span,
    /// What is there.
    pub text: String,
}

/// One line of a traceback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceFrame {
    /// The file's name.
    pub file: String,
    /// The line that was running.
    pub line: u32,
    /// The function, when it has a name; `None` is a file's own text.
    pub function: Option<String>,
}

impl Diagnostic {
    /// An error with nothing but its message.
    pub fn error(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, message.into())
    }

    /// A warning with nothing but its message.
    pub fn warning(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, message.into())
    }

    fn new(severity: Severity, code: &'static str, message: String) -> Self {
        Self {
            severity,
            code,
            message,
            span: None,
            label: None,
            labels: Vec::new(),
            traceback: Vec::new(),
            notes: Vec::new(),
            hint: None,
        }
    }

    /// Says where.
    pub fn with_span(mut self, span: Span) -> Self {
        self.span = Some(span);
        self
    }

    /// Says what to do.
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Says what else there is to know.
    pub fn with_note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }
}

/// One line: the place and the message.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(span) = &self.span {
            write!(f, "{}:{}: ", span.file.name, span.line)?;
        }
        f.write_str(&self.message)
    }
}
