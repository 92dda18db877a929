//! What the servers of tests have in common: a port of this machine, a thread a connection, one request in each.

use std::io::{self, BufRead, BufReader, Read as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::http::read_chunks;

/// A running server. It ends with its value.
#[derive(Debug)]
pub(crate) struct Server {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
}

impl Server {
    /// Starts it on a port of loopback. `stop` is set when it ends, for whoever waits in `serve`, which has a connection
    /// and the server's own address.
    pub(crate) fn start(
        stop: Arc<AtomicBool>,
        serve: impl Fn(&TcpStream, SocketAddr) -> io::Result<()> + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let (ends, serve) = (Arc::clone(&stop), Arc::new(serve));
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                if ends.load(Ordering::SeqCst) {
                    return;
                }
                let serve = Arc::clone(&serve);
                // A client that goes away is no concern of the server's.
                thread::spawn(move || serve(&connection, address).ok());
            }
        });
        Ok(Self { address, stop })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // The listener sees the flag with the next connection.
        drop(TcpStream::connect(self.address));
    }
}

/// A request without its body.
pub(crate) struct Head {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
}

impl Head {
    /// Reads one.
    pub(crate) fn read(from: &mut impl BufRead) -> io::Result<Self> {
        let mut line = String::new();
        from.read_line(&mut line)?;
        let mut words = line.split_whitespace().map(str::to_owned);
        let mut head = Self {
            method: words.next().unwrap_or_default(),
            target: words.next().unwrap_or_default(),
            headers: Vec::new(),
        };
        loop {
            line.clear();
            if from.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            match line.trim_end().split_once(':') {
                Some((name, value)) => head.headers.push((name.to_owned(), value.trim().to_owned())),
                None => return Ok(head),
            }
        }
    }

    /// Reads a whole request.
    pub(crate) fn read_whole(connection: &TcpStream) -> io::Result<(Self, Vec<u8>)> {
        let mut from = BufReader::new(connection);
        let head = Self::read(&mut from)?;
        let mut body = Vec::new();
        if head.header("transfer-encoding").is_empty() {
            let length = head.header("content-length").parse().unwrap_or(0);
            let read = (&mut from).take(length).read_to_end(&mut body)?;
            if u64::try_from(read).ok() != Some(length) {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        } else {
            read_chunks(&mut from, &mut body)?;
        }
        Ok((head, body))
    }

    /// The header of that name; empty without one.
    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value)
    }

    /// The target's path and query.
    pub(crate) fn path(&self) -> (&str, &str) {
        self.target.split_once('?').unwrap_or((&self.target, ""))
    }
}
