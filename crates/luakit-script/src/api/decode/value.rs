//! One value at a time: a Lua value, the type that the table says, and where it stands.

use std::net::IpAddr;
use std::rc::Rc;

use luakit_diagnostic::nearest;
use luakit_llb::platform::{KNOWN_ARCH, KNOWN_OS, PlatformError};
use luakit_llb::{ImageDigest, Platform, State};
use mlua::{Lua, Value};

use super::arg::Arg;
use super::text::{self, Wrong, number_text, quoted};
use super::{At, Problems, hint};
use crate::api::objects::{LuaMount, LuaPlatform, LuaState, MountSpec};
use crate::api::table::{MAX_EXACT, Type};
use crate::error::{CallError, Step, Subject};

/// Decodes the values of one call and keeps what is wrong with them.
pub(super) struct Decoder<'a> {
    pub(super) lua: &'a Lua,
    pub(super) problems: Problems,
}

/// What messages call a value's type.
pub(in crate::api) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Nil => "nil",
        Value::Boolean(_) => "boolean",
        Value::Integer(_) | Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Table(_) => "table",
        Value::Function(_) => "function",
        Value::Thread(_) => "thread",
        Value::UserData(data) if data.is::<LuaState>() => "state",
        Value::UserData(data) if data.is::<LuaMount>() => "mount",
        Value::UserData(data) if data.is::<LuaPlatform>() => "platform",
        Value::LightUserData(_) => "bk.null",
        Value::UserData(_) | Value::Error(_) => "userdata",
        Value::Vector(_) => "vector",
        Value::Buffer(_) => "buffer",
        Value::Other(_) => "an unknown value",
    }
}

/// The state that a value is.
pub(super) fn state_of(value: &Value) -> Option<State> {
    let data = value.as_userdata()?;
    data.borrow_scoped(|state: &LuaState| state.0).ok()
}

fn mount_of(value: &Value) -> Option<Rc<MountSpec>> {
    value
        .as_userdata()?
        .borrow_scoped(|mount: &LuaMount| Rc::clone(&mount.0))
        .ok()
}

fn platform_of(value: &Value) -> Option<Platform> {
    value
        .as_userdata()?
        .borrow_scoped(|platform: &LuaPlatform| platform.0.clone())
        .ok()
}

/// A type in words: "must be …".
pub(super) fn expected(ty: &Type) -> String {
    match ty {
        Type::String | Type::Name | Type::Bytes => "a string".to_owned(),
        Type::Path => "a path".to_owned(),
        Type::ContextPath => "a relative path".to_owned(),
        Type::MountPath => "an absolute path".to_owned(),
        Type::Bool => "a boolean".to_owned(),
        Type::Integer { .. } => "a whole number".to_owned(),
        Type::Number => "a number".to_owned(),
        Type::Size | Type::SizeOrUnlimited => "a number of bytes or a size such as \"64m\"".to_owned(),
        Type::Mode => "a mode such as \"0755\" or \"u+x\"".to_owned(),
        Type::Permissions => "a mode such as \"0755\"".to_owned(),
        Type::Owner => "an owner: \"user:group\" or { user =, group = }".to_owned(),
        Type::UserName => "a user's name or number".to_owned(),
        Type::Time => "Unix seconds or RFC 3339 text".to_owned(),
        Type::Duration => "a number of seconds or a duration such as \"30s\"".to_owned(),
        Type::Platform => "a platform such as \"linux/arm64\"".to_owned(),
        Type::Digest => "a digest such as \"sha256:…\"".to_owned(),
        Type::Ip => "an IP address".to_owned(),
        Type::Port => "a port such as \"8080/tcp\"".to_owned(),
        Type::Signal => "a signal such as \"SIGTERM\"".to_owned(),
        Type::State => "a state".to_owned(),
        Type::Mount => "a mount".to_owned(),
        Type::Enum(words) => words.iter().map(|w| quoted(w)).collect::<Vec<_>>().join(" or "),
        Type::List(of) | Type::NonEmptyList(of) => format!("a list of {}", plural(of)),
        Type::OneOrMore(of) => format!("{} or a list", expected(of)),
        Type::Map(_) => "a table of values by name".to_owned(),
        Type::Env => "a table of variables by name".to_owned(),
        Type::EnvOrList => "a table of variables by name, or a list of \"NAME=value\"".to_owned(),
        Type::TextMap => "a table of texts by name".to_owned(),
        Type::Record(record) => {
            let keys: Vec<String> = record.fields.iter().take(3).map(|f| format!("{} =", f.name)).collect();
            let more = if record.fields.len() > 3 { ", …" } else { "" };
            format!("a table {{ {}{more} }}", keys.join(", "))
        }
        Type::Either(types) => types.iter().map(expected).collect::<Vec<_>>().join(" or "),
        Type::Text => "a string or a number".to_owned(),
        Type::Any => "a value".to_owned(),
        Type::Refused(_) => "left out".to_owned(),
    }
}

