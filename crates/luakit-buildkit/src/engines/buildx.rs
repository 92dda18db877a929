//! The builders of `docker buildx`, as it keeps them.
//!
//! In its directory, `instances/NAME` describes a builder, `current` holds the one in use with the Docker that it was
//! chosen for (its key: a context or an address), and `defaults/HASH` what is in use with another
//! (`store` of <https://github.com/docker/buildx>). Nothing is written here.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use luakit_frontend::tls::{Identity, Trust};
use luakit_llb::Platform;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::contexts::read;
use super::{Node, SetupError};
use crate::endpoint::{Address, CommandLine, DockerHost, Endpoint, TlsSettings, check_name, check_pod};

/// Buildx's directory.
pub(super) struct Store {
    pub(super) dir: PathBuf,
}

/// A builder.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Group {
    pub(super) name: String,
    #[serde(default)]
    pub(super) driver: String,
    #[serde(default)]
    nodes: Option<Vec<StoredNode>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct StoredNode {
    name: String,
    #[serde(default)]
    endpoint: String,
    #[serde(default)]
    platforms: Option<Vec<StoredPlatform>>,
    #[serde(default)]
    driver_opts: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Deserialize)]
struct StoredPlatform {
    os: String,
    architecture: String,
    #[serde(default)]
    variant: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[derive(Default)]
struct Current {
    key: String,
    name: String,
    global: bool,
}

impl Store {
    /// A builder by its name, which buildx lowers.
    pub(super) fn group(&self, name: &str) -> Result<Option<Group>, SetupError> {
        let mut chars = name.chars();
        let first = chars.next().is_some_and(|c| c.is_ascii_alphabetic());
        if !first || !chars.all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')) {
            return Ok(None);
        }
        read(&self.dir.join("instances").join(name.to_ascii_lowercase()))
    }

    /// The names of all builders, sorted.
    pub(super) fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.dir.join("instances"));
        let names = entries.into_iter().flatten();
        let mut names: Vec<String> = names
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .collect();
        names.sort();
        names
    }

    /// The name of the builder in use with the Docker that `key` stands for.
    pub(super) fn current(&self, key: &str) -> Result<Option<String>, SetupError> {
        let current: Current = read(&self.dir.join("current"))?.unwrap_or_default();
        if !current.name.is_empty() {
            if current.global && self.group(&current.name)?.is_some() {
                return Ok(Some(current.name));
            }
            if current.key == key {
                let there = self.group(&current.name)?.is_some();
                return Ok(Some(current.name).filter(|_| there));
            }
        }
        let mut hash = hex::encode(Sha256::digest(key));
        hash.truncate(20);
        let name = std::fs::read_to_string(self.dir.join("defaults").join(hash)).unwrap_or_default();
        let there = self.group(&name)?.is_some();
        Ok(Some(name).filter(|_| there))
    }
}

impl Group {
    /// Its nodes; `docker` finds the Docker that a context or an address names.
    pub(super) fn nodes(&self, docker: impl Fn(&str) -> Result<DockerHost, SetupError>) -> Vec<Node> {
        let nodes = self.nodes.iter().flatten();
        nodes
            .map(|node| {
                let platforms = node.platforms.iter().flatten();
                let platforms = platforms.filter_map(|p| Platform::new(&p.os, &p.architecture, &p.variant).ok());
                Node {
                    name: node.name.clone(),
                    endpoint: self.endpoint(node, &docker),
                    platforms: platforms.collect(),
                }
            })
            .collect()
    }

