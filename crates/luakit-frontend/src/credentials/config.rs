//! `config.json`: which helper a registry has, and what is stored in the file itself.
//!
//! The fields that matter of docker's own
//! (<https://github.com/docker/cli/blob/master/cli/config/configfile/file.go>, `types/authconfig.go`).

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;

use base64::Engine as _;
use serde::Deserialize;

use super::{Credential, CredentialError, credential};

/// Go reads `null` as nothing at all, so each field may be one.
#[derive(Deserialize)]
pub(super) struct Config {
    auths: Option<BTreeMap<String, Option<Entry>>>,
    #[serde(rename = "credHelpers")]
    helpers: Option<BTreeMap<String, Option<String>>>,
    #[serde(rename = "credsStore")]
    store: Option<String>,
}

#[derive(Deserialize)]
struct Entry {
    /// `user:password` in base 64; it comes before the two fields.
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    identitytoken: Option<String>,
    registrytoken: Option<String>,
}

/// The file's content; `None` when there is no file, or nothing in it.
pub(super) fn read(path: &Path) -> Result<Option<Config>, CredentialError> {
    let unreadable = |reason: String| CredentialError::Config {
        path: path.to_owned(),
        reason,
    };
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
        Err(e) if e.kind() == ErrorKind::IsADirectory => return Err(unreadable("it is a directory".to_owned())),
        Err(e) if e.kind() == ErrorKind::PermissionDenied => return Err(unreadable("permission denied".to_owned())),
        Err(e) => return Err(unreadable(e.to_string())),
    };
    if text.trim_ascii().is_empty() {
        return Ok(None);
    }
    // What the parser says could hold a piece of the file, and so of a secret.
    let config = serde_json::from_slice(&text);
    config.map_err(|_| unreadable("it is not the JSON that Docker writes".to_owned()))
}

impl Config {
    /// The helper that keeps a server's credentials, as the end of its program's name. An entry of `credHelpers`
    /// that is empty takes the server away from `credsStore`.
    pub(super) fn helper(&self, server: &str) -> Option<&str> {
        let own = self.helpers.as_ref().and_then(|helpers| helpers.get(server));
        let helper = match own {
            Some(helper) => helper.as_deref(),
            None => self.store.as_deref(),
        };
        helper.filter(|helper| !helper.is_empty())
    }

    /// The token that the file has for a server's registry itself.
    pub(super) fn registry_token(&self, server: &str) -> Option<String> {
        given(self.entry(server)?.registrytoken.as_ref())
    }

    /// What the file itself has for a server. `host` is its name in errors.
    pub(super) fn stored(&self, host: &str, server: &str) -> Result<Option<Credential>, CredentialError> {
        let Some(entry) = self.entry(server) else {
            return Ok(None);
        };
        if let Some(token) = given(entry.identitytoken.as_ref()) {
            return Ok(Some(Credential::Identity(token)));
        }
        let (user, password) = match given(entry.auth.as_ref()) {
            Some(auth) => decode(&auth).ok_or_else(|| CredentialError::Unusable { host: host.to_owned() })?,
            None => (
                entry.username.clone().unwrap_or_default(),
                entry.password.clone().unwrap_or_default(),
            ),
        };
        Ok(credential(user, password))
    }

    /// The entry of that name, else one that is a URL on that host: old versions of docker wrote such.
    fn entry(&self, server: &str) -> Option<&Entry> {
        let auths = self.auths.as_ref()?;
        let exact = auths.get(server);
        let entry = exact.or_else(|| auths.iter().find(|(name, _)| host_of(name) == server).map(|(_, e)| e));
        entry?.as_ref()
    }
}

fn given(field: Option<&String>) -> Option<String> {
    field.filter(|text| !text.is_empty()).cloned()
}

fn decode(auth: &str) -> Option<(String, String)> {
    let pair = base64::engine::general_purpose::STANDARD.decode(auth).ok()?;
    let pair = String::from_utf8(pair).ok()?;
    let (user, password) = pair.split_once(':')?;
    // Some tools pad the pair.
    let password = password.trim_matches('\0');
    (!user.is_empty()).then(|| (user.to_owned(), password.to_owned()))
}

/// The host and port of an entry's name, which may be a URL.
fn host_of(name: &str) -> &str {
    let rest = name.split_once("://").map_or(name, |(_, rest)| rest);
    rest.split('/').next().unwrap_or_default()
}
