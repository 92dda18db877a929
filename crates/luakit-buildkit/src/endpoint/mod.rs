//! Where an engine is: addresses, and how each is reached.
//!
//! An [`Address`] is what a person writes (`address`); an [`Endpoint`] is what can be dialled, with everything that
//! the address leaves to the environment filled in. Dialling (`dial`) gives a stream that speaks gRPC, whatever lies
//! beneath: a socket, TLS (`tls`), Docker's API (`docker`), a child process (`process`). It is bounded in time.

mod address;
mod container;
mod dial;
pub mod docker;
mod load;
mod pipe;
mod process;
pub(crate) mod tls;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::str::FromStr;

pub use address::{Address, EndpointError, SCHEMES};
pub(crate) use address::{decode, name as check_name, pod as check_pod};
pub(crate) use dial::Stream;
pub use dial::{LONG_LIMIT, SHORT_LIMIT};
pub use docker::{DOCKER_SOCKET, DockerError, DockerHost, DockerInfo};
pub use load::{LoadError, LoadEvent};
pub use pipe::pipe;
pub use process::CommandLine;
pub(crate) use process::Said;
pub use tls::TlsSettings;

/// What can be dialled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// BuildKit's own daemon on a socket.
    Unix(PathBuf),
    /// BuildKit's own daemon on a TCP port.
    Tcp {
        /// A name or an address, an IPv6 address without brackets.
        host: String,
        /// Its port.
        port: u16,
        /// With TLS.
        tls: Option<TlsSettings>,
    },
    /// The BuildKit inside Docker's daemon.
    Docker(DockerHost),
    /// A daemon in a container of Docker's, reached by `buildctl dial-stdio` in it.
    Container {
        /// Where the container is.
        docker: DockerHost,
        /// Its name.
        name: String,
        /// Whether it is started when it isn't running.
        start: bool,
    },
    /// A command that carries gRPC on its standard input and output.
    Command(CommandLine),
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    /// Parses the address of a BuildKit daemon, as `--addr` and `BUILDKIT_HOST` have it, with the environment left
    /// out: `tcp://` without TLS, containers in the Docker on its usual socket.
    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let address: Address = text.parse()?;
        let docker = || DockerHost::Unix(DOCKER_SOCKET.into());
        if let Address::DockerContainer { context: Some(_), .. } = &address {
            return Err(EndpointError::NeedsContext(text.to_owned()));
        }
        Ok(address.endpoint(None, docker))
    }
}

impl Endpoint {
    /// Parses the address of a Docker daemon, as `DOCKER_HOST` has it, without TLS; nothing is Docker's usual socket.
    pub fn docker(host: Option<&str>) -> Result<Self, EndpointError> {
        DockerHost::parse(host.unwrap_or_default(), None).map(Self::Docker)
    }

    /// Whether the engine is the one inside Docker, which has an image store of its own.
    pub fn is_docker(&self) -> bool {
        matches!(self, Self::Docker(_))
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp { host, port, .. } => write!(f, "tcp://{}", address::host_port(host, *port)),
            Self::Docker(host) => write!(f, "docker on {host}"),
            Self::Container { docker, name, .. } => write!(f, "the container {name} of docker on {docker}"),
            Self::Command(command) => command.fmt(f),
        }
    }
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The connection can't be opened.
    #[error("can't connect to {endpoint}: {source}")]
    Open {
        /// What was tried.
        endpoint: Box<Endpoint>,
        /// What the system said, or the program that was to connect us.
        source: io::Error,
    },
    /// Docker's API answers, and not with what was asked for: something else answers, or one without BuildKit, or
    /// it has no such container.
    #[error("{endpoint} {source}")]
    Docker {
        /// What was tried.
        endpoint: Box<Endpoint>,
        /// What it said.
        source: DockerError,
    },
    /// A certificate or a key can't be used.
    #[error("can't connect to {endpoint}: {source}")]
    Tls {
        /// What was to be tried.
        endpoint: Box<Endpoint>,
        /// Which, and why.
        source: luakit_frontend::tls::TlsFileError,
    },
    /// No answer in time.
    #[error("{endpoint} doesn't answer: waited {seconds} s{}", if said.is_empty() { String::new() } else { format!("; {said}") })]
    Timeout {
        /// What was tried.
        endpoint: Box<Endpoint>,
        /// How long.
        seconds: u64,
        /// What the program that was to connect us has said meanwhile.
        said: String,
    },
    /// The other side doesn't speak BuildKit's protocol.
    #[error("{endpoint} doesn't answer as BuildKit does: {message}")]
    Protocol {
        /// What was tried.
        endpoint: Box<Endpoint>,
        /// What went wrong.
        message: String,
    },
}

impl ConnectError {
    /// Whether Docker answers, and has no container of the name that the engine's should have.
    pub fn lacks_container(&self) -> bool {
        matches!(
            self,
            Self::Docker {
                source: DockerError::NoContainer,
                ..
            }
        )
    }
}
