//! From what came out of Lua to what is told: a [`Failure`] with its diagnostic.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use luakit_diagnostic::{Diagnostic, Label, SourceFile, Span, TraceFrame, nearest};
use luakit_llb::StackId;
use mlua::{Lua, Value};

use super::hidden;
use super::locate::{NilName, Tokens};
use super::raised::{self, Cause, Raised, RaisedFrame};
use super::text::SyntaxError;
use crate::build::Build;
use crate::error::{CallError, Failure, Limit, ModuleError, ScriptError, Subject};
use crate::loader::LoadError;
use crate::prelude::EMBEDDED;

/// A failure that no line of the script has to do with.
pub(super) fn bare(error: ScriptError) -> Failure {
    let diagnostic = Diagnostic::error("interpreter", error.to_string());
    failed(error, diagnostic)
}

/// The script did not even notice that its time was up.
pub(super) fn out_of_time(script_name: &str, timeout: Duration) -> Failure {
    let limit = Limit::Time(timeout);
    let diagnostic = limit_diagnostic(limit).with_note(format!("{script_name} is inside a single long library call"));
    failed(ScriptError::Limit(limit), diagnostic)
}

/// The script ran to its end and exported nothing.
pub(super) fn no_export(build: &Build) -> Failure {
    let error = ScriptError::NoExport;
    let diagnostic = Diagnostic::error("no-export", error.to_string())
        .with_note(format!("{} ran to its end", build.input.script_name))
        .with_hint("end the script with `bk.export(state)`, where `state` is what the image shall hold");
    failed(error, diagnostic)
}

/// What ended the script.
pub(super) fn failure(lua: &Lua, build: &Build, raised: &Raised) -> Failure {
    let report = Report { lua, build, raised };
    let (error, mut diagnostic) = match &raised.cause {
        Cause::Limit(limit) => report.limit(*limit),
        Cause::Call(error) => report.call(error),
        Cause::Module(error) => report.module(error),
        Cause::Load(error) => report.load(error),
        Cause::Syntax(error) => report.syntax(error),
        Cause::Text(text) => report.text(text),
        Cause::Value(text) => report.plain("runtime", text),
    };
    diagnostic.traceback = report.traceback(diagnostic.span.as_ref());
    failed(error, diagnostic)
}

fn failed(error: ScriptError, diagnostic: Diagnostic) -> Failure {
    Failure {
        error,
        diagnostic: Box::new(diagnostic),
    }
}

/// What a line has of newer Lua that Luau hasn't.
fn not_luau(file: &SourceFile, line: u32) -> Option<&'static str> {
    let text = String::from_utf8_lossy(file.line(line)?).into_owned();
    if text.contains("<const>") || text.contains("<close>") {
        return Some("scripts are Luau, which has no attributes: leave it out");
    }
    let goto = text
        .split(|c: char| !c.is_alphanumeric() && c != '_')
        .any(|word| word == "goto");
    goto.then_some("scripts are Luau, which has no `goto`; `continue` goes on with a loop's next round")
}

/// Whether the VM could not have what it asked for: the limit's share is used up, or it could never be had.
fn is_out_of_memory(message: &str) -> bool {
    message == "not enough memory" || message == "table overflow" || message.starts_with("memory allocation error")
}

/// Whether an operator met nil.
fn works_with_nil(message: &str) -> bool {
    let operator = [
        "attempt to concatenate ",
        "attempt to perform arithmetic ",
        "attempt to compare ",
    ];
    operator.iter().any(|start| message.starts_with(start)) && message.split([' ', ')']).any(|word| word == "nil")
}

/// Whether the first instruction of a file is a Dockerfile's.
fn is_dockerfile(file: &SourceFile) -> bool {
    let text = String::from_utf8_lossy(&file.data);
    let first = text
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty() && !line.starts_with('#'));
    let word = first.and_then(|line| line.split_whitespace().next());
    word.is_some_and(|word| word.eq_ignore_ascii_case("FROM") || word.eq_ignore_ascii_case("ARG"))
}

fn limit_diagnostic(limit: Limit) -> Diagnostic {
    let (code, hint) = match limit {
        Limit::Time(_) => ("timeout", "`--timeout` sets the limit"),
        Limit::Memory(_) => ("memory-limit", "`--memory-limit` sets the limit"),
        Limit::Reads(_) | Limit::Waiting(_) => ("read-limit", "let steps of the build read what is much"),
    };
    Diagnostic::error(code, limit.to_string()).with_hint(hint)
}

struct Report<'a> {
    lua: &'a Lua,
    build: &'a Build,
    raised: &'a Raised,
}

