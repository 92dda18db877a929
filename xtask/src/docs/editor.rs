//! What tells lua-language-server, and EmmyLua's, of Luau: `.luarc.json` and `types/luau.lua`.
//!
//! Neither knows Luau. They are told to read Lua 5.4, which has `//`, `utf8` and `table.unpack`, and the
//! operators that are Luau's alone; `luau.lua` beside this file holds what of Luau's libraries 5.4 has not.

use serde_json::json;

use super::stubs::STAMP;

/// The file at the repository's root, which a user's project may copy.
pub(super) fn luarc() -> String {
    let config = json!({
        "$schema": "https://raw.githubusercontent.com/LuaLS/vscode-lua/master/setting/schema.json",
        "runtime.version": "Lua 5.4",
        "runtime.nonstandardSymbol": ["+=", "-=", "*=", "/=", "//=", "%=", "^=", "continue", "`"],
        "runtime.builtin": { "io": "disable", "os": "disable" },
        "workspace.library": ["types"],
        "workspace.checkThirdParty": false,
    });
    format!("{config:#}\n")
}

/// `types/luau.lua`.
pub(super) fn luau() -> String {
    format!("---@meta\n\n{STAMP}\n\n{}", include_str!("luau.lua"))
}
