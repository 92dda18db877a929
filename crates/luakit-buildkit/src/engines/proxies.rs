//! The proxies that Docker's configuration has for builds.
//!
//! `proxies` of `config.json` names them by a Docker's address, and under `default` for all others. Docker's clients
//! make them arguments of every build (`util/storeutil` and `build/opt.go` of <https://github.com/docker/buildx>).

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::SetupError;
use super::contexts::read;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Config {
    proxies: BTreeMap<String, Proxies>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Proxies {
    #[serde(rename = "httpProxy")]
    http: String,
    #[serde(rename = "httpsProxy")]
    https: String,
    #[serde(rename = "noProxy")]
    no: String,
    #[serde(rename = "ftpProxy")]
    ftp: String,
    #[serde(rename = "allProxy")]
    all: String,
}

/// Those for the Docker at `host`, by the name of the build argument.
pub(super) fn of(dir: &Path, host: Option<&str>) -> Result<BTreeMap<&'static str, String>, SetupError> {
    let config: Config = read(&dir.join("config.json"))?.unwrap_or_default();
    let mut all = config.proxies;
    let own = host.and_then(|host| all.remove(host));
    let own = own.or_else(|| all.remove("default")).unwrap_or_default();
    let named = [
        ("ALL_PROXY", own.all),
        ("FTP_PROXY", own.ftp),
        ("HTTPS_PROXY", own.https),
        ("HTTP_PROXY", own.http),
        ("NO_PROXY", own.no),
    ];
    Ok(named.into_iter().filter(|(_, value)| !value.is_empty()).collect())
}
