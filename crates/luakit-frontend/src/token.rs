//! Tokens for registries: what a token server is asked, and what it answers.
//!
//! The distribution project's two ways (<https://distribution.github.io/distribution/spec/auth/token/>, `oauth/`), in
//! the order of BuildKit's client
//! (<https://github.com/moby/buildkit/blob/master/session/auth/authprovider/authprovider.go>): with credentials
//! OAuth2's POST, and GET where that isn't known; without any, GET. Image resolution asks by an [`Exchange`] of its own
//! connection, the session of an engine by [`Tokens`].

use std::fmt;

use reqwest::{Client, RequestBuilder, StatusCode, Url};
use serde::Deserialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::credentials::Credential;
use crate::resolve::RegistryConfig;
use crate::resolve::config::Way;
use crate::resolve::error::{Failure, Part};
use crate::resolve::http::{Network, host_client, read_body};

/// Tokens are a few kilobytes.
const ANSWER_LIMIT: usize = 1 << 20;

/// What a token lasts when its server doesn't say, in seconds: the specification's own number.
const DEFAULT_LIFE: u64 = 60;

/// What a token server is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRequest {
    /// The registry that the token is for.
    pub host: String,
    /// The token server's URL.
    pub realm: String,
    /// The registry's name at the token server.
    pub service: Option<String>,
    /// What the token is to allow, as `repository:library/alpine:pull`.
    pub scopes: Vec<String>,
    /// How the token server knows us.
    pub client_id: String,
}

/// A token. Its value is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// What goes after `Bearer` in `Authorization`.
    pub value: String,
    /// How long it is good, in seconds from `issued_at`.
    pub life: u64,
    /// When its server made it, in Unix seconds; `None` is when it came.
    pub issued_at: Option<i64>,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("life", &self.life)
            .field("issued_at", &self.issued_at)
            .finish_non_exhaustive()
    }
}

/// Gets tokens for registries that others talk to.
#[derive(Debug, Clone)]
pub struct Tokens {
    config: RegistryConfig,
    network: Network,
}

impl Tokens {
    /// Over this network; `config` says how a registry's token server is trusted, as the registry itself is.
    pub fn new(config: RegistryConfig, network: Network) -> Self {
        Self { config, network }
    }

    /// A new token. What may pass is tried again, as often as the network allows. A registry token is returned as it
    /// is; credentials go out unencrypted only to a registry that is configured for `http` or is this machine's.
    pub async fn fetch(&self, request: &TokenRequest, credential: Option<&Credential>) -> Result<Token, Failure> {
        if let Some(Credential::Registry(token)) = credential {
            return Ok(Token {
                value: token.clone(),
                life: DEFAULT_LIFE,
                issued_at: None,
            });
        }
        let host = self.config.registry(&request.host);
        let way = host.ways.iter().find(|way| **way != Way::Http).copied();
        let exchange = Exchange {
            network: &self.network,
            client: &host_client(&self.network, &host, way.unwrap_or(Way::Https))?,
            unencrypted: credential.is_none() || host.ways.contains(&Way::Http),
            request,
            credential,
        };
        let mut tried = 1;
        loop {
            match exchange.token().await {
                Err(failure) if failure.is_transient() => match self.network.wait(tried, None) {
                    Some(wait) => tokio::time::sleep(wait).await,
                    None => return Err(failure),
                },
                outcome => return outcome,
            }
            tried += 1;
        }
    }
}

/// One request for a token.
pub(crate) struct Exchange<'a> {
    pub(crate) network: &'a Network,
    pub(crate) client: &'a Client,
    /// Whether the token server may be one without TLS.
    pub(crate) unencrypted: bool,
    pub(crate) request: &'a TokenRequest,
    pub(crate) credential: Option<&'a Credential>,
}

#[derive(Deserialize)]
struct Answer {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<f64>,
    issued_at: Option<String>,
}

