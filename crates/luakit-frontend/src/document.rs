//! Strict reading of the TOML files that people edit by hand: the lock file, the registry configuration.
//!
//! Everything wrong in a file is found at once, each with its place. Unknown keys are errors, with the
//! nearest known one. The lock file's own problems are kinds here too, so that a file has one list of them.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use luakit_diagnostic::{Diagnostic, Label, SourceFile, Span, nearest};
use toml_edit::{Document, Item, Table, TableLike, Value};

/// What is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentError {
    /// The file.
    pub file: Arc<SourceFile>,
    /// Its problems, in the order of the file; at least one.
    pub problems: Vec<Problem>,
}

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What.
    pub kind: ProblemKind,
    /// Where, in bytes of the file.
    pub at: Range<usize>,
}

/// What can be wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProblemKind {
    /// It is not UTF-8.
    #[error("the file is not UTF-8 text")]
    NotText,
    /// It is no TOML.
    #[error("invalid TOML: {0}")]
    Syntax(String),
    /// git left both sides of a merge in it.
    #[error("unresolved merge conflict")]
    MergeConflict,
    /// A key that means nothing.
    #[error("unknown key `{key}` in {place}")]
    UnknownKey {
        /// The key.
        key: String,
        /// What it stands in.
        place: &'static str,
        /// The one that was probably meant.
        nearest: Option<String>,
    },
    /// A key that must be there.
    #[error("{place} has no `{key}`")]
    MissingKey {
        /// The key.
        key: &'static str,
        /// What it is missing from.
        place: &'static str,
    },
    /// A value of another type.
    #[error("`{key}` must be {expected}, and is {found}")]
    WrongType {
        /// Of what.
        key: String,
        /// What it must be.
        expected: &'static str,
        /// What it is.
        found: &'static str,
    },
    /// A value of the right type that can't be.
    #[error("`{key}` is invalid: {reason}")]
    Invalid {
        /// Of what.
        key: String,
        /// Why not.
        reason: String,
    },
    /// A lock file of another time.
    #[error("the lock file has version {found}, and this luakit reads version 1")]
    Version {
        /// Its version.
        found: i64,
    },
    /// The same source is locked twice, to the same thing.
    #[error("{subject} is locked twice")]
    Duplicate {
        /// Which source.
        subject: String,
        /// Where the first entry is.
        first: Range<usize>,
    },
    /// The same source is locked to two things.
    #[error("{subject} is locked to {here} and to {there}")]
    Conflict {
        /// Which source.
        subject: String,
        /// To what here.
        here: String,
        /// To what before.
        there: String,
        /// Where the first entry is.
        first: Range<usize>,
    },
    /// A reference with a digest, locked to another.
    #[error("`ref` asks for {asked}, and `digest` is {locked}")]
    DigestDisagrees {
        /// The digest in the reference.
        asked: String,
        /// The entry's.
        locked: String,
    },
}

impl ProblemKind {
    fn code(&self) -> &'static str {
        match self {
            Self::NotText | Self::Syntax(_) => "toml-syntax",
            Self::MergeConflict => "merge-conflict",
            Self::UnknownKey { .. } => "unknown-key",
            Self::MissingKey { .. } => "missing-key",
            Self::WrongType { .. } => "wrong-type",
            Self::Invalid { .. } => "invalid-value",
            Self::Version { .. } => "lock-version",
            Self::Duplicate { .. } | Self::Conflict { .. } | Self::DigestDisagrees { .. } => "lock-conflict",
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::MergeConflict => "resolve the conflict, or keep either side and run `luakit lock`".to_owned(),
            Self::UnknownKey { nearest: Some(n), .. } => format!("did you mean `{n}`?"),
            Self::Version { found } if *found > 1 => "a newer luakit wrote it; update luakit".to_owned(),
            Self::Duplicate { .. } | Self::Conflict { .. } => "remove one of the entries".to_owned(),
            Self::DigestDisagrees { .. } => "remove the entry and run `luakit lock`".to_owned(),
            _ => return None,
        })
    }

    fn first(&self) -> Option<&Range<usize>> {
        match self {
            Self::Duplicate { first, .. } | Self::Conflict { first, .. } => Some(first),
            _ => None,
        }
    }
}

