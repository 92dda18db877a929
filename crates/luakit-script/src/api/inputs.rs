//! What a script reads of the build context: `bk.read_file`, `bk.glob`, `bk.exists`.

use mlua::{Result, Value};

use super::decode::{Call, Out, quoted};
use crate::error::{CallError, Subject};
use crate::loader::{LoadError, Root};

pub(super) fn read_file(call: &mut Call<'_>) -> Result<Out> {
    let path: String = call.arg(0)?;
    let read = call.build.input.loader.read(Root::Context, &path);
    match read.map_err(|error| failed(call, &error))? {
        Some(data) => call.lua.create_string(data).map(|text| Out::Lua(Value::String(text))),
        None => Err(call
            .error(
                "no-such-file",
                format!("the build context has no file {}", quoted(&path)),
            )
            .about(Subject::Argument(1))
            .hint("ask with bk.exists() first if it may be missing")
            .into()),
    }
}

pub(super) fn glob(call: &mut Call<'_>) -> Result<Out> {
    let pattern: String = call.arg(0)?;
    let found = call.build.input.loader.glob(Root::Context, &pattern);
    let mut paths = found.map_err(|error| failed(call, &error))?;
    paths.sort_unstable();
    call.lua
        .create_sequence_from(paths)
        .map(|list| Out::Lua(Value::Table(list)))
}

pub(super) fn exists(call: &mut Call<'_>) -> Result<Out> {
    let path: String = call.arg(0)?;
    let found = call.build.input.loader.exists(Root::Context, &path);
    let found = found.map_err(|error| failed(call, &error))?;
    Ok(Out::Lua(Value::Boolean(found)))
}

pub(super) fn failed(call: &Call<'_>, error: &LoadError) -> CallError {
    call.build.hit_by(error);
    let code = match error {
        LoadError::Outside { .. } => "outside-context",
        LoadError::Unreadable { .. } | LoadError::IgnoreFile { .. } => "unreadable-file",
        LoadError::Pattern { .. } => "invalid-pattern",
        LoadError::Limit(_) => "read-limit",
    };
    let wrong = call.error(code, error.to_string()).about(Subject::Argument(1));
    CallError {
        unread: Some(error.clone()),
        ..wrong
    }
}
