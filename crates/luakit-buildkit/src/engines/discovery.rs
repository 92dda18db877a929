//! Where builds may go, best first.
//!
//! An address that is given; else a builder of buildx that is named, or the one in use; else the Docker that the
//! environment names, or a docker context, or Docker's usual socket; else BuildKit's. Whoever names an engine gets that
//! one or an error: nothing else is tried then. What merely is configured as the usual one may be passed over.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::buildx::{self, Store};
use super::contexts::{Contexts, environment_tls};
use super::{Node, SetupError, proxies};
use crate::endpoint::{Address, DOCKER_SOCKET, DockerHost, Endpoint, TlsSettings};

/// Where BuildKit's own daemon listens unless told otherwise.
pub const BUILDKIT_SOCKET: &str = "/run/buildkit/buildkitd.sock";

/// What says where engines are: flags, the environment, directories.
#[derive(Debug, Clone, Default)]
pub struct Discovery {
    /// `--addr`.
    pub addr: Option<String>,
    /// The TLS of `--addr` or `BUILDKIT_HOST`.
    pub tls: Option<TlsSettings>,
    /// `--builder`.
    pub builder: Option<String>,
    /// `BUILDKIT_HOST`.
    pub buildkit_host: Option<String>,
    /// `BUILDX_BUILDER`.
    pub buildx_builder: Option<String>,
    /// `DOCKER_HOST`.
    pub docker_host: Option<String>,
    /// `DOCKER_CONTEXT`.
    pub docker_context: Option<String>,
    /// Whether `DOCKER_TLS` is set: TLS, whoever is there.
    pub docker_tls: bool,
    /// Whether `DOCKER_TLS_VERIFY` is set: TLS, with a check.
    pub docker_tls_verify: bool,
    /// `DOCKER_CERT_PATH`.
    pub docker_cert_path: Option<PathBuf>,
    /// Docker's config directory.
    pub docker_config: Option<PathBuf>,
    /// `BUILDX_CONFIG`.
    pub buildx_config: Option<PathBuf>,
    /// `XDG_RUNTIME_DIR`, in which rootless daemons listen.
    pub runtime_dir: Option<PathBuf>,
}

/// What makes something a candidate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// `--addr`.
    Addr,
    /// `BUILDKIT_HOST`.
    BuildkitHost,
    /// `--builder NAME`.
    Builder(String),
    /// `BUILDX_BUILDER`.
    BuildxBuilder(String),
    /// The builder that buildx has in use.
    CurrentBuilder(String),
    /// A builder that isn't in use.
    OtherBuilder(String),
    /// `DOCKER_HOST`.
    DockerHost,
    /// `DOCKER_CONTEXT`.
    DockerContext(String),
    /// The context that Docker's configuration names.
    CurrentContext(String),
    /// A context that isn't in use.
    OtherContext(String),
    /// Docker's usual socket.
    Docker,
    /// The usual socket of a rootless BuildKit.
    RootlessBuildkit,
    /// BuildKit's usual socket.
    Buildkit,
}

impl Source {
    /// Whether somebody has asked for this engine by name, so that no other will do.
    pub fn is_named(&self) -> bool {
        matches!(
            self,
            Self::Addr
                | Self::BuildkitHost
                | Self::Builder(_)
                | Self::BuildxBuilder(_)
                | Self::DockerHost
                | Self::DockerContext(_)
        )
    }

    /// The name of the builder, if it is one of buildx's.
    pub fn builder(&self) -> Option<&str> {
        match self {
            Self::Builder(name) | Self::BuildxBuilder(name) | Self::CurrentBuilder(name) | Self::OtherBuilder(name) => {
                Some(name)
            }
            _ => None,
        }
    }

