//! The objects that scripts hold: states, mounts, platforms.
//!
//! A state is a handle of a few words inside a Lua userdata: no registry reference, nothing shared. None of
//! them changes, and their metatables are locked.

use std::rc::Rc;

use luakit_llb::op::{Mount, MountKind, Op, Secret, Source, SshMount};
use luakit_llb::{Graph, Platform, State};
use mlua::{Lua, MetaMethod, MultiValue, UserData, UserDataFields, UserDataMethods, Value};

use super::decode::{type_name, unknown_name};
use super::table::{Class, api_table};
use crate::build::Build;
use crate::error::{CallError, Subject};

/// A state.
#[derive(Debug, Clone, Copy)]
pub(super) struct LuaState(pub(super) State);

/// Something that a run mounts.
#[derive(Debug, Clone)]
pub(super) struct LuaMount(pub(super) Rc<MountSpec>);

/// A platform.
#[derive(Debug, Clone)]
pub(super) struct LuaPlatform(pub(super) Platform);

/// What a mount mounts.
#[derive(Debug)]
pub(super) enum MountSpec {
    /// A bind, cache or tmpfs mount.
    Plain(Mount),
    /// A secret.
    Secret(Secret),
    /// An ssh agent.
    Ssh(SshMount),
}

/// Whether an object comes before another when a table has them as keys. Lua would go by addresses,
/// which differ from run to run. Objects of other kinds are equal.
pub(crate) fn comes_before(a: &Value, b: &Value) -> bool {
    let state = |value: &Value| {
        let data = value.as_userdata()?;
        data.borrow_scoped(|state: &LuaState| state.0).ok()
    };
    let platform = |value: &Value| {
        let data = value.as_userdata()?;
        data.borrow_scoped(|platform: &LuaPlatform| platform.0.to_string()).ok()
    };
    (state(a), platform(a)) < (state(b), platform(b))
}

/// An error for going through a table that has several keys of which none comes before the other: with `caller`, or in
/// a loop that calls nothing.
pub(crate) fn unordered(key: &Value, caller: Option<&str>) -> mlua::Error {
    let message = format!(
        "{} can't go through a table with several objects (a {}) as keys: their order would differ from run to run",
        caller.map_or_else(|| "a loop".to_owned(), |caller| format!("{caller}()")),
        type_name(key)
    );
    let error = CallError::new("unordered-keys", message)
        .hint("keep the keys in a list as well, and go through that with `ipairs`");
    match caller {
        Some(caller) => error.in_function(caller).about(Subject::Argument(1)).into(),
        None => error.into(),
    }
}

impl UserData for LuaState {
    fn add_fields<F: UserDataFields<Self>>(fields: &mut F) {
        fields.add_meta_field(MetaMethod::Type, "State");
    }

    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        for method in class("State").methods {
            if let Some(body) = super::body(method) {
                methods.add_function(method.name, move |lua, args: MultiValue| {
                    super::call(lua, method, body, args)
                });
            }
        }
        methods.add_meta_function(
            MetaMethod::Index,
            |_, (_, key): (Value, Value)| -> mlua::Result<Value> {
                let names = class("State").methods.iter().map(|method| method.name);
                let shown = |name: &str| format!("state:{name}()");
                Err(no_such("a state", &key, names, shown))
            },
        );
        methods.add_meta_function(
            MetaMethod::NewIndex,
            |_, (_, key): (Value, Value)| -> mlua::Result<()> {
                Err(read_only(
                    "a state",
                    &key,
                    Some("every method returns another state; keep that"),
                ))
            },
        );
        methods.add_meta_function(MetaMethod::ToString, |lua, this: mlua::UserDataRef<Self>| {
            Ok(describe(&Build::of(lua)?.graph.borrow(), this.0))
        });
    }
}

impl UserData for LuaMount {
    fn add_fields<F: UserDataFields<Self>>(fields: &mut F) {
        fields.add_meta_field(MetaMethod::Type, "Mount");
    }

    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_meta_function(
            MetaMethod::Index,
            |_, (_, key): (Value, Value)| -> mlua::Result<Value> { Err(no_such("a mount", &key, [], str::to_owned)) },
        );
        methods.add_meta_function(
            MetaMethod::NewIndex,
            |_, (_, key): (Value, Value)| -> mlua::Result<()> { Err(read_only("a mount", &key, None)) },
        );
        methods.add_meta_method(MetaMethod::ToString, |_, this, ()| Ok(describe_mount(&this.0)));
    }
}

