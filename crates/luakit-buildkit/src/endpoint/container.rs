//! A daemon in a container of Docker's: `buildctl dial-stdio` run in it through Docker's API.
//!
//! Docker carries the process's output in frames: a kind (1 stdout, 2 stderr), three zeros, the length as four bytes,
//! big-endian (<https://docs.docker.com/reference/api/engine/version/v1.45/#tag/Container/operation/ContainerAttach>).
//! What comes on stderr is an error's text.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::process::Said;
use super::{DockerError, DockerHost, Stream};

/// The connection to a container.
pub(super) struct Entered {
    pub(super) stream: Frames,
    /// Whether the container was started for it.
    pub(super) started: bool,
}

#[derive(Deserialize)]
struct Created {
    #[serde(rename = "Id")]
    id: String,
}

/// Connects to the daemon in a container, after starting the container if that is wanted.
pub(super) async fn enter(docker: &DockerHost, name: &str, start: bool, said: &Said) -> Result<Entered, DockerError> {
    let mut started = false;
    let id = match create(docker, name, said).await {
        Err(DockerError::NotRunning) if start => {
            // 304 is a container that somebody else has started meanwhile.
            let call = docker
                .call(Method::POST, &format!("/containers/{name}/start"), None, said)
                .await;
            match call {
                Ok(_) => {}
                Err(DockerError::Refused { status, .. }) if status == StatusCode::NOT_MODIFIED => {}
                Err(error) => return Err(error),
            }
            started = true;
            create(docker, name, said).await?
        }
        created => created?,
    };
    let run = json!({ "Detach": false, "Tty": false });
    let inner = docker
        .upgrade(&format!("/exec/{id}/start"), "tcp", Some(&run), said)
        .await?;
    let stream = Frames::new(inner, said.clone());
    Ok(Entered { stream, started })
}

/// Prepares the process; its id.
async fn create(docker: &DockerHost, name: &str, said: &Said) -> Result<String, DockerError> {
    let process = json!({
        "AttachStdin": true,
        "AttachStdout": true,
        "AttachStderr": true,
        "Cmd": ["buildctl", "dial-stdio"],
    });
    let target = format!("/containers/{name}/exec");
    let created = docker.call(Method::POST, &target, Some(&process), said).await;
    let (_, body) = created.map_err(|error| match error {
        DockerError::Refused { status, .. } if status == StatusCode::NOT_FOUND => DockerError::NoContainer,
        DockerError::Refused { status, .. } if status == StatusCode::CONFLICT => DockerError::NotRunning,
        error => error,
    })?;
    let created: Created = serde_json::from_slice(&body).map_err(|e| DockerError::Protocol(e.to_string()))?;
    let known = |c: char| c.is_ascii_alphanumeric();
    if created.id.is_empty() || !created.id.chars().all(known) {
        return Err(DockerError::Protocol("a process without an id".to_owned()));
    }
    Ok(created.id)
}

/// A process's standard streams.
pub(super) struct Frames {
    inner: Stream,
    said: Said,
    header: [u8; 8],
    /// Bytes of the header that are there.
    filled: usize,
    /// Bytes of the frame that are still to come.
    left: usize,
    /// Whether the daemon has spoken. Docker reports on stdout what keeps a process from starting.
    spoken: bool,
}

impl Frames {
    fn new(inner: Stream, said: Said) -> Self {
        Self {
            inner,
            said,
            header: [0; 8],
            filled: 0,
            left: 0,
            spoken: false,
        }
    }

    fn end(&self) -> io::Result<()> {
        match self.said.text() {
            said if said.is_empty() => Ok(()),
            said => {
                self.said.ended(&said);
                Err(io::Error::new(io::ErrorKind::BrokenPipe, said))
            }
        }
    }

