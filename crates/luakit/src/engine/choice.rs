//! The flags that say which engine builds, with what the environment says of it.

use std::path::{Path, PathBuf};

use luakit_buildkit::endpoint::TlsSettings;
use luakit_buildkit::engines::Discovery;
use luakit_frontend::tls::{Identity, Trust};

use crate::environment::Environment;
use crate::failure::Failure;

/// Which engine builds.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "Engine")]
pub(crate) struct EngineChoice {
    /// The address of a BuildKit daemon: `unix://`, `tcp://`, `docker-container://`, `podman-container://`,
    /// `nerdctl-container://`, `kube-pod://` or `ssh://` [default: `BUILDKIT_HOST`, else a builder, else Docker]
    #[arg(long, value_name = "ADDRESS", conflicts_with = "builder")]
    pub(crate) addr: Option<String>,
    /// A builder of `docker buildx`, or a docker context [default: `BUILDX_BUILDER`, else the one in use]
    #[arg(long, value_name = "NAME")]
    pub(crate) builder: Option<String>,
    /// Talk TLS to a `tcp://` address, and trust only this CA
    #[arg(long, value_name = "FILE", conflicts_with = "tlsdir")]
    pub(crate) tlscacert: Option<PathBuf>,
    /// The certificate to show to the engine
    #[arg(long, value_name = "FILE", requires = "tlskey", conflicts_with = "tlsdir")]
    pub(crate) tlscert: Option<PathBuf>,
    /// The key of that certificate
    #[arg(long, value_name = "FILE", requires = "tlscert", conflicts_with = "tlsdir")]
    pub(crate) tlskey: Option<PathBuf>,
    /// The name in the engine's certificate, if it isn't the address's host
    #[arg(long, value_name = "NAME")]
    pub(crate) tlsservername: Option<String>,
    /// A folder with `ca.pem`, `cert.pem` and `key.pem` (or `ca.crt`, `tls.crt` and `tls.key`) instead
    #[arg(long, value_name = "DIR")]
    pub(crate) tlsdir: Option<PathBuf>,
}

impl EngineChoice {
    /// Where engines may be.
    pub(crate) fn discovery(&self, environment: &Environment) -> Result<Discovery, Failure> {
        let engines = &environment.engines;
        let tls = self.tls()?;
        if tls.is_some() && self.addr.is_none() && (self.builder.is_some() || engines.buildkit_host.is_none()) {
            return Err(Failure::usage("`--tls…` is for a `tcp://` address, and there is none")
                .hint("name it with `--addr tcp://HOST:PORT`; a builder and a docker context have their own files"));
        }
        Ok(Discovery {
            addr: self.addr.clone(),
            builder: self.builder.clone(),
            tls,
            ..engines.clone()
        })
    }

    fn tls(&self) -> Result<Option<TlsSettings>, Failure> {
        if let Some(dir) = &self.tlsdir {
            if !dir.is_dir() {
                return Err(Failure::usage(format!(
                    "there is no directory `{}`, given with `--tlsdir`",
                    dir.display()
                )));
            }
            return Ok(Some(TlsSettings {
                trust: Trust::Only(one_of(dir, ["ca.pem", "ca.crt"])?),
                identity: Some(Identity {
                    cert: one_of(dir, ["cert.pem", "tls.crt"])?,
                    key: one_of(dir, ["key.pem", "tls.key"])?,
                }),
                server_name: self.tlsservername.clone(),
            }));
        }
        let identity = self.tlscert.clone().zip(self.tlskey.clone());
        if self.tlscacert.is_none() && identity.is_none() && self.tlsservername.is_none() {
            return Ok(None);
        }
        Ok(Some(TlsSettings {
            trust: self.tlscacert.clone().map_or(Trust::Machine, Trust::Only),
            identity: identity.map(|(cert, key)| Identity { cert, key }),
            server_name: self.tlsservername.clone(),
        }))
    }
}

/// A file under one of its names, `buildctl`'s or those of Kubernetes' secrets.
fn one_of(dir: &Path, names: [&str; 2]) -> Result<PathBuf, Failure> {
    let found = names.iter().map(|name| dir.join(name)).find(|path| path.is_file());
    found.ok_or_else(|| {
        Failure::usage(format!(
            "`--tlsdir {}` has no `{}`",
            dir.display(),
            names.join("` or `")
        ))
    })
}
