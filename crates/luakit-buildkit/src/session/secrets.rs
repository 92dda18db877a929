//! Secrets for the engine: `moby.buildkit.secrets.v1.Secrets`.
//!
//! A build's secrets are known by id. A file is read when the engine asks for it and not before; a value is
//! handed over as it is. An id that wasn't given is "not found", which a step may take as optional; a file
//! that can't be read is an error that names it, and ends the build. No text and no `Debug` output holds a
//! value. Protocol: <https://github.com/moby/buildkit/blob/master/session/secrets/secrets.proto>.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use luakit_proto::secrets::secrets_server::Secrets;
use luakit_proto::secrets::{GetSecretRequest, GetSecretResponse};
use tonic::{Request, Response, Status};

use super::{Failure, Failures, ServiceError};

/// The method as it is announced.
pub(crate) const METHOD: &str = "/moby.buildkit.secrets.v1.Secrets/GetSecret";

/// The longest secret that engines take, in bytes
/// (<https://github.com/moby/buildkit/blob/master/session/secrets/secretsprovider/secretsprovider.go>).
pub const SECRET_LIMIT: usize = 500 << 10;

/// Where a secret comes from.
#[derive(Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// A file, read each time the engine asks.
    File(PathBuf),
    /// The secret itself.
    Value(Vec<u8>),
}

impl fmt::Debug for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Value(_) => f.write_str("Value(..)"),
        }
    }
}

/// Finds what is wrong with secrets before a build. Contents are not read.
pub(crate) fn check(secrets: &BTreeMap<String, SecretSource>) -> Result<(), ServiceError> {
    for (id, source) in secrets {
        let size = match source {
            SecretSource::Value(value) => value.len() as u64,
            SecretSource::File(path) => {
                let metadata = std::fs::metadata(path).map_err(|e| ServiceError::secret(id, path, e))?;
                if metadata.is_dir() {
                    return Err(ServiceError::secret(id, path, std::io::ErrorKind::IsADirectory));
                }
                metadata.len()
            }
        };
        if size > SECRET_LIMIT as u64 {
            return Err(ServiceError::SecretSize { id: id.clone() });
        }
    }
    Ok(())
}

/// The service.
#[derive(Clone)]
pub(crate) struct Store {
    secrets: Arc<BTreeMap<String, SecretSource>>,
    failures: Failures,
}

impl Store {
    pub(crate) fn new(secrets: BTreeMap<String, SecretSource>, failures: Failures) -> Self {
        Self {
            secrets: Arc::new(secrets),
            failures,
        }
    }
}

#[tonic::async_trait]
impl Secrets for Store {
    async fn get_secret(&self, request: Request<GetSecretRequest>) -> Result<Response<GetSecretResponse>, Status> {
        let id = request.into_inner().id;
        let read = match self.secrets.get(&id) {
            None => return Err(Status::not_found(format!("secret {id}: not found"))),
            Some(SecretSource::Value(value)) => Ok(value.clone()),
            Some(SecretSource::File(path)) => {
                let (id, path) = (id.clone(), path.clone());
                let read = tokio::task::spawn_blocking(move || {
                    read_secret(&path).map_err(|e| ServiceError::secret(&id, &path, e))
                });
                read.await.map_err(|e| Status::internal(e.to_string()))?
            }
        };
        let checked = read.and_then(|data| match data.len() {
            0..=SECRET_LIMIT => Ok(data),
            _ => Err(ServiceError::SecretSize { id }),
        });
        match checked {
            Ok(data) => Ok(Response::new(GetSecretResponse { data })),
            Err(error) => {
                let status = Status::unknown(error.to_string());
                self.failures.record(Failure::Service(error));
                Err(status)
            }
        }
    }
}

/// Reads a secret's file. What is longer than [`SECRET_LIMIT`] is cut one byte after it, so that the length tells.
pub fn read_secret(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut data = Vec::new();
    let file = std::fs::File::open(path)?;
    file.take(SECRET_LIMIT as u64 + 1).read_to_end(&mut data)?;
    Ok(data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_is_shown() {
        let value = SecretSource::Value(b"hunter2".to_vec());
        assert_eq!(format!("{value:?}"), "Value(..)");
        let answer = GetSecretResponse {
            data: b"hunter2".to_vec(),
        };
        assert_eq!(format!("{answer:?}"), "GetSecretResponse { .. }");
    }

    #[tokio::test]
    async fn files_and_values() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str| dir.path().join(name);
        std::fs::write(file("token"), "from a file").unwrap();
        std::fs::write(file("big"), vec![b'x'; SECRET_LIMIT + 1]).unwrap();
        let failures = Failures::default();
        let secrets = BTreeMap::from([
            ("value".to_owned(), SecretSource::Value(b"given".to_vec())),
            ("file".to_owned(), SecretSource::File(file("token"))),
            ("big".to_owned(), SecretSource::File(file("big"))),
            ("gone".to_owned(), SecretSource::File(file("gone"))),
        ]);
        let store = Store::new(secrets, failures.clone());
        let ask = async |id: &str| {
            let request = Request::new(GetSecretRequest { id: id.to_owned() });
            let answer = store.get_secret(request).await;
            answer
                .map(|a| String::from_utf8(a.into_inner().data).unwrap())
                .map_err(|s| (s.code(), s.message().replace(&dir.path().display().to_string(), "DIR")))
        };
        assert_eq!(ask("value").await.unwrap(), "given");
        assert_eq!(ask("file").await.unwrap(), "from a file");
        // Read anew each time.
        std::fs::write(file("token"), "changed").unwrap();
        assert_eq!(ask("file").await.unwrap(), "changed");
        assert_eq!(ask("other").await.unwrap_err().0, tonic::Code::NotFound);
        assert!(failures.take().is_none(), "an optional secret may be missing");
        let (code, text) = ask("gone").await.unwrap_err();
        assert_eq!(code, tonic::Code::Unknown, "no optional secret: it was given");
        assert_eq!(
            text,
            "can't read `DIR/gone`, given as the secret `gone`: No such file or directory (os error 2)"
        );
        assert!(matches!(
            failures.take(),
            Some(Failure::Service(ServiceError::Secret { .. }))
        ));
        let (_, text) = ask("big").await.unwrap_err();
        assert_eq!(text, "the secret `big` is longer than 512000 bytes");
    }

    #[test]
    fn found_before_the_build() {
        let dir = tempfile::tempdir().unwrap();
        let one = |source| {
            let secrets = BTreeMap::from([("x".to_owned(), source)]);
            check(&secrets).unwrap_err().to_string()
        };
        let missing = one(SecretSource::File(dir.path().join("no")));
        assert!(missing.ends_with("given as the secret `x`: No such file or directory (os error 2)"));
        let directory = one(SecretSource::File(dir.path().to_owned()));
        assert!(
            directory.ends_with("given as the secret `x`: is a directory"),
            "{directory}"
        );
        let long = one(SecretSource::Value(vec![0; SECRET_LIMIT + 1]));
        assert_eq!(long, "the secret `x` is longer than 512000 bytes");
    }
}