    /// Reads on in the header; whether it is whole. Nothing at the end of the stream.
    fn poll_header(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<()>>> {
        while let Some(space) = self.header.get_mut(self.filled..).filter(|space| !space.is_empty()) {
            let mut buf = ReadBuf::new(space);
            ready!(Pin::new(&mut self.inner).poll_read(cx, &mut buf))?;
            match buf.filled().len() {
                0 => return Poll::Ready(Ok(None)),
                read => self.filled += read,
            }
        }
        let [_, _, _, _, length @ ..] = self.header;
        self.left = u32::from_be_bytes(length) as usize;
        self.filled = 0;
        Poll::Ready(Ok(Some(())))
    }

    /// Takes some of the frame as what was said.
    fn poll_said(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let mut space = [0; 512];
        let size = self.left.min(space.len());
        let mut buf = ReadBuf::new(space.get_mut(..size).unwrap_or_default());
        ready!(Pin::new(&mut self.inner).poll_read(cx, &mut buf))?;
        self.said.add(buf.filled());
        self.left -= buf.filled().len();
        Poll::Ready(Ok(!buf.filled().is_empty()))
    }
}

impl AsyncRead for Frames {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            while this.left == 0 {
                if ready!(this.poll_header(cx))?.is_none() {
                    return Poll::Ready(this.end());
                }
            }
            let [kind, ..] = this.header;
            if kind != 1 {
                if !ready!(this.poll_said(cx))? {
                    return Poll::Ready(this.end());
                }
                continue;
            }
            let size = this.left.min(buf.remaining());
            let mut part = ReadBuf::new(buf.initialize_unfilled_to(size));
            ready!(Pin::new(&mut this.inner).poll_read(cx, &mut part))?;
            let read = part.filled().len();
            if read == 0 {
                return Poll::Ready(this.end());
            }
            this.left -= read;
            // HTTP/2 begins with a frame of less than 64 KiB, so with a zero; a message begins with a letter.
            if !this.spoken && part.filled().first() != Some(&0) {
                this.said.add(part.filled());
                this.header[0] = 2;
                continue;
            }
            this.spoken = true;
            buf.advance(read);
            return Poll::Ready(Ok(()));
        }
    }
}

impl AsyncWrite for Frames {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    fn frame(kind: u8, bytes: &[u8]) -> Vec<u8> {
        let mut frame = vec![kind, 0, 0, 0];
        frame.extend(u32::try_from(bytes.len()).unwrap().to_be_bytes());
        frame.extend(bytes);
        frame
    }

    /// What is read when these bytes come, `step` of them at a time.
    async fn read(bytes: &[u8], step: usize) -> (Vec<u8>, Option<String>) {
        let (ours, mut theirs) = tokio::io::duplex(step);
        let bytes = bytes.to_vec();
        tokio::spawn(async move { theirs.write_all(&bytes).await });
        let mut frames = Frames::new(Box::new(ours), Said::default());
        let mut all = Vec::new();
        let end = frames.read_to_end(&mut all).await;
        (all, end.err().map(|e| e.to_string()))
    }

    #[tokio::test]
    async fn frames_are_taken_apart() {
        let mut bytes = frame(1, b"\0one");
        bytes.extend(frame(2, b"a warning"));
        bytes.extend(frame(1, b""));
        bytes.extend(frame(1, b" two"));
        for step in [1, 3, 8, 100] {
            let (all, end) = read(&bytes, step).await;
            assert_eq!(all, b"\0one two");
            assert_eq!(end.as_deref(), Some("a warning"));
        }
        assert_eq!(read(&frame(1, b"\0"), 100).await, (vec![0], None));
    }

    #[tokio::test]
    async fn a_process_that_can_not_start() {
        let bytes = frame(1, b"OCI runtime exec failed: buildctl: not found\r\n");
        for step in [1, 100] {
            let (all, end) = read(&bytes, step).await;
            assert_eq!(all, b"");
            assert_eq!(end.as_deref(), Some("OCI runtime exec failed: buildctl: not found"));
        }
    }
}
