//! A guard before a registry: it asks everybody who they are, and passes on only what it is satisfied with.
//!
//! The test engine's registry lets everybody in. A [`Guard`] before it wants a user and a password (Basic), or a token
//! of its own token server, which wants them, and whose tokens end after a while (Bearer;
//! <https://distribution.github.io/distribution/spec/auth/token/>). It remembers every request with its
//! `Authorization` and its `User-Agent`, so that a test can tell who was told what.

#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "it only ever runs in tests, which a panic ends"
)]

use std::io::{self, BufRead as _, BufReader, Read, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::registry::basic;
use crate::server::{Head, Server};

/// The first byte of a greeting of TLS.
const TLS: u8 = 0x16;

/// What the guard wants to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// The user and the password, with every request.
    Basic,
    /// A token, which is good for this long.
    Bearer(Duration),
}

/// What goes wrong with requests that the guard lets pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// No answer, for as long as the guard lives.
    Stall,
    /// The first byte of what the registry answers isn't the one it should be.
    Lie,
}

/// A request as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Method and target.
    pub line: String,
    /// Who is calling: `luakit/…` is us, all else is the engine.
    pub agent: String,
    /// The whole `Authorization`; empty without one.
    pub authorization: String,
    /// The status it was answered with by the guard itself; 0 when it was passed on.
    pub status: u16,
}

/// A running guard.
#[derive(Debug)]
pub struct Guard {
    server: Server,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    scheme: Scheme,
    user: String,
    password: String,
    registry: String,
    stop: Arc<AtomicBool>,
    seen: Mutex<Vec<Seen>>,
    tokens: Mutex<Vec<Instant>>,
    trouble: Mutex<Option<(String, Trouble)>>,
}

impl Guard {
    /// Stands before the registry at `HOST:PORT`, and lets this user in.
    pub fn before(registry: &str, scheme: Scheme, user: &str, password: &str) -> Self {
        let shared = Arc::new(Shared {
            scheme,
            user: user.to_owned(),
            password: password.to_owned(),
            registry: registry.to_owned(),
            stop: Arc::default(),
            seen: Mutex::default(),
            tokens: Mutex::default(),
            trouble: Mutex::default(),
        });
        let serving = Arc::clone(&shared);
        let serve = move |client: &TcpStream, address| serving.serve(client, address);
        let server = Server::start(Arc::clone(&shared.stop), serve).unwrap();
        Self { server, shared }
    }

    /// Host and port, as references name it.
    pub fn host(&self) -> String {
        self.server.address().to_string()
    }

    /// What it was asked so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// How many tokens it has given out.
    pub fn tokens(&self) -> usize {
        self.shared.tokens.lock().unwrap().len()
    }

    /// From now on requests whose line contains a text go wrong.
    pub fn trouble(&self, text: &str, trouble: Trouble) {
        *self.shared.trouble.lock().unwrap() = Some((text.to_owned(), trouble));
    }
}

impl Shared {
    fn serve(&self, client: &TcpStream, address: SocketAddr) -> io::Result<()> {
        let mut from = BufReader::new(client);
        if from.fill_buf()?.first() == Some(&TLS) {
            // Clients that try TLS first take plain HTTP for an answer as a reason to speak it.
            return answer(client, 400, "", "");
        }
        let head = Head::read(&mut from)?;
        let authorization = head.header("authorization");
        let is_token = head.target.starts_with("/token");
        let granted = match self.scheme {
            Scheme::Bearer(_) if !is_token => self.is_good(authorization),
            _ => authorization == basic(&self.user, &self.password),
        };
        let (status, headers, body) = match (self.scheme, granted) {
            (Scheme::Bearer(_), _) if head.method == "POST" && is_token => (404, String::new(), String::new()),
            (Scheme::Bearer(life), true) if is_token => (200, String::new(), self.token(life)),
            (_, true) => (0, String::new(), String::new()),
            (Scheme::Bearer(_), false) if !is_token => {
                let realm = format!("WWW-Authenticate: Bearer realm=\"http://{address}/token\",service=\"guard\"");
                let scope = scope(&head).map_or(String::new(), |scope| format!(",scope=\"{scope}\""));
                let error = if authorization.is_empty() {
                    ""
                } else {
                    ",error=\"invalid_token\""
                };
                (401, format!("{realm}{scope}{error}\r\n"), String::new())
            }
            (_, false) => (
                401,
                "WWW-Authenticate: Basic realm=\"guard\"\r\n".to_owned(),
                String::new(),
            ),
        };
        let line = format!("{} {}", head.method, head.target);
        self.seen.lock().unwrap().push(Seen {
            line: line.clone(),
            agent: head.header("user-agent").to_owned(),
            authorization: authorization.to_owned(),
            status,
        });
        if status != 0 {
            return answer(client, status, &headers, &body);
        }
        let trouble = self.trouble.lock().unwrap().clone();
        let trouble = trouble.filter(|(text, _)| line.contains(text.as_str()));
        match trouble {
            Some((_, Trouble::Stall)) => {
                while !self.stop.load(Ordering::SeqCst) {
                    thread::sleep(Duration::from_millis(50));
                }
                Ok(())
            }
            trouble => self.pass(client, from, &head, trouble.is_some()),
        }
    }

