//! Logging in at a registry: what its challenge asks for, answered with Docker's credentials.
//!
//! Basic and bearer, as the distribution project specifies them
//! (<https://distribution.github.io/distribution/spec/auth/token/>, `oauth/`). With credentials a token is asked
//! for by OAuth2 first and by GET where that is not known, as containerd does; an identity token works by OAuth2
//! alone.

use std::fmt;

use base64::Engine as _;
use http_auth::parser::ChallengeParser;
use reqwest::header::{HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use reqwest::{Client, RequestBuilder, StatusCode, Url};
use serde::Deserialize;

use crate::resolve::config::Way;
use crate::resolve::credentials::Credential;
use crate::resolve::error::{Failure, Part};
use crate::resolve::http::{Network, read_body};

/// Tokens are a few kilobytes.
const TOKEN_LIMIT: usize = 1 << 20;

/// What goes into `Authorization`. It is sensitive: nothing prints it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Authorization(HeaderValue);

impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authorization(…)")
    }
}

impl Authorization {
    pub(crate) fn apply(&self, request: RequestBuilder) -> RequestBuilder {
        request.header(reqwest::header::AUTHORIZATION, self.0.clone())
    }

    fn new(scheme: &str, secret: &str) -> Option<Self> {
        let mut value = HeaderValue::from_str(&format!("{scheme} {secret}")).ok()?;
        value.set_sensitive(true);
        Some(Self(value))
    }

    fn basic(user: &str, password: &str) -> Option<Self> {
        let pair = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
        Self::new("Basic", &pair)
    }
}

/// Who asks whom for what.
pub(crate) struct Login<'a> {
    pub(crate) network: &'a Network,
    pub(crate) client: &'a Client,
    /// The registry.
    pub(crate) host: &'a str,
    pub(crate) way: Way,
    /// The repository that is to be read.
    pub(crate) repository: &'a str,
    pub(crate) credential: Option<&'a Credential>,
}

enum Challenge {
    Basic,
    Bearer {
        realm: String,
        service: Option<String>,
        scope: Option<String>,
    },
}

#[derive(Deserialize)]
struct Token {
    token: Option<String>,
    access_token: Option<String>,
}

