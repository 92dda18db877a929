//! What Lua has and build scripts have not: each name raises an error that says why when it is called.
//!
//! The sandbox is an allow-list; this list only makes refusals plain. `load` and `math.random` are not
//! here: they work, within limits.

use mlua::{Lua, Table, Value};

use crate::error::CallError;

const READ: &str = "`bk.read_file(path)` reads a file of the build context";
const WRITE: &str = "`state:mkfile(path, data)` writes a file into the image; `print` writes to stderr";
const RUN: &str = "`state:run(command)` runs a command as a build step";
const LOAD: &str = "`require(name)` loads a module; `load(text)` compiles a string";
const ENV: &str = "`load(text, name, \"t\", env)` compiles a string with globals of its own";

/// Library (`""` is the globals), names, hint.
const FORBIDDEN: &[(&str, &[&str], Option<&str>)] = &[
    ("", &["dofile", "loadfile"], Some(LOAD)),
    ("", &["getfenv", "setfenv"], Some(ENV)),
    ("", &["newproxy"], None),
    ("os", &["execute"], Some(RUN)),
    ("os", &["exit"], Some("`error(message)` ends the script with a message")),
    ("os", &["remove", "rename", "tmpname"], Some(RUN)),
    ("os", &["setlocale"], None),
    ("io", &["open", "lines", "input", "read"], Some(READ)),
    ("io", &["write", "output"], Some(WRITE)),
    ("io", &["popen"], Some(RUN)),
    ("io", &["close", "flush", "tmpfile", "type"], None),
    ("package", &["loadlib"], Some(LOAD)),
    ("string", &["dump"], None),
    (
        "debug",
        &[
            "debug",
            "getfenv",
            "gethook",
            "getinfo",
            "getlocal",
            "getmetatable",
            "getregistry",
            "getupvalue",
            "getuservalue",
            "setfenv",
            "sethook",
            "setlocal",
            "setmetatable",
            "setupvalue",
            "setuservalue",
            "upvalueid",
            "upvaluejoin",
        ],
        Some("of `debug` there are `traceback` and `info`"),
    ),
];

/// Names that are no functions: reading one is the error.
const FORBIDDEN_FIELDS: &[(&str, &[&str], &str)] = &[
    ("io", &["stdin", "stdout", "stderr"], WRITE),
    (
        "package",
        &["path", "cpath", "config", "loaders", "searchers", "searchpath"],
        "modules are looked for in the script's directory, in the context, and in Luakit's own library",
    ),
];

/// Puts the refusals in. The tables of all libraries must be there.
pub(super) fn install(lua: &Lua, globals: &Table) -> mlua::Result<()> {
    for (library, names, hint) in FORBIDDEN {
        let table = if library.is_empty() {
            globals.clone()
        } else {
            globals.raw_get(*library)?
        };
        for name in *names {
            let full = full_name(library, name);
            let refuse = lua.create_function(move |_, ()| -> mlua::Result<()> { Err(refusal(&full, *hint).into()) })?;
            table.raw_set(*name, refuse)?;
        }
    }
    for (library, names, hint) in FORBIDDEN_FIELDS {
        let refuse = lua.create_function(move |_, (_, key): (Table, Value)| -> mlua::Result<Value> {
            match key.as_string().and_then(|s| s.to_str().ok()) {
                Some(name) if names.contains(&&*name) => Err(refusal(&full_name(library, &name), Some(hint)).into()),
                _ => Ok(Value::Nil),
            }
        })?;
        let refuse_set = lua.create_function(move |_, (table, key, value): (Table, Value, Value)| {
            match key.as_string().and_then(|s| s.to_str().ok()) {
                Some(name) if names.contains(&&*name) => Err(refusal(&full_name(library, &name), Some(hint)).into()),
                _ => table.raw_set(key, value),
            }
        })?;
        let meta = lua.create_table()?;
        meta.raw_set("__index", refuse)?;
        meta.raw_set("__newindex", refuse_set)?;
        globals.raw_get::<Table>(*library)?.set_metatable(Some(meta))?;
    }
    Ok(())
}

fn full_name(library: &str, name: &str) -> String {
    if library.is_empty() {
        name.to_owned()
    } else {
        format!("{library}.{name}")
    }
}

fn refusal(name: &str, hint: Option<&str>) -> CallError {
    let message = format!("{name} is not available in build scripts (sandboxed)");
    let own = name.rsplit('.').next().unwrap_or(name);
    let error = CallError::new("sandboxed", message).in_function(own);
    match hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}
