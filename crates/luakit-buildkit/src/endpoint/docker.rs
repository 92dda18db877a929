//! Docker's API, as far as engines need it: one request a connection, and upgrades of that connection.
//!
//! The API: <https://docs.docker.com/reference/api/engine/>. Requests carry no version, which means the daemon's own.
//! Its BuildKit is behind an upgrade of `POST /grpc`, and a process in a container behind one of `POST /exec/ID/start`.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use luakit_frontend::tls::TlsFileError;
use luakit_llb::Platform;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::address::{Parts, host_port, quote};
use super::process::Said;
use super::{CommandLine, EndpointError, Stream, TlsSettings, tls};

/// Where Docker listens unless told otherwise.
pub const DOCKER_SOCKET: &str = "/var/run/docker.sock";

/// What [`DockerHost::parse`] takes.
const SCHEMES: &[&str] = &["unix://", "tcp://", "ssh://"];

/// The largest answer that is read.
const ANSWER: usize = 4 << 20;

/// Where a Docker daemon is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DockerHost {
    /// On a socket.
    Unix(PathBuf),
    /// On a TCP port.
    Tcp {
        /// A name or an address, an IPv6 address without brackets.
        host: String,
        /// Its port.
        port: u16,
        /// With TLS.
        tls: Option<TlsSettings>,
    },
    /// On another machine, by `docker system dial-stdio` there.
    Ssh(CommandLine),
}

/// Why Docker didn't do it.
#[derive(Debug, thiserror::Error)]
pub enum DockerError {
    /// No connection.
    #[error("can't be reached: {0}")]
    Open(io::Error),
    /// A certificate or a key can't be used.
    #[error("can't be reached: {0}")]
    Tls(TlsFileError),
    /// It refused.
    #[error("answered `{status}`{}", if message.is_empty() { String::new() } else { format!(": {message}") })]
    Refused {
        /// HTTP's status.
        status: StatusCode,
        /// What it said about it.
        message: String,
    },
    /// There is no BuildKit in it, or it is no Docker.
    #[error("doesn't offer BuildKit; it answered `{0}`")]
    NoBuildKit(StatusCode),
    /// The container isn't there.
    #[error("does not exist")]
    NoContainer,
    /// The container doesn't run.
    #[error("is not running")]
    NotRunning,
    /// The connection broke, or something else than Docker answers.
    #[error("doesn't answer as Docker does: {0}")]
    Protocol(String),
    /// No answer in time.
    #[error("doesn't answer: waited {0} s")]
    Timeout(u64),
}

/// What a daemon says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct DockerInfo {
    /// Its version.
    pub server_version: String,
    /// The storage driver.
    pub driver: String,
    /// What the storage driver says of itself, as pairs.
    pub driver_status: Vec<Vec<String>>,
}

/// What a daemon says of the program that it is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct DockerVersion {
    /// What it was built for, in Go's words.
    pub os: String,
    /// The same: a daemon for 32 bits may run on a machine of 64, and then builds for what it is itself.
    pub arch: String,
}

impl DockerVersion {
    /// What its builds are for, where that follows: 32-bit ARM has variants, which the daemon finds out itself.
    pub fn platform(&self) -> Option<Platform> {
        let known = matches!(self.arch.as_str(), "amd64" | "arm64" | "s390x" | "ppc64le" | "riscv64");
        let platform = || Platform::new(&self.os, &self.arch, "").ok();
        (known && self.os == "linux").then(platform).flatten()
    }
}

impl DockerInfo {
    /// Whether images are kept in containerd's store.
    pub fn containerd_store(&self) -> bool {
        let pair = ["driver-type", "io.containerd.snapshotter.v1"];
        self.driver_status.iter().any(|status| status.as_slice() == pair)
    }
}

impl fmt::Display for DockerHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp { host, port, .. } => write!(f, "tcp://{}", host_port(host, *port)),
            Self::Ssh(command) => command.fmt(f),
        }
    }
}

/// A request's body.
pub(super) type Body = UnsyncBoxBody<Bytes, io::Error>;

