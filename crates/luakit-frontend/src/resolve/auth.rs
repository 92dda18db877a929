//! Logging in at a registry: what its challenge asks for, answered with Docker's credentials.
//!
//! Basic and bearer, as the distribution project specifies them
//! (<https://distribution.github.io/distribution/spec/auth/token/>). [`crate::token`] gets the tokens.

use std::fmt;

use base64::Engine as _;
use http_auth::parser::ChallengeParser;
use reqwest::header::{HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use reqwest::{Client, RequestBuilder};

use crate::credentials::Credential;
use crate::resolve::config::Way;
use crate::resolve::error::Failure;
use crate::resolve::http::Network;
use crate::token::{Exchange, TokenRequest};

/// How token servers know us.
const CLIENT_ID: &str = "luakit";

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
    /// The repository.
    pub(crate) repository: &'a str,
    /// What is to be done there: `pull` or `pull,push`.
    pub(crate) actions: &'a str,
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
        if let Some(Credential::Registry(token)) = self.credential {
            return Ok(token.clone());
        }
        let own = format!("repository:{}:{}", self.repository, self.actions);
        let asked = scope.into_iter().flat_map(|s| s.split(' '));
        let others = asked.filter(|s| !s.is_empty() && *s != own).map(str::to_owned);
        let request = TokenRequest {
            host: self.host.to_owned(),
            realm: realm.to_owned(),
            service: service.map(str::to_owned),
            scopes: [own.clone()].into_iter().chain(others).collect(),
            client_id: CLIENT_ID.to_owned(),
        };
        let exchange = Exchange {
            network: self.network,
            client: self.client,
            unencrypted: self.way == Way::Http,
            request: &request,
            credential: self.credential,
        };
        Ok(exchange.token().await?.value)
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
