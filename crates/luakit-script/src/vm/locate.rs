//! Columns: which part of a line an error is about.
//!
//! Lua tells lines. Here the script's tokens are read to find the call, argument, option or name that an
//! error speaks of. What isn't found without doubt isn't underlined: the whole line stands for it.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use luakit_diagnostic::{SourceFile, Span};

use super::lexer::{self, Kind, Token};
use crate::error::{Step, Subject};

const KEYWORDS: &[&str] = &[
    "and", "break", "continue", "do", "else", "elseif", "end", "false", "for", "function", "if", "in", "local", "nil",
    "not", "or", "repeat", "return", "then", "true", "until", "while",
];

/// A file's tokens.
pub(super) struct Tokens {
    file: Arc<SourceFile>,
    tokens: Vec<Token>,
}

/// Positions in the list of tokens.
type Part = Range<usize>;

/// What is open in a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    /// What an `end` closes.
    Block,
    /// Luau's `if a then b else c`, up to its `else`.
    IfExpression,
}

/// A call: its name, and its arguments.
#[derive(Debug, Clone)]
struct Call {
    name: usize,
    args: Vec<Part>,
    end: usize,
}

/// Something that is nil, and how it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NilName {
    /// The name (`foo`, `a.b`).
    pub(super) text: String,
    /// Whether it is a plain name that no `local`, parameter or loop of the file introduces.
    pub(super) global: bool,
    pub(super) span: Span,
}

impl Tokens {
    pub(super) fn of(file: Arc<SourceFile>) -> Self {
        let tokens = lexer::tokens(&file.data);
        Self { file, tokens }
    }

    /// With those in the braces of interpolated strings.
    pub(super) fn with_sections(file: Arc<SourceFile>) -> Self {
        let tokens = lexer::sections(&file.data);
        Self { file, tokens }
    }

    /// The part of the call of `function` on `line` that `subject` names.
    pub(super) fn subject(&self, line: u32, function: Option<&str>, subject: &Subject) -> Option<Span> {
        if let Subject::Field(name) = subject {
            let found = self
                .on_line(line)
                .filter(|i| self.is_field(*i) && self.text(*i) == name);
            return only(found).map(|i| self.span(&(i..i + 1)));
        }
        let calls = self.calls(line, function?);
        let parts = calls.iter().filter_map(|call| self.part(call, subject));
        let part = only(parts).or_else(|| {
            // Options that come in a variable: what is wrong stands elsewhere, the call stands here.
            let only_call = only(calls.iter())?;
            let last = only_call
                .args
                .last()
                .filter(|arg| !self.is_table(arg) && arg.len() == 1);
            Some(last.cloned().unwrap_or_else(|| self.call_part(only_call)))
        });
        part.map(|part| self.span(&part))
    }

    /// The argument of a call, when it is no more than a name.
    pub(super) fn argument_name(&self, line: u32, function: &str, argument: usize) -> Option<NilName> {
        let call = only(self.calls(line, function).into_iter())?;
        let part = call.args.get(argument.checked_sub(1)?)?;
        (part.len() == 1).then(|| self.name_chain(part.end))?
    }

    /// What `line` indexes with `field`, when that is a name or a chain of names.
    pub(super) fn indexed(&self, line: u32, field: &str) -> Option<NilName> {
        let found = self
            .on_line(line)
            .filter(|i| self.is_field(*i) && self.text(*i) == field);
        self.name_chain(only(found)?.checked_sub(1)?)
    }

    /// What `line` calls, when it holds one call only.
    pub(super) fn called(&self, line: u32) -> Option<NilName> {
        let found = self.on_line(line).filter(|i| self.is_call(*i));
        self.name_chain(only(found)? + 1)
    }

    /// The name on `line` that is read and that `undefined` says is no global, if there is one only.
    pub(super) fn undefined(&self, line: u32, undefined: impl Fn(&str) -> bool) -> Option<NilName> {
        let locals = self.locals();
        let mut names = self.on_line(line).filter(|i| {
            let text = self.text(*i);
            self.is_plain_name(*i) && self.text(i + 1) != "=" && !locals.contains(text) && undefined(text)
        });
        let first = names.next()?;
        let text = self.text(first).to_owned();
        names.all(|i| self.text(i) == text).then(|| NilName {
            text,
            global: true,
            span: self.span(&(first..first + 1)),
        })
    }

    /// The only token on `line` that reads so.
    pub(super) fn token(&self, line: u32, text: &str) -> Option<Span> {
        only(self.on_line(line).filter(|i| self.text(*i) == text)).map(|i| self.span(&(i..i + 1)))
    }

