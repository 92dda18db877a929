//! Errors on their way through Lua: what a script may catch and what it may not, and the stack at the
//! moment one is raised.
//!
//! A hit limit goes through every `pcall`. A `CallError` that is caught reads as its message; raised
//! again it becomes what it was.

use std::cell::RefCell;
use std::rc::Rc;

use mlua::{Lua, Table, Value};

use super::sandbox::OWN_CHUNK;
use super::text::SyntaxError;
use crate::build::Build;
use crate::error::{CallError, Limit, ModuleError};
use crate::loader::LoadError;

/// Frames kept of a stack.
const MOST_FRAMES: usize = 20_000;
/// What error handling may use when a script used up all its memory.
const RESERVE: usize = 16 << 20;

/// What came out of a script.
#[derive(Debug, Clone)]
pub(super) struct Raised {
    pub(super) cause: Cause,
    /// Innermost first.
    pub(super) frames: Vec<RaisedFrame>,
}

/// An error, told apart.
#[derive(Debug, Clone)]
pub(super) enum Cause {
    Limit(Limit),
    Call(CallError),
    Module(ModuleError),
    Load(LoadError),
    Syntax(SyntaxError),
    /// Text, with the places that Lua wrote before it.
    Text(String),
    /// A value that is no text, described.
    Value(String),
}

/// One frame of the script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RaisedFrame {
    pub(super) chunk: String,
    pub(super) line: u32,
    pub(super) function: Option<String>,
}

/// What the error functions of one Lua state remember.
#[derive(Default)]
pub(super) struct Store {
    /// The error that ended the script.
    pub(super) raised: RefCell<Option<Raised>>,
    /// The last error that a script caught and that was more than its text.
    caught: RefCell<Option<(String, Cause)>>,
    /// The last error that ended a coroutine, and where.
    failed: RefCell<Option<(String, Vec<RaisedFrame>)>>,
}

/// Gives `caught`, `failed` and `raised` to the bootstrap.
pub(super) fn install(lua: &Lua, build: &Rc<Build>, host: &Table) -> mlua::Result<()> {
    let store = Rc::new(Store::default());
    lua.set_app_data(Rc::clone(&store));

    let (owner, remember) = (Rc::clone(build), Rc::clone(&store));
    let caught = lua.create_function(move |lua, value: Value| {
        if let Some(limit) = owner.limit_hit() {
            return Err(owner.hit(limit));
        }
        let cause = match &value {
            Value::Error(error) => cause_of(&owner, error),
            Value::String(text) => {
                let text = text.to_string_lossy();
                if places(&owner, &text).1 == "not enough memory" {
                    return Err(owner.hit(Limit::Memory(owner.input.limits.memory)));
                }
                let plain = without_own_place(&text);
                if plain.len() == text.len() {
                    return Ok(value);
                }
                return lua.create_string(plain).map(Value::String);
            }
            _ => return Ok(value),
        };
        if let Cause::Limit(limit) = cause {
            return Err(owner.hit(limit));
        }
        let text = cause.text();
        let shown = lua.create_string(&text)?;
        *remember.caught.borrow_mut() = Some((text, cause));
        Ok(Value::String(shown))
    })?;
    host.raw_set("caught", caught)?;

    let (owner, remember) = (Rc::clone(build), Rc::clone(&store));
    let failed = lua.create_function(move |_, (value, frames): (Value, Vec<Table>)| {
        let mut kept = Vec::new();
        for frame in frames {
            let chunk: String = frame.raw_get(1)?;
            let line: Option<u32> = frame
                .raw_get::<Option<i64>>(2)?
                .and_then(|line| u32::try_from(line).ok());
            let name: Option<String> = frame.raw_get(3)?;
            let own = chunk.strip_prefix('=').unwrap_or(&chunk);
            if let Some(line) = line.filter(|line| *line > 0 && owner.chunks.borrow().contains(own)) {
                kept.push(RaisedFrame {
                    chunk: own.to_owned(),
                    line,
                    function: name.filter(|name| !name.is_empty()),
                });
            }
        }
        *remember.failed.borrow_mut() = Some((cause_of_value(&owner, &value).text(), kept));
        Ok(())
    })?;
    host.raw_set("failed", failed)?;

    let owner = Rc::clone(build);
    let raised = lua.create_function(move |lua, value: Value| {
        // When memory is what ran out, telling it needs some.
        lua.set_memory_limit(owner.input.limits.memory.saturating_add(RESERVE))?;
        let mut cause = cause_of_value(&owner, &value);
        let text = cause.text();
        // A script has what it caught as text. Raised as such, it is what it was.
        if let Cause::Text(_) = cause
            && let Some((_, richer)) = store.caught.borrow().as_ref().filter(|(caught, _)| *caught == text)
        {
            cause = richer.clone();
        }
        let mut frames = frames(&owner, lua);
        if let Some((_, inner)) = store
            .failed
            .borrow()
            .as_ref()
            .filter(|(failed, _)| text.ends_with(failed))
        {
            frames.splice(0..0, inner.iter().cloned());
        }
        *store.raised.borrow_mut() = Some(Raised { cause, frames });
        Ok(())
    })?;
    host.raw_set("raised", raised)
}

