//! Opening the connection that an endpoint stands for.
//!
//! Whoever dials bounds it by [`Endpoint::limit`]: a host that swallows packets must not hold a build for minutes.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use super::process::Said;
use super::tls::Inside;
use super::{ConnectError, DockerError, DockerHost, Endpoint, address, container};

/// What a connection may take until the engine has answered: over a socket, TCP or TLS.
pub const SHORT_LIMIT: Duration = Duration::from_secs(10);

/// The same through ssh, a container or a pod, where a program starts first, or a container.
pub const LONG_LIMIT: Duration = Duration::from_secs(30);

/// Bytes both ways.
pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// A connection, whatever it is made of.
pub(crate) type Stream = Box<dyn Io>;

/// A connection that speaks gRPC.
pub(crate) struct Dialled {
    pub(crate) stream: Stream,
    /// The name that the other side goes by.
    pub(crate) authority: String,
    /// Whether its container was started for it, so that the daemon may need a moment.
    pub(crate) started: bool,
    /// Whether the other side asked for a certificate of ours, and there is none.
    pub(crate) unidentified: bool,
}

impl Endpoint {
    /// How long connecting may take, the engine's first answer included.
    pub fn limit(&self) -> Duration {
        match self {
            Self::Unix(_) | Self::Tcp { .. } => SHORT_LIMIT,
            Self::Docker(host) => host.limit(),
            Self::Container { .. } | Self::Command(_) => LONG_LIMIT,
        }
    }

    /// Opens a connection that speaks gRPC. What a program on the way says is in `said`.
    pub(crate) async fn dial(&self, said: &Said) -> Result<Dialled, ConnectError> {
        let open = |source: io::Error| ConnectError::Open {
            endpoint: Box::new(self.clone()),
            source,
        };
        let mut authority = "localhost".to_owned();
        let mut started = false;
        let mut unidentified = false;
        let stream: Stream = match self {
            Self::Unix(path) => Box::new(UnixStream::connect(path).await.map_err(open)?),
            Self::Tcp { host, port, tls } => {
                authority = address::host_port(host, *port);
                match tls {
                    None => Box::new(tcp(host, *port).await.map_err(open)?),
                    Some(settings) => {
                        let prepared = settings.prepare(host, Inside::Grpc);
                        let prepared = prepared.map_err(|source| ConnectError::Tls {
                            endpoint: Box::new(self.clone()),
                            source,
                        })?;
                        authority = settings.server_name.clone().unwrap_or(authority);
                        let stream = tcp(host, *port).await.map_err(open)?;
                        let secured = prepared.over(stream).await.map_err(open)?;
                        unidentified = secured.unidentified;
                        Box::new(secured.stream)
                    }
                }
            }
            Self::Docker(host) => {
                let upgraded = host.upgrade("/grpc", "h2c", None, said).await;
                upgraded.map_err(|e| self.refused(e))?
            }
            Self::Container { docker, name, start } => {
                let entered = container::enter(docker, name, *start, said).await;
                let entered = entered.map_err(|e| self.refused(e))?;
                started = entered.started;
                Box::new(entered.stream)
            }
            Self::Command(command) => Box::new(command.spawn(said).map_err(open)?),
        };
        Ok(Dialled {
            stream,
            authority,
            started,
            unidentified,
        })
    }

    fn refused(&self, error: DockerError) -> ConnectError {
        let endpoint = Box::new(self.clone());
        match error {
            DockerError::Open(source) => ConnectError::Open { endpoint, source },
            DockerError::Tls(source) => ConnectError::Tls { endpoint, source },
            source => ConnectError::Docker { endpoint, source },
        }
    }
}

impl DockerHost {
    /// How long an answer may take.
    pub(super) fn limit(&self) -> Duration {
        match self {
            Self::Ssh(_) => LONG_LIMIT,
            Self::Unix(_) | Self::Tcp { .. } => SHORT_LIMIT,
        }
    }

    /// Opens a connection to Docker's API; with it, whether it asked for a certificate of ours, and there is none.
    pub(super) async fn open(&self, said: &Said) -> Result<(Stream, bool), DockerError> {
        let mut unidentified = false;
        let stream: Stream = match self {
            Self::Unix(path) => Box::new(UnixStream::connect(path).await.map_err(DockerError::Open)?),
            Self::Tcp { host, port, tls: None } => Box::new(tcp(host, *port).await.map_err(DockerError::Open)?),
            Self::Tcp {
                host,
                port,
                tls: Some(settings),
            } => {
                let prepared = settings.prepare(host, Inside::DockerApi).map_err(DockerError::Tls)?;
                let stream = tcp(host, *port).await.map_err(DockerError::Open)?;
                let secured = prepared.over(stream).await.map_err(DockerError::Open)?;
                unidentified = secured.unidentified;
                Box::new(secured.stream)
            }
            Self::Ssh(command) => Box::new(command.spawn(said).map_err(DockerError::Open)?),
        };
        Ok((stream, unidentified))
    }
}

async fn tcp(host: &str, port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect((host, port)).await?;
    // Messages are small and wait for each other.
    stream.set_nodelay(true)?;
    Ok(stream)
}
