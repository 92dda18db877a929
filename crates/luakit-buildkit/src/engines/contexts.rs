//! Docker's contexts: names for Dockers, kept in Docker's config directory.
//!
//! `config.json` may name the current one. A context is `contexts/meta/ID/meta.json` with certificates in
//! `contexts/tls/ID/docker/`, where ID is the SHA-256 of its name (`cli/context/store` of
//! <https://github.com/docker/cli>). The context `default` is no file: it is what the environment says.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use luakit_frontend::tls::{Identity, Trust};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use super::SetupError;
use crate::endpoint::{DockerHost, TlsSettings};

/// The contexts below a config directory.
pub(super) struct Contexts<'a> {
    /// Docker's config directory, if there is one.
    pub(super) dir: Option<&'a Path>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Config {
    #[serde(rename = "currentContext")]
    current_context: String,
}

#[derive(Deserialize)]
struct Meta {
    #[serde(rename = "Name", alias = "name", default)]
    name: String,
    #[serde(rename = "Endpoints", alias = "endpoints", default)]
    endpoints: BTreeMap<String, MetaEndpoint>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct MetaEndpoint {
    #[serde(rename = "Host", alias = "host")]
    host: String,
    #[serde(rename = "SkipTLSVerify", alias = "skipTLSVerify")]
    skip_verify: bool,
}

impl Contexts<'_> {
    /// The context that `config.json` names; `default` is none.
    pub(super) fn current(&self) -> Result<Option<String>, SetupError> {
        let Some(dir) = self.dir else { return Ok(None) };
        let config: Option<Config> = read(&dir.join("config.json"))?;
        let name = config.map(|config| config.current_context).unwrap_or_default();
        Ok(Some(name).filter(|name| !matches!(name.as_str(), "" | "default")))
    }

    /// The names of all that have a file, sorted.
    pub(super) fn names(&self) -> Vec<String> {
        let Some(dir) = self.dir else { return Vec::new() };
        let entries = std::fs::read_dir(dir.join("contexts/meta"));
        let metas = entries.into_iter().flatten().filter_map(|entry| {
            let path = entry.ok()?.path().join("meta.json");
            read::<Meta>(&path).ok()?
        });
        let mut names: Vec<String> = metas.map(|meta| meta.name).filter(|name| !name.is_empty()).collect();
        names.sort();
        names
    }

    /// The Docker that a context names, if there is such a context.
    pub(super) fn find(&self, name: &str) -> Result<Option<DockerHost>, SetupError> {
        let Some(dir) = self.dir else { return Ok(None) };
        let contexts = dir.join("contexts");
        let id = hex::encode(Sha256::digest(name));
        let Some(meta) = read::<Meta>(&contexts.join("meta").join(&id).join("meta.json"))? else {
            return Ok(None);
        };
        let Some(endpoint) = meta
            .endpoints
            .get("docker")
            .filter(|endpoint| !endpoint.host.is_empty())
        else {
            return Err(SetupError::EmptyContext(name.to_owned()));
        };
        let tls = tls(&contexts.join("tls").join(&id).join("docker"), endpoint.skip_verify);
        Ok(Some(DockerHost::parse(&endpoint.host, tls)?))
    }

    /// The Docker of a context that must be there.
    pub(super) fn get(&self, name: &str) -> Result<DockerHost, SetupError> {
        self.find(name)?.ok_or_else(|| SetupError::NoContext {
            name: name.to_owned(),
            known: self.names(),
        })
    }
}

/// The TLS of a context: none without files, unless the check is to be skipped.
fn tls(dir: &Path, skip_verify: bool) -> Option<TlsSettings> {
    let file = |name: &str| Some(dir.join(name)).filter(|path| path.is_file());
    let (ca, cert, key) = (file("ca.pem"), file("cert.pem"), file("key.pem"));
    if ca.is_none() && cert.is_none() && key.is_none() && !skip_verify {
        return None;
    }
    let trust = match ca {
        _ if skip_verify => Trust::Anyone,
        Some(ca) => Trust::Only(ca),
        None => Trust::Machine,
    };
    Some(TlsSettings {
        trust,
        identity: cert.zip(key).map(|(cert, key)| Identity { cert, key }),
        server_name: None,
    })
}

/// The TLS that Docker's environment variables ask for: files in `dir`.
pub(super) fn environment_tls(dir: &Path, verify: bool) -> TlsSettings {
    let file = |name: &str| dir.join(name);
    let (cert, key) = (file("cert.pem"), file("key.pem"));
    TlsSettings {
        trust: if verify {
            Trust::Only(file("ca.pem"))
        } else {
            Trust::Anyone
        },
        identity: (cert.is_file() && key.is_file()).then_some(Identity { cert, key }),
        server_name: None,
    }
}

/// A file of JSON; nothing when it isn't there.
pub(super) fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, SetupError> {
    let wrong = |reason: String| SetupError::File {
        path: PathBuf::from(path),
        reason,
    };
    match std::fs::read(path) {
        Ok(text) => serde_json::from_slice(&text)
            .map(Some)
            .map_err(|e| wrong(e.to_string())),
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(e) => Err(wrong(e.to_string())),
    }
}