impl DocumentError {
    /// A diagnostic for each problem, at its place.
    pub fn diagnostics(&self) -> Vec<Diagnostic> {
        let diagnostic = |problem: &Problem| {
            let mut diagnostic = Diagnostic::error(problem.kind.code(), problem.kind.to_string())
                .with_span(span(&self.file, &problem.at));
            if let Some(hint) = problem.kind.hint() {
                diagnostic = diagnostic.with_hint(hint);
            }
            if let Some(first) = problem.kind.first() {
                diagnostic.labels.push(Label {
                    span: span(&self.file, first),
                    text: "the first entry".to_owned(),
                });
            }
            diagnostic
        };
        self.problems.iter().map(diagnostic).collect()
    }
}

impl std::error::Error for DocumentError {}

/// A line for each problem: place and message.
impl fmt::Display for DocumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, diagnostic) in self.diagnostics().iter().enumerate() {
            if n > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{diagnostic}")?;
        }
        Ok(())
    }
}

/// The place of a range of bytes: its first line, and there the columns.
fn span(file: &Arc<SourceFile>, at: &Range<usize>) -> Span {
    let start = at.start.min(file.data.len());
    let before = file.data.get(..start).unwrap_or_default();
    let line_start = before.iter().rposition(|b| *b == b'\n').map_or(0, |n| n + 1);
    let newlines = before.split(|b| *b == b'\n').count() - 1;
    let rest = file.data.get(start..).unwrap_or_default();
    let line_end = start + rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len());
    let end = at.end.clamp(start, line_end);
    let chars = |range: Range<usize>| {
        let text = String::from_utf8_lossy(file.data.get(range).unwrap_or_default());
        u32::try_from(text.chars().count()).unwrap_or(u32::MAX)
    };
    let column = chars(line_start..start).saturating_add(1);
    let width = chars(start..end).max(1);
    Span::columns(
        Arc::clone(file),
        u32::try_from(newlines).unwrap_or(u32::MAX).saturating_add(1),
        column..column.saturating_add(width),
    )
}

/// A file being read. Problems gather; whoever reads goes on with what there is.
pub(crate) struct Reader {
    file: Arc<SourceFile>,
    problems: Vec<Problem>,
}

impl Reader {
    /// Parses; a file that is no TOML has its one problem.
    pub(crate) fn parse(file: Arc<SourceFile>) -> Result<(Self, Document<String>), DocumentError> {
        let refuse = |kind, at| DocumentError {
            file: Arc::clone(&file),
            problems: vec![Problem { kind, at }],
        };
        let text = match std::str::from_utf8(&file.data) {
            Ok(text) => text.to_owned(),
            Err(e) => {
                let at = e.valid_up_to();
                return Err(refuse(ProblemKind::NotText, at..at + 1));
            }
        };
        if let Some(at) = conflict_marker(&text) {
            return Err(refuse(ProblemKind::MergeConflict, at));
        }
        match Document::parse(text) {
            Ok(document) => Ok((
                Self {
                    file,
                    problems: Vec::new(),
                },
                document,
            )),
            Err(e) => {
                let at = e.span().unwrap_or(0..0);
                let message = e.message().lines().collect::<Vec<_>>().join(", ");
                Err(refuse(ProblemKind::Syntax(message), at))
            }
        }
    }

    /// Notes a problem.
    pub(crate) fn note(&mut self, kind: ProblemKind, at: Option<Range<usize>>) {
        self.problems.push(Problem {
            kind,
            at: at.unwrap_or(0..0),
        });
    }

    /// `value`, if nothing was wrong.
    pub(crate) fn finish<T>(mut self, value: T) -> Result<T, DocumentError> {
        if self.problems.is_empty() {
            return Ok(value);
        }
        self.problems.sort_by_key(|p| p.at.start);
        Err(DocumentError {
            file: self.file,
            problems: self.problems,
        })
    }

