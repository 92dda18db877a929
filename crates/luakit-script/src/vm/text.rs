//! From text to Lua functions: script files, modules, and what `load` is given. Bytecode is never taken.

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;

use mlua::chunk::{ChunkMode, Compiler};
use mlua::{Function, Lua, LuaString, Table, Value, Variadic};

use super::loops;
use crate::build::Build;
use crate::error::CallError;

/// The compiler's memory is not Lua's, so the memory limit cannot hold it; this does.
pub(super) const LARGEST: usize = 4 << 20;

/// What keeping a text takes besides the text.
const CHUNK: usize = 512;

/// A text that is no Lua.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SyntaxError {
    /// The chunk's name.
    pub(super) chunk: String,
    /// The line, when the parser gives one.
    pub(super) line: Option<u32>,
    /// What the parser says.
    pub(super) message: String,
}

impl std::fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.chunk, self.message),
            None => write!(f, "{}: {}", self.chunk, self.message),
        }
    }
}

impl std::error::Error for SyntaxError {}

/// Line information and names stay; nothing is inlined, so that call stacks say what the script says.
pub(super) fn compiler() -> Compiler {
    Compiler::new().set_optimization_level(1).set_debug_level(2)
}

/// Compiles a file of the script under its name. A byte order mark and the lines before all others that start with `#`
/// (`#!…`, `# syntax=…`, `# check=…`) are passed over, and the lines keep their numbers.
pub(super) fn file(lua: &Lua, build: &Build, name: &str, data: &Arc<[u8]>) -> mlua::Result<Function> {
    let chunk = build.chunks.borrow_mut().add(name, Arc::clone(data));
    compile(lua, &chunk, &without_directives(data), None)
}

/// Compiles a file of Luakit's own library.
pub(super) fn library(lua: &Lua, build: &Build, name: &str, data: &Arc<[u8]>) -> mlua::Result<Function> {
    let chunk = build.chunks.borrow_mut().add_library(name, Arc::clone(data));
    compile(lua, &chunk, data, None)
}

/// Blank lines take the directives' place.
fn without_directives(data: &[u8]) -> Cow<'_, [u8]> {
    let text = data.strip_prefix(b"\xef\xbb\xbf").unwrap_or(data);
    let length = directives(text);
    let lines = text.iter().take(length).filter(|b| **b == b'\n').count();
    match text.get(length..) {
        Some(rest) if lines > 0 => Cow::Owned([vec![b'\n'; lines].as_slice(), rest].concat()),
        Some(rest) => Cow::Borrowed(rest),
        None => Cow::Borrowed(text),
    }
}

/// How long the lines are that start with `#`, before the first that doesn't.
pub(super) fn directives(text: &[u8]) -> usize {
    let lines = text.split_inclusive(|b| *b == b'\n');
    lines.take_while(|line| line.starts_with(b"#")).map(<[u8]>::len).sum()
}

fn compile(lua: &Lua, chunk: &str, text: &[u8], env: Option<Table>) -> mlua::Result<Function> {
    let error = |line, message: &str| {
        mlua::Error::external(SyntaxError {
            chunk: chunk.to_owned(),
            line,
            message: message.to_owned(),
        })
    };
    if text.len() > LARGEST {
        return Err(error(None, "the text is larger than 4 MiB"));
    }
    // Lua's bytecode starts with ESC, Luau's with its version number.
    if text.first().is_some_and(|b| *b == 0x1b || *b < b'\t') {
        return Err(error(None, "bytecode is not taken, only text"));
    }
    let load = |bytecode: Vec<u8>| {
        let code = lua
            .load(bytecode)
            .set_name(format!("={chunk}"))
            .set_mode(ChunkMode::Binary);
        match env {
            Some(env) => code.set_environment(env).into_function(),
            None => code.into_function(),
        }
    };
    let bytecode = compiler().compile(text).map_err(|e| match e {
        mlua::Error::SyntaxError { message, .. } => {
            let (line, message) = split_line(&message);
            error(line, message)
        }
        other => other,
    })?;
    match loops::asking(text, &bytecode) {
        Some(asking) => loops::own(lua, &load(asking)?),
        None => load(bytecode),
    }
}

/// The compiler writes `LINE: message`.
fn split_line(message: &str) -> (Option<u32>, &str) {
    match message
        .split_once(": ")
        .and_then(|(line, rest)| Some((line.parse().ok()?, rest)))
    {
        Some((line, rest)) => (Some(line), rest),
        None => (None, message),
    }
}

/// `load(text, name, mode, env)`, with the function or `nil` and a message.
pub(super) fn install(lua: &Lua, build: &Rc<Build>, host: &Table) -> mlua::Result<()> {
    let build = Rc::clone(build);
    let load = lua.create_function(
        move |lua, (text, name, mode, env): (LuaString, LuaString, Option<LuaString>, Value)| {
            let env = match env {
                Value::Nil => None,
                Value::Table(table) => Some(table),
                other => {
                    let kind = match other.type_name() {
                        "integer" => "number",
                        kind => kind,
                    };
                    let message = format!("the environment of `load` must be a table, got {kind}");
                    return Err(CallError::new("wrong-type", message).in_function("load").into());
                }
            };
            if mode.is_some_and(|mode| !mode.as_bytes().contains(&b't')) {
                let message = lua.create_string("attempt to load a text chunk: `load` takes text only")?;
                return Ok(Variadic::from_iter([Value::Nil, Value::String(message)]));
            }
            let data: Arc<[u8]> = text.as_bytes().to_vec().into();
            build.hold(lua, data.len() + CHUNK)?;
            let chunk = build
                .chunks
                .borrow_mut()
                .add(&shown_name(&name.as_bytes()), Arc::clone(&data));
            match compile(lua, &chunk, &data, env) {
                Ok(function) => Ok(Variadic::from_iter([Value::Function(function)])),
                Err(error) => match error.downcast_ref::<SyntaxError>() {
                    Some(syntax) => {
                        let message = lua.create_string(syntax.to_string())?;
                        Ok(Variadic::from_iter([Value::Nil, Value::String(message)]))
                    }
                    None => Err(error),
                },
            }
        },
    )?;
    host.raw_set("load", load)
}

/// How Lua shows a chunk's name: `=name` and `@name` as they are, else the text's first line.
fn shown_name(name: &[u8]) -> String {
    const LONGEST: usize = 40;
    let name = String::from_utf8_lossy(name).replace('\0', "\u{fffd}");
    if let Some(plain) = name.strip_prefix(['=', '@']) {
        return plain.to_owned();
    }
    let line = name.lines().next().unwrap_or_default();
    let short: String = line.chars().take(LONGEST).collect();
    let cut = if short.len() < name.len() { "..." } else { "" };
    format!("[string \"{short}{cut}\"]")
}