pub(super) fn plural(ty: &Type) -> &'static str {
    match ty {
        Type::String | Type::Name | Type::Bytes => "strings",
        Type::Path => "paths",
        Type::State => "states",
        Type::Mount => "mounts",
        Type::Integer { .. } => "whole numbers",
        Type::Port => "ports",
        _ => "values",
    }
}

/// Whether a value's own type is one that `ty` takes, whatever it says.
pub(super) fn fits(ty: &Type, value: &Value) -> bool {
    let string = matches!(value, Value::String(_));
    let number = matches!(value, Value::Integer(_) | Value::Number(_));
    let table = matches!(value, Value::Table(_));
    match ty {
        Type::String
        | Type::Name
        | Type::Path
        | Type::ContextPath
        | Type::MountPath
        | Type::Bytes
        | Type::Digest
        | Type::Ip
        | Type::Enum(_) => string,
        Type::Bool => matches!(value, Value::Boolean(_)),
        Type::Integer { .. } | Type::Number => number,
        Type::Size
        | Type::SizeOrUnlimited
        | Type::Mode
        | Type::Permissions
        | Type::UserName
        | Type::Time
        | Type::Duration
        | Type::Port
        | Type::Signal
        | Type::Text => string || number,
        Type::Owner => string || table,
        Type::Platform => string || table || platform_of(value).is_some(),
        Type::State => state_of(value).is_some(),
        Type::Mount => mount_of(value).is_some(),
        Type::List(_)
        | Type::NonEmptyList(_)
        | Type::Map(_)
        | Type::Env
        | Type::EnvOrList
        | Type::TextMap
        | Type::Record(_) => table,
        Type::OneOrMore(of) => table || fits(of, value),
        Type::Either(types) => types.iter().any(|ty| fits(ty, value)),
        Type::Any | Type::Refused(_) => true,
    }
}

impl<'a> Decoder<'a> {
    pub(super) fn new(lua: &'a Lua) -> Self {
        Self {
            lua,
            problems: Problems::default(),
        }
    }

    pub(super) fn finish(self, function: &str) -> Option<CallError> {
        self.problems.into_error(function)
    }

    pub(super) fn push(&mut self, error: CallError) {
        self.problems.push(error);
    }

    /// A wrong type: what was due, what came.
    pub(super) fn wrong(&mut self, at: &At<'_>, due: &str, value: &Value, hint: Option<String>) {
        let code = if value.is_nil() { "nil-value" } else { "wrong-type" };
        let what = format_args!("must be {due}, got {}", type_name(value)).to_string();
        self.problems.add(code, at, format_args!("{what}"), hint);
    }

    pub(super) fn bad(&mut self, at: &At<'_>, wrong: Wrong) {
        self.problems
            .add("bad-value", at, format_args!("{}", wrong.what), wrong.hint);
    }