    /// Notes every key that is none of `known`.
    pub(crate) fn known_keys(&mut self, table: &dyn TableLike, place: &'static str, known: &[&str]) {
        for (key, _) in table.iter() {
            if !known.contains(&key) {
                let at = table.key(key).and_then(toml_edit::Key::span);
                let kind = ProblemKind::UnknownKey {
                    key: key.to_owned(),
                    place,
                    nearest: nearest(key, known.iter().copied()).map(str::to_owned),
                };
                self.note(kind, at);
            }
        }
    }

    /// The string under a key that must be there.
    pub(crate) fn string<'t>(
        &mut self,
        table: &'t Table,
        place: &'static str,
        key: &'static str,
    ) -> Option<(&'t str, Range<usize>)> {
        if table.contains_key(key) {
            return self.optional_string(table, key);
        }
        self.note(ProblemKind::MissingKey { key, place }, table.span());
        None
    }

    /// The string under a key, if it is there.
    pub(crate) fn optional_string<'t>(&mut self, table: &'t Table, key: &str) -> Option<(&'t str, Range<usize>)> {
        let item = table.get(key)?;
        let text = item.as_str();
        if text.is_none() {
            self.wrong_type(key, "a string", item);
        }
        Some((text?, item.span().unwrap_or(0..0)))
    }

    /// The boolean under a key, if it is there.
    pub(crate) fn optional_bool(&mut self, table: &dyn TableLike, key: &str) -> Option<bool> {
        let item = table.get(key)?;
        let value = item.as_bool();
        if value.is_none() {
            self.wrong_type(key, "true or false", item);
        }
        value
    }

    /// The strings of a list under a key; none if it isn't there.
    pub(crate) fn strings(&mut self, table: &dyn TableLike, key: &str) -> Vec<(String, Range<usize>)> {
        let Some(item) = table.get(key) else {
            return Vec::new();
        };
        let Some(list) = item.as_array() else {
            self.wrong_type(key, "a list of strings", item);
            return Vec::new();
        };
        let mut strings = Vec::new();
        for value in list {
            match value.as_str() {
                Some(text) => strings.push((text.to_owned(), value.span().unwrap_or(0..0))),
                None => self.note(
                    ProblemKind::WrongType {
                        key: key.to_owned(),
                        expected: "a list of strings",
                        found: of_value(value),
                    },
                    value.span(),
                ),
            }
        }
        strings
    }

    /// Notes that a value has another type.
    pub(crate) fn wrong_type(&mut self, key: &str, expected: &'static str, item: &Item) {
        let found = match item {
            Item::None => "nothing",
            Item::Value(value) => of_value(value),
            Item::Table(_) => "a table",
            Item::ArrayOfTables(_) => "a list of tables",
        };
        let key = key.to_owned();
        self.note(ProblemKind::WrongType { key, expected, found }, item.span());
    }

    /// Notes that a value can't be.
    pub(crate) fn invalid(&mut self, key: &str, reason: impl fmt::Display, at: Range<usize>) {
        let (key, reason) = (key.to_owned(), reason.to_string());
        self.note(ProblemKind::Invalid { key, reason }, Some(at));
    }
}

fn of_value(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "a string",
        Value::Integer(_) => "an integer",
        Value::Float(_) => "a number",
        Value::Boolean(_) => "a boolean",
        Value::Datetime(_) => "a date",
        Value::Array(_) => "a list",
        Value::InlineTable(_) => "a table",
    }
}

/// The first line that git writes into a file that it could not merge.
fn conflict_marker(text: &str) -> Option<Range<usize>> {
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let bare = line.trim_end();
        let is = |mark: &str| {
            bare.strip_prefix(mark)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
        };
        if is("<<<<<<<") || is("=======") || is(">>>>>>>") || is("|||||||") {
            return Some(start..start + bare.len());
        }
        start += line.len();
    }
    None
}
