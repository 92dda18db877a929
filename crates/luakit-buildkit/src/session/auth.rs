//! Registry credentials for the engine: `moby.filesync.v1.Auth`.
//!
//! What BuildKit's own client answers
//! (<https://github.com/moby/buildkit/blob/master/session/auth/authprovider/authprovider.go>). An engine first asks
//! for a token authority: a key by which it tells sessions with the same credentials. With one, it has tokens fetched
//! by us, and never sees a password; without, it asks for the credentials themselves. So one is offered for every
//! registry that there are credentials for, and for no other: nothing is secret about an anonymous token, and an
//! engine that gets it itself needs no network of ours. A registry without tokens has its password asked for by
//! `Credentials` all the same: it knows nothing else.

mod seeds;

use std::path::PathBuf;
use std::sync::Arc;

use luakit_frontend::credentials::{Credential, Credentials};
use luakit_frontend::resolve::{Network, RegistryConfig};
use luakit_frontend::token::{Token, TokenRequest, Tokens};
use luakit_proto::filesync::auth_server::Auth;
use luakit_proto::filesync::{
    CredentialsRequest, CredentialsResponse, FetchTokenRequest, FetchTokenResponse, GetTokenAuthorityRequest,
    GetTokenAuthorityResponse, VerifyTokenAuthorityRequest, VerifyTokenAuthorityResponse,
};
use ring::hmac;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use tonic::{Request, Response, Status};

use super::{Failure, Failures};
use seeds::Seeds;

/// The methods as they are announced.
pub(crate) const METHODS: [&str; 4] = [
    "/moby.filesync.v1.Auth/Credentials",
    "/moby.filesync.v1.Auth/FetchToken",
    "/moby.filesync.v1.Auth/GetTokenAuthority",
    "/moby.filesync.v1.Auth/VerifyTokenAuthority",
];

/// How a session gets at registries' credentials, and at their token servers.
#[derive(Debug, Clone)]
pub struct RegistryAccess {
    /// Docker's configuration directory.
    pub docker_config: PathBuf,
    /// How token servers are trusted.
    pub config: RegistryConfig,
    /// The way to them.
    pub network: Network,
    /// Whether tokens are fetched here. If not, the engine is given the credentials and fetches them.
    pub fetch_tokens: bool,
}

/// The service.
#[derive(Clone)]
pub(crate) struct Login(Arc<Inner>);

struct Inner {
    credentials: Credentials,
    tokens: Tokens,
    seeds: Seeds,
    fetch_tokens: bool,
    failures: Failures,
}

impl Login {
    pub(crate) fn new(access: RegistryAccess, failures: Failures) -> Self {
        Self(Arc::new(Inner {
            credentials: Credentials::new(Some(access.docker_config.clone()), access.network.helper_timeout),
            tokens: Tokens::new(access.config, access.network),
            seeds: Seeds::new(access.docker_config),
            fetch_tokens: access.fetch_tokens,
            failures,
        }))
    }

    async fn credential(&self, host: &str) -> Result<Option<Credential>, Status> {
        let looked_up = self.0.credentials.of(host).await;
        looked_up.map_err(|error| {
            // A code other than these of "ask for the credentials instead", which would fail again.
            let status = Status::failed_precondition(error.to_string());
            let host = host.to_owned();
            self.0.failures.record(Failure::Credentials { host, error });
            status
        })
    }

    /// The key for a registry: the same for whoever has its seed, as long as the engine keeps its salt.
    async fn key(&self, host: &str, salt: &[u8]) -> Result<Ed25519KeyPair, Status> {
        if !self.0.fetch_tokens {
            return Err(Status::unavailable("tokens are not fetched by the client"));
        }
        if self.credential(host).await?.is_none() {
            return Err(Status::unavailable("there are no credentials for the registry"));
        }
        let (this, name) = (self.clone(), host.to_owned());
        let seed = tokio::task::spawn_blocking(move || this.0.seeds.of(&name)).await;
        let seed = seed.map_err(|e| Status::internal(e.to_string()))?;
        // Without a seed that lasts, there is still the way of `Credentials`.
        let seed = seed.map_err(|e| Status::unavailable(format!("can't keep a token seed: {e}")))?;
        let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, salt), &seed);
        Ed25519KeyPair::from_seed_unchecked(mac.as_ref()).map_err(|e| Status::internal(e.to_string()))
    }
}

#[tonic::async_trait]
impl Auth for Login {
    async fn credentials(&self, request: Request<CredentialsRequest>) -> Result<Response<CredentialsResponse>, Status> {
        let credential = self.credential(&request.into_inner().host).await?;
        let (username, secret) = match credential {
            Some(Credential::Password { user, password }) => (user, password),
            Some(Credential::Identity(token)) => (String::new(), token),
            Some(Credential::Registry(_)) | None => Default::default(),
        };
        Ok(Response::new(CredentialsResponse { username, secret }))
    }

    async fn fetch_token(&self, request: Request<FetchTokenRequest>) -> Result<Response<FetchTokenResponse>, Status> {
        let request = request.into_inner();
        let credential = self.credential(&request.host).await?;
        let request = TokenRequest {
            host: request.host,
            realm: request.realm,
            service: Some(request.service).filter(|service| !service.is_empty()),
            scopes: request.scopes,
            client_id: match request.client_id.as_str() {
                "" => "luakit".to_owned(),
                _ => request.client_id,
            },
        };
        match self.0.tokens.fetch(&request, credential.as_ref()).await {
            Ok(Token { value, life, issued_at }) => Ok(Response::new(FetchTokenResponse {
                token: value,
                expires_in: i64::try_from(life).unwrap_or(i64::MAX),
                issued_at: issued_at.unwrap_or_default(),
            })),
            // The engine tells this with the step that needed the token, which we don't know.
            Err(error) => Err(Status::unavailable(match error.hint() {
                Some(hint) => format!("{error} ({hint})"),
                None => error.to_string(),
            })),
        }
    }

    async fn get_token_authority(
        &self,
        request: Request<GetTokenAuthorityRequest>,
    ) -> Result<Response<GetTokenAuthorityResponse>, Status> {
        let request = request.into_inner();
        let key = self.key(&request.host, &request.salt).await?;
        let public_key = key.public_key().as_ref().to_vec();
        Ok(Response::new(GetTokenAuthorityResponse { public_key }))
    }

    /// Signs as `NaCl` does: the signature, then what is signed.
    async fn verify_token_authority(
        &self,
        request: Request<VerifyTokenAuthorityRequest>,
    ) -> Result<Response<VerifyTokenAuthorityResponse>, Status> {
        let request = request.into_inner();
        let key = self.key(&request.host, &request.salt).await?;
        let mut signed = key.sign(&request.payload).as_ref().to_vec();
        signed.extend_from_slice(&request.payload);
        Ok(Response::new(VerifyTokenAuthorityResponse { signed }))
    }
}

#[cfg(test)]
mod tests;
