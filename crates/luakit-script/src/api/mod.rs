//! The `bk` table: what scripts call.
//!
//! `table` says what there is, `decode` checks every call against it, and the modules beside them are the
//! bodies: each takes decoded values, adds to the graph of the [`Build`], and returns a handle. Nothing here
//! knows of limits, modules or the sandbox; those are `vm`'s.

mod args;
mod codec;
mod contexts;
mod decode;
mod export;
mod files;
mod graph;
mod inputs;
mod mounts;
mod objects;
mod run;
mod sources;
pub mod table;
mod warnings;

pub(crate) use self::args::{predefined as predefined_arg, warn_unread};
pub(crate) use self::contexts::warn_unused as warn_unused_contexts;
pub(crate) use self::objects::{comes_before, unordered};
pub(crate) use self::warnings::warn_lost;

use std::rc::Rc;

use mlua::{Lua, MultiValue, Table, Value};

use self::decode::{Call, Out, decode_call, type_name, unknown_name};
use self::objects::{LuaMount, LuaPlatform, read_only, state_value};
use self::table::{Function, Owner, api_table};
use crate::build::Build;
use crate::error::CallError;

/// What a function does once its arguments passed.
type Body = fn(&mut Call<'_>) -> mlua::Result<Out>;

/// The body of each function of the table.
fn body(function: &Function) -> Option<Body> {
    let body: Body = match (function.owner, function.name) {
        (Owner::Bk, "image") => sources::image,
        (Owner::Bk, "scratch") => sources::scratch,
        (Owner::Bk, "local_") => sources::local,
        (Owner::Bk, "git") => sources::git,
        (Owner::Bk, "http") => sources::http,
        (Owner::Bk, "https") => sources::https,
        (Owner::Bk, "oci_layout") => sources::oci_layout,
        (Owner::Bk, "cache") => mounts::cache,
        (Owner::Bk, "secret") => mounts::secret,
        (Owner::Bk, "ssh") => mounts::ssh,
        (Owner::Bk, "tmpfs") => mounts::tmpfs,
        (Owner::Bk, "bind") => mounts::bind,
        (Owner::Bk, "merge") => graph::merge,
        (Owner::Bk, "diff") => graph::diff,
        (Owner::Bk, "platform") => graph::platform,
        (Owner::Bk, "arg") => args::arg,
        (Owner::Bk, "read_file") => inputs::read_file,
        (Owner::Bk, "glob") => inputs::glob,
        (Owner::Bk, "exists") => inputs::exists,
        (Owner::Bk, "export") => export::export,
        (Owner::Sub("json"), "decode") => codec::json_decode,
        (Owner::Sub("json"), "encode") => codec::json_encode,
        (Owner::Sub("yaml"), "decode") => codec::yaml_decode,
        (Owner::Sub("yaml"), "encode") => codec::yaml_encode,
        (Owner::Sub("toml"), "decode") => codec::toml_decode,
        (Owner::Sub("toml"), "encode") => codec::toml_encode,
        (Owner::Class("State"), "run") => run::run,
        (Owner::Class("State"), "output") => run::output,
        (Owner::Class("State"), "copy") => files::copy,
        (Owner::Class("State"), "mkdir") => files::mkdir,
        (Owner::Class("State"), "mkfile") => files::mkfile,
        (Owner::Class("State"), "rm") => files::rm,
        (Owner::Class("State"), "symlink") => files::symlink,
        (Owner::Class("State"), "env") => graph::env,
        (Owner::Class("State"), "workdir") => graph::workdir,
        (Owner::Class("State"), "user") => graph::user,
        (Owner::Class("State"), "shell") => graph::shell,
        (Owner::Class("State"), "platform") => graph::state_platform,
        (Owner::Class("State"), "with_metadata") => graph::with_metadata,
        _ => return None,
    };
    Some(body)
}

/// Decodes a call, does it, and gives its one result to Lua.
fn call(lua: &Lua, function: &'static Function, body: Body, args: MultiValue) -> mlua::Result<Value> {
    let build = Build::of(lua)?;
    let mut call = decode_call(lua, &build, function, args)?;
    let out = body(&mut call)?;
    if let Some(option) = call.unused() {
        return Err(mlua::Error::runtime(format!(
            "internal error: {} does not use its option `{option}`",
            function.shown()
        )));
    }
    match out {
        Out::Nothing => Ok(Value::Nil),
        Out::State(state) => state_value(lua, state),
        Out::Mount(mount) => lua.create_userdata(LuaMount(Rc::new(mount))).map(Value::UserData),
        Out::Platform(platform) => lua.create_userdata(LuaPlatform(platform)).map(Value::UserData),
        Out::Lua(value) => Ok(value),
    }
}

/// The metatable key by which a call tells `bk` and its tables from a script's own.
struct Modules(Vec<Table>);

/// Whether a table is `bk` or one of the tables in it.
fn is_module(lua: &Lua, table: &Table) -> bool {
    lua.app_data_ref::<Modules>()
        .is_some_and(|modules| modules.0.contains(table))
}

/// Puts `bk` into the script's globals. `views` gets what tables have behind them: by the table, a function that
/// returns the one to go through.
pub(crate) fn install(lua: &Lua, build: &Rc<Build>, globals: &Table, views: &Table) -> mlua::Result<()> {
    let bk = lua.create_table()?;
    let mut modules = vec![bk.clone()];
    for function in api_table().functions {
        let Some(body) = body(function) else {
            return Err(mlua::Error::runtime(format!("{} has no body", function.shown())));
        };
        let made = lua.create_function(move |lua, args: MultiValue| call(lua, function, body, args))?;
        match function.owner {
            Owner::Sub(name) => {
                let sub = if let Value::Table(sub) = bk.raw_get(name)? {
                    sub
                } else {
                    let sub = lua.create_table()?;
                    bk.raw_set(name, &sub)?;
                    modules.push(sub.clone());
                    sub
                };
                sub.raw_set(function.name, made)?;
            }
            _ => bk.raw_set(function.name, made)?,
        }
    }
    bk.raw_set("null", Value::NULL)?;
    name_null(lua)?;
    let target = lua.create_userdata(LuaPlatform(build.input.target_platform.clone()))?;
    let host = lua.create_userdata(LuaPlatform(build.input.build_platform.clone()))?;
    bk.raw_set("build_platform", host)?;
    let all = args::table(lua, build, views)?;
    for module in &modules {
        let name = if module == &bk {
            "bk".to_owned()
        } else {
            module_name(&bk, module)?
        };
        lock(lua, module, name, &target, &all)?;
    }
    lua.set_app_data(Modules(modules));
    globals.raw_set("bk", bk)
}

/// `bk.null` is the only light userdata there is.
fn name_null(lua: &Lua) -> mlua::Result<()> {
    let meta = lua.create_table()?;
    meta.raw_set("__tostring", lua.create_function(|_, _: Value| Ok("null"))?)?;
    meta.raw_set("__type", "null")?;
    meta.raw_set("__metatable", false)?;
    meta.set_readonly(true);
    lua.set_type_metatable::<mlua::LightUserData>(Some(meta));
    Ok(())
}

fn module_name(bk: &Table, module: &Table) -> mlua::Result<String> {
    let mut name = String::new();
    bk.for_each(|key: mlua::LuaString, value: Value| {
        if value.as_table() == Some(module) {
            name = format!("bk.{}", key.to_string_lossy());
        }
        Ok(())
    })?;
    Ok(name)
}

/// Makes a table read-only and its unknown names errors. The target platform and the arguments are read
/// through here, so that the build knows whether it depends on them.
fn lock(lua: &Lua, table: &Table, name: String, target: &mlua::AnyUserData, args: &Table) -> mlua::Result<()> {
    let meta = lua.create_table()?;
    let (target, args) = (target.clone(), args.clone());
    let known: Vec<&'static str> = if name == "bk" {
        let functions = api_table()
            .functions
            .iter()
            .filter(|f| f.owner == Owner::Bk)
            .map(|f| f.name);
        let constants = api_table().constants.iter().map(|constant| constant.name);
        functions.chain(constants).chain(["json", "yaml", "toml"]).collect()
    } else {
        let of = |f: &&&'static Function| matches!(f.owner, Owner::Sub(sub) if name.ends_with(sub));
        api_table().functions.iter().filter(of).map(|f| f.name).collect()
    };
    let shown = name.clone();
    meta.raw_set(
        "__index",
        lua.create_function(move |lua, (_, key): (Value, Value)| {
            let Some(key) = key.as_string() else {
                let message = format!("{shown} can't be indexed with {}", type_name(&key));
                return Err(CallError::new("unknown-name", message).into());
            };
            let key = key.to_string_lossy();
            if shown == "bk" && key == "target_platform" {
                Build::of(lua)?.reads_target_platform.set(true);
                return Ok(Value::UserData(target.clone()));
            }
            if shown == "bk" && key == "args" {
                return Ok(Value::Table(args.clone()));
            }
            let path = |name: &str| format!("{shown}.{name}");
            Err(unknown_name(&shown, &key, known.iter().copied(), path).into())
        })?,
    )?;
    meta.raw_set(
        "__newindex",
        lua.create_function(move |_, (_, key): (Value, Value)| -> mlua::Result<()> {
            Err(read_only(&name, &key, None))
        })?,
    )?;
    meta.raw_set("__metatable", false)?;
    meta.set_readonly(true);
    table.set_metatable(Some(meta))?;
    table.set_readonly(true);
    Ok(())
}

#[cfg(test)]
mod tests;
