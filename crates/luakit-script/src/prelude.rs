//! Luakit's own library: modules in Lua that every script can `require`.

/// Files by the path that a module's name is looked for at.
pub(crate) const EMBEDDED: &[(&str, &str)] = &[];