    /// The keyword that `line` has in a field's place (`bk.local`).
    pub(super) fn keyword_field(&self, line: u32) -> Option<Span> {
        let is_keyword = |i: &usize| KEYWORDS.contains(&self.text(*i)) && matches!(self.before(*i), "." | ":");
        only(self.on_line(line).filter(is_keyword)).map(|i| self.span(&(i..i + 1)))
    }

    /// What loops go through that aren't left to `pairs` or `ipairs`: the bytes between `in` and `do`.
    pub(super) fn loops(&self) -> Vec<Range<usize>> {
        let all = 0..self.tokens.len();
        let starts = all.filter(|i| self.kind(*i) == Some(Kind::Name) && self.text(*i) == "for");
        starts.filter_map(|start| self.through(start)).collect()
    }

    /// What the loop that starts with a `for` goes through.
    fn through(&self, start: usize) -> Option<Range<usize>> {
        let names = self.until(start + 1, &["in", "=", "do"], false);
        let first = (self.text(names) == "in").then_some(names + 1)?;
        let mut end = first;
        while self.text(end) != "do" {
            if self.text(end) == "function" {
                end = self.end_of_function(end, self.tokens.len());
            }
            end += 1;
            self.tokens.get(end)?;
        }
        let last = end.checked_sub(1).filter(|last| *last >= first)?;
        let left = matches!(self.text(first), "pairs" | "ipairs") && self.text(first + 1) == "(";
        if left && self.close(first + 1) == Some(last) {
            return None;
        }
        Some(self.tokens.get(first)?.start..self.tokens.get(last)?.end)
    }

    /// Every name that the file introduces as a local, a parameter or a loop's variable.
    pub(super) fn locals(&self) -> BTreeSet<&str> {
        let mut names = BTreeSet::new();
        let mut at = 0;
        while at < self.tokens.len() {
            let introduces = match self.text(at) {
                "local" if self.text(at + 1) == "function" => at + 2..at + 3,
                "local" => at + 1..self.until(at + 1, &["="], true),
                "for" => at + 1..self.until(at + 1, &["=", "in"], false),
                "function" => {
                    let open = self.until(at + 1, &["("], false);
                    open + 1..self.until(open, &[")"], false)
                }
                _ => 0..0,
            };
            names.extend(introduces.filter(|i| self.is_plain_name(*i)).map(|i| self.text(i)));
            at += 1;
        }
        names
    }

    /// The first of `ends` from a token on; with `one_line`, no further than the line.
    fn until(&self, from: usize, ends: &[&str], one_line: bool) -> usize {
        /// No list of names is longer; a bound keeps the search over a file linear.
        const FARTHEST: usize = 400;
        let line = self.tokens.get(from).map(|t| t.line);
        let stop = self.tokens.len().min(from + FARTHEST);
        (from..stop)
            .find(|i| ends.contains(&self.text(*i)) || (one_line && self.tokens.get(*i).map(|t| t.line) != line))
            .unwrap_or(stop)
    }

    fn text(&self, token: usize) -> &str {
        let bytes = self.tokens.get(token).and_then(|t| self.file.data.get(t.start..t.end));
        bytes.and_then(|b| std::str::from_utf8(b).ok()).unwrap_or("")
    }

    fn kind(&self, token: usize) -> Option<Kind> {
        self.tokens.get(token).map(|t| t.kind)
    }

    fn on_line(&self, line: u32) -> Part {
        let start = self.tokens.partition_point(|t| t.line < line);
        start..self.tokens.partition_point(|t| t.line <= line)
    }

    fn is_name(&self, token: usize) -> bool {
        self.kind(token) == Some(Kind::Name) && !KEYWORDS.contains(&self.text(token))
    }

    fn before(&self, token: usize) -> &str {
        token.checked_sub(1).map_or("", |i| self.text(i))
    }

    /// A name that stands for itself: no field, no method.
    fn is_plain_name(&self, token: usize) -> bool {
        self.is_name(token) && !matches!(self.before(token), "." | ":" | "::" | "->")
    }

    fn is_field(&self, token: usize) -> bool {
        self.is_name(token) && matches!(self.before(token), "." | ":")
    }

    /// Whether a name is called here.
    fn is_call(&self, token: usize) -> bool {
        let opens = matches!(self.text(token + 1), "(" | "{") || self.kind(token + 1) == Some(Kind::Text);
        opens && self.is_name(token) && self.before(token) != "function" && !self.names_a_function(token)
    }

