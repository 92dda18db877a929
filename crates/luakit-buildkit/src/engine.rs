//! An engine that answers: what it is, and what it can build.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use luakit_llb::Platform;
use luakit_llb::op::ResolveMode;
use luakit_proto::control::control_client::ControlClient;
use luakit_proto::control::{InfoRequest, ListWorkersRequest};
use luakit_proto::pb;
use tokio::sync::OnceCell;

use crate::endpoint::docker::DockerVersion;
use crate::endpoint::{ConnectError, DockerHost, DockerInfo, Endpoint, Said, tls};
use crate::engines::demands::DockerStore;
use crate::entitlements::Device;
use crate::error::BuildError;
use crate::grpc::{Connection, MESSAGE};

/// How long Docker's API may take with what its BuildKit can be asked for instead.
const ASIDE: Duration = Duration::from_secs(1);

/// What an engine says that was built without being told its version.
const UNKNOWN: &str = "v0.0.0+unknown";

/// Between two attempts to reach a daemon whose container was just started.
const PAUSE: Duration = Duration::from_millis(250);

/// The label by which a worker names its containerd snapshotter; Docker's older store has none. `docker buildx` tells
/// the stores apart in the same way.
const SNAPSHOTTER: &str = "org.mobyproject.buildkit.worker.snapshotter";

/// The label by which a worker says what runs its steps: `containerd`, or `oci` for a runc of its own.
const EXECUTOR: &str = "org.mobyproject.buildkit.worker.executor";

/// A connection to an engine.
#[derive(Clone)]
pub struct Engine {
    pub(crate) endpoint: Endpoint,
    pub(crate) connection: Connection,
    version: Option<String>,
    /// Whether it answers `Info`, which BuildKit does since 0.11.
    informs: bool,
    docker_store: Option<DockerStore>,
    /// Its machine's, where it is known without the workers.
    platform: Option<Platform>,
    /// Docker takes some 50 ms to list them, since it tries what it can emulate: it is asked once, and only if need be.
    workers: Arc<OnceCell<Vec<Worker>>>,
    said: Said,
}

/// Something that runs steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Worker {
    /// Identifies it.
    pub id: String,
    /// What it can run, its own platform first.
    pub platforms: Vec<Platform>,
    /// What it says of itself.
    pub labels: BTreeMap<String, String>,
    /// The devices of its machine that builds may ask for.
    pub devices: Vec<Device>,
}

impl Worker {
    /// Whether images that it makes are kept under their names. Only containerd keeps them: a worker with an executor
    /// of its own has layers, and no images (`worker/runc` of <https://github.com/moby/buildkit>).
    pub fn keeps_images(&self) -> bool {
        self.labels.get(EXECUTOR).is_none_or(|executor| executor != "oci")
    }
}

impl Engine {
    /// Connects, and asks what answers. It takes [`Endpoint::limit`] at most.
    pub async fn connect(endpoint: &Endpoint) -> Result<Self, ConnectError> {
        let said = Said::default();
        let limit = endpoint.limit();
        let greeted = tokio::time::timeout(limit, Self::greet(endpoint, &said)).await;
        greeted.unwrap_or_else(|_| Err(timeout(endpoint, limit, &said)))
    }

    /// Connects; to a daemon that is just starting, until it is there.
    async fn greet(endpoint: &Endpoint, said: &Said) -> Result<Self, ConnectError> {
        let mut started = false;
        loop {
            let outcome = match endpoint.dial(said).await {
                Ok(dialled) => {
                    started |= dialled.started;
                    let connection = Connection::open(dialled.stream, &dialled.authority).await;
                    let engine = match connection {
                        Ok(connection) => Self::ask(endpoint, connection, said).await,
                        Err(error) => Err(protocol(endpoint, error.to_string())),
                    };
                    match engine {
                        Err(ConnectError::Protocol { endpoint, message }) if dialled.unidentified => {
                            Err(protocol(&endpoint, tls::unidentified(&message)))
                        }
                        engine => engine,
                    }
                }
                Err(error) => Err(error),
            };
            // What a program on the way said last is the cause of whatever went wrong above it.
            let outcome = match (outcome, said.end()) {
                (Err(ConnectError::Protocol { endpoint, .. }), Some(end)) => {
                    let source = std::io::Error::other(end);
                    Err(ConnectError::Open { endpoint, source })
                }
                (outcome, _) => outcome,
            };
            match outcome {
                Err(_) if started => tokio::time::sleep(PAUSE).await,
                outcome => return outcome,
            }
        }
    }

    async fn ask(endpoint: &Endpoint, connection: Connection, said: &Said) -> Result<Self, ConnectError> {
        let mut engine = Self {
            endpoint: endpoint.clone(),
            connection,
            version: None,
            informs: false,
            docker_store: None,
            platform: None,
            workers: Arc::default(),
            said: said.clone(),
        };
        let mut control = engine.control();
        let (info, aside) = tokio::join!(control.info(InfoRequest {}), aside(endpoint));
        match info {
            Ok(info) => {
                let version = info.into_inner().buildkit_version.map(|v| v.version);
                engine.informs = true;
                engine.version = version.filter(|v| !v.is_empty() && v != UNKNOWN);
            }
            // Before BuildKit 0.11.
            Err(status) if status.code() == tonic::Code::Unimplemented => {}
            Err(status) => return Err(engine.refused(&status)),
        }
        if endpoint.is_docker() {
            let containerd = if let Some((info, version)) = aside {
                engine.platform = version.platform();
                info.containerd_store()
            } else {
                let workers = engine.workers().await?;
                workers.iter().any(|worker| worker.labels.contains_key(SNAPSHOTTER))
            };
            engine.docker_store = Some(if containerd {
                DockerStore::Containerd
            } else {
                DockerStore::Graph
            });
        }
        Ok(engine)
    }

