//! Build arguments: `bk.arg`, `bk.args`, and those that mean something of themselves.
//!
//! The Dockerfile frontend's predefined arguments mean the same here
//! (<https://docs.docker.com/reference/dockerfile/#predefined-args>).

use std::collections::BTreeSet;
use std::rc::Rc;

use luakit_diagnostic::{Diagnostic, nearest};
use luakit_llb::op::Proxy;
use mlua::{Lua, Result, Table, Value};

use super::decode::{Call, Out, quoted};
use crate::build::Build;
use crate::error::Subject;
use crate::evaluation::ArgDeclaration;

pub(super) fn arg(call: &mut Call<'_>) -> Result<Out> {
    let name: String = call.arg(0)?;
    if name.contains('=') {
        let wrong = call.bad_arg(0, format_args!("must be a name without `=`, got {}", quoted(&name)));
        return Err(wrong.hint("the default is the second argument").into());
    }
    let default: Option<String> = call.optional(1)?;
    let required = call.flag("required", false)?;
    let choices: Vec<String> = call.list("choices")?;
    let description: Option<String> = call.option("description")?;
    if let Some(default) = default.as_ref().filter(|_| required) {
        let what = format!("is pointless beside the default {}", quoted(default));
        return Err(call.bad_option("required", what).hint("leave one out").into());
    }
    let given = call.build.arg(&name);
    let listed = || choices.iter().map(|c| quoted(c)).collect::<Vec<_>>().join(", ");
    if let Some(default) = default.as_ref().filter(|d| !choices.is_empty() && !choices.contains(d)) {
        let what = format!("must be one of the choices {}, got {}", listed(), quoted(default));
        return Err(call.bad_arg(1, what).into());
    }
    if let Some(value) = given.as_ref().filter(|v| !choices.is_empty() && !choices.contains(v)) {
        let message = format!(
            "build argument `{name}` must be one of {}, got {}",
            listed(),
            quoted(value)
        );
        let mut wrong = call.error("bad-argument-value", message).about(Subject::Argument(1));
        wrong.hint = nearest(value, choices.iter().map(String::as_str)).map(|near| format!("did you mean `{near}`?"));
        return Err(wrong.into());
    }
    if given.is_none() && required {
        let message = format!("build argument `{name}` is required, and not given");
        let mut wrong = call
            .error("missing-build-argument", message)
            .about(Subject::Argument(1))
            .hint(format!("give it with `--build-arg {name}=…`"));
        wrong
            .notes
            .extend(description.map(|text| format!("`{name}` is {text}")));
        return Err(wrong.into());
    }
    declare(call, name, default.clone(), description, choices, required);
    match given.or(default) {
        Some(value) => call
            .lua
            .create_string(value)
            .map(|text| Out::Lua(mlua::Value::String(text))),
        None => Ok(Out::Nothing),
    }
}

/// Remembers the first ask for an argument; later ones fill in what it left open.
fn declare(
    call: &Call<'_>,
    name: String,
    default: Option<String>,
    description: Option<String>,
    choices: Vec<String>,
    required: bool,
) {
    let mut args = call.build.args.borrow_mut();
    if let Some(known) = args.iter_mut().find(|known| known.name == name) {
        known.default = known.default.take().or(default);
        known.description = known.description.take().or(description);
        if known.choices.is_empty() {
            known.choices = choices;
        }
        known.required |= required;
        return;
    }
    let at = call.at();
    args.push(ArgDeclaration {
        name,
        default,
        description,
        choices,
        required,
        at,
    });
}

/// `bk.args` as a script holds it, and the values behind it. What it holds is empty, so that each read comes
/// through its metatable.
struct ArgsTable {
    shown: Table,
    values: Table,
}

/// Makes `bk.args`. `views` is told how functions that go through a table get at the values.
pub(super) fn table(lua: &Lua, build: &Rc<Build>, views: &Table) -> Result<Table> {
    let values = lua.create_table()?;
    for name in PLATFORM_ARGS {
        if let Some(value) = predefined(build, name) {
            values.raw_set(*name, value)?;
        }
    }
    for (name, value) in &build.input.args {
        values.raw_set(name.as_str(), value.as_str())?;
    }
    values.set_readonly(true);
    let shown = lua.create_table()?;
    let meta = lua.create_table()?;
    let owner = Rc::clone(build);
    meta.raw_set(
        "__index",
        lua.create_function(move |_, (_, key): (Value, Value)| {
            let name = key.as_string().map(mlua::LuaString::to_string_lossy);
            Ok(name.and_then(|name| owner.arg(&name)))
        })?,
    )?;
    meta.raw_set(
        "__newindex",
        lua.create_function(|_, (_, key): (Value, Value)| -> Result<()> {
            Err(super::objects::read_only(
                "bk.args",
                &key,
                Some("arguments are given with `--build-arg NAME=VALUE`"),
            ))
        })?,
    )?;
    let (owner, all) = (Rc::clone(build), values.clone());
    let view = lua.create_function(move |_, ()| {
        read_all(&owner);
        Ok(all.clone())
    })?;
    let (next, through) = (lua.globals().raw_get::<Value>("next")?, view.clone());
    let iterate = lua.create_function(move |_, _: Value| Ok((next.clone(), through.call::<Table>(())?)))?;
    meta.raw_set("__iter", iterate)?;
    meta.raw_set("__metatable", false)?;
    meta.set_readonly(true);
    shown.set_metatable(Some(meta))?;
    shown.set_readonly(true);
    views.raw_set(&shown, view)?;
    lua.set_app_data(ArgsTable {
        shown: shown.clone(),
        values,
    });
    Ok(shown)
}