    /// Whether somebody has chosen it, if only as what is usual.
    pub fn is_chosen(&self) -> bool {
        self.is_named() || matches!(self, Self::CurrentBuilder(_) | Self::CurrentContext(_))
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Addr => f.write_str("`--addr`"),
            Self::BuildkitHost => f.write_str("`BUILDKIT_HOST`"),
            Self::Builder(name) => write!(f, "`--builder {name}`"),
            Self::BuildxBuilder(name) => write!(f, "`BUILDX_BUILDER={name}`"),
            Self::CurrentBuilder(name) => write!(f, "buildx's current builder `{name}`"),
            Self::OtherBuilder(name) => write!(f, "buildx's builder `{name}`"),
            Self::DockerHost => f.write_str("`DOCKER_HOST`"),
            Self::DockerContext(name) => write!(f, "`DOCKER_CONTEXT={name}`"),
            Self::CurrentContext(name) => write!(f, "the current docker context `{name}`"),
            Self::OtherContext(name) => write!(f, "the docker context `{name}`"),
            Self::Docker => f.write_str("docker"),
            Self::RootlessBuildkit => f.write_str("buildkit (rootless)"),
            Self::Buildkit => f.write_str("buildkit"),
        }
    }
}

/// Somewhere a build may go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// What makes it one.
    pub source: Source,
    /// Buildx's name of the builder's kind, if it is one.
    pub driver: Option<String>,
    /// What it consists of: at least one, and one alone unless it is a builder. Or what is wrong with it.
    pub nodes: Result<Vec<Node>, SetupError>,
}

impl Candidate {
    fn one(source: Source, name: &str, endpoint: Result<Endpoint, SetupError>) -> Self {
        let nodes = endpoint.map(|endpoint| {
            vec![Node {
                name: name.to_owned(),
                endpoint: Ok(endpoint),
                platforms: Vec::new(),
            }]
        });
        Self {
            source,
            driver: None,
            nodes,
        }
    }
}

impl Discovery {
    /// Where a build may go, in the order to try.
    pub fn candidates(&self) -> Vec<Candidate> {
        if let Some(named) = self.named() {
            return vec![named];
        }
        let mut candidates = Vec::new();
        candidates.extend(self.current_builder());
        let docker = self.current_docker();
        let named = docker.source.is_named();
        let usual = docker.source == Source::Docker;
        candidates.push(docker);
        if named {
            return candidates;
        }
        if !usual {
            candidates.push(self.usual_docker());
        }
        candidates.extend(self.sockets());
        once(candidates)
    }

    /// All that is known, in the order to try, and then what a build would only use when told to.
    pub fn everything(&self) -> Vec<Candidate> {
        let mut all = self.candidates();
        if self.named().is_some() {
            // Whoever names one may still want to see what would be taken otherwise.
            let tls = self.tls.clone().filter(|_| self.addr.is_none());
            let unflagged = Self {
                addr: None,
                builder: None,
                tls,
                ..self.clone()
            };
            all.extend(unflagged.candidates());
            let unnamed = Self {
                buildkit_host: None,
                buildx_builder: None,
                tls: None,
                ..unflagged
            };
            all.extend(unnamed.candidates());
        }
        if let Some(store) = self.store() {
            for name in store.names() {
                let source = Source::OtherBuilder(name.clone());
                all.push(self.builder_of(&store, &name, source));
            }
        }
        for name in self.contexts().names() {
            let docker = self.contexts().get(&name).map(Endpoint::Docker);
            all.push(Candidate::one(Source::OtherContext(name.clone()), &name, docker));
        }
        all.push(self.usual_docker());
        all.extend(self.sockets());
        once(all)
    }

    /// The Docker that the environment and Docker's configuration name, for what is to be loaded into one.
    pub fn docker(&self) -> Result<DockerHost, SetupError> {
        match self.context() {
            Ok(Some(Source::DockerContext(name) | Source::CurrentContext(name))) => self.contexts().get(&name),
            Ok(_) => self.default_docker(),
            Err(error) => Err(error),
        }
    }