    /// Whether a name is part of `function a.b:c(`.
    fn names_a_function(&self, token: usize) -> bool {
        let mut at = token;
        while matches!(self.before(at), "." | ":") && at >= 2 {
            at -= 2;
        }
        self.before(at) == "function"
    }

    /// The calls of `function` whose name stands on `line`.
    fn calls(&self, line: u32, function: &str) -> Vec<Call> {
        let named = self
            .on_line(line)
            .filter(|i| self.text(*i) == function && self.is_call(*i));
        named.filter_map(|name| self.call(name)).collect()
    }

    fn call(&self, name: usize) -> Option<Call> {
        let open = name + 1;
        if self.text(open) != "(" {
            let end = if self.kind(open) == Some(Kind::Text) {
                open + 1
            } else {
                self.close(open)? + 1
            };
            return Some(Call {
                name,
                args: std::iter::once(open..end).collect(),
                end,
            });
        }
        let close = self.close(open)?;
        Some(Call {
            name,
            args: self.elements(open, close),
            end: close + 1,
        })
    }

    /// The bracket that closes the one at `open`.
    fn close(&self, open: usize) -> Option<usize> {
        let mut depth = 0_usize;
        for at in open..self.tokens.len() {
            if self.kind(at) != Some(Kind::Punct) {
                continue;
            }
            match self.text(at) {
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" => {
                    depth = depth.checked_sub(1)?;
                    if depth == 0 {
                        return Some(at);
                    }
                }
                _ => {}
            }
        }
        None
    }

    /// What stands between two brackets, split at the commas of their own level.
    fn elements(&self, open: usize, close: usize) -> Vec<Part> {
        let mut parts = Vec::new();
        let mut start = open + 1;
        let mut at = start;
        while at < close {
            match self.text(at) {
                "(" | "[" | "{" if self.kind(at) == Some(Kind::Punct) => at = self.close(at).unwrap_or(close),
                "function" => at = self.end_of_function(at, close),
                "," | ";" => {
                    parts.push(start..at);
                    start = at + 1;
                }
                _ => {}
            }
            at += 1;
        }
        if start < close {
            parts.push(start..close);
        }
        parts
    }

    /// The `end` of a function that begins at `at`.
    fn end_of_function(&self, at: usize, close: usize) -> usize {
        let mut open = Vec::new();
        let mut in_expression = false;
        for i in at..close {
            if self.kind(i) != Some(Kind::Name) {
                continue;
            }
            match self.text(i) {
                "function" | "do" => open.push(Open::Block),
                "if" => {
                    let expression = match self.before(i) {
                        "then" => open.last() == Some(&Open::IfExpression),
                        "else" => in_expression,
                        _ => self.is_if_expression(i),
                    };
                    open.push(if expression { Open::IfExpression } else { Open::Block });
                }
                "else" => {
                    in_expression = open.last() == Some(&Open::IfExpression);
                    if in_expression {
                        open.pop();
                    }
                }
                "end" => {
                    while open.pop() == Some(Open::IfExpression) {}
                    if open.is_empty() {
                        return i;
                    }
                }
                _ => {}
            }
        }
        close
    }

    /// Luau's `if a then b else c` has no `end`. Of one after `then` or `else`, the `if` of these tells.
    fn is_if_expression(&self, at: usize) -> bool {
        let before = self.before(at);
        match at.checked_sub(1).and_then(|i| self.kind(i)) {
            Some(Kind::Name) => matches!(
                before,
                "return" | "and" | "or" | "not" | "in" | "if" | "elseif" | "while" | "until"
            ),
            Some(Kind::Punct) => !matches!(before, ")" | "]" | "}" | ";" | "..." | "?"),
            // The code of an interpolated string begins.
            Some(Kind::Text) => matches!(before.as_bytes(), [b'`' | b'}', .., b'{']),
            Some(Kind::Number) | None => false,
        }
    }

    /// The part of a call that a subject is. Of a table that is in a variable, it is the variable.
    fn part(&self, call: &Call, subject: &Subject) -> Option<Part> {
        Some(match subject {
            Subject::Call | Subject::Field(_) => self.call_part(call),
            Subject::Argument(n) => {
                let argument = call.args.get(n.checked_sub(1)?);
                argument.cloned().unwrap_or_else(|| self.call_part(call))
            }
            Subject::OptionName(name) => self.keyed(self.options(call)?, name)?.0,
            Subject::OptionValue(name) => self.keyed(self.options(call)?, name)?.1,
            Subject::Inside(of, step) => {
                let table = self.part(call, of)?;
                let inside = match step {
                    Step::Element(index) => self.element(&table, *index),
                    Step::Key(name) => self.keyed(&table, name).map(|(_, value)| value),
                };
                inside.unwrap_or(table)
            }
            Subject::KeyName(of, name) => {
                let table = self.part(call, of)?;
                self.keyed(&table, name).map_or(table, |(key, _)| key)
            }
        })
    }

    /// The table of a call's options.
    fn options<'c>(&self, call: &'c Call) -> Option<&'c Part> {
        call.args.iter().rfind(|arg| self.is_table(arg))
    }

    /// A table's key and its value, if it is written there once.
    fn keyed(&self, table: &Part, name: &str) -> Option<(Part, Part)> {
        let elements = self.table_elements(table)?;
        let keyed = elements.iter().filter_map(|element| self.key(element));
        only(keyed.filter(|(key, _)| self.key_is(key, name)))
    }

    /// A list's element, from 1.
    fn element(&self, table: &Part, index: usize) -> Option<Part> {
        let elements = self.table_elements(table)?;
        let mut listed = elements.into_iter().filter(|element| self.key(element).is_none());
        listed.nth(index.checked_sub(1)?)
    }

    fn table_elements(&self, table: &Part) -> Option<Vec<Part>> {
        self.is_table(table).then(|| self.elements(table.start, table.end - 1))
    }

    fn is_table(&self, part: &Part) -> bool {
        part.len() >= 2 && self.text(part.start) == "{" && self.close(part.start) == Some(part.end - 1)
    }

    /// A table's element split into key and value.
    fn key(&self, element: &Part) -> Option<(Part, Part)> {
        let start = element.start;
        let (key, equals) = if self.text(start) == "[" {
            let close = self.close(start)?;
            (start + 1..close, close + 1)
        } else {
            (start..start + 1, start + 1)
        };
        let value = equals + 1..element.end;
        (self.text(equals) == "=" && !value.is_empty()).then_some((key, value))
    }

    fn key_is(&self, key: &Part, name: &str) -> bool {
        let text = self.text(key.start);
        key.len() == 1
            && (text == name || (self.kind(key.start) == Some(Kind::Text) && text.trim_matches(['"', '\'']) == name))
    }

    fn call_part(&self, call: &Call) -> Part {
        self.chain_start(call.name)..call.end
    }

    /// Where the chain of names starts that ends in this one (`bk.image`).
    fn chain_start(&self, name: usize) -> usize {
        let mut start = name;
        while matches!(self.before(start), "." | ":") && start >= 2 && self.is_name(start - 2) {
            start -= 2;
        }
        start
    }

    /// The chain of names that ends before a token, if it is nothing but names.
    fn name_chain(&self, end: usize) -> Option<NilName> {
        let last = end.checked_sub(1)?;
        if !self.is_name(last) {
            return None;
        }
        let start = self.chain_start(last);
        if matches!(self.before(start), "." | ":") {
            return None;
        }
        let text: String = (start..end).map(|i| self.text(i)).collect();
        Some(NilName {
            global: start == last && !self.locals().contains(text.as_str()),
            text,
            span: self.span(&(start..end)),
        })
    }

    /// The part's columns on its first line.
    fn span(&self, part: &Part) -> Span {
        let first = self.tokens.get(part.start);
        let Some(first) = first else {
            return Span::line(Arc::clone(&self.file), 1);
        };
        let last = part
            .clone()
            .filter_map(|i| self.tokens.get(i))
            .take_while(|t| t.line == first.line)
            .last()
            .unwrap_or(first);
        let data = &self.file.data;
        let before = data.get(..first.start).unwrap_or_default();
        let line_start = before.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        let upto = |end: usize| chars(data.get(line_start..end).unwrap_or_default());
        // A text may go on over lines: what counts is its first.
        let token = data.get(last.start..last.end).unwrap_or_default();
        let first_line = token.iter().position(|b| *b == b'\n').unwrap_or(token.len());
        let columns = upto(first.start) + 1..upto(last.start + first_line) + 1;
        Span::columns(Arc::clone(&self.file), first.line, columns)
    }
}

/// Characters of a text as it is shown.
fn chars(bytes: &[u8]) -> u32 {
    u32::try_from(String::from_utf8_lossy(bytes).chars().count()).unwrap_or(u32::MAX - 1)
}

/// The only item.
fn only<T>(mut items: impl Iterator<Item = T>) -> Option<T> {
    let first = items.next();
    if items.next().is_some() { None } else { first }
}
