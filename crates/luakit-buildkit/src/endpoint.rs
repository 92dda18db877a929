//! Where an engine is: addresses, and how each is reached.
//!
//! An address is parsed into what it means before anything is opened. `unix://PATH` is BuildKit's own
//! socket; Docker's daemon carries the same services over its API's socket, behind an HTTP/1.1 upgrade.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

/// Where Docker listens unless told otherwise.
pub const DOCKER_SOCKET: &str = "/var/run/docker.sock";

/// An engine's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// BuildKit's own daemon on a socket.
    Unix(PathBuf),
    /// The BuildKit inside Docker's daemon, on the socket of its API.
    Docker(PathBuf),
}

/// Why a text is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// Not `SCHEME://…`.
    #[error("`{0}` is not an address: it must be `unix://PATH`")]
    NoScheme(String),
    /// A scheme that we don't speak.
    #[error("`{scheme}://` is not supported; these are: {}", SCHEMES.join(", "))]
    Scheme {
        /// As given.
        scheme: String,
    },
    /// Nothing behind the scheme, or no absolute path.
    #[error("`{0}` has no absolute path to a socket")]
    Path(String),
}

/// What [`Endpoint::from_str`] takes.
pub const SCHEMES: &[&str] = &["unix://"];

impl FromStr for Endpoint {
    type Err = EndpointError;

    /// Parses the address of a BuildKit daemon, as `--addr` and `BUILDKIT_HOST` have it.
    fn from_str(text: &str) -> Result<Self, EndpointError> {
        socket(text).map(Self::Unix)
    }
}

impl Endpoint {
    /// Parses the address of a Docker daemon, as `DOCKER_HOST` has it; nothing is Docker's usual socket.
    pub fn docker(host: Option<&str>) -> Result<Self, EndpointError> {
        match host {
            None | Some("") => Ok(Self::Docker(DOCKER_SOCKET.into())),
            Some(text) => socket(text).map(Self::Docker),
        }
    }

    /// Whether the engine is the one inside Docker, which has an image store of its own.
    pub fn is_docker(&self) -> bool {
        matches!(self, Self::Docker(_))
    }

    /// Opens a connection that speaks gRPC.
    pub(crate) async fn dial(&self) -> Result<UnixStream, ConnectError> {
        match self {
            Self::Unix(path) => self.open(path).await,
            Self::Docker(path) => {
                let stream = self.open(path).await?;
                self.upgrade(stream).await
            }
        }
    }

    async fn open(&self, path: &Path) -> Result<UnixStream, ConnectError> {
        let opened = UnixStream::connect(path).await;
        opened.map_err(|source| ConnectError::Open {
            endpoint: self.clone(),
            source,
        })
    }

    /// Asks Docker's API to speak gRPC from here on.
    async fn upgrade(&self, mut stream: UnixStream) -> Result<UnixStream, ConnectError> {
        const REQUEST: &[u8] = b"POST /grpc HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n";
        let failed = |source| ConnectError::Open {
            endpoint: self.clone(),
            source,
        };
        stream.write_all(REQUEST).await.map_err(failed)?;
        let mut head = Vec::new();
        // Byte by byte: what follows the head belongs to HTTP/2.
        while !head.ends_with(b"\r\n\r\n") {
            if head.len() > 16 << 10 {
                break;
            }
            match stream.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
                Err(error) => return Err(failed(error)),
            }
        }
        let head = String::from_utf8_lossy(&head);
        let status = head.lines().next().unwrap_or_default();
        if status.split(' ').nth(1) == Some("101") {
            return Ok(stream);
        }
        let answer = status.chars().take(200).collect();
        Err(ConnectError::NotDocker {
            endpoint: self.clone(),
            answer,
        })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Docker(path) => write!(f, "docker on unix://{}", path.display()),
        }
    }
}

/// The path in `unix://PATH`.
fn socket(text: &str) -> Result<PathBuf, EndpointError> {
    let Some((scheme, path)) = text.split_once("://") else {
        return Err(EndpointError::NoScheme(text.to_owned()));
    };
    if scheme != "unix" {
        return Err(EndpointError::Scheme {
            scheme: scheme.to_owned(),
        });
    }
    if !path.starts_with('/') {
        return Err(EndpointError::Path(text.to_owned()));
    }
    Ok(path.into())
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The socket can't be opened or doesn't answer.
    #[error("can't connect to {endpoint}: {source}")]
    Open {
        /// What was tried.
        endpoint: Endpoint,
        /// What the system said.
        source: io::Error,
    },
    /// Something else than Docker's API answers, or one without BuildKit.
    #[error("{endpoint} doesn't offer BuildKit; it answered `{answer}`")]
    NotDocker {
        /// What was tried.
        endpoint: Endpoint,
        /// The first line of the answer.
        answer: String,
    },
    /// The other side doesn't speak BuildKit's protocol.
    #[error("{endpoint} doesn't answer as BuildKit does: {message}")]
    Protocol {
        /// What was tried.
        endpoint: Endpoint,
        /// What went wrong.
        message: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let unix = |p: &str| Ok(Endpoint::Unix(p.into()));
        assert_eq!(
            "unix:///run/buildkit/buildkitd.sock".parse(),
            unix("/run/buildkit/buildkitd.sock")
        );
        assert_eq!(Endpoint::docker(None), Ok(Endpoint::Docker(DOCKER_SOCKET.into())));
        assert_eq!(Endpoint::docker(Some("unix:///x")), Ok(Endpoint::Docker("/x".into())));
        let errors = ["tcp://h:1234", "/run/x.sock", "unix://", "unix://x"]
            .map(|text| text.parse::<Endpoint>().unwrap_err().to_string());
        insta::assert_snapshot!(errors.join("\n"), @r"
        `tcp://` is not supported; these are: unix://
        `/run/x.sock` is not an address: it must be `unix://PATH`
        `unix://` has no absolute path to a socket
        `unix://x` has no absolute path to a socket
        ");
    }
}