impl Exchange<'_> {
    pub(crate) async fn token(&self) -> Result<Token, Failure> {
        let realm = self.realm()?;
        let basic = match self.credential {
            Some(Credential::Password { user, password }) => Some((user.as_str(), password.as_str())),
            Some(Credential::Identity(token)) => Some(("", token.as_str())),
            Some(Credential::Registry(_)) | None => None,
        };
        let Some((user, secret)) = basic else {
            return self.read(self.send(self.get(&realm, None)).await?, &realm).await;
        };
        let posted = self.send(self.post(&realm, user, secret)).await?;
        // Servers that know no POST say so in these ways.
        let unknown = match posted.status() {
            StatusCode::NOT_FOUND | StatusCode::UNAUTHORIZED => true,
            StatusCode::METHOD_NOT_ALLOWED => !user.is_empty(),
            _ => false,
        };
        if unknown {
            return self.read(self.send(self.get(&realm, basic)).await?, &realm).await;
        }
        self.read(posted, &realm).await
    }

    /// The token server. It may be another host, but credentials never go there in the clear because of
    /// what a registry on TLS says.
    fn realm(&self) -> Result<Url, Failure> {
        let url = Url::parse(&self.request.realm).map_err(|_| self.failed("its challenge names no token server"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(self.failed("its challenge names no token server"));
        }
        if url.scheme() == "http" && !self.unencrypted {
            return Err(Failure::InsecureRealm {
                host: self.request.host.clone(),
                realm: url.host_str().unwrap_or_default().to_owned(),
            });
        }
        Ok(url)
    }

    fn get(&self, realm: &Url, user: Option<(&str, &str)>) -> RequestBuilder {
        let mut url = realm.clone();
        {
            let mut query = url.query_pairs_mut();
            if let Some(service) = &self.request.service {
                query.append_pair("service", service);
            }
            for scope in &self.request.scopes {
                query.append_pair("scope", scope);
            }
        }
        let request = self.client.get(url);
        match user {
            Some((user, password)) => request.basic_auth(user, Some(password)),
            None => request,
        }
    }

    /// No user means that the secret is an identity token.
    fn post(&self, realm: &Url, user: &str, secret: &str) -> RequestBuilder {
        let scope = self.request.scopes.join(" ");
        let mut form = vec![("client_id", self.request.client_id.as_str())];
        if !scope.is_empty() {
            form.push(("scope", &scope));
        }
        form.extend(self.request.service.as_deref().map(|service| ("service", service)));
        if user.is_empty() {
            form.extend([("grant_type", "refresh_token"), ("refresh_token", secret)]);
        } else {
            form.extend([("grant_type", "password"), ("username", user), ("password", secret)]);
        }
        // The form's encoding is a query's.
        let mut encoded = realm.clone();
        encoded.query_pairs_mut().clear().extend_pairs(form);
        self.client
            .post(realm.clone())
            .header(reqwest::header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(encoded.query().unwrap_or_default().to_owned())
    }

    async fn send(&self, request: RequestBuilder) -> Result<reqwest::Response, Failure> {
        let sent = request.timeout(self.network.request_timeout).send().await;
        sent.map_err(|e| {
            let url = e.url().and_then(Url::host_str).map(str::to_owned);
            self.network
                .failure(&url.unwrap_or_else(|| self.request.host.clone()), e)
        })
    }

    async fn read(&self, response: reqwest::Response, realm: &Url) -> Result<Token, Failure> {
        let host = realm.host_str().unwrap_or_default();
        let status = response.status();
        if !status.is_success() {
            return Err(match status.as_u16() {
                // The answer's text is left out: a token server may repeat what it was sent.
                400 | 401 | 403 => Failure::Denied {
                    host: self.request.host.clone(),
                    credentials: self.credential.is_some(),
                    detail: String::new(),
                },
                429 => Failure::RateLimited {
                    host: host.to_owned(),
                    detail: String::new(),
                },
                status => Failure::Status {
                    host: host.to_owned(),
                    status,
                    detail: String::new(),
                },
            });
        }
        let answer = read_body(self.network, host, Part::Token, response, ANSWER_LIMIT).await?;
        let answer: Answer =
            serde_json::from_slice(&answer.body).map_err(|_| self.failed("its token server's answer is no token"))?;
        answer
            .token()
            .ok_or_else(|| self.failed("its token server's answer holds no token"))
    }

    fn failed(&self, reason: &str) -> Failure {
        Failure::Login {
            host: self.request.host.clone(),
            reason: reason.to_owned(),
        }
    }
}

impl Answer {
    fn token(self) -> Option<Token> {
        let given = |text: Option<String>| text.filter(|text| !text.is_empty());
        let value = given(self.token).or_else(|| given(self.access_token))?;
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "such a cast stays in the range"
        )]
        let life = self.expires_in.map_or(0, |seconds| seconds as u64);
        let issued_at = self.issued_at.and_then(|at| OffsetDateTime::parse(&at, &Rfc3339).ok());
        Some(Token {
            value,
            life: if life == 0 { DEFAULT_LIFE } else { life },
            // Go's zero time stands for none.
            issued_at: issued_at.map(OffsetDateTime::unix_timestamp).filter(|at| *at > 0),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(answer: &str) -> Option<(String, u64, Option<i64>)> {
        let answer: Answer = serde_json::from_str(answer).expect("an answer");
        answer.token().map(|token| (token.value, token.life, token.issued_at))
    }

    #[test]
    fn lives_of_tokens() {
        let t = |life, at| Some(("t".to_owned(), life, at));
        assert_eq!(token(r#"{"token":"t"}"#), t(60, None));
        assert_eq!(token(r#"{"token":"","access_token":"t","expires_in":0}"#), t(60, None));
        assert_eq!(
            token(r#"{"access_token":"t","expires_in":300,"issued_at":"2024-01-02T03:04:05.5+01:00"}"#),
            t(300, Some(1_704_161_045))
        );
        assert_eq!(
            token(r#"{"token":"t","expires_in":-5,"issued_at":"0001-01-01T00:00:00Z"}"#),
            t(60, None)
        );
        assert_eq!(
            token(r#"{"token":"t","expires_in":3e300,"issued_at":"soon"}"#),
            t(u64::MAX, None)
        );
        assert_eq!(token("{}"), None);
    }
}
