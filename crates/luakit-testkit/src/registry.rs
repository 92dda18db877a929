//! A fake registry on a port of this machine: what it serves, whom it lets in and how it misbehaves is up to
//! the test, and it remembers what it was asked.
//!
//! It speaks as much HTTP/1.1 as clients need, one request to a connection, and serves any other files too (a git
//! repository for `git ls-remote`, a download). It ends with its value.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "it only ever runs in tests, which a panic ends"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::server::{Head, Server};

/// The media type of a manifest.
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// The media type of an index.
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// The media type of an image config.
pub const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

/// Whom a registry lets in.
#[derive(Debug, Clone, Default)]
pub enum Auth {
    /// Everybody.
    #[default]
    Open,
    /// Who shows this user and password.
    Basic(&'static str, &'static str),
    /// Who shows a token; the token server gives it to this user and password, and to the identity token.
    Bearer {
        /// Who gets a token. `None` is anybody.
        user: Option<(&'static str, &'static str)>,
        /// The identity token that is good for one.
        identity: Option<&'static str>,
        /// Whether the token server knows OAuth2's POST.
        oauth: bool,
    },
}

/// How a request goes wrong.
#[derive(Debug, Clone)]
pub enum Fault {
    /// This status, with these further headers and this body.
    Status(u16, &'static str, &'static str),
    /// No answer.
    Silence,
    /// The beginning of an answer.
    Stall,
    /// This instead of the content, as if it were it.
    Content(Vec<u8>),
    /// Another place.
    Redirect(String),
}

/// A running registry.
#[derive(Debug)]
pub struct Registry {
    server: Server,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    stop: Arc<AtomicBool>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    auth: Auth,
    /// Content type and content, by path.
    files: BTreeMap<String, (String, Vec<u8>)>,
    /// Faults of the paths that contain a text, and how often still.
    faults: Vec<(String, Fault, usize)>,
    requests: Vec<String>,
}

struct Request {
    method: String,
    path: String,
    query: String,
    authorization: String,
    body: String,
}

impl Registry {
    /// Starts an empty registry that lets everybody in.
    pub fn start() -> Self {
        let shared = Arc::new(Shared::default());
        let serving = Arc::clone(&shared);
        let serve = move |connection: &TcpStream, address| serving.serve(connection, address);
        let server = Server::start(Arc::clone(&shared.stop), serve).unwrap();
        Self { server, shared }
    }

    /// Host and port, as references name it.
    pub fn host(&self) -> String {
        self.server.address().to_string()
    }

    /// Whom it lets in.
    pub fn set_auth(&self, auth: Auth) {
        self.shared.state.lock().unwrap().auth = auth;
    }

    /// Makes the next `times` requests for paths that contain `path` go wrong.
    pub fn fail(&self, path: &str, times: usize, fault: Fault) {
        let mut state = self.shared.state.lock().unwrap();
        state.faults.push((path.to_owned(), fault, times));
    }

    /// What it was asked so far: method, path, and how the caller showed who they are.
    pub fn requests(&self) -> Vec<String> {
        self.shared.state.lock().unwrap().requests.clone()
    }

    /// Serves a file at a path.
    pub fn put_file(&self, path: &str, content_type: &str, content: &[u8]) {
        let file = (content_type.to_owned(), content.to_vec());
        self.shared.state.lock().unwrap().files.insert(path.to_owned(), file);
    }

    /// Adds a blob; returns its digest.
    pub fn put_blob(&self, repository: &str, content: &[u8]) -> String {
        let digest = digest(content);
        let path = format!("/v2/{repository}/blobs/{digest}");
        self.put_file(&path, "application/octet-stream", content);
        digest
    }

    /// Adds a document under a tag, if one is given, and its digest; returns the digest.
    pub fn put_manifest(&self, repository: &str, tag: Option<&str>, content_type: &str, document: &Value) -> String {
        let content = document.to_string();
        let digest = digest(content.as_bytes());
        for name in tag.into_iter().chain([digest.as_str()]) {
            let path = format!("/v2/{repository}/manifests/{name}");
            self.put_file(&path, content_type, content.as_bytes());
        }
        digest
    }

    /// Adds an image of one platform; returns the digest of its manifest.
    pub fn put_image(&self, repository: &str, tag: Option<&str>, config: &str) -> String {
        let config = self.put_blob(repository, config.as_bytes());
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": { "mediaType": CONFIG, "digest": config },
            "layers": [],
        });
        self.put_manifest(repository, tag, MANIFEST, &manifest)
    }

    /// Adds an index of images: platform (`linux/arm/v7`; empty says none) and config. Returns its digest.
    pub fn put_index(&self, repository: &str, tag: &str, images: &[(&str, &str)]) -> String {
        let entry = |(platform, config): &(&str, &str)| {
            let mut entry = json!({
                "mediaType": MANIFEST,
                "digest": self.put_image(repository, None, config),
            });
            let parts: Vec<&str> = platform.split('/').collect();
            match parts.as_slice() {
                [os, arch] => entry["platform"] = json!({ "os": os, "architecture": arch }),
                [os, arch, variant] => {
                    entry["platform"] = json!({ "os": os, "architecture": arch, "variant": variant });
                }
                _ => {}
            }
            entry
        };
        let manifests: Vec<Value> = images.iter().map(entry).collect();
        let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": manifests });
        self.put_manifest(repository, Some(tag), INDEX, &index)
    }
}