    /// Whether that is a token of ours that hasn't ended.
    fn is_good(&self, authorization: &str) -> bool {
        let number = authorization.strip_prefix("Bearer token-").and_then(|n| n.parse().ok());
        let tokens = self.tokens.lock().unwrap();
        let end = number.and_then(|number: usize| tokens.get(number));
        end.is_some_and(|end| Instant::now() < *end)
    }

    /// A new token, as the token server says it.
    fn token(&self, life: Duration) -> String {
        let mut tokens = self.tokens.lock().unwrap();
        let number = tokens.len();
        tokens.push(Instant::now() + life);
        format!(r#"{{"token":"token-{number}","expires_in":{}}}"#, life.as_secs())
    }

    /// Carries a request to the registry and its answer back.
    fn pass(&self, client: &TcpStream, mut body: BufReader<&TcpStream>, head: &Head, lie: bool) -> io::Result<()> {
        let mut registry = TcpStream::connect(&self.registry)?;
        let mut text = format!("{} {} HTTP/1.1\r\n", head.method, head.target);
        for (name, value) in &head.headers {
            // The registry makes links of `Host`: they lead to the guard.
            if !name.eq_ignore_ascii_case("connection") && !name.eq_ignore_ascii_case("authorization") {
                text.extend([name.as_str(), ": ", value, "\r\n"]);
            }
        }
        text.push_str("Connection: close\r\n\r\n");
        registry.write_all(text.as_bytes())?;
        let mut up = registry.try_clone()?;
        let length: u64 = head.header("content-length").parse().unwrap_or(0);
        let chunked = !head.header("transfer-encoding").is_empty();
        thread::scope(|scope| {
            scope.spawn(move || {
                if chunked {
                    io::copy(&mut body, &mut up)
                } else {
                    io::copy(&mut body.take(length), &mut up)
                }
            });
            let mut from = BufReader::new(&registry);
            if lie {
                return lie_about(&mut from, client);
            }
            let mut to = client;
            io::copy(&mut from, &mut to)?;
            client.shutdown(Shutdown::Both)
        })
    }
}

/// Passes an answer on whose content isn't what it was.
fn lie_about(from: &mut BufReader<&TcpStream>, mut client: &TcpStream) -> io::Result<()> {
    let mut line = String::new();
    while line != "\r\n" {
        line.clear();
        from.read_line(&mut line)?;
        client.write_all(line.as_bytes())?;
    }
    let mut content = Vec::new();
    from.read_to_end(&mut content)?;
    if let Some(first) = content.first_mut() {
        *first ^= 0xff;
    }
    client.write_all(&content)?;
    client.shutdown(Shutdown::Both)
}

/// What a request needs to be allowed, as a token server is asked for it.
fn scope(head: &Head) -> Option<String> {
    let path = head.target.strip_prefix("/v2/")?;
    let end = path.find("/blobs/").or_else(|| path.find("/manifests/"))?;
    let repository = path.get(..end)?;
    let actions = if matches!(head.method.as_str(), "GET" | "HEAD") {
        "pull"
    } else {
        "pull,push"
    };
    Some(format!("repository:{repository}:{actions}"))
}

fn answer(mut client: &TcpStream, status: u16, headers: &str, body: &str) -> io::Result<()> {
    let length = body.len();
    client.write_all(
        format!("HTTP/1.1 {status} Guard\r\n{headers}Content-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")
            .as_bytes(),
    )?;
    client.shutdown(Shutdown::Write)?;
    // What was still on its way is heard out: closing before would cut the answer off.
    client.set_read_timeout(Some(Duration::from_secs(5)))?;
    io::copy(&mut client.take(64 << 20), &mut io::sink()).map(drop)
}