    /// One that is taken at its word.
    #[cfg(test)]
    pub(crate) fn over(connection: Connection, endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            connection,
            version: None,
            informs: true,
            docker_store: None,
            platform: None,
            workers: Arc::default(),
            said: Said::default(),
        }
    }

    /// Where it is.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// BuildKit's version, as far as the engine says.
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// Which of its two image stores Docker has, when the engine is the one inside Docker.
    pub fn docker_store(&self) -> Option<DockerStore> {
        self.docker_store
    }

    /// How it looks up images: as `pull` asks, anew. Otherwise Docker, whose users have images of their own in its store,
    /// takes what it has before it asks a registry, as it does for buildx
    /// (`build/opt.go` of <https://github.com/docker/buildx>); other engines keep no images, and ask.
    pub fn resolve_mode(&self, pull: bool) -> ResolveMode {
        if pull {
            ResolveMode::ForcePull
        } else if self.endpoint.is_docker() {
            ResolveMode::PreferLocal
        } else {
            ResolveMode::Default
        }
    }

    /// Whether it can attach attestations to images: BuildKit can since 0.11
    /// (<https://github.com/moby/buildkit/releases/tag/v0.11.0>), in Docker with containerd's store.
    pub fn attests(&self) -> bool {
        self.informs && self.docker_store != Some(DockerStore::Graph)
    }

    /// The platform of its machine.
    pub async fn platform(&self) -> Result<Platform, ConnectError> {
        if let Some(platform) = &self.platform {
            return Ok(platform.clone());
        }
        let workers = self.workers().await?;
        let own = workers.iter().flat_map(|worker| &worker.platforms).next();
        Ok(own.cloned().unwrap_or_else(Platform::linux_amd64))
    }

    /// Its workers, the default one first, as they were when first asked for on this connection. It takes
    /// [`Endpoint::limit`] at most.
    pub async fn workers(&self) -> Result<&[Worker], ConnectError> {
        self.workers
            .get_or_try_init(|| self.list_workers(self.endpoint.limit()))
            .await
            .map(Vec::as_slice)
    }

    pub(crate) async fn list_workers(&self, limit: Duration) -> Result<Vec<Worker>, ConnectError> {
        let mut control = self.control();
        let answer = tokio::time::timeout(limit, control.list_workers(ListWorkersRequest::default())).await;
        let answer = answer.map_err(|_| self.timeout(limit))?;
        let answer = answer.map_err(|status| self.refused(&status))?;
        let platform = |p: pb::Platform| Platform::new(&p.os, &p.architecture, &p.variant).ok();
        let records = answer.into_inner().record.into_iter();
        Ok(records
            .map(|record| Worker {
                id: record.id,
                platforms: record.platforms.into_iter().filter_map(platform).collect(),
                labels: record.labels.into_iter().collect(),
                devices: record.cdi_devices.into_iter().map(Device::from_wire).collect(),
            })
            .collect())
    }

    /// A build's failure, with what a program on the way said if it lost the connection.
    pub(crate) fn explain(&self, error: BuildError) -> BuildError {
        match (error, self.said.end()) {
            (BuildError::Lost(_), Some(end)) => BuildError::Lost(end),
            (error, _) => error,
        }
    }

    pub(crate) fn control(&self) -> ControlClient<Connection> {
        ControlClient::new(self.connection.clone())
            .max_decoding_message_size(MESSAGE)
            .max_encoding_message_size(MESSAGE)
    }

    /// An answer that took too long.
    pub(crate) fn timeout(&self, limit: Duration) -> ConnectError {
        timeout(&self.endpoint, limit, &self.said)
    }

    pub(crate) fn refused(&self, status: &tonic::Status) -> ConnectError {
        protocol(&self.endpoint, crate::error::text(status))
    }
}

/// What Docker says of itself, if it does so in no time. It may be told to keep that from us: then its BuildKit knows, too.
/// Over ssh each question would start another program.
async fn aside(endpoint: &Endpoint) -> Option<(DockerInfo, DockerVersion)> {
    let host = match endpoint {
        Endpoint::Docker(host) if !matches!(host, DockerHost::Ssh(_)) => host,
        _ => return None,
    };
    let asked = async { tokio::try_join!(host.info(), host.version()) };
    tokio::time::timeout(ASIDE, asked).await.ok()?.ok()
}

fn timeout(endpoint: &Endpoint, limit: Duration, said: &Said) -> ConnectError {
    ConnectError::Timeout {
        endpoint: Box::new(endpoint.clone()),
        seconds: limit.as_secs(),
        said: said.text(),
    }
}

fn protocol(endpoint: &Endpoint, message: String) -> ConnectError {
    ConnectError::Protocol {
        endpoint: Box::new(endpoint.clone()),
        message,
    }
}
