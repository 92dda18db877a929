//! The connection of a frontend that an engine runs in a container: HTTP/2 over stdin and stdout, without TLS.
//!
//! The frontend is the client. There is one connection, and its end is the end of the process. Stdout belongs to it
//! alone: once it is taken, whatever is printed goes to stderr, which the engine logs
//! (<https://github.com/moby/buildkit/blob/master/frontend/gateway/gateway.go>).

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use luakit_llb::op::ResolveMode;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::unix::pipe;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::{Gateway, GatewayError, Setting};
use crate::build::CacheEntry;
use crate::grpc::Connection;

/// How long the engine may take to answer at all.
const GREETING: Duration = Duration::from_secs(15);

/// What a frontend is told of the build besides what it asks.
#[derive(Debug, Clone, Default)]
pub struct FrontendSetting {
    /// The engine's version, as far as it is known.
    pub version: Option<String>,
    /// The session of the request, which offers what it needs.
    pub session: String,
    /// Where cache may come from.
    pub cache_imports: Vec<CacheEntry>,
    /// How the engine treats the copies of images that it has.
    pub resolve_mode: ResolveMode,
}

/// Stdin and stdout, taken from the rest of the process.
pub struct Stdio {
    input: OwnedFd,
    output: OwnedFd,
}

impl Stdio {
    /// Takes them. What is printed from now on goes to stderr.
    pub fn take() -> io::Result<Self> {
        let aside = |fd: std::os::fd::BorrowedFd<'_>| rustix::io::fcntl_dupfd_cloexec(fd, 3);
        let input = aside(io::stdin().as_fd())?;
        let output = aside(io::stdout().as_fd())?;
        rustix::stdio::dup2_stdout(io::stderr().as_fd())?;
        Ok(Self { input, output })
    }

    /// Greets the engine, which can be told a failure from then on. The token is cancelled when the connection ends.
    pub async fn open(self) -> Result<(Gateway, CancellationToken), GatewayError> {
        let failed = |e: &dyn std::fmt::Display| Status::unavailable(format!("no connection to BuildKit: {e}"));
        let io = tokio::io::join(
            reader(self.input).map_err(|e| failed(&e))?,
            writer(self.output).map_err(|e| failed(&e))?,
        );
        let greeted = async {
            let (connection, closed) = Connection::open_unwatched(io).await.map_err(|e| failed(&e))?;
            let gateway = Gateway::open(connection, None, Arc::default()).await?;
            Ok::<_, Status>((gateway, closed))
        };
        let greeted = tokio::time::timeout(GREETING, greeted).await;
        let silent = |_| Status::deadline_exceeded(format!("BuildKit doesn't answer within {} s", GREETING.as_secs()));
        Ok(greeted.map_err(silent)??)
    }
}

impl Gateway {
    /// The same connection, for a build of which more is known.
    pub fn with(self, setting: FrontendSetting) -> Self {
        Self {
            setting: Arc::new(setting.into()),
            ..self
        }
    }
}

impl From<FrontendSetting> for Setting {
    fn from(setting: FrontendSetting) -> Self {
        Self {
            engine: format!(
                "BuildKit {}",
                setting.version.as_deref().unwrap_or("of unknown version")
            ),
            // Who asked for the build offers what it needs, and the engine says what is missing.
            offered: None,
            session: setting.session,
            cache_imports: setting
                .cache_imports
                .into_iter()
                .map(CacheEntry::into_gateway)
                .collect(),
            resolve_mode: setting.resolve_mode,
            ..Self::default()
        }
    }
}

/// A pipe, as engines give it; anything else is read on a thread.
fn reader(fd: OwnedFd) -> io::Result<Box<dyn AsyncRead + Send + Unpin>> {
    let spare = fd.try_clone()?;
    match pipe::Receiver::from_owned_fd(fd) {
        Ok(pipe) => Ok(Box::new(pipe)),
        Err(_) => Ok(Box::new(tokio::fs::File::from_std(File::from(spare)))),
    }
}

fn writer(fd: OwnedFd) -> io::Result<Box<dyn AsyncWrite + Send + Unpin>> {
    let spare = fd.try_clone()?;
    match pipe::Sender::from_owned_fd(fd) {
        Ok(pipe) => Ok(Box::new(pipe)),
        Err(_) => Ok(Box::new(tokio::fs::File::from_std(File::from(spare)))),
    }
}
