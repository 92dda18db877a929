//! Switches that may say `=true` or `=false`, as Go's programs take them: a CI's variable can stand there.

use luakit_frontend::values::parse_bool;

/// Reads what is behind the `=`.
pub(crate) fn parse(text: &str) -> Result<bool, String> {
    parse_bool(text).ok_or_else(|| "it must be `true` or `false`".to_owned())
}