/// The digest of content.
pub fn digest(content: &[u8]) -> String {
    format!("sha256:{:x}", Sha256::digest(content))
}

impl Shared {
    fn serve(&self, connection: &TcpStream, address: SocketAddr) -> std::io::Result<()> {
        connection.set_read_timeout(Some(Duration::from_secs(10)))?;
        let request = read(connection)?;
        let fault = self.note(&request);
        match fault {
            None => {}
            Some(Fault::Status(status, headers, body)) => {
                return respond(connection, status, headers, "application/json", body.as_bytes());
            }
            Some(Fault::Silence) => {
                self.idle();
                return Ok(());
            }
            Some(Fault::Stall) => {
                let mut connection = connection;
                connection.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{")?;
                self.idle();
                return Ok(());
            }
            Some(Fault::Content(content)) => {
                return respond(connection, 200, "", MANIFEST, &content);
            }
            Some(Fault::Redirect(to)) => {
                return respond(connection, 307, &format!("Location: {to}\r\n"), "text/plain", b"");
            }
        }
        let auth = self.state.lock().unwrap().auth.clone();
        if request.path == "/token" {
            return token(connection, &auth, &request);
        }
        let challenge = match &auth {
            Auth::Open => None,
            Auth::Basic(user, password) => {
                let expected = basic(user, password);
                (request.authorization != expected).then(|| "Basic realm=\"test\"".to_owned())
            }
            Auth::Bearer { .. } => (request.authorization != "Bearer t0ken")
                .then(|| format!("Bearer realm=\"http://{address}/token\",service=\"test\"")),
        };
        if let Some(challenge) = challenge {
            let headers = format!("WWW-Authenticate: {challenge}\r\n");
            let body = br#"{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}"#;
            return respond(connection, 401, &headers, "application/json", body);
        }
        let file = self.state.lock().unwrap().files.get(&request.path).cloned();
        match file {
            Some((content_type, content)) => {
                let headers = format!("Docker-Content-Digest: {}\r\n", digest(&content));
                respond(connection, 200, &headers, &content_type, &content)
            }
            None => respond(connection, 404, "", "application/json", b"{}"),
        }
    }

    /// Remembers a request; what is to go wrong with it.
    fn note(&self, request: &Request) -> Option<Fault> {
        let mut state = self.state.lock().unwrap();
        let mut line = format!("{} {}", request.method, request.path);
        if !request.query.is_empty() {
            write!(line, "?{}", request.query).unwrap();
        }
        if !request.authorization.is_empty() {
            let scheme = request.authorization.split(' ').next().unwrap_or_default();
            write!(line, " ({scheme})").unwrap();
        }
        state.requests.push(line);
        let fault = state
            .faults
            .iter_mut()
            .find(|(path, _, times)| *times > 0 && request.path.contains(path.as_str()))?;
        fault.2 -= 1;
        Some(fault.1.clone())
    }

    /// Keeps a connection open without a word, until the registry ends or no client can be waiting any more.
    fn idle(&self) {
        for _ in 0..100 {
            if self.stop.load(Ordering::SeqCst) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn token(connection: &TcpStream, auth: &Auth, request: &Request) -> std::io::Result<()> {
    let Auth::Bearer { user, identity, oauth } = auth else {
        return respond(connection, 404, "", "application/json", b"{}");
    };
    let granted = if request.method == "POST" {
        if !oauth {
            return respond(connection, 405, "", "application/json", b"{}");
        }
        let refresh = identity.map(|token| format!("grant_type=refresh_token&refresh_token={token}"));
        let password = user.map(|(user, password)| format!("grant_type=password&username={user}&password={password}"));
        let has = |form: Option<String>| form.is_some_and(|form| request.body.contains(&form));
        has(refresh) || has(password)
    } else {
        user.is_none_or(|(user, password)| request.authorization == basic(user, password))
    };
    if granted {
        return respond(connection, 200, "", "application/json", br#"{"token":"t0ken"}"#);
    }
    respond(
        connection,
        401,
        "",
        "application/json",
        br#"{"details":"wrong password: hunter2"}"#,
    )
}

fn read(connection: &TcpStream) -> std::io::Result<Request> {
    let (head, body) = Head::read_whole(connection)?;
    let (path, query) = head.path();
    Ok(Request {
        path: path.to_owned(),
        query: query.to_owned(),
        authorization: head.header("authorization").to_owned(),
        body: String::from_utf8_lossy(&body).into_owned(),
        method: head.method,
    })
}

fn respond(
    mut connection: &TcpStream,
    status: u16,
    headers: &str,
    content_type: &str,
    content: &[u8],
) -> std::io::Result<()> {
    let head = format!(
        "HTTP/1.1 {status} Test\r\nConnection: close\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n{headers}\r\n",
        content.len()
    );
    connection.write_all(head.as_bytes())?;
    connection.write_all(content)
}

/// The `Authorization` by which a user shows a password.
pub fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", base64(format!("{user}:{password}").as_bytes()))
}

/// Base 64, as headers and Docker's `config.json` want it.
pub fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let group = (0..3).fold(0_usize, |group, n| {
            group << 8 | usize::from(chunk.get(n).copied().unwrap_or(0))
        });
        for n in 0..4 {
            let digit = DIGITS.get(group >> (18 - 6 * n) & 63).copied().unwrap_or(b'=');
            text.push(if n <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    text
}