    pub(super) fn ok_or_bad<T>(&mut self, at: &At<'_>, result: Result<T, Wrong>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(wrong) => {
                self.bad(at, wrong);
                None
            }
        }
    }

    /// Decodes one value. `None` when it is wrong, and then the problem is kept.
    pub(super) fn value(&mut self, ty: &Type, value: &Value, at: &At<'_>) -> Option<Arg> {
        if let Type::Refused(instead) = ty {
            let name = match at.subject() {
                Subject::OptionValue(name) => Subject::OptionName(name),
                Subject::Inside(of, Step::Key(name)) => Subject::KeyName(of, name),
                other => other,
            };
            self.problems.push(
                CallError::new("refused-option", format!("{at} is not accepted"))
                    .about(name)
                    .confidential()
                    .hint(*instead),
            );
            return None;
        }
        if !fits(ty, value) {
            self.wrong(at, &expected(ty), value, hint::wrong_type(ty, value, at));
            return None;
        }
        match (ty, value) {
            (Type::Either(types), _) => {
                let first = types.iter().find(|ty| fits(ty, value))?;
                self.value(first, value, at)
            }
            (Type::Any, _) => Some(Arg::Lua(value.clone())),
            (Type::Bool, Value::Boolean(b)) => Some(Arg::Bool(*b)),
            (Type::State, _) => state_of(value).map(Arg::State),
            (Type::Mount, _) => mount_of(value).map(Arg::Mount),
            (Type::Platform, Value::UserData(_)) => platform_of(value).map(Arg::Platform),
            (Type::Bytes, Value::String(s)) => Some(Arg::Bytes(s.as_bytes().to_vec())),
            (_, Value::String(s)) if !matches!(ty, Type::OneOrMore(_)) => {
                let text = self.utf8(&s.as_bytes(), at)?;
                self.text(ty, text, at)
            }
            (_, Value::Integer(n)) if !matches!(ty, Type::OneOrMore(_)) =>
            {
                #[allow(clippy::cast_precision_loss, reason = "Lua's numbers are doubles: it was one")]
                self.number(ty, *n as f64, at)
            }
            (_, Value::Number(n)) if !matches!(ty, Type::OneOrMore(_)) => self.number(ty, *n, at),
            (_, Value::Table(table)) => self.table(ty, table, at),
            (Type::OneOrMore(of), _) => match self.value(of, value, at)? {
                // One port may be a range, which is several.
                several @ Arg::Texts(_) => Some(several),
                one => Some(Arg::List(vec![one])),
            },
            _ => None,
        }
    }

    /// Text that protocol buffers can hold.
    pub(super) fn utf8(&mut self, bytes: &[u8], at: &At<'_>) -> Option<String> {
        let Ok(text) = std::str::from_utf8(bytes) else {
            let wrong = Wrong::new("must be UTF-8 text").hint("only a file's data may hold any bytes (mkfile)");
            self.bad(at, wrong);
            return None;
        };
        if text.contains('\0') {
            self.bad(at, Wrong::new(format!("can't hold a NUL byte: {}", quoted(text))));
            return None;
        }
        Some(text.to_owned())
    }

    fn text(&mut self, ty: &Type, text: String, at: &At<'_>) -> Option<Arg> {
        let blank = text.is_empty();
        let result = match ty {
            Type::String | Type::Text => Ok(Arg::Text(text)),
            _ if blank => Err(Wrong::new("can't be empty")),
            Type::ContextPath if text.starts_with('/') => Err(Wrong::new(format!(
                "must be a path relative to the build context, got {}",
                quoted(&text)
            ))),
            Type::Name | Type::Path | Type::ContextPath => Ok(Arg::Text(text)),
            Type::UserName => text::user_name(text).map(Arg::Text),
            Type::MountPath => mount_path(text).map(Arg::Text),
            Type::Enum(words) => self.lua_enum(words, &text),
            Type::Size | Type::SizeOrUnlimited => text::size(&text).map(Arg::Int),
            Type::Mode => text::mode(&text).map(Arg::Mode),
            Type::Permissions => text::permissions(&text).map(|bits| Arg::Int(i64::from(bits))),
            Type::Owner => text::owner(&text).map(Arg::Owner),
            Type::Time => text::time(&text).map(Arg::Int),
            Type::Duration => text::duration(&text).map(Arg::Int),
            Type::Platform => text.parse().map(Arg::Platform).map_err(|e| bad_platform(&e)),
            Type::Digest => text.parse::<ImageDigest>().map(Arg::Digest).map_err(|_| {
                Wrong::new(format!(
                    "must be a digest, `sha256:` and 64 lower-case hex digits, got {}",
                    quoted(&text)
                ))
            }),
            Type::Ip => text
                .parse::<IpAddr>()
                .map(|ip| Arg::Ip(ip.to_canonical()))
                .map_err(|_| Wrong::new(format!("must be an IP address, got {}", quoted(&text)))),
            Type::Port => text::ports(&text).map(Arg::Texts),
            Type::Signal => text::signal(&text).map(Arg::Text),
            _ => return None,
        };
        self.ok_or_bad(at, result)
    }

    #[allow(clippy::unused_self, reason = "it reads as a step of `text`")]
    fn lua_enum(&self, words: &'static [&'static str], text: &str) -> Result<Arg, Wrong> {
        if let Some(word) = words.iter().find(|word| **word == text) {
            return Ok(Arg::Word(word));
        }
        let known: Vec<String> = words.iter().map(|word| quoted(word)).collect();
        let wrong = Wrong::new(format!("must be {}, got {}", known.join(" or "), quoted(text)));
        Err(match nearest(text, words.iter().copied()) {
            Some(near) => wrong.hint(format!("did you mean `{near}`?")),
            None => wrong,
        })
    }

    fn number(&mut self, ty: &Type, number: f64, at: &At<'_>) -> Option<Arg> {
        if !number.is_finite() {
            self.bad(at, Wrong::new(format!("must be a finite number, got {number}")));
            return None;
        }
        let result = match ty {
            Type::Number => Ok(Arg::Number(number)),
            Type::Text => Ok(Arg::Text(self.lua_text(number))),
            Type::Duration => text::nanoseconds(number * 1e9)
                .map(Arg::Int)
                .ok_or_else(|| Wrong::new(format!("must be at least 0, got {number}"))),
            Type::Integer { min, max } => whole(number, *min, *max).map(Arg::Int),
            Type::Size => whole(number, 0, MAX_EXACT).map(Arg::Int),
            Type::SizeOrUnlimited => whole(number, -1, MAX_EXACT).map(Arg::Int),
            Type::Mode => whole(number, 0, MAX_EXACT)
                .and_then(|n| text::mode(&n.to_string()))
                .map(Arg::Mode),
            Type::Permissions => whole(number, 0, MAX_EXACT)
                .and_then(|n| text::permissions(&n.to_string()))
                .map(|bits| Arg::Int(i64::from(bits))),
            Type::UserName => whole(number, 0, i64::from(u32::MAX)).map(|n| Arg::Text(n.to_string())),
            Type::Time => whole(number, 0, i64::MAX / 1_000_000_000).map(|s| Arg::Int(s * 1_000_000_000)),
            Type::Port => whole(number, 1, 65535)
                .and_then(|n| text::ports(&n.to_string()))
                .map(Arg::Texts),
            Type::Signal => whole(number, 1, 64).map(|n| Arg::Text(n.to_string())),
            _ => return None,
        };
        self.ok_or_bad(at, result)
    }

    /// A number as Lua's `tostring` has it.
    fn lua_text(&self, number: f64) -> String {
        number_text(number)
            .or_else(|| {
                self.lua
                    .coerce_string(Value::Number(number))
                    .ok()?
                    .map(|s| s.to_string_lossy())
            })
            .unwrap_or_else(|| number.to_string())
    }
}

