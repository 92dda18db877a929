//! The real test engine: where it is, and what it serves.
//!
//! `cargo xtask engine up` starts a Docker daemon and a registry of base images for tests alone, and
//! writes what it started to `engine.json` in its state folder ([`Facts`]). [`Engine::get`] reads that
//! file; it starts nothing. `docs/contributing/test-engine.md` says what the images hold.

use std::fmt;
use std::fs;
use std::io;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::http::{self, Request, Response};

/// The environment variable that names the engine's state folder, for tests and for `xtask`.
pub const STATE_VARIABLE: &str = "LUAKIT_TEST_ENGINE";

/// The file of a state folder that describes the running engine.
pub const FACTS_FILE: &str = "engine.json";

/// What a running engine is, as `engine.json` says it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// The Docker daemon's socket.
    pub docker_socket: PathBuf,
    /// The socket of a second Docker daemon, which keeps images with a graph driver instead of containerd.
    pub graph_socket: PathBuf,
    /// The value of `DOCKER_HOST` that names the first.
    pub docker_host: String,
    /// The `docker` client of the same version, with its buildx plugin beside it.
    pub docker_cli: PathBuf,
    /// Where the engine's programs and other clients are unpacked, laid out like `/`.
    pub tools: PathBuf,
    /// A value of `DOCKER_CONFIG` under which that client finds buildx, and no credentials.
    pub docker_config: PathBuf,
    /// The daemon's version.
    pub version: String,
    /// The registry's `HOST:PORT`. It speaks plain HTTP, holds the base images, and takes pushes.
    pub registry: String,
    /// Registries that the daemon reaches through this one: a client that resolves images itself
    /// treats `registry` as their mirror.
    pub mirrored: Vec<String>,
    /// The address of the machine on the network of run steps: what a step reaches it by.
    pub gateway: String,
    /// Platforms whose programs run in run steps: the machine's own, and emulated ones.
    pub runs: Vec<String>,
    /// The base images, sorted by reference.
    pub images: Vec<Image>,
}

/// A base image that the engine's registry serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// The whole reference, such as `docker.io/library/alpine:3.19`.
    pub reference: String,
    /// The repository in the engine's registry, such as `library/alpine`.
    pub repository: String,
    /// The tag, such as `3.19`.
    pub tag: String,
    /// The digest of the image's index.
    pub digest: String,
    /// The platforms that the index lists.
    pub platforms: Vec<String>,
}

/// Why the test engine cannot be used.
#[derive(Debug)]
pub enum Unavailable {
    /// There is no `engine.json`: the engine was not started.
    NotStarted(PathBuf),
    /// `engine.json` cannot be read.
    Unreadable(PathBuf, String),
    /// The engine described there does not answer: it was killed, or the machine restarted.
    Silent(PathBuf, io::Error),
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotStarted(file) => write!(f, "no test engine: `{}` does not exist", file.display())?,
            Self::Unreadable(file, why) => write!(f, "`{}` cannot be read: {why}", file.display())?,
            Self::Silent(socket, why) => {
                write!(f, "the test engine at `{}` does not answer: {why}", socket.display())?;
            }
        }
        write!(
            f,
            "; start it with `cargo xtask engine up` (`{STATE_VARIABLE}` names another state folder)"
        )
    }
}

impl std::error::Error for Unavailable {}

/// A running test engine.
#[derive(Debug, Clone)]
pub struct Engine {
    facts: Facts,
}

impl Engine {
    /// The engine of [`state_folder`].
    ///
    /// # Panics
    /// When it is not running: a test that needs an engine fails without one, it never passes unseen.
    #[expect(clippy::panic, reason = "a test ends here, with a message that says what to run")]
    pub fn get() -> Self {
        match Self::at(&state_folder()) {
            Ok(engine) => engine,
            Err(why) => panic!("{why}"),
        }
    }

