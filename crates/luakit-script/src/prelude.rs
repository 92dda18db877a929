//! Luakit's own library: modules in Lua that every script can `require`.
//!
//! It is written on the public `bk` API; all that it is given besides is what it raises errors with
//! (`vm::modules`). Each module is one chunk, whose parts are files of their own in `prelude/`; the order matters,
//! for a part uses the locals of those before it.

/// The module `prelude`.
const PRELUDE: &str = concat!(
    include_str!("prelude/checks.lua"),
    include_str!("prelude/bases.lua"),
    include_str!("prelude/packages.lua"),
    include_str!("prelude/users.lua"),
    include_str!("prelude/graph.lua"),
    include_str!("prelude/go.lua"),
    include_str!("prelude/node.lua"),
    include_str!("prelude/python.lua"),
    include_str!("prelude/end.lua"),
);

/// Files by the path that a module's name is looked for at.
pub(crate) const EMBEDDED: &[(&str, &str)] = &[("prelude.lua", PRELUDE)];

/// The text of `require("prelude")`. Its comments are its documentation.
pub fn prelude_source() -> &'static str {
    PRELUDE
}

#[cfg(test)]
mod tests;
