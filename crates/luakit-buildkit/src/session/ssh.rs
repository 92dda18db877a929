//! SSH agents for the engine: `moby.sshforward.v1.SSH`.
//!
//! A step that mounts an agent talks to the user's own ([`SshSource::Agent`]), to one that lives in this
//! process and holds keys read from files ([`keys`]), or to any socket as it is. Of an agent a step may list
//! keys and have things signed; whatever else it asks is refused here ([`agent`]), so that no build adds,
//! removes or locks keys. Protocol: <https://github.com/moby/buildkit/blob/master/session/sshforward/ssh.proto>.

mod agent;
mod keys;

use std::collections::BTreeMap;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use luakit_proto::sshforward::ssh_server::Ssh;
use luakit_proto::sshforward::{BytesMessage, CheckAgentRequest, CheckAgentResponse};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::{Failure, Failures, ServiceError};
pub use keys::KeyError;

/// The methods as they are announced.
pub(crate) const METHODS: [&str; 2] = [
    "/moby.sshforward.v1.SSH/CheckAgent",
    "/moby.sshforward.v1.SSH/ForwardAgent",
];

/// The id of the agent that a build uses without saying which.
pub const DEFAULT_SSH: &str = "default";

/// What stands behind an id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SshSource {
    /// The socket of an SSH agent; steps may list keys and have things signed.
    Agent(PathBuf),
    /// Private key files that need no passphrase.
    Keys(Vec<PathBuf>),
    /// A socket, passed on as it is.
    Raw(PathBuf),
}

impl SshSource {
    /// What paths stand for, by what is there: one socket, or key files. `id` is for the error.
    pub fn from_paths(id: &str, paths: Vec<PathBuf>, raw: bool) -> Result<Self, ServiceError> {
        let wrong = |reason| {
            Err(ServiceError::Ssh {
                id: id.to_owned(),
                reason,
            })
        };
        let mut sockets = 0;
        for path in &paths {
            let kind = std::fs::metadata(path).map_err(|e| ServiceError::agent(id, path, e))?;
            sockets += usize::from(kind.file_type().is_socket());
        }
        match (paths.as_slice(), sockets, raw) {
            ([], ..) => wrong("it has neither a socket nor a key"),
            ([socket], 1, true) => Ok(Self::Raw(socket.clone())),
            (_, _, true) => wrong("with `raw=true` it must be one socket"),
            ([socket], 1, false) => Ok(Self::Agent(socket.clone())),
            (_, 0, false) => Ok(Self::Keys(paths)),
            _ => wrong("it must be either one socket or key files"),
        }
    }
}

/// An agent, ready for a build.
#[derive(Clone)]
enum Agent {
    Socket(PathBuf),
    Keys(Arc<keys::Keyring>),
    Raw(PathBuf),
}

/// The agents of a build.
pub(crate) struct Agents(BTreeMap<String, Agent>);

impl Agents {
    /// Reads keys and looks at sockets, so that what can't work fails before the build.
    pub(crate) fn new(sources: BTreeMap<String, SshSource>) -> Result<Self, ServiceError> {
        let mut agents = BTreeMap::new();
        for (id, source) in sources {
            let agent = match source {
                SshSource::Agent(path) => Agent::Socket(socket(&id, path)?),
                SshSource::Raw(path) => Agent::Raw(socket(&id, path)?),
                SshSource::Keys(paths) => {
                    let keys = keys::Keyring::load(&paths)
                        .map_err(|source| ServiceError::SshKey { id: id.clone(), source })?;
                    Agent::Keys(Arc::new(keys))
                }
            };
            agents.insert(id, agent);
        }
        Ok(Self(agents))
    }
}

fn socket(id: &str, path: PathBuf) -> Result<PathBuf, ServiceError> {
    let metadata = std::fs::metadata(&path).map_err(|e| ServiceError::agent(id, &path, e))?;
    if !metadata.file_type().is_socket() {
        return Err(ServiceError::Ssh {
            id: id.to_owned(),
            reason: "its socket is none",
        });
    }
    Ok(path)
}

/// The service.
#[derive(Clone)]
pub(crate) struct Forwarder {
    agents: Arc<Agents>,
    failures: Failures,
}

impl Forwarder {
    pub(crate) fn new(agents: Agents, failures: Failures) -> Self {
        Self {
            agents: Arc::new(agents),
            failures,
        }
    }

