//! `OS/ARCH[/VARIANT]`.

use luakit_llb::Platform;

/// A platform, normalised.
pub(crate) fn parse(text: &str) -> Result<Platform, String> {
    text.parse::<Platform>().map_err(|e| e.to_string())
}