impl Report<'_> {
    fn limit(&self, limit: Limit) -> (ScriptError, Diagnostic) {
        let mut diagnostic = limit_diagnostic(limit);
        diagnostic.span = self.innermost();
        (ScriptError::Limit(limit), diagnostic)
    }

    fn call(&self, error: &CallError) -> (ScriptError, Diagnostic) {
        let mut diagnostic = Diagnostic::error(error.code, error.message.clone());
        diagnostic.notes.clone_from(&error.notes);
        diagnostic.hint.clone_from(&error.hint);
        if let Some((file, line)) = self.innermost_line() {
            let tokens = Tokens::of(Arc::clone(&file));
            let (function, subject) = match self.library_function() {
                // What the library called is not on the script's line; what the library complains of is.
                Some(function) if error.function.is_some() => (Some(function), &Subject::Call),
                Some(function) => (Some(function), &error.subject),
                None => (error.function.as_deref(), &error.subject),
            };
            let found = tokens.subject(line, function, subject);
            diagnostic.span = Some(found.unwrap_or_else(|| Span::line(file, line)));
            if let (Subject::Argument(n), Some(function)) = (subject, function)
                && let Some(name) = tokens.argument_name(line, function, *n)
            {
                self.explain_undefined(&name, &tokens, &mut diagnostic);
            }
        }
        for (at, text) in &error.related {
            if let Some(span) = self.stack_span(*at, error.function.as_deref()) {
                let text = text.clone();
                diagnostic.labels.push(Label { span, text });
            }
        }
        if error.confidential {
            let labels = diagnostic.labels.iter_mut().map(|label| &mut label.span);
            for span in diagnostic.span.iter_mut().chain(labels) {
                span.file = hidden::texts(&span.file);
            }
        }
        (ScriptError::Call(Box::new(error.clone())), diagnostic)
    }

    fn module(&self, error: &ModuleError) -> (ScriptError, Diagnostic) {
        let code = match error {
            ModuleError::Outside { .. } => "module-outside",
            ModuleError::Malformed { .. } => "module-name",
            ModuleError::NotFound { .. } => "module-not-found",
            ModuleError::Circular { .. } => "module-cycle",
            ModuleError::Unreadable { .. } => "module-unreadable",
        };
        let mut diagnostic = Diagnostic::error(code, error.to_string());
        diagnostic.span = self.subject("require", &Subject::Argument(1));
        match error {
            ModuleError::NotFound { name, tried } => {
                diagnostic.notes = tried.iter().map(|path| format!("tried {path}")).collect();
                let own = EMBEDDED.iter().filter_map(|(path, _)| path.strip_suffix(".lua"));
                diagnostic.hint = match name.strip_suffix(".lua") {
                    Some(_) => Some("leave off the `.lua`".to_owned()),
                    None => did_you_mean(name, own),
                };
            }
            ModuleError::Circular { cycle, .. } => diagnostic.notes.push(cycle.join(" requires ")),
            ModuleError::Outside { .. } => {
                diagnostic.hint =
                    Some("a module's name is a path below the script's directory or the context".to_owned());
            }
            ModuleError::Malformed { .. } => {
                diagnostic.hint = Some("`libs.go` and `libs/go` both mean `libs/go.lua`".to_owned());
            }
            ModuleError::Unreadable { .. } => {}
        }
        (ScriptError::Module(error.clone()), diagnostic)
    }

    fn load(&self, error: &LoadError) -> (ScriptError, Diagnostic) {
        let mut diagnostic = Diagnostic::error("unreadable", error.to_string());
        diagnostic.span = self.innermost();
        (ScriptError::Load(error.clone()), diagnostic)
    }

    fn syntax(&self, error: &SyntaxError) -> (ScriptError, Diagnostic) {
        let message = match error.line {
            Some(_) => lower_first(&error.message),
            None => format!("{}: {}", error.chunk, error.message),
        };
        let mut diagnostic = Diagnostic::error("syntax", message.clone());
        let file = self.build.chunks.borrow().source(&error.chunk);
        if let (Some(file), Some(line)) = (file, error.line) {
            let tokens = Tokens::of(Arc::clone(&file));
            let mut found = None;
            if let Some(token) = offending_token(&error.message) {
                found = tokens.token(line, token);
                if let Some(field) = tokens.keyword_field(line).filter(|_| token == "local") {
                    found = Some(field);
                    let hint = "`local` is a keyword of Lua; for a directory of the client there is `bk.local_(name)`";
                    diagnostic.hint = Some(hint.to_owned());
                }
            }
            if let Some(hint) = not_luau(&file, line) {
                diagnostic.hint = Some(hint.to_owned());
            }
            if is_dockerfile(&file) {
                diagnostic.hint = Some("this looks like a Dockerfile; in Lua, `FROM` is `bk.image(ref)`".to_owned());
            }
            diagnostic.span = Some(found.unwrap_or_else(|| Span::line(file, line)));
        }
        (ScriptError::Syntax { message }, diagnostic)
    }

    /// A message of Lua's own, or what the script gave `error`.
    fn text(&self, text: &str) -> (ScriptError, Diagnostic) {
        let (place, message) = raised::places(self.build, text);
        if is_out_of_memory(message) {
            return self.limit(Limit::Memory(self.build.input.limits.memory));
        }
        if message == "stack overflow" || message == "C stack overflow" || message.starts_with("stack overflow (") {
            let error = ScriptError::Recursion;
            let mut diagnostic = Diagnostic::error("recursion-limit", error.to_string());
            diagnostic.span = self.innermost();
            return (error, diagnostic);
        }
        let chunks = self.build.chunks.borrow();
        let place = place
            .filter(|(chunk, _)| !chunks.is_library(chunk))
            .and_then(|(chunk, line)| Some((chunks.source(&chunk)?, line)));
        drop(chunks);
        let Some((file, line)) = place.or_else(|| self.innermost_line()) else {
            return self.plain("runtime", message);
        };
        let mut diagnostic = Diagnostic::error("runtime", message.to_owned());
        diagnostic.span = Some(Span::line(Arc::clone(&file), line));
        let tokens = Tokens::of(file);
        if message.starts_with("attempt to index function with ") {
            diagnostic.hint = Some("a function is called with `()` first".to_owned());
        } else if names_nil(message) {
            self.explain_nil(message, line, &tokens, &mut diagnostic);
            if works_with_nil(message) && diagnostic.notes.is_empty() && diagnostic.hint.is_none() {
                diagnostic.hint = Some("a value here is nil: was a `bk.arg` without a default not given?".to_owned());
            }
        } else if let Some(method) = quoted_after(message, "attempt to call missing method ") {
            diagnostic.span = tokens
                .subject(line, None, &Subject::Field(method.to_owned()))
                .or(diagnostic.span);
            if message.ends_with("of string") {
                let methods = self.keys_of("string");
                diagnostic.hint = did_you_mean(method, methods.iter().map(String::as_str));
            }
        }
        let message = diagnostic.message.clone();
        (ScriptError::Runtime { message }, diagnostic)
    }

    fn plain(&self, code: &'static str, message: &str) -> (ScriptError, Diagnostic) {
        let mut diagnostic = Diagnostic::error(code, message.to_owned());
        diagnostic.span = self.innermost();
        let message = message.to_owned();
        (ScriptError::Runtime { message }, diagnostic)
    }

    /// Names what is nil, where the line tells without doubt.
    fn explain_nil(&self, message: &str, line: u32, tokens: &Tokens, diagnostic: &mut Diagnostic) {
        let field = quoted_after(message, "attempt to index nil with ");
        let named = match field {
            Some(field) => tokens.indexed(line, field),
            None if message.starts_with("attempt to call a nil value") => tokens.called(line),
            None => None,
        };
        if let Some(name) = named {
            diagnostic.code = "nil-value";
            diagnostic.message = match field {
                Some(field) => format!("`{}` is nil, so it has no `{field}`", name.text),
                None => format!("`{}` is nil, so it can't be called", name.text),
            };
            diagnostic.span = Some(name.span.clone());
            self.explain_undefined(&name, tokens, diagnostic);
        } else if let Some(name) = tokens.undefined(line, |name| !self.is_global(name)) {
            diagnostic.span = Some(name.span.clone());
            self.explain_undefined(&name, tokens, diagnostic);
        }
    }

    /// Says so when a name is an undefined global, and what it was probably meant to be.
    fn explain_undefined(&self, name: &NilName, tokens: &Tokens, diagnostic: &mut Diagnostic) {
        if !name.global || self.is_global(&name.text) {
            return;
        }
        diagnostic
            .notes
            .push(format!("the global `{}` is not defined", name.text));
        let globals = self.keys_of("_G");
        let mut known: BTreeSet<&str> = globals.iter().map(String::as_str).collect();
        known.extend(tokens.locals());
        if let Some(hint) = did_you_mean(&name.text, known) {
            diagnostic.hint = Some(hint);
        }
    }

    fn is_global(&self, name: &str) -> bool {
        !matches!(self.lua.globals().raw_get(name), Ok(Value::Nil) | Err(_))
    }

    /// The names in a global table, sorted.
    fn keys_of(&self, table: &str) -> Vec<String> {
        let Ok(table) = self.lua.globals().raw_get::<mlua::Table>(table) else {
            return Vec::new();
        };
        let keys = table
            .pairs::<Value, Value>()
            .flatten()
            .filter_map(|(key, _)| match key {
                Value::String(key) => Some(key.to_str().ok()?.to_owned()),
                _ => None,
            });
        let mut keys: Vec<String> = keys.collect();
        keys.sort_unstable();
        keys
    }

    fn subject(&self, function: &str, subject: &Subject) -> Option<Span> {
        let (file, line) = self.innermost_line()?;
        let found = Tokens::of(Arc::clone(&file)).subject(line, Some(function), subject);
        Some(found.unwrap_or_else(|| Span::line(file, line)))
    }

    fn innermost(&self) -> Option<Span> {
        self.innermost_line().map(|(file, line)| Span::line(file, line))
    }

    fn innermost_line(&self) -> Option<(Arc<SourceFile>, u32)> {
        let RaisedFrame { chunk, line, .. } = self.frames().first().copied()?;
        Some((self.build.chunks.borrow().source(chunk)?, *line))
    }

    /// The frames of the script's own files, innermost first. What is inside Luakit's library is no business of
    /// the script's, unless there is nothing else.
    fn frames(&self) -> Vec<&RaisedFrame> {
        let chunks = self.build.chunks.borrow();
        let all = || self.raised.frames.iter();
        if all().all(|frame| chunks.is_library(&frame.chunk)) {
            return all().collect();
        }
        all().filter(|frame| !chunks.is_library(&frame.chunk)).collect()
    }

    /// The function of the library that the script called, when the error comes from inside it.
    fn library_function(&self) -> Option<&str> {
        let chunks = self.build.chunks.borrow();
        let inside = self
            .raised
            .frames
            .iter()
            .take_while(|frame| chunks.is_library(&frame.chunk));
        inside.last().and_then(|frame| frame.function.as_deref())
    }

    /// Where a call stack of the graph stands.
    fn stack_span(&self, at: StackId, function: Option<&str>) -> Option<Span> {
        let graph = self.build.graph.borrow();
        let frame = graph.stack(at).first()?;
        let text = graph.files().get(graph.file_index(frame.file))?;
        let file = SourceFile::new(text.name.clone(), Arc::clone(&text.data));
        let found = Tokens::of(Arc::clone(&file)).subject(frame.line, function, &Subject::Call);
        Some(found.unwrap_or_else(|| Span::line(file, frame.line)))
    }

    /// The frames, unless the error's own place already says all.
    fn traceback(&self, span: Option<&Span>) -> Vec<TraceFrame> {
        let frames = self.frames();
        if let ([only], Some(span)) = (frames.as_slice(), span)
            && only.chunk == span.file.name
        {
            return Vec::new();
        }
        let frame = |frame: &&RaisedFrame| TraceFrame {
            file: frame.chunk.clone(),
            line: frame.line,
            function: frame.function.clone(),
        };
        frames.iter().map(frame).collect()
    }
}

/// Whether a message of Lua's own is about a nil.
fn names_nil(message: &str) -> bool {
    let own = ["attempt to ", "invalid argument ", "missing argument "];
    own.iter().any(|start| message.starts_with(start))
        && message.split(|c: char| !c.is_alphanumeric()).any(|word| word == "nil")
}

/// What stands in quotes right after `start`.
fn quoted_after<'m>(message: &'m str, start: &str) -> Option<&'m str> {
    let rest = message.strip_prefix(start)?.strip_prefix('\'')?;
    rest.split_once('\'').map(|(quoted, _)| quoted)
}

/// The token that a syntax error complains about.
fn offending_token(message: &str) -> Option<&str> {
    let (_, rest) = message.rsplit_once("got '")?;
    rest.strip_suffix('\'')
        .or_else(|| rest.split_once('\'').map(|(token, _)| token))
}

fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(name, known).map(|near| format!("did you mean `{near}`?"))
}

fn lower_first(message: &str) -> String {
    let mut chars = message.chars();
    match chars.next() {
        // A word in capitals (`EOF`) stays.
        Some(first) if !chars.clone().next().is_some_and(char::is_uppercase) => {
            first.to_lowercase().chain(chars).collect()
        }
        _ => message.to_owned(),
    }
}
