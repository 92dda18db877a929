//! Registry credentials for the engine: `moby.filesync.v1.Auth`.
//!
//! Answers `Credentials` from Docker's configuration and its credential helpers. Engines ask the other
//! methods only of clients that offer a token authority (`GetTokenAuthority`): this one doesn't, and
//! engines then fetch tokens themselves, anonymous ones included
//! (<https://github.com/moby/buildkit/blob/master/util/resolver/authorizer.go>).

use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use docker_credential::{CredentialRetrievalError, DockerCredential, get_credential_from_reader};
use luakit_proto::filesync::auth_server::Auth;
use luakit_proto::filesync::{
    CredentialsRequest, CredentialsResponse, FetchTokenRequest, FetchTokenResponse, GetTokenAuthorityRequest,
    GetTokenAuthorityResponse, VerifyTokenAuthorityRequest, VerifyTokenAuthorityResponse,
};
use tonic::{Request, Response, Status};

use super::{Failure, Failures};

/// The method as it is announced.
pub(crate) const METHOD: &str = "/moby.filesync.v1.Auth/Credentials";

/// Why credentials can't be had. None of the texts holds a secret.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// The configuration can't be opened.
    #[error("can't read `{}`: {source}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The configuration or what a helper answered makes no sense.
    #[error("`{}`: {reason}", path.display())]
    Malformed {
        /// The configuration.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A credential helper failed. What it said is left out: it may hold a secret.
    #[error("the credential helper `{helper}` failed")]
    Helper {
        /// Its program.
        helper: String,
    },
}

/// The service.
#[derive(Clone)]
pub(crate) struct Credentials {
    /// Docker's configuration directory.
    dir: PathBuf,
    failures: Failures,
    /// One helper at a time: keychains don't like company.
    turn: Arc<Mutex<()>>,
}

impl Credentials {
    pub(crate) fn new(dir: PathBuf, failures: Failures) -> Self {
        Self {
            dir,
            failures,
            turn: Arc::default(),
        }
    }

    /// The user and secret for a registry; both empty when there are none.
    fn look_up(&self, host: &str) -> Result<(String, String), CredentialsError> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let path = self.dir.join("config.json");
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Default::default()),
            Err(source) => return Err(CredentialsError::Config { path, source }),
        };
        // Docker Hub has been written under this key since it was the only registry.
        let key = match host {
            "registry-1.docker.io" | "docker.io" | "index.docker.io" => "https://index.docker.io/v1/",
            other => other,
        };
        match get_credential_from_reader(BufReader::new(file), key) {
            Ok(DockerCredential::UsernamePassword(user, secret)) => Ok((user, secret)),
            Ok(DockerCredential::IdentityToken(token)) => Ok((String::new(), token)),
            Err(CredentialRetrievalError::NoCredentialConfigured) => Ok(Default::default()),
            // Helpers say on stdout that they know nothing of a registry; that is no failure.
            Err(CredentialRetrievalError::HelperFailure { stdout, .. })
                if stdout.to_ascii_lowercase().contains("credentials not found") =>
            {
                Ok(Default::default())
            }
            Err(CredentialRetrievalError::HelperFailure { helper, .. }) => Err(CredentialsError::Helper { helper }),
            Err(error) => Err(CredentialsError::Malformed {
                path,
                reason: error.to_string(),
            }),
        }
    }
}

#[tonic::async_trait]
impl Auth for Credentials {
    async fn credentials(&self, request: Request<CredentialsRequest>) -> Result<Response<CredentialsResponse>, Status> {
        let host = request.into_inner().host;
        let (this, asked) = (self.clone(), host.clone());
        match tokio::task::spawn_blocking(move || this.look_up(&asked)).await {
            Ok(Ok((username, secret))) => Ok(Response::new(CredentialsResponse { username, secret })),
            Ok(Err(error)) => {
                let status = Status::unavailable(error.to_string());
                self.failures.record(Failure::Credentials { host, error });
                Err(status)
            }
            Err(error) => Err(Status::internal(error.to_string())),
        }
    }

    async fn fetch_token(&self, _: Request<FetchTokenRequest>) -> Result<Response<FetchTokenResponse>, Status> {
        Err(Status::unimplemented("no token authority is offered"))
    }

    async fn get_token_authority(
        &self,
        _: Request<GetTokenAuthorityRequest>,
    ) -> Result<Response<GetTokenAuthorityResponse>, Status> {
        Err(Status::unimplemented("no token authority is offered"))
    }

    async fn verify_token_authority(
        &self,
        _: Request<VerifyTokenAuthorityRequest>,
    ) -> Result<Response<VerifyTokenAuthorityResponse>, Status> {
        Err(Status::unimplemented("no token authority is offered"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look_up(config: &str, host: &str) -> Result<(String, String), String> {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("config.json"), config).unwrap();
        let credentials = Credentials::new(dir.path().to_owned(), Failures::default());
        credentials
            .look_up(host)
            .map_err(|e| e.to_string().replace(dir.path().to_str().unwrap(), ""))
    }

    #[test]
    fn from_the_configuration() {
        let config =
            r#"{"auths":{"https://index.docker.io/v1/":{"auth":"dTpw"},"r.example:5000":{"identitytoken":"T"}}}"#;
        let pair = |a: &str, b: &str| Ok((a.to_owned(), b.to_owned()));
        assert_eq!(look_up(config, "registry-1.docker.io"), pair("u", "p"));
        assert_eq!(look_up(config, "r.example:5000"), pair("", "T"));
        assert_eq!(look_up(config, "other.example"), pair("", ""));
        assert_eq!(
            look_up("{", "x"),
            Err("`/config.json`: Unable to read config".to_owned())
        );
        let gone = Credentials::new("/nonexistent".into(), Failures::default());
        assert_eq!(gone.look_up("x").unwrap(), (String::new(), String::new()));
    }
}