impl Cause {
    fn text(&self) -> String {
        match self {
            Self::Limit(limit) => limit.to_string(),
            Self::Call(error) => error.to_string(),
            Self::Module(error) => error.to_string(),
            Self::Load(error) => error.to_string(),
            Self::Syntax(error) => error.to_string(),
            Self::Text(text) | Self::Value(text) => text.clone(),
        }
    }
}

/// Tells a Rust error apart.
pub(super) fn cause_of(build: &Build, error: &mlua::Error) -> Cause {
    match error {
        mlua::Error::CallbackError { cause, .. } | mlua::Error::WithContext { cause, .. } => cause_of(build, cause),
        mlua::Error::MemoryError(_) => Cause::Limit(Limit::Memory(build.input.limits.memory)),
        mlua::Error::BadArgument { cause, pos, name, to } => {
            let function = to.as_deref().unwrap_or("?");
            let which = name
                .as_ref()
                .map_or_else(|| format!("#{pos}"), |name| format!("`{name}`"));
            Cause::Text(format!(
                "invalid argument {which} to '{function}' ({})",
                cause_of(build, cause).text()
            ))
        }
        mlua::Error::FromLuaConversionError { from, to, .. } => Cause::Text(format!("{to} expected, got {from}")),
        mlua::Error::RuntimeError(text) => {
            let text = text.split("\nstack traceback:").next().unwrap_or(text);
            Cause::Text(text.to_owned())
        }
        mlua::Error::ExternalError(inner) => {
            if let Some(limit) = inner.downcast_ref::<Limit>() {
                Cause::Limit(*limit)
            } else if let Some(error) = inner.downcast_ref::<CallError>() {
                Cause::Call(error.clone())
            } else if let Some(error) = inner.downcast_ref::<ModuleError>() {
                Cause::Module(error.clone())
            } else if let Some(error) = inner.downcast_ref::<LoadError>() {
                Cause::Load(error.clone())
            } else if let Some(error) = inner.downcast_ref::<SyntaxError>() {
                Cause::Syntax(error.clone())
            } else if let Some(error) = inner.downcast_ref::<mlua::Error>() {
                cause_of(build, error)
            } else {
                Cause::Text(inner.to_string())
            }
        }
        other => Cause::Text(other.to_string()),
    }
}

pub(super) fn cause_of_value(build: &Build, value: &Value) -> Cause {
    match value {
        Value::Error(error) => cause_of(build, error),
        Value::String(text) => Cause::Text(text.to_string_lossy()),
        Value::Integer(_) | Value::Number(_) => Cause::Text(value.to_string().unwrap_or_default()),
        Value::Table(table) => {
            // A table is described by its own `__tostring`, or by the field that most of them have.
            let shown = match table.metatable().map(|meta| meta.raw_get::<Value>("__tostring")) {
                Some(Ok(Value::Function(_))) => value.to_string().ok(),
                _ => table.raw_get::<String>("message").ok(),
            };
            Cause::Value(shown.unwrap_or_else(|| "the script raised a table that says nothing".to_owned()))
        }
        Value::UserData(_) => match value.to_string() {
            Ok(text) if !text.contains(": 0x") => Cause::Value(text),
            _ => Cause::Value("the script raised a userdata".to_owned()),
        },
        Value::Nil => Cause::Value("the script raised nil".to_owned()),
        other => Cause::Value(format!("the script raised a {}", other.type_name())),
    }
}

/// The frames of the script on Lua's stack, innermost first.
fn frames(build: &Build, lua: &Lua) -> Vec<RaisedFrame> {
    let mut frames = Vec::new();
    for level in 1.. {
        if frames.len() == MOST_FRAMES {
            break;
        }
        let seen = lua.inspect_stack(level, |debug| {
            let line = u32::try_from(debug.current_line()?).ok()?;
            let source = debug.source();
            let chunk = source.source.as_deref()?.strip_prefix('=')?;
            let function = debug.names().name.filter(|name| !name.is_empty());
            build.chunks.borrow().contains(chunk).then(|| RaisedFrame {
                chunk: chunk.to_owned(),
                line,
                function: function.map(std::borrow::Cow::into_owned),
            })
        });
        let Some(frame) = seen else { break };
        frames.extend(frame);
    }
    frames
}

/// Takes the places (`build.lua:3: `) off the front of a message. The last is where the error was raised;
/// those before it are where it was passed on.
pub(super) fn places<'t>(build: &Build, text: &'t str) -> (Option<(String, u32)>, &'t str) {
    let chunks = build.chunks.borrow();
    let mut place = None;
    let mut rest = without_own_place(text);
    while let Some((chunk, line, message)) = chunks.split_place(rest) {
        place = Some((chunk.to_owned(), line));
        rest = without_own_place(message);
    }
    (place, rest)
}

/// Takes off a place in the interpreter's own Lua.
fn without_own_place(text: &str) -> &str {
    let rest = text.strip_prefix(OWN_CHUNK).and_then(|rest| rest.strip_prefix(':'));
    match rest.and_then(|rest| rest.split_once(": ")) {
        Some((line, message)) if line.bytes().all(|b| b.is_ascii_digit()) => message,
        _ => text,
    }
}
