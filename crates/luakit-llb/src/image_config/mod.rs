//! Image configs: what a script asks for on top of a base image's.
//!
//! The wire form is OCI's image config with Docker's additions
//! (<https://github.com/opencontainers/image-spec/blob/main/config.md>, `moby/docker-image-spec`).

mod base;
mod compose;

use std::collections::BTreeMap;

pub(crate) use base::BaseConfig;
pub(crate) use compose::retarget;
pub use compose::{UnknownBase, base_config, compose, unknown_base};

use crate::platform::Platform;

/// The platform that an image's config says it is for.
pub fn platform_of(config: &[u8]) -> Option<Platform> {
    let config = BaseConfig::read(config);
    Platform::of_config(&config.os, &config.architecture, &config.variant)
}

/// What `bk.export` says of an image's config. `None` and empty leave what the state has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConfigOverlay {
    /// What the container runs. A string in the script is the shell form.
    pub entrypoint: Option<CmdForm>,
    /// Its default arguments. A string in the script is the shell form.
    pub cmd: Option<CmdForm>,
    /// Variables added or replaced, in order.
    pub env: Vec<(String, String)>,
    /// The working directory, relative to the state's unless absolute.
    pub workdir: Option<String>,
    /// The user.
    pub user: Option<String>,
    /// Ports as `8080/tcp`.
    pub expose: Vec<String>,
    /// Paths of volumes.
    pub volumes: Vec<String>,
    /// Labels, laid over the base's.
    pub labels: BTreeMap<String, String>,
    /// Annotations of the manifest: no part of the config, an exporter writes them.
    pub annotations: BTreeMap<String, String>,
    /// The signal that stops the container.
    pub stop_signal: Option<String>,
    /// How to tell that the container is well.
    pub healthcheck: Option<Healthcheck>,
    /// What a shell-form command is handed to.
    pub shell: Option<Vec<String>>,
    /// Triggers for images built on this one. The base's own are never kept: Docker runs them and drops them.
    pub onbuild: Vec<String>,
    /// Who made it.
    pub author: Option<String>,
    /// The operating system, instead of the platform's.
    pub os: Option<String>,
    /// The architecture, instead of the platform's.
    pub arch: Option<String>,
    /// The variant, instead of the platform's.
    pub variant: Option<String>,
}

impl ConfigOverlay {
    /// Whether it says anything of the image's platform.
    pub fn says_platform(&self) -> bool {
        self.os.is_some() || self.arch.is_some() || self.variant.is_some()
    }
}

/// A command of an image config.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CmdForm {
    /// A list, as is.
    Exec(Vec<String>),
    /// Text for the shell.
    Shell(String),
}

/// Docker's health check. Times are nanoseconds; 0 leaves the default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Healthcheck {
    /// `["NONE"]`, `["CMD", …]` or `["CMD-SHELL", text]`.
    pub test: Vec<String>,
    /// Between two checks.
    pub interval: i64,
    /// Until one check has failed.
    pub timeout: i64,
    /// While the container starts and failures don't count.
    pub start_period: i64,
    /// Between two checks in that time.
    pub start_interval: i64,
    /// How many failures in a row make it unhealthy.
    pub retries: i64,
}
