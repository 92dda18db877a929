//! What a script sees: globals of its own, filled from a list of what is allowed.
//!
//! Library tables stay writable, as in Lua 5.1: `table.unpack = table.unpack or unpack` and
//! `function string.trim(s)` are ordinary scripts. Nothing on Rust's side calls a function through them.

use std::rc::Rc;

use mlua::{Function, Lua, LuaOptions, StdLib, Table, Value, Variadic};

use super::{clock, forbidden, loops, modules, raised, random, text};
use crate::api;
use crate::build::Build;

/// The name of the interpreter's own Lua among chunk names.
pub(super) const OWN_CHUNK: &str = "[luakit]";

const BASE: &[&str] = &[
    "assert",
    "error",
    "getmetatable",
    "ipairs",
    "next",
    "pairs",
    "rawequal",
    "rawget",
    "rawlen",
    "rawset",
    "select",
    "setmetatable",
    "tonumber",
    "type",
    "typeof",
    "unpack",
];

/// Libraries, and what of each. `pcall`, `tostring`, `string.format` and others come from `bootstrap.luau`.
const LIBRARIES: &[(&str, &[&str])] = &[
    (
        "string",
        &[
            "byte", "char", "find", "format", "gmatch", "gsub", "len", "lower", "match", "pack", "packsize", "rep",
            "reverse", "split", "sub", "unpack", "upper",
        ],
    ),
    (
        "table",
        &[
            "clear", "clone", "concat", "create", "find", "foreach", "foreachi", "freeze", "getn", "insert",
            "isfrozen", "maxn", "move", "pack", "remove", "sort", "unpack",
        ],
    ),
    (
        "math",
        &[
            "abs", "acos", "asin", "atan", "atan2", "ceil", "clamp", "cos", "cosh", "deg", "exp", "floor", "fmod",
            "frexp", "huge", "isfinite", "isinf", "isnan", "ldexp", "lerp", "log", "log10", "map", "max", "min",
            "modf", "noise", "pi", "pow", "rad", "round", "sign", "sin", "sinh", "sqrt", "tan", "tanh",
        ],
    ),
    (
        "coroutine",
        &[
            "close",
            "create",
            "isyieldable",
            "resume",
            "running",
            "status",
            "wrap",
            "yield",
        ],
    ),
    ("utf8", &["char", "charpattern", "codepoint", "codes", "len", "offset"]),
    (
        "bit32",
        &[
            "arshift", "band", "bnot", "bor", "btest", "bxor", "byteswap", "countlz", "countrz", "extract", "lrotate",
            "lshift", "replace", "rrotate", "rshift",
        ],
    ),
    (
        "buffer",
        &[
            "copy",
            "create",
            "fill",
            "fromstring",
            "len",
            "readbits",
            "readf32",
            "readf64",
            "readi16",
            "readi32",
            "readi8",
            "readstring",
            "readu16",
            "readu32",
            "readu8",
            "tostring",
            "writebits",
            "writef32",
            "writef64",
            "writei16",
            "writei32",
            "writei8",
            "writestring",
            "writeu16",
            "writeu32",
            "writeu8",
        ],
    ),
    ("debug", &["info", "traceback"]),
];

/// Old names that 5.1 scripts use: library, old, new.
const ALIASES: &[(&str, &str, &str)] = &[("string", "gfind", "gmatch"), ("math", "mod", "fmod")];