    fn agent(&self, id: &str) -> Result<(String, Agent), Status> {
        let id = if id.is_empty() { DEFAULT_SSH } else { id };
        let agent = self.agents.0.get(id).cloned();
        let agent = agent.ok_or_else(|| Status::unknown(format!("unset ssh forward key {id}")))?;
        Ok((id.to_owned(), agent))
    }

    async fn connect(&self, id: &str, path: &Path) -> Result<UnixStream, Status> {
        UnixStream::connect(path).await.map_err(|source| {
            let error = ServiceError::agent(id, path, source);
            let status = Status::unknown(error.to_string());
            self.failures.record(Failure::Service(error));
            status
        })
    }
}

#[tonic::async_trait]
impl Ssh for Forwarder {
    type ForwardAgentStream = ReceiverStream<Result<BytesMessage, Status>>;

    async fn check_agent(&self, request: Request<CheckAgentRequest>) -> Result<Response<CheckAgentResponse>, Status> {
        self.agent(&request.into_inner().id)?;
        Ok(Response::new(CheckAgentResponse {}))
    }

    async fn forward_agent(
        &self,
        request: Request<Streaming<BytesMessage>>,
    ) -> Result<Response<Self::ForwardAgentStream>, Status> {
        let header = request.metadata().get("buildkit.ssh.id");
        let (id, agent) = self.agent(header.and_then(|v| v.to_str().ok()).unwrap_or_default())?;
        let (outgoing, stream) = mpsc::channel(4);
        let step = Step {
            incoming: request.into_inner(),
            pending: BytesMut::new(),
            outgoing,
        };
        match agent {
            Agent::Raw(path) => {
                let socket = self.connect(&id, &path).await?;
                tokio::spawn(step.pipe(socket));
            }
            Agent::Socket(path) => {
                let socket = self.connect(&id, &path).await?;
                tokio::spawn(step.talk(agent::Backend::Socket(socket)));
            }
            Agent::Keys(keys) => {
                tokio::spawn(step.talk(agent::Backend::Keys(keys)));
            }
        }
        Ok(Response::new(ReceiverStream::new(stream)))
    }
}

/// A step's end of a connection.
struct Step {
    incoming: Streaming<BytesMessage>,
    pending: BytesMut,
    outgoing: mpsc::Sender<Result<BytesMessage, Status>>,
}

impl Step {
    /// Answers requests until the step hangs up. What is no agent's protocol ends the connection.
    async fn talk(mut self, mut backend: agent::Backend) {
        loop {
            let request = match agent::split(&mut self.pending) {
                Ok(Some(request)) => request,
                Ok(None) => match self.incoming.message().await {
                    Ok(Some(message)) => {
                        self.pending.extend_from_slice(&message.data);
                        continue;
                    }
                    Ok(None) | Err(_) => return,
                },
                Err(error) => {
                    let _ = self
                        .outgoing
                        .send(Err(Status::invalid_argument(error.to_string())))
                        .await;
                    return;
                }
            };
            let answer = match backend.answer(request).await {
                Ok(data) => Ok(BytesMessage { data }),
                Err(error) => Err(Status::unavailable(format!("the ssh agent doesn't answer: {error}"))),
            };
            let last = answer.is_err();
            if self.outgoing.send(answer).await.is_err() || last {
                return;
            }
        }
    }

    /// Passes bytes on both ways until both have ended.
    async fn pipe(mut self, socket: UnixStream) {
        let (mut from, mut to) = socket.into_split();
        let outgoing = self.outgoing;
        let up = async move {
            while let Ok(Some(message)) = self.incoming.message().await {
                if to.write_all(&message.data).await.is_err() {
                    return;
                }
            }
            let _ = to.shutdown().await;
        };
        let down = async move {
            let mut buffer = BytesMut::new();
            loop {
                buffer.reserve(32 << 10);
                match from.read_buf(&mut buffer).await {
                    Ok(0) => return,
                    Ok(_) => {
                        let data: Bytes = buffer.split().freeze();
                        if outgoing.send(Ok(BytesMessage { data })).await.is_err() {
                            return;
                        }
                    }
                    Err(error) => {
                        let _ = outgoing.send(Err(Status::unavailable(error.to_string()))).await;
                        return;
                    }
                }
            }
        };
        // Once the socket has ended there is nobody to send to.
        tokio::pin!(up, down);
        tokio::select! {
            () = &mut down => {}
            () = &mut up => down.await,
        }
    }
}

#[cfg(test)]
mod tests;
