//! GitHub's cache service, as far as BuildKit's `type=gha` goes: entries are reserved, sent in pieces, committed, found by
//! the start of their keys, and fetched from where the service says.
//!
//! The protocol: `vendor/github.com/tonistiigi/go-actions-cache/api.md` of <https://github.com/moby/buildkit>.

#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "it only ever runs in tests, which a panic ends"
)]

use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::registry::base64;
use crate::server::{Head, Server};

/// Where its calls are.
const API: &str = "/_apis/artifactcache/";

/// A running service.
#[derive(Debug)]
pub struct ActionsCache {
    server: Server,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    token: String,
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
    head: Head,
    body: Vec<u8>,
}

impl Request {
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
        let shared = Arc::new(Shared {
            token: token(),
            entries: Mutex::default(),
            refused: Mutex::default(),
        });
        let serving = Arc::clone(&shared);
        let serve = move |connection: &TcpStream, address| serving.serve(connection, address);
        let server = Server::start(Arc::default(), serve).unwrap();
        Self { server, shared }
    }

    /// The value of `ACTIONS_CACHE_URL`.
    pub fn url(&self) -> String {
        format!("http://{}/", self.server.address())
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
        let (head, body) = Head::read_whole(connection)?;
        let request = Request { head, body };
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
        let (path, query) = request.head.path();
        if let Some(id) = path.strip_prefix("/blobs/") {
            return self.content(id, request.head.header("range"));
        }
        let Some(call) = path.strip_prefix(API) else {
            return answer(404, &json!({ "message": "no such call" }));
        };
        if request.head.header("authorization") != format!("Bearer {}", self.token) {
            *self.refused.lock().unwrap() += 1;
            return answer(401, &json!({ "message": "unauthorized" }));
        }
        match (request.head.method.as_str(), call.split_once('/')) {
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
        let range = request.head.header("content-range").trim_start_matches("bytes ");
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
        let stream = TcpStream::connect(cache.server.address()).unwrap();
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
