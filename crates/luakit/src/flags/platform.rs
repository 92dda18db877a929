//! `OS/ARCH[/VARIANT]`, or `local`.

use luakit_llb::Platform;

/// What `--platform` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// The platform of the engine that builds, as docker buildx has it.
    Local,
    /// This one.
    Exactly(Platform),
}

impl Wanted {
    /// The platform, where the engine's own is `local`.
    pub(crate) fn on(&self, local: &Platform) -> Platform {
        match self {
            Self::Local => local.clone(),
            Self::Exactly(platform) => platform.clone(),
        }
    }
}

/// A platform, or the word for the engine's.
pub(crate) fn wanted(text: &str) -> Result<Wanted, String> {
    if text.eq_ignore_ascii_case("local") {
        return Ok(Wanted::Local);
    }
    parse(text).map(Wanted::Exactly)
}

/// A platform, normalised.
pub(crate) fn parse(text: &str) -> Result<Platform, String> {
    text.parse::<Platform>().map_err(|e| e.to_string())
}