pub(super) fn whole(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

impl DockerHost {
    /// Parses an address as `DOCKER_HOST` and docker contexts have it; nothing is Docker's usual socket. `tls` is for
    /// a TCP port.
    pub fn parse(text: &str, tls: Option<TlsSettings>) -> Result<Self, EndpointError> {
        if text.is_empty() {
            return Ok(Self::Unix(DOCKER_SOCKET.into()));
        }
        if text.starts_with('/') {
            return Err(EndpointError::Part {
                address: text.to_owned(),
                reason: format!("it is a socket's path: write `unix://{text}`"),
            });
        }
        let with_scheme;
        let text = if text.contains("://") {
            text
        } else {
            // As `docker` reads it.
            with_scheme = format!("tcp://{text}");
            &with_scheme
        };
        let parts = Parts::of(text)?;
        match parts.scheme {
            "unix" => parts.socket().map(Self::Unix),
            "tcp" => {
                parts.only(&[])?;
                let (host, port) = parts.tcp(if tls.is_some() { 2376 } else { 2375 })?;
                Ok(Self::Tcp { host, port, tls })
            }
            "ssh" => {
                let ssh = parts.ssh()?;
                let remote = match &ssh.path {
                    Some(socket) => format!("docker {} system dial-stdio", quote(&format!("--host=unix://{socket}"))),
                    None => "docker system dial-stdio".to_owned(),
                };
                Ok(Self::Ssh(CommandLine {
                    address: text.to_owned(),
                    program: "ssh".to_owned(),
                    args: ssh.args(remote),
                }))
            }
            scheme => Err(EndpointError::Scheme {
                scheme: scheme.to_owned(),
                known: SCHEMES,
            }),
        }
    }

    /// What the daemon says of the program that it is.
    pub async fn version(&self) -> Result<DockerVersion, DockerError> {
        self.get("/version").await
    }

    /// What the daemon says of itself.
    pub async fn info(&self) -> Result<DockerInfo, DockerError> {
        self.get("/info").await
    }

    async fn get<T: DeserializeOwned>(&self, target: &str) -> Result<T, DockerError> {
        let (_, body) = self
            .bounded(self.call(Method::GET, target, None, &Said::default()))
            .await?;
        serde_json::from_slice(&body).map_err(|e| DockerError::Protocol(e.to_string()))
    }

    /// Gives up in time.
    async fn bounded<T>(&self, work: impl Future<Output = Result<T, DockerError>>) -> Result<T, DockerError> {
        let limit = self.limit();
        let ended = tokio::time::timeout(limit, work).await;
        ended.unwrap_or(Err(DockerError::Timeout(limit.as_secs())))
    }

    /// A request with its whole answer, which must be a success.
    pub(super) async fn call(
        &self,
        method: Method,
        target: &str,
        json: Option<&Value>,
        said: &Said,
    ) -> Result<(StatusCode, Bytes), DockerError> {
        let request = request(method, target, json)?;
        let response = self.send(request, said).await?;
        let status = response.status();
        let body = answer(response).await?;
        if status.is_success() {
            return Ok((status, body));
        }
        Err(refusal(status, &body))
    }

    /// Sends a request.
    pub(super) async fn send(&self, request: Request<Body>, said: &Said) -> Result<Response<Incoming>, DockerError> {
        let (stream, unidentified) = self.open(said).await?;
        let protocol = |error: hyper::Error| match protocol(error) {
            DockerError::Protocol(text) if unidentified => DockerError::Protocol(tls::unidentified(&text)),
            DockerError::Open(error) if unidentified => {
                DockerError::Open(io::Error::other(tls::unidentified(&error.to_string())))
            }
            error => error,
        };
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(protocol)?;
        // Ends with the answer, or when nobody waits for it.
        tokio::spawn(connection.with_upgrades());
        sender.send_request(request).await.map_err(protocol)
    }

    /// Makes the connection speak something else.
    pub(super) async fn upgrade(
        &self,
        target: &str,
        to: &str,
        json: Option<&Value>,
        said: &Said,
    ) -> Result<Stream, DockerError> {
        let mut request = request(Method::POST, target, json)?;
        let headers = request.headers_mut();
        headers.insert(header::CONNECTION, header::HeaderValue::from_static("Upgrade"));
        if let Ok(to) = header::HeaderValue::from_str(to) {
            headers.insert(header::UPGRADE, to);
        }
        let response = self.send(request, said).await?;
        let status = response.status();
        if status == StatusCode::SWITCHING_PROTOCOLS {
            let upgraded = hyper::upgrade::on(response).await.map_err(protocol)?;
            return Ok(Box::new(TokioIo::new(upgraded)));
        }
        if json.is_none() {
            return Err(DockerError::NoBuildKit(status));
        }
        let body = answer(response).await?;
        Err(refusal(status, &body))
    }
}

fn request(method: Method, target: &str, json: Option<&Value>) -> Result<Request<Body>, DockerError> {
    let mut builder = Request::builder()
        .method(method)
        .uri(target)
        .header(header::HOST, "docker");
    if json.is_some() {
        builder = builder.header(header::CONTENT_TYPE, "application/json");
    }
    let body = json.map(Value::to_string).unwrap_or_default();
    builder
        .body(whole(body))
        .map_err(|e| DockerError::Protocol(e.to_string()))
}

/// The whole body of an answer, which is short.
pub(super) async fn answer(response: Response<Incoming>) -> Result<Bytes, DockerError> {
    let body = Limited::new(response.into_body(), ANSWER).collect().await;
    Ok(body.map_err(|e| DockerError::Protocol(e.to_string()))?.to_bytes())
}

/// What Docker says with a status that is no success.
pub(super) fn refusal(status: StatusCode, body: &[u8]) -> DockerError {
    #[derive(Deserialize)]
    struct Refusal {
        message: String,
    }
    let message = serde_json::from_slice::<Refusal>(body).map(|refusal| refusal.message);
    DockerError::Refused {
        status,
        message: message.unwrap_or_default(),
    }
}

/// A failed exchange, by its cause: what the system said, or a program on the way.
#[allow(clippy::needless_pass_by_value, reason = "for `map_err`")]
pub(super) fn protocol(error: hyper::Error) -> DockerError {
    let mut cause: &dyn Error = &error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    match cause.downcast_ref::<io::Error>() {
        Some(cause) => DockerError::Open(io::Error::new(cause.kind(), cause.to_string())),
        None => DockerError::Protocol(cause.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> String {
        match DockerHost::parse(text, None) {
            Ok(DockerHost::Ssh(command)) => format!("{} {}", command.program, command.args.join(" ")),
            Ok(host) => host.to_string(),
            Err(error) => format!("error: {error}"),
        }
    }

    #[test]
    fn where_docker_is() {
        let hosts = [
            "",
            "unix:///run/user/1000/docker.sock",
            "tcp://10.0.0.1",
            "10.0.0.1:2375",
            "tcp://[::1]:2376",
            "ssh://me@build.example:22",
            "ssh://build.example/run/user/1000/docker.sock",
            "npipe:////./pipe/docker_engine",
            "ssh://me:secret@build.example",
        ];
        insta::assert_snapshot!(hosts.map(parsed).join("\n"), @"
        unix:///var/run/docker.sock
        unix:///run/user/1000/docker.sock
        tcp://10.0.0.1:2375
        tcp://10.0.0.1:2375
        tcp://[::1]:2376
        ssh -T -o ConnectTimeout=20 -l me -p 22 -- build.example docker system dial-stdio
        ssh -T -o ConnectTimeout=20 -- build.example docker '--host=unix:///run/user/1000/docker.sock' system dial-stdio
        error: `npipe://` is not supported; these are: `unix://`, `tcp://`, `ssh://`
        error: an address with `ssh://` can't hold a password
        ");
    }

    #[test]
    fn stores() {
        let info = |json: &str| serde_json::from_str::<DockerInfo>(json).unwrap();
        let containerd = r#"{"Driver":"overlayfs","DriverStatus":[["driver-type","io.containerd.snapshotter.v1"]],"ServerVersion":"26.1.5","Other":1}"#;
        assert!(info(containerd).containerd_store());
        assert_eq!(info(containerd).server_version, "26.1.5");
        let graph = r#"{"Driver":"overlay2","DriverStatus":[["Backing Filesystem","extfs"]]}"#;
        assert!(!info(graph).containerd_store());
    }

    #[test]
    fn what_a_daemon_builds_for() {
        let platform = |json: &str| {
            let version = serde_json::from_str::<DockerVersion>(json).unwrap();
            version.platform().map(|platform| platform.to_string())
        };
        assert_eq!(
            platform(r#"{"Version":"26.1.5","Os":"linux","Arch":"amd64","KernelVersion":"6"}"#).as_deref(),
            Some("linux/amd64")
        );
        assert_eq!(
            platform(r#"{"Os":"linux","Arch":"arm64"}"#).as_deref(),
            Some("linux/arm64")
        );
        for unsure in [
            r#"{"Os":"linux","Arch":"arm"}"#,
            r#"{"Os":"windows","Arch":"amd64"}"#,
            "{}",
        ] {
            assert_eq!(platform(unsure), None, "{unsure}");
        }
    }
}
