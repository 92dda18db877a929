//! The `bk` table.

use std::rc::Rc;

use mlua::{Lua, Table};

use crate::build::Build;

/// Puts `bk` into the script's globals.
pub(crate) fn install(lua: &Lua, _build: &Rc<Build>, globals: &Table) -> mlua::Result<()> {
    globals.raw_set("bk", lua.create_table()?)
}
