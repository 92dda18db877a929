//! Everything that a frontend is asked for, as types: the options that `docker build` and BuildKit's other clients send.
//!
//! Names and meanings are those of BuildKit's Dockerfile frontend
//! (<https://github.com/moby/buildkit/tree/master/frontend/dockerui>). Options that are unknown are ignored, as there;
//! one that is known and makes no sense is an error that names it, and what can't be honoured is an error or one of the
//! [`Options::warnings`]. Values are refused that would carry a secret into the build's definition, and no error quotes
//! a value that may hold one.

mod attest;
mod cache;
mod epoch;
mod error;
mod given;
mod named;
mod place;
mod run;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use luakit_diagnostic::Diagnostic;
use luakit_llb::Platform;
use luakit_llb::marshal::RunDefaults;
use luakit_llb::op::ResolveMode;

pub use cache::CacheImport;
pub use error::OptionError;
pub use named::{FrontendContext, NamedOption, NamedOptions};
pub use place::{MainContext, Place};

use crate::plan::{MarshalSettings, NoCacheFor};
use given::{ARG, Given};

/// What a frontend is asked for.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where the script and the build context are.
    pub place: Place,
    /// Which export; none is the script's default.
    pub target: Option<String>,
    /// The platforms that are asked for, each once; none leaves it to the script.
    pub platforms: Vec<Platform>,
    /// Whether the result is an index though it is for one platform, or must be for one. None is as the number of
    /// platforms has it.
    pub multi_platform: Option<bool>,
    /// What is done again.
    pub no_cache: NoCacheFor,
    /// When the registry is asked for images of which the script doesn't say it.
    pub resolve_mode: ResolveMode,
    /// Build arguments, those with a meaning of their own among them: a script's runs take proxies and the namespace of
    /// cache mounts from there.
    pub args: BTreeMap<String, String>,
    /// Labels of the image, over what the script says.
    pub labels: BTreeMap<String, String>,
    /// What runs get that don't say themselves.
    pub run: RunDefaults,
    /// The time of everything in the result, in seconds.
    pub source_date_epoch: Option<i64>,
    /// Caches to import from.
    pub cache_imports: Vec<CacheImport>,
    /// What takes the place of images and directories.
    pub contexts: NamedOptions,
    /// The configs of images that are inputs, by the inputs' keys.
    pub input_configs: BTreeMap<String, Vec<u8>>,
    /// The sessions that directories come from, by their names, where it is not the request's own.
    pub local_sessions: BTreeMap<String, String>,
    /// The subrequest; none is a build.
    pub request: Option<String>,
    /// What of it all is not honoured, and does no harm.
    pub warnings: Vec<Diagnostic>,
}

/// What this frontend understands, as requests and the labels of frontend images have it.
pub const CAPABILITIES: &[&str] = &[
    "moby.buildkit.frontend.inputs",
    "moby.buildkit.frontend.subrequests",
    "moby.buildkit.frontend.contexts",
    "moby.buildkit.frontend.gitquerystring",
];

impl Options {
    /// Reads the options of a request.
    pub fn parse(options: &BTreeMap<String, String>) -> Result<Self, OptionError> {
        let given = Given(options);
        check_capabilities(given)?;
        attest::check(given)?;
        let platforms = given.read("platform", platforms)?.unwrap_or_default();
        Ok(Self {
            place: Place::of(given)?,
            target: given.get("target").map(str::to_owned),
            multi_platform: multi_platform(given, platforms.len())?,
            platforms,
            no_cache: cache::no_cache(given),
            resolve_mode: given.read("image-resolve-mode", resolve_mode)?.unwrap_or_default(),
            args: given.named(ARG, "a build argument")?,
            labels: given.named("label:", "a label")?,
            run: run::defaults(given)?,
            source_date_epoch: epoch::seconds(given)?,
            cache_imports: cache::imports(given)?,
            contexts: NamedOptions::of(given)?,
            input_configs: named::input_configs(given)?,
            local_sessions: given.named("local-sessionid:", "a directory")?,
            request: given.get("requestid").map(str::to_owned),
            warnings: warnings(given),
        })
    }

    /// What definitions are marshalled with. What tells local directories apart, and the context's ignore file, are
    /// not options.
    pub fn marshal_settings(&self) -> MarshalSettings {
        MarshalSettings {
            run_defaults: self.run.clone(),
            no_cache: self.no_cache.clone(),
            resolve_mode: self.resolve_mode,
            ..MarshalSettings::default()
        }
    }
}

/// The capabilities that a request needs; `+forward` speaks to frontends that hand the request on.
fn check_capabilities(given: Given<'_>) -> Result<(), OptionError> {
    let needed = given.get("frontend.caps").unwrap_or_default().split(',');
    let names = needed.map(|cap| cap.split('+').next().unwrap_or_default());
    match names
        .filter(|name| !name.is_empty())
        .find(|name| !CAPABILITIES.contains(name))
    {
        Some(missing) => Err(OptionError::Capability(missing.to_owned())),
        None => Ok(()),
    }
}

fn platforms(text: &str) -> Result<Vec<Platform>, String> {
    let mut platforms: Vec<Platform> = Vec::new();
    for part in text.split(',') {
        let platform: Platform = part.parse().map_err(|error| format!("{error}"))?;
        if !platforms.contains(&platform) {
            platforms.push(platform);
        }
    }
    Ok(platforms)
}

/// The argument counts rather than the option.
fn multi_platform(given: Given<'_>, platforms: usize) -> Result<Option<bool>, OptionError> {
    let (argument, option) = ("build-arg:BUILDKIT_MULTI_PLATFORM", "multi-platform");
    let (said, asked) = match given.flag(argument)? {
        Some(asked) => (argument, Some(asked)),
        None => (option, given.flag(option)?),
    };
    if asked == Some(false) && platforms > 1 {
        return Err(OptionError::value(
            said,
            "false",
            format!("the build is for {platforms} platforms"),
        ));
    }
    Ok(asked)
}

fn resolve_mode(text: &str) -> Result<ResolveMode, &'static str> {
    match text {
        "default" => Ok(ResolveMode::Default),
        "pull" => Ok(ResolveMode::ForcePull),
        "local" => Ok(ResolveMode::PreferLocal),
        _ => Err("it must be `default`, `pull` or `local`"),
    }
}

fn warnings(given: Given<'_>) -> Vec<Diagnostic> {
    let mut warnings = Vec::new();
    let flags = given
        .get("cmdline")
        .and_then(|line| line.trim().split_once(char::is_whitespace));
    if let Some((_, flags)) = flags {
        let message = format!(
            "`{}` after the frontend's image is ignored: it takes no flags",
            flags.trim()
        );
        warnings.push(Diagnostic::warning("ignored-flags", message));
    }
    warnings
}