fn whole(number: f64, min: i64, max: i64) -> Result<i64, Wrong> {
    if number.fract() != 0.0 || number.abs() > 9.0e18 {
        return Err(Wrong::new(format!("must be a whole number, got {number}")));
    }
    #[allow(clippy::cast_possible_truncation, reason = "it is whole, and its size was checked")]
    let value = number as i64;
    if value < min {
        return Err(Wrong::new(format!("must be at least {min}, got {value}")));
    }
    if value > max {
        return Err(Wrong::new(format!("must be at most {max}, got {value}")));
    }
    Ok(value)
}

pub(super) fn bad_platform(error: &PlatformError) -> Wrong {
    Wrong {
        what: format!("must be a platform: {error}"),
        hint: platform_hint(error),
    }
}

/// What was probably meant by a text that is no platform.
pub(in crate::api) fn platform_hint(error: &PlatformError) -> Option<String> {
    let near = match error {
        PlatformError::UnknownOs(os) => nearest(os, KNOWN_OS.iter().copied())?,
        PlatformError::UnknownArch(arch) => nearest(arch, KNOWN_ARCH.iter().copied())?,
        PlatformError::NoArch(os) => return Some(format!("write \"{os}/amd64\" or \"{os}/arm64\"")),
        _ => return None,
    };
    Some(format!("did you mean `{near}`?"))
}

/// A relative destination would join a working directory that may not be known before the image is.
fn mount_path(text: String) -> Result<String, Wrong> {
    if text.starts_with(['~', '$']) {
        let wrong = Wrong::new(format!("must be an absolute path, got {}", quoted(&text)));
        return Err(wrong.hint("no shell reads it: write the directory itself, as \"/root/.cache\""));
    }
    if !text.starts_with('/') {
        return Err(
            Wrong::new(format!("must be an absolute path, got {}", quoted(&text))).hint(format!(
                "write it with the working directory before it: \"/app/{}\"",
                text.trim_start_matches("./")
            )),
        );
    }
    if clean(&text) == "/" {
        return Err(Wrong::new("can't be `/`, which is the run's own root filesystem"));
    }
    Ok(text)
}

/// An absolute path without `.`, `..` and doubled slashes.
pub(in crate::api) fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}
