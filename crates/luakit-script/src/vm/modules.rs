//! Modules: which file a name means, and its code. What `require` does with them is in `bootstrap.luau`.
//!
//! `libs.go` and `libs/go` are `libs/go.lua` or `libs/go/init.lua`, in the script's directory, then in the
//! context, then in Luakit's own library.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use mlua::{Function, Lua, LuaString, Table, Value};

use super::text;
use crate::build::Build;
use crate::error::{CallError, ModuleError, Subject};
use crate::loader::{LoadError, Root};
use crate::prelude::EMBEDDED;

/// What a name means.
#[derive(Clone)]
struct Found {
    /// The file's name, as shown.
    file: String,
    data: Arc<[u8]>,
    /// Whether it is Luakit's own, whose inside no error shows.
    library: bool,
}

/// Found modules by their own names, so that a name is looked for once.
type Cache = Rc<RefCell<HashMap<String, Found>>>;

pub(super) fn install(lua: &Lua, build: &Rc<Build>, host: &Table) -> mlua::Result<()> {
    let own = lua.create_function(|_, name: LuaString| own_name(&name.to_string_lossy()).map_err(raise))?;
    host.raw_set("module_name", own)?;

    let cache = Cache::default();
    let (owner, found) = (Rc::clone(build), Rc::clone(&cache));
    let locate = lua.create_function(move |lua, name: LuaString| {
        let name = name.to_string_lossy();
        let own = own_name(&name).map_err(raise)?;
        if let Some(known) = found.borrow().get(&own) {
            return Ok(known.file.clone());
        }
        let module = find(&owner, &name, &own).map_err(raise)?;
        owner.hold(lua, module.data.len())?;
        let file = module.file.clone();
        found.borrow_mut().insert(own, module);
        Ok(file)
    })?;
    host.raw_set("locate", locate)?;

    let (owner, found) = (Rc::clone(build), cache);
    let complain = lua.create_function(complain)?;
    let module = lua.create_function(
        move |lua, name: LuaString| -> mlua::Result<(Function, Option<Function>)> {
            let name = name.to_string_lossy();
            let own = own_name(&name).map_err(raise)?;
            let Some(module) = found.borrow().get(&own).cloned() else {
                return Err(raise(ModuleError::NotFound {
                    name,
                    tried: Vec::new(),
                }));
            };
            if module.library {
                let code = text::library(lua, &owner, &module.file, &module.data)?;
                return Ok((code, Some(complain.clone())));
            }
            Ok((text::file(lua, &owner, &module.file, &module.data)?, None))
        },
    )?;
    host.raw_set("module", module)?;

    let circular = lua.create_function(
        |_, (name, file, loading): (String, String, Vec<String>)| -> mlua::Result<()> {
            let mut cycle = loading;
            cycle.push(file);
            Err(raise(ModuleError::Circular { name, cycle }))
        },
    )?;
    host.raw_set("circular", circular)
}

/// What Luakit's own library raises errors with: the message, what of the call it is about, which one, and a
/// hint. The call is the script's own.
fn complain(
    _: &Lua,
    (message, what, which, hint): (String, Option<String>, Value, Option<String>),
) -> mlua::Result<()> {
    let name = which.as_string().map(LuaString::to_string_lossy).unwrap_or_default();
    let number = which.as_usize().unwrap_or(1);
    let (code, subject) = match what.as_deref() {
        Some("argument") => ("invalid-argument", Subject::Argument(number)),
        Some("option") => ("invalid-argument", Subject::OptionValue(name)),
        Some("unknown option") => ("unknown-option", Subject::OptionName(name)),
        Some("field") => ("unknown-name", Subject::Field(name)),
        Some("receiver") => ("wrong-receiver", Subject::Call),
        _ => ("invalid-argument", Subject::Call),
    };
    let mut error = CallError::new(code, message).about(subject);
    error.hint = hint;
    Err(error.into())
}

fn raise(error: ModuleError) -> mlua::Error {
    mlua::Error::external(error)
}

/// The one spelling of a module's name: parts joined by dots.
fn own_name(name: &str) -> Result<String, ModuleError> {
    let outside = || ModuleError::Outside { name: name.to_owned() };
    let path = name.strip_prefix("./").unwrap_or(name);
    if path.starts_with('/') || path.split('/').any(|part| part == "..") || path.contains(['\\', ':', '\0']) {
        return Err(outside());
    }
    let own = path.replace('/', ".");
    if own.split('.').any(str::is_empty) {
        return Err(ModuleError::Malformed { name: name.to_owned() });
    }
    Ok(own)
}

fn find(build: &Build, name: &str, own: &str) -> Result<Found, ModuleError> {
    let base = own.replace('.', "/");
    let paths = [format!("{base}.lua"), format!("{base}/init.lua")];
    let mut tried = Vec::new();
    for (root, place) in [(Root::Script, "the script's directory"), (Root::Context, "the context")] {
        for path in &paths {
            match build.input.loader.read(root, path) {
                Ok(Some(data)) => {
                    return Ok(Found {
                        file: path.clone(),
                        data: data.into(),
                        library: false,
                    });
                }
                Ok(None) => tried.push(format!("{path} in {place}")),
                Err(LoadError::Outside { .. }) => {
                    return Err(ModuleError::Outside { name: name.to_owned() });
                }
                Err(error) => {
                    build.hit_by(&error);
                    return Err(ModuleError::Unreadable {
                        name: name.to_owned(),
                        error,
                    });
                }
            }
        }
    }
    for path in &paths {
        if let Some((_, source)) = EMBEDDED.iter().find(|(file, _)| file == path) {
            return Ok(Found {
                file: format!("luakit/{path}"),
                data: source.as_bytes().into(),
                library: true,
            });
        }
        tried.push(format!("{path} in Luakit's own library"));
    }
    Err(ModuleError::NotFound {
        name: name.to_owned(),
        tried,
    })
}
