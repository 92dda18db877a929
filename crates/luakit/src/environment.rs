//! The process's environment, read once and handed on: libraries never read it.

use std::ffi::OsString;
use std::path::PathBuf;

/// What of the environment means something to `luakit`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Environment {
    /// `DOCKER_CONFIG`, else `~/.docker`.
    pub(crate) docker_config: Option<PathBuf>,
    /// `XDG_CONFIG_HOME`, else `~/.config`.
    pub(crate) config_home: Option<PathBuf>,
    /// `DOCKER_HOST`.
    pub(crate) docker_host: Option<String>,
    /// `BUILDKIT_HOST`.
    pub(crate) buildkit_host: Option<String>,
    /// `HTTP_PROXY`.
    pub(crate) http_proxy: Option<String>,
    /// `HTTPS_PROXY`.
    pub(crate) https_proxy: Option<String>,
    /// `NO_PROXY`.
    pub(crate) no_proxy: Option<String>,
}

impl Environment {
    pub(crate) fn read() -> Self {
        let home = path("HOME");
        let beneath = |dir: &str| home.as_ref().map(|home| home.join(dir));
        Self {
            docker_config: path("DOCKER_CONFIG").or_else(|| beneath(".docker")),
            config_home: path("XDG_CONFIG_HOME").or_else(|| beneath(".config")),
            docker_host: text("DOCKER_HOST"),
            buildkit_host: text("BUILDKIT_HOST"),
            http_proxy: either("HTTP_PROXY"),
            https_proxy: either("HTTPS_PROXY"),
            no_proxy: either("NO_PROXY"),
        }
    }
}

/// A variable of the caller's, for `--arg NAME` without a value.
pub(crate) fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

fn path(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from)
}

fn text(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|v| !v.is_empty())
}

/// A proxy's variable, in either spelling.
fn either(name: &str) -> Option<String> {
    text(name).or_else(|| text(&name.to_ascii_lowercase()))
}