/// The values of `bk.args` when a table is that, for who reads tables raw. All of them count as read then.
pub(super) fn values_behind(lua: &Lua, table: &Table) -> Option<Table> {
    if !table.is_readonly() {
        return None;
    }
    let args = lua.app_data_ref::<ArgsTable>()?;
    if args.shown != *table {
        return None;
    }
    read_all(&*Build::of(lua).ok()?);
    Some(args.values.clone())
}

/// Which arguments a script takes out of all of them is not seen: all count as read.
fn read_all(build: &Build) {
    build.reads_target_platform.set(true);
    build.args_read.borrow_mut().extend(build.input.args.keys().cloned());
}

/// The arguments that say what is built for, and on what.
const PLATFORM_ARGS: &[&str] = &[
    "BUILDARCH",
    "BUILDOS",
    "BUILDPLATFORM",
    "BUILDVARIANT",
    "TARGETARCH",
    "TARGETOS",
    "TARGETPLATFORM",
    "TARGETVARIANT",
];

/// A predefined argument's value.
pub(crate) fn predefined(build: &Build, name: &str) -> Option<String> {
    let (platform, part) = if let Some(part) = name.strip_prefix("TARGET") {
        (&build.input.target_platform, part)
    } else {
        (&build.input.build_platform, name.strip_prefix("BUILD")?)
    };
    match part {
        "PLATFORM" => Some(platform.to_string()),
        "OS" => Some(platform.os().to_owned()),
        "ARCH" => Some(platform.arch().to_owned()),
        "VARIANT" => Some(platform.variant().to_owned()),
        _ => None,
    }
}

/// A part of a proxy.
type ProxyPart = fn(&mut Proxy) -> &mut String;

/// The arguments that set proxies, in lower case, and what each sets.
const PROXIES: &[(&str, ProxyPart)] = &[
    ("http_proxy", |proxy| &mut proxy.http),
    ("https_proxy", |proxy| &mut proxy.https),
    ("ftp_proxy", |proxy| &mut proxy.ftp),
    ("no_proxy", |proxy| &mut proxy.no),
    ("all_proxy", |proxy| &mut proxy.all),
];

/// The part of a proxy that an argument sets, whatever the case of its name.
fn proxy_part(name: &str) -> Option<ProxyPart> {
    let known = PROXIES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    known.map(|(_, part)| *part)
}

/// The proxies that build arguments set.
pub(super) fn proxy(build: &Build) -> Option<Proxy> {
    let mut proxy = Proxy::default();
    for (name, value) in &build.input.args {
        let Some(part) = proxy_part(name) else { continue };
        let place = part(&mut proxy);
        if place.is_empty() {
            place.clone_from(value);
        }
    }
    (proxy != Proxy::default()).then_some(proxy)
}

/// What stands before a cache mount's id.
pub(super) fn cache_namespace(build: &Build) -> &str {
    build
        .input
        .args
        .get("BUILDKIT_CACHE_MOUNT_NS")
        .map_or("", String::as_str)
}

/// Arguments that mean something to BuildKit, its clients or its frontends, ours among them.
const KNOWN: &[&str] = &[
    "BUILDKIT_ATTEST_PROVENANCE",
    "BUILDKIT_ATTEST_SBOM",
    "BUILDKIT_BUILD_NAME",
    "BUILDKIT_CACHE_MOUNT_NS",
    "BUILDKIT_CONTEXT_KEEP_GIT_DIR",
    "BUILDKIT_INLINE_CACHE",
    "BUILDKIT_MULTI_PLATFORM",
    "BUILDKIT_SANDBOX_HOSTNAME",
    "BUILDKIT_SYNTAX",
    "SOURCE_DATE_EPOCH",
];

/// Those that mean something with a Dockerfile alone, and why.
const FOR_DOCKERFILES: &[(&str, &str)] = &[
    ("BUILDKIT_DOCKERFILE_CHECK", "it is about the rules of Dockerfiles"),
    ("BUILDKIT_SBOM_SCAN_CONTEXT", "it is about the context of Dockerfiles"),
    ("BUILDKIT_SBOM_SCAN_STAGE", "it is about the stages of Dockerfiles"),
];

/// Warns of arguments that were given and that nobody asked for.
pub(crate) fn warn_unread(build: &Build) {
    let read = build.args_read.borrow();
    for name in build.input.args.keys() {
        let special =
            KNOWN.contains(&name.as_str()) || PLATFORM_ARGS.contains(&name.as_str()) || proxy_part(name).is_some();
        if special || read.contains(name) {
            continue;
        }
        let ignored = FOR_DOCKERFILES.iter().find(|(ignored, _)| ignored == name);
        let warning = match ignored {
            Some((_, why)) => Diagnostic::warning("ignored-argument", format!("`{name}` is ignored: {why}")),
            None => Diagnostic::warning("unread-argument", unread(name, &read)),
        };
        build.warnings.borrow_mut().push(warning);
    }
}

fn unread(name: &str, read: &BTreeSet<String>) -> String {
    let message = format!("build argument `{name}` is given, and the script never reads it");
    // Who writes this means none of the script's own.
    let known = if name.starts_with("BUILDKIT_") { KNOWN } else { &[] };
    let names = read.iter().map(String::as_str).chain(known.iter().copied());
    match nearest(name, names) {
        Some(near) => format!("{message}; did you mean `{near}`?"),
        None => message,
    }
}