impl UserData for LuaPlatform {
    fn add_fields<F: UserDataFields<Self>>(fields: &mut F) {
        fields.add_meta_field(MetaMethod::Type, "Platform");
    }

    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_meta_method(MetaMethod::Index, |lua, this, key: Value| {
            let name = key.as_string().map(|key| key.as_bytes().to_vec()).unwrap_or_default();
            let part = match name.as_slice() {
                b"os" => this.0.os(),
                b"arch" => this.0.arch(),
                b"variant" => this.0.variant(),
                _ => {
                    let names = class("Platform").fields.iter().map(|field| field.name);
                    return Err(no_such("a platform", &key, names, str::to_owned));
                }
            };
            lua.create_string(part)
        });
        methods.add_meta_function(
            MetaMethod::NewIndex,
            |_, (_, key): (Value, Value)| -> mlua::Result<()> { Err(read_only("a platform", &key, None)) },
        );
        methods.add_meta_method(MetaMethod::ToString, |_, this, ()| Ok(this.0.to_string()));
        methods.add_meta_function(MetaMethod::Eq, |_, (a, b): (Value, Value)| {
            let platform = |value: &Value| -> Option<Platform> {
                let data = value.as_userdata()?;
                data.borrow_scoped(|platform: &Self| platform.0.clone()).ok()
            };
            Ok(platform(&a).is_some() && platform(&a) == platform(&b))
        });
        methods.add_meta_function(MetaMethod::Concat, |lua, (a, b): (Value, Value)| {
            let text = |value: Value| -> mlua::Result<Vec<u8>> {
                if let Some(data) = value.as_userdata()
                    && let Ok(text) = data.borrow_scoped(|platform: &Self| platform.0.to_string())
                {
                    return Ok(text.into_bytes());
                }
                let kind = type_name(&value);
                match lua.coerce_string(value)? {
                    Some(text) => Ok(text.as_bytes().to_vec()),
                    None => Err(mlua::Error::runtime(format!(
                        "attempt to concatenate a platform with {kind}"
                    ))),
                }
            };
            lua.create_string([text(a)?, text(b)?].concat())
        });
    }
}

fn class(name: &str) -> &'static Class {
    static NONE: Class = Class {
        name: "",
        doc: "",
        fields: &[],
        methods: &[],
    };
    api_table()
        .classes
        .iter()
        .find(|class| class.name == name)
        .unwrap_or(&NONE)
}

fn no_such(
    what: &str,
    key: &Value,
    known: impl IntoIterator<Item = &'static str> + Clone,
    shown: impl Fn(&str) -> String,
) -> mlua::Error {
    match key.as_string() {
        Some(key) => unknown_name(what, &key.to_string_lossy(), known, shown).into(),
        None => CallError::new(
            "unknown-name",
            format!("{what} can't be indexed with {}", type_name(key)),
        )
        .into(),
    }
}

/// An error for an assignment to what never changes.
pub(super) fn read_only(what: &str, key: &Value, hint: Option<&str>) -> mlua::Error {
    let key = key
        .as_string()
        .map_or_else(|| type_name(key).to_owned(), mlua::LuaString::to_string_lossy);
    let mut error =
        CallError::new("read-only", format!("can't set `{key}`: {what} is read-only")).about(Subject::Field(key));
    error.hint = hint.map(str::to_owned);
    error.into()
}

/// A state in words: what made it.
fn describe(graph: &Graph, state: State) -> String {
    let Some(output) = state.output else {
        return "state(scratch)".to_owned();
    };
    let what = match &*graph.vertex(output.vertex).op {
        Op::Source(Source::Image(image)) => format!("image {}", image.reference),
        Op::Source(Source::Local(local)) => format!("local {}", local.name),
        Op::Source(Source::Git(git)) => format!("git {}", git.url),
        Op::Source(Source::Http(http)) => format!("http {}", http.url),
        Op::Source(Source::OciLayout(layout)) => format!("oci-layout {}", layout.reference),
        Op::Exec(exec) => match &exec.run.command {
            luakit_llb::op::Command::Shell(text) => format!("run {text}"),
            luakit_llb::op::Command::Args(args) => format!("run {}", args.join(" ")),
        },
        Op::File(file) => {
            use luakit_llb::op::FileAction;
            match file.actions.first() {
                Some(FileAction::Copy(copy)) => format!("copy {} to {}", copy.src, copy.dest),
                Some(FileAction::Mkdir(mkdir)) => format!("mkdir {}", mkdir.path),
                Some(FileAction::Mkfile(mkfile)) => format!("mkfile {}", mkfile.path),
                Some(FileAction::Rm(rm)) => format!("rm {}", rm.path),
                Some(FileAction::Symlink(link)) => format!("symlink {} to {}", link.newpath, link.oldpath),
                None => "file".to_owned(),
            }
        }
        Op::Merge(inputs) => format!("merge of {}", inputs.len()),
        Op::Diff { .. } => "diff".to_owned(),
        Op::Foreign(_) => "input".to_owned(),
    };
    let line = what.lines().next().unwrap_or_default();
    let cut: String = line.chars().take(100).collect();
    let more = if cut.len() < what.len() { "…" } else { "" };
    format!("state({cut}{more})")
}

fn describe_mount(spec: &MountSpec) -> String {
    match spec {
        MountSpec::Plain(mount) => {
            let kind = match mount.kind {
                MountKind::Bind { .. } => "bind",
                MountKind::Cache { .. } => "cache",
                MountKind::Tmpfs { .. } => "tmpfs",
            };
            format!("mount({kind} {})", mount.dest)
        }
        MountSpec::Secret(secret) => format!("mount(secret {})", secret.id),
        MountSpec::Ssh(ssh) => format!("mount(ssh {})", ssh.id.as_deref().unwrap_or("default")),
    }
}

/// A value of Lua for a state.
pub(super) fn state_value(lua: &Lua, state: State) -> mlua::Result<Value> {
    lua.create_userdata(LuaState(state)).map(Value::UserData)
}
