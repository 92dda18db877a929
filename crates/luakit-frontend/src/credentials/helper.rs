//! Credential helpers: `docker-credential-NAME get`, the server on its stdin, JSON on its stdout
//! (<https://github.com/docker/docker-credential-helpers>).
//!
//! A helper that takes too long is ended. What one prints never reaches an error: it may hold what it must not.

use std::io::ErrorKind;
use std::process::{Output, Stdio};
use std::time::Duration;

use serde::Deserialize;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use super::{Credential, CredentialError, credential};

/// The sentence by which helpers say that they have none; docker looks for it on stdout, some write it to stderr.
const NONE: &[u8] = b"credentials not found";

#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "Username", default)]
    user: String,
    #[serde(rename = "Secret", default)]
    secret: String,
}

/// What a helper has for `server`; `host` is its name in errors.
pub(super) async fn get(
    helper: &str,
    host: &str,
    server: &str,
    limit: Duration,
) -> Result<Option<Credential>, CredentialError> {
    let program = format!("docker-credential-{helper}");
    let host = host.to_owned();
    let ran = match tokio::time::timeout(limit, run(&program, server)).await {
        Ok(Ok(ran)) => ran,
        Ok(Err(e)) if e.kind() == ErrorKind::NotFound => return Err(CredentialError::NoHelper { host, program }),
        Ok(Err(_)) => return Err(CredentialError::Helper { host, program }),
        Err(_) => return Err(CredentialError::HelperTimedOut { host, program, limit }),
    };
    if !ran.status.success() {
        if says_none(&ran.stdout) || says_none(&ran.stderr) {
            return Ok(None);
        }
        return Err(CredentialError::Helper { host, program });
    }
    match serde_json::from_slice::<Answer>(&ran.stdout) {
        Ok(answer) => Ok(credential(answer.user, answer.secret)),
        Err(_) => Err(CredentialError::Helper { host, program }),
    }
}

async fn run(program: &str, server: &str) -> std::io::Result<Output> {
    let mut child = Command::new(program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // A helper may end without reading it; its answer says how it went.
        let _unread = stdin.write_all(server.as_bytes()).await;
    }
    child.wait_with_output().await
}

fn says_none(said: &[u8]) -> bool {
    said.to_ascii_lowercase().windows(NONE.len()).any(|part| part == NONE)
}
