//! HTTP as resolution needs it: bounded in time and bytes, retried where that can help, and with errors
//! that name the host but no URL (which may hold a signature or a password).

use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Client, Proxy, Response};
use rustls::ClientConfig;

use crate::resolve::config::{Host, Way};
use crate::resolve::error::{Failure, Part};
use crate::tls;

/// This machine, as the variable `NO_PROXY` would name it.
const LOOPBACK: &str = "localhost,127.0.0.0/8,::1";

/// What network access may cost, and how it leaves this machine.
#[derive(Debug, Clone)]
pub struct Network {
    /// Until a connection stands, TLS included.
    pub connect_timeout: Duration,
    /// Between two pieces of an answer.
    pub stall_timeout: Duration,
    /// One request with its answer, unless that is a download.
    pub request_timeout: Duration,
    /// How often a request is made at most, when it fails in a way that may pass.
    pub attempts: u32,
    /// Before the second attempt; each further wait is twice as long.
    pub backoff: Duration,
    /// The longest wait that a registry may ask for.
    pub longest_wait: Duration,
    /// A credential helper's answer.
    pub helper_timeout: Duration,
    /// How many requests run at a time.
    pub parallel: usize,
    /// The proxy of `http://` URLs.
    pub http_proxy: Option<String>,
    /// The proxy of `https://` URLs.
    pub https_proxy: Option<String>,
    /// The hosts that are reached without a proxy, as `NO_PROXY` lists them.
    pub no_proxy: Option<String>,
}

impl Default for Network {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            stall_timeout: Duration::from_secs(20),
            request_timeout: Duration::from_secs(30),
            attempts: 4,
            backoff: Duration::from_millis(500),
            longest_wait: Duration::from_secs(10),
            helper_timeout: Duration::from_secs(30),
            parallel: 8,
            http_proxy: None,
            https_proxy: None,
            no_proxy: None,
        }
    }
}

impl Network {
    /// A client with this network's limits and proxies.
    pub(crate) fn client(&self, tls: ClientConfig) -> Result<Client, reqwest::Error> {
        let mut builder = Client::builder()
            .tls_backend_preconfigured(tls)
            .connect_timeout(self.connect_timeout)
            .read_timeout(self.stall_timeout)
            .user_agent(concat!("luakit/", env!("CARGO_PKG_VERSION")))
            .no_proxy();
        // As Go's clients do, this machine itself is never asked through a proxy.
        let except = format!("{},{LOOPBACK}", self.no_proxy.as_deref().unwrap_or_default());
        let except = || reqwest::NoProxy::from_string(except.trim_start_matches(','));
        if let Some(proxy) = &self.http_proxy {
            builder = builder.proxy(Proxy::http(proxy)?.no_proxy(except()));
        }
        if let Some(proxy) = &self.https_proxy {
            builder = builder.proxy(Proxy::https(proxy)?.no_proxy(except()));
        }
        builder.build()
    }

    /// How long to wait before another attempt; `None` is not to try again. `tried` counts from 1.
    pub(crate) fn wait(&self, tried: u32, asked: Option<Duration>) -> Option<Duration> {
        if tried >= self.attempts {
            return None;
        }
        let own = self.backoff.saturating_mul(1 << (tried - 1).min(16));
        let wait = asked.unwrap_or(own);
        (wait <= self.longest_wait).then_some(wait)
    }

    /// What a failed exchange with a host is.
    pub(crate) fn failure(&self, host: &str, error: reqwest::Error) -> Failure {
        let host = host.to_owned();
        if error.is_timeout() {
            let limit = if error.is_connect() {
                self.connect_timeout
            } else {
                self.stall_timeout
            };
            return Failure::TimedOut { host, limit };
        }
        Failure::Unreachable {
            host,
            reason: innermost(&error.without_url()),
        }
    }
}

/// A client that trusts what a host's configuration says.
pub(crate) fn host_client(network: &Network, host: &Host, way: Way) -> Result<Client, Failure> {
    let tls = if way == Way::Https {
        tls::verified(&host.ca).map_err(|e| Failure::Ca {
            host: host.name.clone(),
            path: e.path.display().to_string(),
            reason: e.reason,
        })?
    } else {
        tls::unverified()
    };
    network.client(tls).map_err(|e| network.failure(&host.name, e))
}

/// A whole answer.
pub(crate) struct Answer {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// Reads an answer that must not be longer than `limit`.
pub(crate) async fn read_body(
    network: &Network,
    host: &str,
    part: Part,
    mut response: Response,
    limit: usize,
) -> Result<Answer, Failure> {
    let headers = std::mem::take(response.headers_mut());
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(piece)) if body.len() + piece.len() <= limit => body.extend_from_slice(&piece),
            Ok(Some(_)) => {
                return Err(Failure::TooLarge {
                    host: host.to_owned(),
                    part,
                    limit,
                });
            }
            Ok(None) => return Ok(Answer { headers, body }),
            Err(e) => return Err(network.failure(host, e)),
        }
    }
}

/// What an error answer says, shortly: the messages of a registry's error document, on one line.
pub(crate) async fn error_detail(mut response: Response) -> String {
    const LIMIT: usize = 64 << 10;
    let mut body = Vec::new();
    while let Ok(Some(piece)) = response.chunk().await {
        body.extend_from_slice(&piece);
        if body.len() > LIMIT {
            break;
        }
    }
    let document: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
    let messages = document.get("errors").and_then(|e| e.as_array()).into_iter().flatten();
    let mut messages: Vec<&str> = messages.filter_map(|e| e.get("message")?.as_str()).collect();
    messages.dedup();
    let single = document.get("details").or(document.get("message"));
    let single = single.and_then(serde_json::Value::as_str);
    let text = if messages.is_empty() {
        single.unwrap_or_default().to_owned()
    } else {
        messages.join("; ")
    };
    let clean = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().take(200).map(clean).collect::<String>().trim().to_owned()
}

/// How long a registry asks to be left alone.
pub(crate) fn retry_after(response: &Response) -> Option<Duration> {
    let value = response.headers().get(reqwest::header::RETRY_AFTER)?;
    Some(Duration::from_secs(value.to_str().ok()?.trim().parse().ok()?))
}

/// The cause at the bottom, which says what happened without the layers between.
fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
