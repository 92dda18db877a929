//! How registries are reached: `registries.toml`, Docker's credentials, the environment's proxies.

use std::path::{Path, PathBuf};

use luakit_buildkit::RegistryAccess;
use luakit_frontend::resolve::{Network, Registry, RegistryConfig};

use super::document;
use crate::environment::Environment;
use crate::failure::{Failure, Kind};

/// How registries are reached.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Images and the lock file")]
pub(crate) struct RegistryArgs {
    /// Mirrors, certificates and plain-http registries [default: luakit/registries.toml in the user's
    /// configuration]
    #[arg(long, value_name = "FILE")]
    registry_config: Option<PathBuf>,
}

impl RegistryArgs {
    /// The way to registries.
    pub(crate) fn registry(&self, environment: &Environment) -> Result<Registry, Failure> {
        Ok(Registry::new(
            self.config(environment)?,
            environment.docker_config.clone(),
            network(environment),
        ))
    }

    /// The same, where these hosts may be reached without TLS, or with any certificate.
    pub(crate) fn registry_with_insecure(
        &self,
        environment: &Environment,
        insecure: &[String],
    ) -> Result<Registry, Failure> {
        let mut config = self.config(environment)?;
        for host in insecure {
            config.allow_insecure(host);
        }
        Ok(Registry::new(
            config,
            environment.docker_config.clone(),
            network(environment),
        ))
    }

    /// The credentials and tokens of registries, for an engine that asks for them.
    pub(crate) fn access(&self, environment: &Environment) -> Result<Option<RegistryAccess>, Failure> {
        let Some(docker_config) = environment.docker_config.clone() else {
            return Ok(None);
        };
        Ok(Some(RegistryAccess {
            docker_config,
            config: self.config(environment)?,
            network: network(environment),
            fetch_tokens: !environment.no_client_token,
        }))
    }

    fn config(&self, environment: &Environment) -> Result<RegistryConfig, Failure> {
        let default = environment
            .config_home
            .as_ref()
            .map(|dir| dir.join("luakit/registries.toml"));
        let Some(path) = self.registry_config.clone().or(default) else {
            return Ok(RegistryConfig::default());
        };
        match document::read(&path) {
            Ok(Some(file)) => {
                let dir = path.parent().unwrap_or(Path::new("."));
                RegistryConfig::parse(file, dir).map_err(|e| document::failure(Kind::Usage, &e))
            }
            Ok(None) if self.registry_config.is_none() => Ok(RegistryConfig::default()),
            Ok(None) => Err(Failure::usage(format!("there is no file `{}`", path.display()))),
            Err(failure) => Err(failure),
        }
    }
}

/// The network, by the proxies of the environment.
pub(crate) fn network(environment: &Environment) -> Network {
    Network {
        http_proxy: environment.http_proxy.clone(),
        https_proxy: environment.https_proxy.clone(),
        no_proxy: environment.no_proxy.clone(),
        ..Network::default()
    }
}
