//! Build arguments: `bk.arg`, `bk.args`, and those that mean something of themselves.
//!
//! The Dockerfile frontend's predefined arguments mean the same here
//! (<https://docs.docker.com/reference/dockerfile/#predefined-args>).

use luakit_diagnostic::{Diagnostic, nearest};
use luakit_llb::op::Proxy;
use mlua::{Lua, Result, Table};

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
            .hint(format!("give it with `--arg {name}=…`"));
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

/// `bk.args`: a plain read-only table, so that `pairs` works on it.
pub(super) fn table(lua: &Lua, build: &Build) -> Result<Table> {
    let table = lua.create_table()?;
    for name in PLATFORM_ARGS {
        if let Some(value) = predefined(build, name) {
            table.raw_set(*name, value)?;
        }
    }
    for (name, value) in &build.input.args {
        table.raw_set(name.as_str(), value.as_str())?;
    }
    let meta = lua.create_table()?;
    meta.raw_set(
        "__newindex",
        lua.create_function(|_, (_, key): (mlua::Value, mlua::Value)| -> Result<()> {
            Err(super::objects::read_only(
                "bk.args",
                &key,
                Some("arguments are given with `--arg NAME=VALUE`"),
            ))
        })?,
    )?;
    meta.raw_set("__metatable", false)?;
    table.set_metatable(Some(meta))?;
    table.set_readonly(true);
    Ok(table)
}

/// Which arguments a script takes out of `bk.args` is not seen: all of them count as read.
pub(super) fn read_all(build: &Build) {
    build.reads_target_platform.set(true);
    let mut read = build.args_read.borrow_mut();
    for name in build.input.args.keys() {
        if !read.contains(name) {
            read.insert(name.clone());
        }
    }
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

const PROXIES: &[&str] = &["http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy"];

/// The proxies that build arguments set, whatever the case of their names.
pub(super) fn proxy(build: &Build) -> Option<Proxy> {
    let mut proxy = Proxy::default();
    for (name, value) in &build.input.args {
        let place = match name.to_ascii_lowercase().as_str() {
            "http_proxy" => &mut proxy.http,
            "https_proxy" => &mut proxy.https,
            "ftp_proxy" => &mut proxy.ftp,
            "no_proxy" => &mut proxy.no,
            "all_proxy" => &mut proxy.all,
            _ => continue,
        };
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

/// Warns of arguments that were given and that the script never asked for.
pub(crate) fn warn_unread(build: &Build) {
    let read = build.args_read.borrow();
    let declared = build.args.borrow();
    for name in build.input.args.keys() {
        let special = name.starts_with("BUILDKIT_")
            || name.starts_with("BUILDX_")
            || name == "SOURCE_DATE_EPOCH"
            || PLATFORM_ARGS.contains(&name.as_str())
            || PROXIES.contains(&name.to_ascii_lowercase().as_str());
        if special || read.contains(name) {
            continue;
        }
        let mut message = format!("build argument `{name}` is given, and the script never reads it");
        if let Some(near) = nearest(name, declared.iter().map(|arg| arg.name.as_str())) {
            message = format!("{message}; did you mean `{near}`?");
        }
        build
            .warnings
            .borrow_mut()
            .push(Diagnostic::warning("unread-argument", message));
    }
}
