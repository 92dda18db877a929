//! Files: got whole and digested on the way, never kept.

use luakit_llb::ImageDigest;
use luakit_llb::reach::HttpRequest;
use reqwest::Url;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderValue, USER_AGENT};
use sha2::{Digest as _, Sha256};

use crate::fetch::{PinFailure, Secrets};
use crate::resolve::http::error_detail;
use crate::resolve::{Failure, Network};
use crate::tls;

pub(super) async fn checksum(
    network: &Network,
    secrets: &Secrets,
    request: &HttpRequest,
) -> Result<ImageDigest, PinFailure> {
    let url = Url::parse(&request.url).map_err(|e| PinFailure::Url(format!("it is no URL: {e}")))?;
    let host = url.host_str().unwrap_or_default().to_owned();
    let tls = tls::verified(&[]).map_err(|e| PinFailure::Url(e.reason))?;
    let client = network.client(tls).map_err(|e| network.failure(&host, e))?;
    let secret = match &request.auth_header_secret {
        Some(name) => secrets.text(name)?,
        None => None,
    };
    let mut tried = 1;
    loop {
        match digest(network, &client, &url, &host, secret.as_deref(), request).await {
            Err(failure) if failure.is_transient() => match network.wait(tried, None) {
                Some(wait) => tokio::time::sleep(wait).await,
                None => return Err(failure.into()),
            },
            outcome => return Ok(outcome?),
        }
        tried += 1;
    }
}

async fn digest(
    network: &Network,
    client: &reqwest::Client,
    url: &Url,
    host: &str,
    secret: Option<&str>,
    request: &HttpRequest,
) -> Result<ImageDigest, Failure> {
    let mut get = client.get(url.clone());
    if let Some(accept) = &request.accept {
        get = get.header(ACCEPT, accept);
    }
    if let Some(user_agent) = &request.user_agent {
        get = get.header(USER_AGENT, user_agent);
    }
    if let Some(secret) = secret {
        let mut value = HeaderValue::from_str(secret).map_err(|_| Failure::Login {
            host: host.to_owned(),
            reason: "the secret is no header".to_owned(),
        })?;
        value.set_sensitive(true);
        get = get.header(AUTHORIZATION, value);
    }
    let mut response = get.send().await.map_err(|e| network.failure(host, e))?;
    let status = response.status().as_u16();
    if status != 200 {
        let (host, detail) = (host.to_owned(), error_detail(response).await);
        return Err(match status {
            401 | 403 => Failure::Denied {
                host,
                credentials: secret.is_some(),
                detail,
            },
            429 => Failure::RateLimited { host, detail },
            status => Failure::Status { host, status, detail },
        });
    }
    let mut hasher = Sha256::new();
    while let Some(piece) = response.chunk().await.map_err(|e| network.failure(host, e))? {
        hasher.update(&piece);
    }
    let text = format!("sha256:{:x}", hasher.finalize());
    text.parse().map_err(|_| Failure::Login {
        host: host.to_owned(),
        reason: "its digest is none".to_owned(),
    })
}