    fn endpoint(
        &self,
        node: &StoredNode,
        docker: impl Fn(&str) -> Result<DockerHost, SetupError>,
    ) -> Result<Endpoint, SetupError> {
        let wrong = |reason: String| SetupError::Node {
            node: node.name.clone(),
            reason,
        };
        match self.driver.as_str() {
            "docker" | "" => docker(&node.endpoint).map(Endpoint::Docker),
            "docker-container" => {
                let name = format!("buildx_buildkit_{}", node.name);
                check_name(&name).map_err(wrong)?;
                Ok(Endpoint::Container {
                    docker: docker(&node.endpoint)?,
                    name,
                    start: true,
                })
            }
            "kubernetes" => kubernetes(node).map(Endpoint::Command),
            "remote" => {
                let address: Address = node.endpoint.parse()?;
                let tls = tls(node)?;
                if tls.is_some() && !matches!(address, Address::Tcp { .. }) {
                    return Err(SetupError::NoTls(node.endpoint.clone()));
                }
                let context = match &address {
                    Address::DockerContainer { context, .. } => Some(docker(context.as_deref().unwrap_or("default"))?),
                    _ => None,
                };
                Ok(address.endpoint(tls, || context.unwrap_or(DockerHost::Unix(PathBuf::new()))))
            }
            driver => Err(SetupError::Driver {
                builder: self.name.clone(),
                driver: driver.to_owned(),
            }),
        }
    }
}

impl StoredNode {
    fn option(&self, name: &str) -> Option<&str> {
        let value = self.driver_opts.as_ref()?.get(name)?;
        Some(value.as_str()).filter(|value| !value.is_empty())
    }
}

/// The TLS of a remote builder. Any of the options asks for it, and it needs a CA.
fn tls(node: &StoredNode) -> Result<Option<TlsSettings>, SetupError> {
    let [ca, cert, key, server_name] = ["cacert", "cert", "key", "servername"].map(|name| node.option(name));
    if [ca, cert, key, server_name].iter().all(Option::is_none) {
        return Ok(None);
    }
    let wrong = |reason: &str| SetupError::Node {
        node: node.name.clone(),
        reason: reason.to_owned(),
    };
    let trust = Trust::Only(ca.ok_or_else(|| wrong("its TLS lacks `cacert`"))?.into());
    let identity = match (cert, key) {
        (None, None) => None,
        (Some(cert), Some(key)) => Some(Identity {
            cert: cert.into(),
            key: key.into(),
        }),
        _ => return Err(wrong("`cert` and `key` go together")),
    };
    Ok(Some(TlsSettings {
        trust,
        identity,
        server_name: server_name.map(str::to_owned),
    }))
}

/// A builder in Kubernetes is a deployment named after its node, or a stateful set if it keeps its storage; kubectl
/// picks one of its pods.
fn kubernetes(node: &StoredNode) -> Result<CommandLine, SetupError> {
    let wrong = |reason: String| SetupError::Node {
        node: node.name.clone(),
        reason,
    };
    let name = node.name.replace('_', "-");
    check_pod(&name).map_err(wrong)?;
    let mut args = Vec::new();
    let query = node.endpoint.split_once('?').map_or("", |(_, query)| query);
    let kubeconfig = query.split('&').find_map(|pair| pair.strip_prefix("kubeconfig="));
    if let Some(path) = kubeconfig.filter(|path| !path.is_empty()) {
        args.push(format!("--kubeconfig={}", crate::endpoint::decode(path)));
    }
    if let Some(namespace) = node.option("namespace") {
        check_pod(namespace).map_err(wrong)?;
        args.push(format!("--namespace={namespace}"));
    }
    let kept = node.option("persistent-volume-claim.requests.storage").is_some();
    let kind = if kept { "statefulset" } else { "deployment" };
    let target = format!("{kind}/{name}");
    let exec = [
        "exec",
        "--container=buildkitd",
        "-i",
        &target,
        "--",
        "buildctl",
        "dial-stdio",
    ];
    args.extend(exec.map(str::to_owned));
    Ok(CommandLine {
        address: format!("kubernetes {target}"),
        program: "kubectl".to_owned(),
        args,
    })
}

/// Buildx's directory below Docker's.
pub(super) fn dir(own: Option<&Path>, docker: Option<&Path>) -> Option<Store> {
    let dir = own.map(Path::to_owned).or_else(|| Some(docker?.join("buildx")))?;
    Some(Store { dir })
}