    /// The engine whose state folder is `folder`, if it answers.
    pub fn at(folder: &Path) -> Result<Self, Unavailable> {
        let file = folder.join(FACTS_FILE);
        let text = match fs::read(&file) {
            Ok(text) => text,
            Err(why) if why.kind() == io::ErrorKind::NotFound => {
                return Err(Unavailable::NotStarted(file));
            }
            Err(why) => return Err(Unavailable::Unreadable(file, why.to_string())),
        };
        let facts: Facts =
            serde_json::from_slice(&text).map_err(|why| Unavailable::Unreadable(file, why.to_string()))?;
        ping(&facts.docker_socket).map_err(|why| Unavailable::Silent(facts.docker_socket.clone(), why))?;
        Ok(Self { facts })
    }

    /// What the engine is.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The Docker daemon's socket.
    pub fn docker_socket(&self) -> &Path {
        &self.facts.docker_socket
    }

    /// The socket of the Docker daemon that keeps images with a graph driver.
    pub fn graph_socket(&self) -> &Path {
        &self.facts.graph_socket
    }

    /// The value for `DOCKER_HOST`.
    pub fn docker_host(&self) -> &str {
        &self.facts.docker_host
    }

    /// The registry's `HOST:PORT`, plain HTTP.
    pub fn registry(&self) -> &str {
        &self.facts.registry
    }

    /// A `registries.toml` by which `luakit` finds the images that the engine finds: the names that the engine's
    /// registry stands in for, as mirrors.
    pub fn registries_toml(&self) -> String {
        let mirror = |host: &String| format!("[registry.\"{host}\"]\nmirrors = [\"{}\"]\n", self.registry());
        self.facts.mirrored.iter().map(mirror).collect()
    }

    /// Whether run steps of `platform` can run: natively, or emulated.
    pub fn runs(&self, platform: &str) -> bool {
        self.facts.runs.iter().any(|one| one == platform)
    }

    /// A base image by its whole reference, such as `docker.io/library/alpine:3.19`.
    pub fn image(&self, reference: &str) -> Option<&Image> {
        self.facts.images.iter().find(|image| image.reference == reference)
    }

    /// A manifest or index of the registry, by tag or digest.
    pub fn manifest(&self, repository: &str, reference: &str) -> io::Result<Response> {
        self.registry_get(
            &format!("/v2/{repository}/manifests/{reference}"),
            &[("Accept", MANIFEST_TYPES)],
        )
    }

    /// A blob of the registry, by digest.
    pub fn blob(&self, repository: &str, digest: &str) -> io::Result<Vec<u8>> {
        let response = self.registry_get(&format!("/v2/{repository}/blobs/{digest}"), &[])?;
        match response.status {
            200 => Ok(response.body),
            status => Err(io::Error::other(format!("blob {digest}: status {status}"))),
        }
    }

    /// A `GET` of the registry.
    pub fn registry_get(&self, target: &str, headers: &[(&str, &str)]) -> io::Result<Response> {
        let request = Request {
            method: "GET",
            host: &self.facts.registry,
            target,
            headers,
        };
        let stream = TcpStream::connect(&self.facts.registry)?;
        http::exchange(stream, &request, &mut io::empty(), 0)
    }
}

/// The manifest types that a registry is asked for.
pub const MANIFEST_TYPES: &str = "application/vnd.oci.image.index.v1+json, \
     application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, \
     application/vnd.docker.distribution.manifest.v2+json";

/// The state folder: `LUAKIT_TEST_ENGINE`, or `target/engine` in this workspace.
pub fn state_folder() -> PathBuf {
    match std::env::var_os(STATE_VARIABLE) {
        Some(folder) if !folder.is_empty() => PathBuf::from(folder),
        _ => {
            let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
            workspace.unwrap_or(Path::new(".")).join("target/engine")
        }
    }
}

/// Asks the Docker daemon on `socket` whether it is there.
pub fn ping(socket: &Path) -> io::Result<()> {
    let request = Request {
        method: "GET",
        host: "docker",
        target: "/_ping",
        headers: &[],
    };
    let response = http::exchange(UnixStream::connect(socket)?, &request, &mut io::empty(), 0)?;
    match response.status {
        200 => Ok(()),
        status => Err(io::Error::other(format!("status {status}"))),
    }
}