impl Login<'_> {
    /// Answers the challenges of a refused request. `None`: there is nothing to answer them with.
    pub(crate) async fn answer(&self, headers: &HeaderMap) -> Result<Option<Authorization>, Failure> {
        let challenges = challenges(headers);
        for challenge in &challenges {
            if let Challenge::Bearer { realm, service, scope } = challenge {
                let token = self.token(realm, service.as_deref(), scope.as_deref()).await?;
                return match Authorization::new("Bearer", &token) {
                    Some(authorization) => Ok(Some(authorization)),
                    None => Err(self.failed("its token can't be sent")),
                };
            }
        }
        let basic = challenges.iter().any(|c| matches!(c, Challenge::Basic));
        match self.credential {
            Some(Credential::Password { user, password }) if basic => match Authorization::basic(user, password) {
                Some(authorization) => Ok(Some(authorization)),
                None => Err(self.failed("the credentials can't be sent")),
            },
            _ => Ok(None),
        }
    }

    async fn token(&self, realm: &str, service: Option<&str>, scope: Option<&str>) -> Result<String, Failure> {
        let realm = self.realm(realm)?;
        let own = format!("repository:{}:pull", self.repository);
        let mut scopes = vec![own.as_str()];
        scopes.extend(
            scope
                .into_iter()
                .flat_map(|s| s.split(' '))
                .filter(|s| !s.is_empty() && *s != own),
        );
        let Some(credential) = self.credential else {
            return self.granted(self.get(&realm, service, &scopes, None)).await;
        };
        let posted = self
            .exchange(self.post(&realm, service, &scopes, credential), &realm)
            .await?;
        match (posted.status(), credential) {
            (
                StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_FOUND | StatusCode::UNAUTHORIZED,
                Credential::Password { user, password },
            ) => {
                let get = self.get(&realm, service, &scopes, Some((user, password)));
                self.granted(get).await
            }
            _ => self.read(posted, &realm).await,
        }
    }

    /// The token server. It may be another host, but credentials never go there in the clear because of
    /// what a registry on TLS says.
    fn realm(&self, realm: &str) -> Result<Url, Failure> {
        let url = Url::parse(realm).map_err(|_| self.failed("its challenge names no token server"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(self.failed("its challenge names no token server"));
        }
        if url.scheme() == "http" && self.way != Way::Http {
            return Err(Failure::InsecureRealm {
                host: self.host.to_owned(),
                realm: url.host_str().unwrap_or_default().to_owned(),
            });
        }
        Ok(url)
    }

    fn get(
        &self,
        realm: &Url,
        service: Option<&str>,
        scopes: &[&str],
        user: Option<(&str, &str)>,
    ) -> (RequestBuilder, Url) {
        let mut url = realm.clone();
        {
            let mut query = url.query_pairs_mut();
            if let Some(service) = service {
                query.append_pair("service", service);
            }
            for scope in scopes {
                query.append_pair("scope", scope);
            }
        }
        let mut request = self.client.get(url.clone());
        if let Some((user, password)) = user {
            request = request.basic_auth(user, Some(password));
        }
        (request, url)
    }

    fn post(&self, realm: &Url, service: Option<&str>, scopes: &[&str], credential: &Credential) -> RequestBuilder {
        let scope = scopes.join(" ");
        let mut form = vec![("client_id", "luakit"), ("scope", &scope)];
        form.extend(service.map(|service| ("service", service)));
        match credential {
            Credential::Identity(token) => form.extend([("grant_type", "refresh_token"), ("refresh_token", token)]),
            Credential::Password { user, password } => {
                form.extend([("grant_type", "password"), ("username", user), ("password", password)]);
            }
        }
        // The form's encoding is a query's.
        let mut encoded = realm.clone();
        encoded.query_pairs_mut().clear().extend_pairs(form);
        self.client
            .post(realm.clone())
            .header(reqwest::header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(encoded.query().unwrap_or_default().to_owned())
    }

    async fn granted(&self, (request, url): (RequestBuilder, Url)) -> Result<String, Failure> {
        let response = self.exchange(request, &url).await?;
        self.read(response, &url).await
    }

    async fn exchange(&self, request: RequestBuilder, realm: &Url) -> Result<reqwest::Response, Failure> {
        let request = request.timeout(self.network.request_timeout);
        let host = realm.host_str().unwrap_or_default();
        request.send().await.map_err(|e| self.network.failure(host, e))
    }

    async fn read(&self, response: reqwest::Response, realm: &Url) -> Result<String, Failure> {
        let host = realm.host_str().unwrap_or_default();
        let status = response.status();
        if !status.is_success() {
            return Err(match status.as_u16() {
                // The answer's text is left out: a token server may repeat what it was sent.
                400 | 401 | 403 => Failure::Denied {
                    host: self.host.to_owned(),
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
        let answer = read_body(self.network, host, Part::Token, response, TOKEN_LIMIT).await?;
        let token: Token =
            serde_json::from_slice(&answer.body).map_err(|_| self.failed("its token server's answer is no token"))?;
        let token = token.token.or(token.access_token).filter(|t| !t.is_empty());
        token.ok_or_else(|| self.failed("its token server's answer holds no token"))
    }

    fn failed(&self, reason: &str) -> Failure {
        Failure::Login {
            host: self.host.to_owned(),
            reason: reason.to_owned(),
        }
    }
}

/// Every challenge that we know how to answer.
fn challenges(headers: &HeaderMap) -> Vec<Challenge> {
    let mut challenges = Vec::new();
    for value in headers.get_all(WWW_AUTHENTICATE) {
        let Ok(value) = value.to_str() else {
            continue;
        };
        for challenge in ChallengeParser::new(value).map_while(Result::ok) {
            let param = |name: &str| {
                let mut params = challenge.params.iter();
                let (_, value) = params.find(|(n, _)| n.eq_ignore_ascii_case(name))?;
                Some(value.to_unescaped())
            };
            if challenge.scheme.eq_ignore_ascii_case("bearer") {
                if let Some(realm) = param("realm") {
                    challenges.push(Challenge::Bearer {
                        realm,
                        service: param("service"),
                        scope: param("scope"),
                    });
                }
            } else if challenge.scheme.eq_ignore_ascii_case("basic") {
                challenges.push(Challenge::Basic);
            }
        }
    }
    challenges
}