    /// The proxies that Docker's configuration has for builds, by the name of the build argument.
    pub fn proxies(&self) -> Result<BTreeMap<&'static str, String>, SetupError> {
        let Some(dir) = &self.docker_config else {
            return Ok(BTreeMap::new());
        };
        // A Docker that can't be told is none that they could be meant for.
        let host = self.docker().ok().map(|host| host.to_string());
        proxies::of(dir, host.as_deref())
    }

    /// What somebody has named.
    fn named(&self) -> Option<Candidate> {
        if let Some(addr) = &self.addr {
            return Some(Candidate::one(Source::Addr, addr, self.address(addr)));
        }
        if let Some(name) = &self.builder {
            return Some(self.builder(name, Source::Builder(name.clone())));
        }
        if let Some(addr) = &self.buildkit_host {
            return Some(Candidate::one(Source::BuildkitHost, addr, self.address(addr)));
        }
        let name = self.buildx_builder.as_ref()?;
        Some(self.builder(name, Source::BuildxBuilder(name.clone())))
    }

    fn address(&self, text: &str) -> Result<Endpoint, SetupError> {
        let address: Address = text.parse()?;
        if self.tls.is_some() && !matches!(address, Address::Tcp { .. }) {
            return Err(SetupError::NoTls(text.to_owned()));
        }
        let docker = match &address {
            Address::DockerContainer { context, .. } => match context {
                Some(context) => self.docker_at(context)?,
                None => self.docker()?,
            },
            _ => DockerHost::Unix(DOCKER_SOCKET.into()),
        };
        Ok(address.endpoint(self.tls.clone(), || docker))
    }

    /// A builder by name; a docker context is one, too.
    fn builder(&self, name: &str, source: Source) -> Candidate {
        let stored = self.store().map(|store| store.group(name));
        if let Some(Ok(Some(_)) | Err(_)) = stored
            && let Some(store) = self.store()
        {
            return self.builder_of(&store, name, source);
        }
        let found = if name == "default" {
            self.default_docker().map(Some)
        } else {
            self.contexts().find(name)
        };
        let docker = found.and_then(|found| {
            found.map(Endpoint::Docker).ok_or_else(|| SetupError::NoBuilder {
                name: name.to_owned(),
                known: self.builders(),
            })
        });
        Candidate::one(source, name, docker)
    }

    /// What `--builder` takes: builders, and docker contexts.
    fn builders(&self) -> Vec<String> {
        let mut names = self.store().map(|store| store.names()).unwrap_or_default();
        names.push("default".to_owned());
        names.extend(self.contexts().names());
        names
    }

    fn builder_of(&self, store: &Store, name: &str, source: Source) -> Candidate {
        let missing = || SetupError::NoBuilder {
            name: name.to_owned(),
            known: store.names(),
        };
        match store.group(name).and_then(|group| group.ok_or_else(missing)) {
            Ok(group) => {
                let nodes = group.nodes(|at| self.docker_at(at));
                let empty = SetupError::Node {
                    node: name.to_owned(),
                    reason: "the builder has no nodes".to_owned(),
                };
                Candidate {
                    source,
                    driver: Some(group.driver.clone()).filter(|driver| !driver.is_empty()),
                    nodes: if nodes.is_empty() { Err(empty) } else { Ok(nodes) },
                }
            }
            Err(error) => Candidate {
                source,
                driver: None,
                nodes: Err(error),
            },
        }
    }

    fn current_builder(&self) -> Option<Candidate> {
        let store = self.store()?;
        let key = match self.context() {
            Ok(Some(Source::DockerContext(name) | Source::CurrentContext(name))) => name,
            _ => self
                .docker_host
                .clone()
                .unwrap_or_else(|| format!("unix://{DOCKER_SOCKET}")),
        };
        match store.current(&key) {
            Ok(name) => {
                let name = name?;
                Some(self.builder_of(&store, &name, Source::CurrentBuilder(name.clone())))
            }
            Err(error) => Some(Candidate {
                source: Source::CurrentBuilder("?".to_owned()),
                driver: None,
                nodes: Err(error),
            }),
        }
    }

    /// Docker, as its own client would find it.
    fn current_docker(&self) -> Candidate {
        match self.context() {
            Ok(Some(source)) => {
                let (Source::DockerContext(name) | Source::CurrentContext(name)) = source.clone() else {
                    return Candidate::one(source, "docker", self.default_docker().map(Endpoint::Docker));
                };
                let docker = self.contexts().get(&name).map(Endpoint::Docker);
                Candidate::one(source, &name, docker)
            }
            Ok(None) => self.usual_docker(),
            Err(error) => Candidate::one(Source::CurrentContext("?".to_owned()), "docker", Err(error)),
        }
    }

    fn usual_docker(&self) -> Candidate {
        let docker = match &self.docker_host {
            Some(_) => Ok(DockerHost::Unix(DOCKER_SOCKET.into())),
            None => self.default_docker(),
        };
        Candidate::one(Source::Docker, "docker", docker.map(Endpoint::Docker))
    }

    /// BuildKit's usual sockets.
    fn sockets(&self) -> Vec<Candidate> {
        let socket = |source, path: &Path| Candidate::one(source, "buildkit", Ok(Endpoint::Unix(path.to_owned())));
        let rootless = self.runtime_dir.iter().map(|dir| {
            let path = dir.join("buildkit/buildkitd.sock");
            socket(Source::RootlessBuildkit, &path)
        });
        let usual = socket(Source::Buildkit, Path::new(BUILDKIT_SOCKET));
        rootless.chain([usual]).collect()
    }

    /// What says which Docker is in use, if it isn't the usual one: `DOCKER_HOST` before contexts.
    fn context(&self) -> Result<Option<Source>, SetupError> {
        if self.docker_host.is_some() {
            return Ok(Some(Source::DockerHost));
        }
        match self.docker_context.as_deref() {
            Some("default") => Ok(None),
            Some(name) => Ok(Some(Source::DockerContext(name.to_owned()))),
            None => Ok(self.contexts().current()?.map(Source::CurrentContext)),
        }
    }

    /// The Docker of the context `default`.
    fn default_docker(&self) -> Result<DockerHost, SetupError> {
        let with_tls = self.docker_tls || self.docker_tls_verify;
        let dir = self.docker_cert_path.as_ref().or(self.docker_config.as_ref());
        let tls = dir.filter(|_| with_tls);
        let tls = tls.map(|dir| environment_tls(dir, self.docker_tls_verify));
        let usual = if tls.is_some() { "tcp://localhost:2376" } else { "" };
        Ok(DockerHost::parse(self.docker_host.as_deref().unwrap_or(usual), tls)?)
    }

    /// The Docker that a node of a builder names: a context or an address.
    fn docker_at(&self, text: &str) -> Result<DockerHost, SetupError> {
        if text == "default" {
            return self.default_docker();
        }
        match self.contexts().find(text)? {
            Some(docker) => Ok(docker),
            None if text.contains("://") => Ok(DockerHost::parse(text, None)?),
            None => self.contexts().get(text),
        }
    }

    fn contexts(&self) -> Contexts<'_> {
        Contexts {
            dir: self.docker_config.as_deref(),
        }
    }

    fn store(&self) -> Option<Store> {
        buildx::dir(self.buildx_config.as_deref(), self.docker_config.as_deref())
    }
}

/// Without what stands for the same as something before it.
fn once(candidates: Vec<Candidate>) -> Vec<Candidate> {
    let mut different: Vec<Candidate> = Vec::new();
    for candidate in candidates {
        if !different.iter().any(|known| known.nodes == candidate.nodes) {
            different.push(candidate);
        }
    }
    different
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
