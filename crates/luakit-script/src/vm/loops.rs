//! Loops that go through a table by themselves: `for key, value in t do`, without `pairs`.
//!
//! Luau goes through the table's own memory there, and asks nobody. Where objects are keys, its order differs from run
//! to run. So what such a loop goes through is handed to a function first, `in_order` of `bootstrap.luau`: in the text
//! that is compiled, not in the one that is shown. Lines stay what they are.

use luakit_diagnostic::SourceFile;
use mlua::{Function, Lua, Table};

use super::locate::Tokens;

/// What the function is called in the text. It is a local of the text, so that no script's globals hold it.
const NAME: &str = "__luakit_in_order";

/// Where the function is kept.
const KEY: &str = "luakit.in_order";

/// Keeps the function that loops ask.
pub(super) fn install(lua: &Lua, host: &Table) -> mlua::Result<()> {
    lua.set_named_registry_value(KEY, host.raw_get::<Function>("in_order")?)
}

/// The text with its loops asking, if it has any: a function that takes who is asked, and returns the text's own.
pub(super) fn asking(text: &[u8]) -> Option<Vec<u8>> {
    // Most texts have no loop, or none without `pairs`.
    let may_loop = text
        .windows(4)
        .any(|word| word.starts_with(b"for") && !word.ends_with(b"m"));
    if !may_loop {
        return None;
    }
    let tokens = Tokens::of(SourceFile::new("", text));
    let mut places: Vec<(usize, String)> = Vec::new();
    for through in tokens.loops() {
        places.push((through.start, format!(" {NAME}(")));
        places.push((through.end, ") ".to_owned()));
    }
    if places.is_empty() {
        return None;
    }
    places.sort_by_key(|(at, _)| *at);
    let mut asking = format!("local {NAME} = ... return function(...) ").into_bytes();
    let mut from = 0;
    for (at, insert) in places {
        asking.extend_from_slice(text.get(from..at)?);
        asking.extend_from_slice(insert.as_bytes());
        from = at;
    }
    asking.extend_from_slice(text.get(from..)?);
    asking.extend_from_slice(b"\nend");
    Some(asking)
}

/// The text's own function, of what [`asking`] gave.
pub(super) fn own(lua: &Lua, asking: &Function) -> mlua::Result<Function> {
    asking.call(lua.named_registry_value::<Function>(KEY)?)
}