/// A Lua state with the sandbox in it, and what runs a chunk there: it takes a function, and returns what
/// `pcall` does.
pub(super) fn create(build: &Rc<Build>) -> mlua::Result<(Lua, Function)> {
    let lua = Lua::new_with(StdLib::ALL_SAFE, LuaOptions::new())?;
    lua.set_app_data(Rc::clone(build));
    let globals = allowed(&lua)?;
    globals.raw_set("_G", &globals)?;
    globals.raw_set("_VERSION", "Lua 5.1")?;
    globals.raw_set("os", clock::library(&lua, build)?)?;
    globals.raw_set("io", lua.create_table()?)?;
    let math: Table = globals.raw_get("math")?;
    random::install(&lua, &math)?;
    let package = lua.create_table()?;
    package.raw_set("loaded", lua.create_table()?)?;
    package.raw_set("preload", lua.create_table()?)?;
    globals.raw_set("package", package)?;
    harmless(&lua, &globals)?;

    let host = lua.create_table()?;
    let print = Rc::clone(build);
    let print = lua.create_function(move |_, line: mlua::LuaString| {
        (print.input.print)(&line.to_string_lossy());
        Ok(())
    })?;
    host.raw_set("print", print)?;
    let before = lua.create_function(|_, (a, b): (Value, Value)| Ok(api::comes_before(&a, &b)))?;
    host.raw_set("before", before)?;
    let unordered = lua.create_function(|_, (key, caller): (Value, Option<String>)| -> mlua::Result<()> {
        Err(api::unordered(&key, caller.as_deref()))
    })?;
    host.raw_set("unordered", unordered)?;
    // `getmetatable` gives what a table's `__metatable` says.
    let metatable = lua.create_function(|_, table: Table| Ok(table.metatable()))?;
    host.raw_set("metatable", metatable)?;
    let views = lua.create_table()?;
    host.raw_set("views", &views)?;
    raised::install(&lua, build, &host)?;
    modules::install(&lua, build, &host)?;
    text::install(&lua, build, &host)?;
    let run = lua
        .load(include_str!("bootstrap.luau"))
        .set_name(format!("={OWN_CHUNK}"))
        .set_compiler(text::compiler())
        .call::<Function>((&host, &globals))?;
    loops::install(&lua, &host)?;

    forbidden::install(&lua, &globals)?;
    register_loaded(&globals)?;
    api::install(&lua, build, &globals, &views)?;
    lua.set_globals(globals)?;
    Ok((lua, run))
}

fn allowed(lua: &Lua) -> mlua::Result<Table> {
    let all = lua.globals();
    let globals = lua.create_table()?;
    for name in BASE {
        globals.raw_set(*name, all.raw_get::<Value>(*name)?)?;
    }
    for (library, names) in LIBRARIES {
        // Lua keeps the library's own table: strings find their methods in it.
        let table: Table = all.raw_get(*library)?;
        let present: Vec<mlua::LuaString> = table
            .pairs::<mlua::LuaString, Value>()
            .map(|pair| pair.map(|(key, _)| key))
            .collect::<mlua::Result<_>>()?;
        for key in present {
            if !names.iter().any(|name| key.as_bytes() == name.as_bytes()) {
                table.raw_set(key, Value::Nil)?;
            }
        }
        globals.raw_set(*library, table)?;
    }
    for (library, old, new) in ALIASES {
        let table: Table = globals.raw_get(*library)?;
        table.raw_set(*old, table.raw_get::<Value>(*new)?)?;
    }
    Ok(globals)
}

/// Memory is the interpreter's business, and how much there is in use differs from machine to machine.
fn harmless(lua: &Lua, globals: &Table) -> mlua::Result<()> {
    let collect = lua.create_function(|_, args: Variadic<Value>| {
        let option = match args.first() {
            None | Some(Value::Nil) => "collect".to_owned(),
            Some(value) => value.to_string()?,
        };
        match option.as_str() {
            "collect" | "step" | "restart" | "stop" | "count" | "setpause" | "setstepmul" | "incremental"
            | "generational" => Ok(Value::Integer(0)),
            "isrunning" => Ok(Value::Boolean(true)),
            other => Err(mlua::Error::runtime(format!(
                "collectgarbage: invalid option '{other}'"
            ))),
        }
    })?;
    globals.raw_set("collectgarbage", collect)?;
    globals.raw_set("gcinfo", lua.create_function(|_, ()| Ok((0, 0)))?)
}

/// `require "string"` gives the library, as everywhere.
fn register_loaded(globals: &Table) -> mlua::Result<()> {
    let loaded: Table = globals.raw_get::<Table>("package")?.raw_get("loaded")?;
    let more = ["os", "io", "package", "_G"];
    for name in LIBRARIES.iter().map(|(name, _)| *name).chain(more) {
        loaded.raw_set(name, globals.raw_get::<Value>(name)?)?;
    }
    Ok(())
}
