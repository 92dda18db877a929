//! GitHub's cache service, as far as BuildKit's `type=gha` goes: entries are reserved, sent in pieces, committed, found by
//! the start of their keys, and fetched from where the service says.
//!
//! The protocol: `vendor/github.com/tonistiigi/go-actions-cache/api.md` of <https://github.com/moby/buildkit>.

#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "it only ever runs in tests, which a panic ends"
)]

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::http::read_chunks;
use crate::registry::base64;

/// Where its calls are.
const API: &str = "/_apis/artifactcache/";

/// A running service.
#[derive(Debug)]
pub struct ActionsCache {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    token: String,
    stop: AtomicBool,
    entries: Mutex<Vec<Entry>>,
    refused: Mutex<usize>,
}

#[derive(Debug, Clone, Default)]
struct Entry {
    key: String,
    version: String,
    content: Vec<u8>,
    committed: bool,
}

struct Request {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value)
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// A status, headers, and a body.
type Answer = (u16, String, Vec<u8>);

fn answer(status: u16, body: &Value) -> Answer {
    (
        status,
        "Content-Type: application/json\r\n".to_owned(),
        body.to_string().into_bytes(),
    )
}

impl ActionsCache {
    /// Starts it on a port of loopback, with a token that lets its holder read and write.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            token: token(),
            stop: AtomicBool::new(false),
            entries: Mutex::default(),
            refused: Mutex::default(),
        });
        let serving = Arc::clone(&shared);
        thread::spawn(move || {
            for connection in listener.incoming() {
                if serving.stop.load(Ordering::SeqCst) {
                    return;
                }
                let serving = Arc::clone(&serving);
                // A client that goes away is no concern of the server's.
                thread::spawn(move || serving.serve(&connection.unwrap(), address).ok());
            }
        });
        Self { address, shared }
    }

    /// The value of `ACTIONS_CACHE_URL`.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// The value of `ACTIONS_RUNTIME_TOKEN`.
    pub fn token(&self) -> &str {
        &self.shared.token
    }

    /// The keys of what is kept.
    pub fn keys(&self) -> Vec<String> {
        let entries = self.shared.entries.lock().unwrap();
        let kept = entries.iter().filter(|entry| entry.committed);
        kept.map(|entry| entry.key.clone()).collect()
    }

    /// How many calls came without the token.
    pub fn refused(&self) -> usize {
        *self.shared.refused.lock().unwrap()
    }
}

impl Drop for ActionsCache {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        // The listener sees the flag with the next connection.
        drop(TcpStream::connect(self.address));
    }
}

/// As GitHub's: signed, which BuildKit doesn't check, with what its holder may do.
fn token() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let scopes = json!([{ "Scope": "refs/heads/main", "Permission": 3 }]).to_string();
    let claims = json!({ "ac": scopes, "nbf": now - 60, "exp": now + 3600 });
    let part = |text: String| {
        let text = base64(text.as_bytes()).replace('+', "-").replace('/', "_");
        text.trim_end_matches('=').to_owned()
    };
    let header = json!({ "typ": "JWT", "alg": "HS256" });
    [
        part(header.to_string()),
        part(claims.to_string()),
        part("signed".to_owned()),
    ]
    .join(".")
}

impl Shared {
    fn serve(&self, connection: &TcpStream, address: SocketAddr) -> io::Result<()> {
        let request = read(connection)?;
        let (status, headers, body) = self.answer(&request, address);
        let length = body.len();
        let mut connection = connection;
        connection.write_all(
            format!("HTTP/1.1 {status} Cache\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n")
                .as_bytes(),
        )?;
        connection.write_all(&body)
    }

    fn answer(&self, request: &Request, address: SocketAddr) -> Answer {
        let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
        if let Some(id) = path.strip_prefix("/blobs/") {
            return self.content(id, request.header("range"));
        }
        let Some(call) = path.strip_prefix(API) else {
            return answer(404, &json!({ "message": "no such call" }));
        };
        if request.header("authorization") != format!("Bearer {}", self.token) {
            *self.refused.lock().unwrap() += 1;
            return answer(401, &json!({ "message": "unauthorized" }));
        }
        match (request.method.as_str(), call.split_once('/')) {
            ("GET", None) if call == "cache" => self.find(query, address),
            ("POST", None) if call == "caches" => self.reserve(&request.json()),
            ("PATCH", Some(("caches", id))) => self.piece(id, request),
            ("POST", Some(("caches", id))) => self.commit(id, &request.json()),
            _ => answer(404, &json!({ "message": "no such call" })),
        }
    }

    /// The newest entry whose key starts with one of those asked for, the first first.
    fn find(&self, query: &str, address: SocketAddr) -> Answer {
        let field = |name: &str| {
            let fields = query.split('&').filter_map(|field| field.split_once('='));
            let found = fields.into_iter().find(|(key, _)| *key == name);
            // Of what keys hold, these are written otherwise in a query.
            found.map(|(_, value)| value.replace("%3A", ":").replace("%23", "#").replace("%2C", ","))
        };
        let (keys, version) = (field("keys").unwrap_or_default(), field("version").unwrap_or_default());
        let entries = self.entries.lock().unwrap();
        let fitting = |key: &str| {
            let fits = |entry: &Entry| entry.committed && entry.version == version && entry.key.starts_with(key);
            entries.iter().rposition(fits)
        };
        let Some(id) = keys.split(',').find_map(fitting) else {
            return (204, String::new(), Vec::new());
        };
        let key = entries.get(id).map(|entry| entry.key.as_str());
        let location = format!("http://{address}/blobs/{id}");
        answer(
            200,
            &json!({ "cacheKey": key, "scope": "refs/heads/main", "archiveLocation": location }),
        )
    }

