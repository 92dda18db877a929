//! BuildKit's own socket, made of Docker's: what `buildkitd` listens on, for tests of `unix://`.
//!
//! Debian has no `buildkitd`. The daemon inside Docker speaks the same gRPC behind an HTTP upgrade on
//! `/grpc` (<https://github.com/moby/moby/blob/v26.1.5/api/server/router/grpc/grpc.go>); a [`Relay`] makes
//! that upgrade for every connection and then carries bytes, knowing nothing of what they say. In the middle of that it
//! can be cut, fall silent, or talk nonsense.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// The longest head of a response that is read while looking for its end.
const LONGEST_HEAD: usize = 16 << 10;

/// A listening socket on which every connection reaches the daemon's BuildKit. Dropping it stops new ones.
#[derive(Debug)]
pub struct Relay {
    socket: PathBuf,
    stopped: Arc<AtomicBool>,
    line: Line,
}

/// What has become of the connections.
#[derive(Debug, Clone, Default)]
struct Line {
    silent: Arc<AtomicBool>,
    hidden: Arc<Mutex<Vec<u8>>>,
    clients: Arc<Mutex<Vec<UnixStream>>>,
}

impl Line {
    /// Copies until the end of `from`, and passes that end on. What has fallen silent stays so.
    fn pipe(&self, mut from: UnixStream, mut to: UnixStream, downward: bool) -> io::Result<()> {
        let mut buffer = vec![0; 64 << 10];
        let mut begun = 0;
        loop {
            let read = from.read(&mut buffer)?;
            while self.silent.load(Ordering::SeqCst) {
                thread::sleep(Duration::from_millis(50));
            }
            let Some(bytes) = buffer.get_mut(..read).filter(|bytes| !bytes.is_empty()) else {
                return to.shutdown(Shutdown::Write);
            };
            if downward {
                self.hide(bytes, &mut begun);
            }
            to.write_all(bytes)?;
        }
    }

    /// Writes something else over what is hidden, of the same length: nothing around it changes. `begun` is how much of
    /// it stood at the end of what came before: that has gone, and its rest is enough to make another word of it.
    fn hide(&self, bytes: &mut [u8], begun: &mut usize) {
        let hidden = self.hidden.lock().unwrap_or_else(PoisonError::into_inner);
        for byte in bytes {
            // The words are names: none begins again within itself.
            *begun = match hidden.get(*begun) {
                Some(next) if next == byte => *begun + 1,
                _ => usize::from(hidden.first() == Some(byte)),
            };
            if *begun > 0 && *begun == hidden.len() {
                *byte = b'-';
                *begun = 0;
            }
        }
    }
}

impl Relay {
    /// Listens on `socket` for the BuildKit behind the Docker daemon's `docker` socket.
    pub fn listen(socket: &Path, docker: &Path) -> io::Result<Self> {
        let listener = UnixListener::bind(socket)?;
        let stopped = Arc::new(AtomicBool::new(false));
        let line = Line::default();
        let (ends, docker, carrier) = (Arc::clone(&stopped), docker.to_owned(), line.clone());
        thread::spawn(move || {
            while let Ok((client, _)) = listener.accept() {
                if ends.load(Ordering::SeqCst) {
                    return;
                }
                let (docker, line) = (docker.clone(), carrier.clone());
                // A failed upgrade closes the connection: the client sees what it would of a dead daemon.
                thread::spawn(move || carry(&client, &docker, &line));
            }
        });
        Ok(Self {
            socket: socket.to_owned(),
            stopped,
            line,
        })
    }

    /// From now on nothing is carried, and nothing is closed: a daemon whose host is gone.
    pub fn fall_silent(&self) {
        self.line.silent.store(true, Ordering::SeqCst);
    }

    /// From now on the engine doesn't say this: an engine that lacks the capability of that name.
    pub fn hide(&self, text: &str) {
        let mut hidden = self.line.hidden.lock().unwrap_or_else(PoisonError::into_inner);
        text.as_bytes().clone_into(&mut hidden);
    }

    /// Closes every connection in both directions: a daemon that was killed.
    pub fn cut(&self) {
        for client in &*self.clients() {
            // A client that is gone already needs no end.
            drop(client.shutdown(Shutdown::Both));
        }
    }

    /// Says this to every client, in the middle of whatever is being said, and cuts the connections.
    pub fn say_and_cut(&self, bytes: &[u8]) {
        for mut client in &*self.clients() {
            drop(client.write_all(bytes));
        }
        self.cut();
    }

    fn clients(&self) -> std::sync::MutexGuard<'_, Vec<UnixStream>> {
        self.line.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The value for `BUILDKIT_HOST`.
    pub fn address(&self) -> String {
        format!("unix://{}", self.socket.display())
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        self.line.silent.store(false, Ordering::SeqCst);
        // Wakes `accept`. A socket that is gone already has no one waiting on it.
        drop(UnixStream::connect(&self.socket));
        drop(std::fs::remove_file(&self.socket));
    }
}

fn carry(client: &UnixStream, docker: &Path, line: &Line) -> io::Result<()> {
    let engine = upgrade(docker)?;
    let mut clients = line.clients.lock().unwrap_or_else(PoisonError::into_inner);
    clients.push(client.try_clone()?);
    drop(clients);
    let (from_client, to_engine, upper) = (client.try_clone()?, engine.try_clone()?, line.clone());
    let upward = thread::spawn(move || upper.pipe(from_client, to_engine, false));
    let down = line.pipe(engine, client.try_clone()?, true);
    let up = upward.join().unwrap_or(Ok(()));
    down.and(up)
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
    fn what_is_hidden_is_not_said() {
        let folder = tempfile::tempdir().unwrap();
        let docker = daemon(folder.path(), b"HTTP/1.1 101 UPGRADED\r\nUpgrade: h2c\r\n\r\n");
        let relay = Relay::listen(&folder.path().join("buildkitd.sock"), &docker).unwrap();
        relay.hide("cap");
        let mut client = UnixStream::connect(relay.address().trim_start_matches("unix://")).unwrap();
        client.write_all(b"the cap, no ca").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let mut back = String::new();
        client.read_to_string(&mut back).unwrap();
        assert_eq!(back, "the ca-, no ca");
    }

    #[test]
    fn what_comes_in_two_pieces_is_hidden_too() {
        let line = Line::default();
        line.hidden.lock().unwrap().extend(b"cap");
        let mut begun = 0;
        let mut pieces = [b"ca, c".to_vec(), b"ap, cap".to_vec()];
        for piece in &mut pieces {
            line.hide(piece, &mut begun);
        }
        assert_eq!(pieces.concat(), b"ca, ca-, ca-");
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
