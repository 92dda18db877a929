//! BuildKit's own socket, made of Docker's: what `buildkitd` listens on, for tests of `unix://`.
//!
//! Debian has no `buildkitd`. The daemon inside Docker speaks the same gRPC behind an HTTP upgrade on
//! `/grpc` (<https://github.com/moby/moby/blob/v26.1.5/api/server/router/grpc/grpc.go>); a [`Relay`] makes
//! that upgrade for every connection and then carries bytes, knowing nothing of what they say.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// The longest head of a response that is read while looking for its end.
const LONGEST_HEAD: usize = 16 << 10;

/// A listening socket on which every connection reaches the daemon's BuildKit. Dropping it stops new ones.
#[derive(Debug)]
pub struct Relay {
    socket: PathBuf,
    stopped: Arc<AtomicBool>,
}

impl Relay {
    /// Listens on `socket` for the BuildKit behind the Docker daemon's `docker` socket.
    pub fn listen(socket: &Path, docker: &Path) -> io::Result<Self> {
        let listener = UnixListener::bind(socket)?;
        let stopped = Arc::new(AtomicBool::new(false));
        let (ends, docker) = (Arc::clone(&stopped), docker.to_owned());
        thread::spawn(move || {
            while let Ok((client, _)) = listener.accept() {
                if ends.load(Ordering::SeqCst) {
                    return;
                }
                let docker = docker.clone();
                // A failed upgrade closes the connection: the client sees what it would of a dead daemon.
                thread::spawn(move || carry(&client, &docker));
            }
        });
        Ok(Self {
            socket: socket.to_owned(),
            stopped,
        })
    }

    /// The value for `BUILDKIT_HOST`.
    pub fn address(&self) -> String {
        format!("unix://{}", self.socket.display())
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        // Wakes `accept`. A socket that is gone already has no one waiting on it.
        drop(UnixStream::connect(&self.socket));
        drop(std::fs::remove_file(&self.socket));
    }
}

fn carry(client: &UnixStream, docker: &Path) -> io::Result<()> {
    let engine = upgrade(docker)?;
    let (from_client, to_engine) = (client.try_clone()?, engine.try_clone()?);
    let upward = thread::spawn(move || pipe(from_client, to_engine));
    let down = pipe(engine, client.try_clone()?);
    let up = upward.join().unwrap_or(Ok(()));
    down.and(up)
}

/// Copies until the end of `from`, and passes that end on.
fn pipe(mut from: UnixStream, mut to: UnixStream) -> io::Result<()> {
    let copied = io::copy(&mut from, &mut to);
    to.shutdown(Shutdown::Write)?;
    copied.map(drop)
}

/// A connection to the daemon that speaks HTTP/2 from here on.
fn upgrade(docker: &Path) -> io::Result<UnixStream> {
    let mut stream = UnixStream::connect(docker)?;
    stream.write_all(
        b"POST /grpc HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 0\r\n\r\n",
    )?;
    // Byte by byte: what follows the head is HTTP/2 already, and the client's.
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.extend_from_slice(&byte);
        if head.len() > LONGEST_HEAD {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "no end of the response's head",
            ));
        }
    }
    if head.starts_with(b"HTTP/1.1 101 ") {
        Ok(stream)
    } else {
        let line = String::from_utf8_lossy(&head)
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned();
        Err(io::Error::other(format!("the daemon refused the upgrade: {line}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A daemon that answers one upgrade with `answer` and then sends back what it gets.
    fn daemon(folder: &Path, answer: &'static [u8]) -> PathBuf {
        let socket = folder.join("docker.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") {
                stream.read_exact(&mut byte).unwrap();
                head.push(byte[0]);
            }
            assert!(head.starts_with(b"POST /grpc HTTP/1.1\r\n"));
            stream.write_all(answer).unwrap();
            io::copy(&mut stream.try_clone().unwrap(), &mut stream).unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
        });
        socket
    }

    #[test]
    fn bytes_are_carried_both_ways_after_the_upgrade() {
        let folder = tempfile::tempdir().unwrap();
        let docker = daemon(folder.path(), b"HTTP/1.1 101 UPGRADED\r\nUpgrade: h2c\r\n\r\nfirst ");
        let relay = Relay::listen(&folder.path().join("buildkitd.sock"), &docker).unwrap();
        let mut client = UnixStream::connect(relay.address().trim_start_matches("unix://")).unwrap();
        client.write_all(b"then this").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let mut back = String::new();
        client.read_to_string(&mut back).unwrap();
        assert_eq!(back, "first then this");
    }

    #[test]
    fn a_refused_upgrade_closes_the_connection() {
        let folder = tempfile::tempdir().unwrap();
        let docker = daemon(folder.path(), b"HTTP/1.1 404 Not Found\r\n\r\n");
        let relay = Relay::listen(&folder.path().join("buildkitd.sock"), &docker).unwrap();
        let mut client = UnixStream::connect(relay.address().trim_start_matches("unix://")).unwrap();
        let mut back = Vec::new();
        client.read_to_end(&mut back).unwrap();
        assert!(back.is_empty());
    }
}