    fn reserve(&self, asked: &Value) -> Answer {
        let field = |name: &str| asked.get(name).and_then(Value::as_str).unwrap().to_owned();
        let (key, version) = (field("key"), field("version"));
        let mut entries = self.entries.lock().unwrap();
        if entries.iter().any(|entry| entry.key == key && entry.version == version) {
            let exists =
                json!({ "message": "Cache already exists", "typeKey": "ArtifactCacheItemAlreadyExistsException" });
            return answer(409, &exists);
        }
        entries.push(Entry {
            key,
            version,
            ..Entry::default()
        });
        // None is 0 to the client.
        answer(201, &json!({ "cacheId": entries.len() }))
    }

    fn piece(&self, id: &str, request: &Request) -> Answer {
        let range = request.header("content-range").trim_start_matches("bytes ");
        let start: usize = range.split('-').next().unwrap().parse().unwrap();
        let end = start + request.body.len();
        let mut entries = self.entries.lock().unwrap();
        let entry = entries.get_mut(id.parse::<usize>().unwrap() - 1).unwrap();
        if entry.content.len() < end {
            entry.content.resize(end, 0);
        }
        entry
            .content
            .get_mut(start..end)
            .unwrap()
            .copy_from_slice(&request.body);
        (204, String::new(), Vec::new())
    }

    fn commit(&self, id: &str, asked: &Value) -> Answer {
        let mut entries = self.entries.lock().unwrap();
        let entry = entries.get_mut(id.parse::<usize>().unwrap() - 1).unwrap();
        if asked.get("size").and_then(Value::as_u64) != Some(entry.content.len() as u64) {
            return answer(400, &json!({ "message": "another size was sent" }));
        }
        entry.committed = true;
        (204, String::new(), Vec::new())
    }

    fn content(&self, id: &str, range: &str) -> Answer {
        let entries = self.entries.lock().unwrap();
        let content = &entries.get(id.parse::<usize>().unwrap()).unwrap().content;
        let start = range.strip_prefix("bytes=").and_then(|range| range.strip_suffix('-'));
        let Some(start) = start.map(|start| start.parse::<usize>().unwrap()) else {
            return (200, String::new(), content.clone());
        };
        let (end, length) = (content.len().saturating_sub(1), content.len());
        let header = format!("Content-Range: bytes {start}-{end}/{length}\r\n");
        (206, header, content.get(start..).unwrap_or_default().to_vec())
    }
}

fn read(connection: &TcpStream) -> io::Result<Request> {
    let mut from = BufReader::new(connection);
    let mut line = String::new();
    from.read_line(&mut line)?;
    let mut words = line.split_whitespace().map(str::to_owned);
    let mut request = Request {
        method: words.next().unwrap_or_default(),
        target: words.next().unwrap_or_default(),
        headers: Vec::new(),
        body: Vec::new(),
    };
    loop {
        line.clear();
        if from.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match line.trim_end().split_once(':') {
            Some((name, value)) => request.headers.push((name.to_owned(), value.trim().to_owned())),
            None => break,
        }
    }
    if request.header("transfer-encoding").is_empty() {
        let length = request.header("content-length").parse().unwrap_or(0);
        from.take(length).read_to_end(&mut request.body)?;
    } else {
        read_chunks(&mut from, &mut request.body)?;
    }
    Ok(request)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{self, Response};

    fn call(cache: &ActionsCache, method: &str, target: &str, range: &str, body: &[u8]) -> Response {
        let bearer = format!("Bearer {}", cache.token());
        let request = http::Request {
            method,
            host: "cache",
            target,
            headers: &[
                ("Authorization", &bearer),
                ("Content-Range", range),
                ("Range", "bytes=2-"),
            ],
        };
        let stream = TcpStream::connect(cache.address).unwrap();
        http::exchange(stream, &request, &mut &*body, body.len() as u64).unwrap()
    }

    #[test]
    fn what_is_committed_is_found_by_the_start_of_its_key() {
        let cache = ActionsCache::start();
        let found = || call(&cache, "GET", &format!("{API}cache?keys=index%23&version=1"), "", b"");
        let reserved = call(
            &cache,
            "POST",
            &format!("{API}caches"),
            "",
            br#"{"key":"index#1","version":"1"}"#,
        );
        assert_eq!(reserved.status, 201);
        assert_eq!(
            call(&cache, "PATCH", &format!("{API}caches/1"), "bytes 2-3/*", b"cd").status,
            204
        );
        assert_eq!(
            call(&cache, "PATCH", &format!("{API}caches/1"), "bytes 0-1/*", b"ab").status,
            204
        );
        assert_eq!(found().status, 204, "not committed yet");
        assert_eq!(
            call(&cache, "POST", &format!("{API}caches/1"), "", br#"{"size":3}"#).status,
            400
        );
        assert_eq!(
            call(&cache, "POST", &format!("{API}caches/1"), "", br#"{"size":4}"#).status,
            204
        );
        let entry: Value = serde_json::from_slice(&found().body).unwrap();
        assert_eq!(entry["cacheKey"], "index#1");
        let location = entry["archiveLocation"].as_str().unwrap();
        let path = location.strip_prefix(cache.url().trim_end_matches('/')).unwrap();
        let content = call(&cache, "GET", path, "", b"");
        assert_eq!((content.status, &content.body[..]), (206, &b"cd"[..]));
        let again = call(
            &cache,
            "POST",
            &format!("{API}caches"),
            "",
            br#"{"key":"index#1","version":"1"}"#,
        );
        assert_eq!(again.status, 409);
        assert_eq!((cache.keys(), cache.refused()), (vec!["index#1".to_owned()], 0));
    }
}
