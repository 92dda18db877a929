//! `registries.toml`: mirrors, and how registries are reached. The terms are those of `buildkitd.toml`.
//!
//! ```toml
//! [registry."docker.io"]
//! mirrors = ["localhost:5000", "harbor.example.com/proxy"]
//! [registry."registry.example.com"]
//! http = true        # no TLS
//! insecure = true    # TLS, any certificate
//! ca = ["/etc/ssl/our-ca.pem"]
//! ```
//!
//! Where the file lies is for the caller to know; relative `ca` paths are relative to it.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use luakit_diagnostic::SourceFile;
use toml_edit::TableLike;

use crate::document::{DocumentError, Reader};

/// How registries are reached, by host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RegistryConfig {
    registries: BTreeMap<String, RegistryEntry>,
}

/// How one registry is reached.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RegistryEntry {
    mirrors: Vec<String>,
    http: Option<bool>,
    insecure: bool,
    ca: Vec<PathBuf>,
}

/// A host that is asked for an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Host {
    /// Name and port, as in URLs.
    pub(crate) name: String,
    /// What stands before the repository in its URLs: empty, or `proxy/`.
    pub(crate) prefix: String,
    /// The registry that it stands in for.
    pub(crate) mirror_of: Option<String>,
    /// How to reach it: the ways in the order to try.
    pub(crate) ways: Vec<Way>,
    /// Further roots to trust.
    pub(crate) ca: Vec<PathBuf>,
}

/// How a host is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Way {
    /// TLS, verified.
    Https,
    /// TLS with any certificate.
    HttpsUnverified,
    /// Neither.
    Http,
}

impl Way {
    pub(crate) fn scheme(self) -> &'static str {
        match self {
            Self::Https | Self::HttpsUnverified => "https",
            Self::Http => "http",
        }
    }
}

impl RegistryConfig {
    /// Reads a file; `dir` is what relative paths in it are relative to.
    pub fn parse(file: Arc<SourceFile>, dir: &Path) -> Result<Self, DocumentError> {
        let (mut reader, document) = Reader::parse(file)?;
        let root = document.as_table();
        reader.known_keys(root, "the registry configuration", &["registry"]);
        let mut registries = BTreeMap::new();
        if let Some(item) = root.get("registry") {
            match item.as_table_like() {
                Some(table) => {
                    for (host, item) in table.iter() {
                        match item.as_table_like() {
                            Some(entry) => {
                                registries.insert(host.to_owned(), read_entry(&mut reader, entry, dir));
                            }
                            None => reader.wrong_type(host, "a table", item),
                        }
                    }
                }
                None => reader.wrong_type("registry", "a table", item),
            }
        }
        reader.finish(Self { registries })
    }

    /// Lets a registry be reached without TLS, or with any certificate.
    pub fn allow_insecure(&mut self, registry: &str) {
        let entry = self.registries.entry(registry.to_owned()).or_default();
        entry.http = Some(true);
        entry.insecure = true;
    }

    /// The hosts to ask for an image of a registry: its mirrors, then itself.
    pub(crate) fn hosts(&self, registry: &str) -> Vec<Host> {
        let entry = self.registries.get(registry);
        let mirrors = entry.map_or(&[][..], |e| &e.mirrors);
        let mut hosts: Vec<Host> = mirrors
            .iter()
            .map(|mirror| {
                let (name, prefix) = mirror.split_once('/').unwrap_or((mirror, ""));
                let prefix = prefix.trim_matches('/');
                Host {
                    name: name.to_owned(),
                    prefix: if prefix.is_empty() {
                        String::new()
                    } else {
                        format!("{prefix}/")
                    },
                    mirror_of: Some(registry.to_owned()),
                    ..self.host(name, self.registries.get(name))
                }
            })
            .collect();
        hosts.push(self.origin(registry));
        hosts
    }

    /// The registry itself, by its name in references.
    pub(crate) fn origin(&self, registry: &str) -> Host {
        let name = match registry {
            "docker.io" => "registry-1.docker.io",
            other => other,
        };
        self.host(name, self.registries.get(registry))
    }

    /// How a registry itself is reached, by the name of its host: Docker Hub's has its entry under `docker.io`.
    pub(crate) fn registry(&self, host: &str) -> Host {
        let entry = match host {
            "registry-1.docker.io" => self.registries.get("docker.io"),
            other => self.registries.get(other),
        };
        self.host(host, entry)
    }

    #[allow(clippy::unused_self, reason = "the entry is one of this configuration's")]
    fn host(&self, name: &str, entry: Option<&RegistryEntry>) -> Host {
        let http = entry.and_then(|e| e.http);
        let insecure = entry.is_some_and(|e| e.insecure);
        // As BuildKit has it: `insecure` alone keeps TLS, with `http` either will do; a registry of this
        // machine needs no configuration.
        let ways = match (http.unwrap_or_else(|| is_loopback(name)), insecure) {
            (true, true) => vec![Way::HttpsUnverified, Way::Http],
            (true, false) if http.is_none() => vec![Way::Http, Way::HttpsUnverified],
            (true, false) => vec![Way::Http],
            (false, true) => vec![Way::HttpsUnverified],
            (false, false) => vec![Way::Https],
        };
        Host {
            name: name.to_owned(),
            prefix: String::new(),
            mirror_of: None,
            ways,
            ca: entry.map(|e| e.ca.clone()).unwrap_or_default(),
        }
    }
}

fn read_entry(reader: &mut Reader, table: &dyn TableLike, dir: &Path) -> RegistryEntry {
    reader.known_keys(table, "a registry", &["mirrors", "http", "insecure", "ca"]);
    let mut mirrors = Vec::new();
    for (mirror, at) in reader.strings(table, "mirrors") {
        let host = mirror.split('/').next().unwrap_or_default();
        if let Some((scheme, rest)) = mirror.split_once("://") {
            let host = rest.split('/').next().unwrap_or_default();
            let advice = if scheme == "http" {
                format!("; `http = true` under `[registry.\"{host}\"]` says that it has no TLS")
            } else {
                String::new()
            };
            let reason = format!("a mirror is named without `{scheme}://`{advice}");
            reader.invalid("mirrors", reason, at);
        } else if host.is_empty()
            || !mirror
                .bytes()
                .all(|b| b.is_ascii_graphic() && !matches!(b, b'?' | b'#' | b'@'))
        {
            reader.invalid("mirrors", format!("`{mirror}` names no host"), at);
        } else {
            mirrors.push(mirror);
        }
    }
    let ca = reader.strings(table, "ca").into_iter().map(|(path, _)| dir.join(path));
    RegistryEntry {
        mirrors,
        ca: ca.collect(),
        http: reader.optional_bool(table, "http"),
        insecure: reader.optional_bool(table, "insecure").unwrap_or_default(),
    }
}

/// Whether a host, with or without a port, is this machine.
fn is_loopback(host: &str) -> bool {
    if let Some(v6) = host.strip_prefix('[') {
        return v6.split(']').next() == Some("::1");
    }
    let name = host.split(':').next().unwrap_or_default();
    name == "localhost" || name.parse::<Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<RegistryConfig, DocumentError> {
        RegistryConfig::parse(SourceFile::new("registries.toml", text.as_bytes()), Path::new("/etc"))
    }

    fn hosts(text: &str, registry: &str) -> String {
        let hosts = parse(text).expect("a configuration").hosts(registry);
        let show = |h: &Host| format!("{}/{} {:?} {:?}", h.name, h.prefix, h.ways, h.ca);
        hosts.iter().map(show).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn mirrors_come_first() {
        let text = r#"
            [registry."docker.io"]
            mirrors = ["localhost:5000", "harbor.example.com/hub/"]
            [registry."harbor.example.com"]
            ca = ["ca.pem", "/abs.pem"]
        "#;
        insta::assert_snapshot!(hosts(text, "docker.io"), @r#"
        localhost:5000/ [Http, HttpsUnverified] []
        harbor.example.com/hub/ [Https] ["/etc/ca.pem", "/abs.pem"]
        registry-1.docker.io/ [Https] []
        "#);
        assert_eq!(hosts(text, "ghcr.io"), "ghcr.io/ [Https] []");
    }

    #[test]
    fn ways_follow_buildkit() {
        let ways = |options: &str, host: &str| hosts(&format!("[registry.\"{host}\"]\n{options}"), host);
        assert_eq!(ways("http = true", "r.io"), "r.io/ [Http] []");
        assert_eq!(ways("insecure = true", "r.io"), "r.io/ [HttpsUnverified] []");
        assert_eq!(
            ways("http = true\ninsecure = true", "r.io"),
            "r.io/ [HttpsUnverified, Http] []"
        );
        assert_eq!(ways("http = false", "localhost"), "localhost/ [Https] []");
        assert_eq!(ways("", "127.3.0.1:80"), "127.3.0.1:80/ [Http, HttpsUnverified] []");
        assert_eq!(ways("", "[::1]:80"), "[::1]:80/ [Http, HttpsUnverified] []");
        assert_eq!(ways("", "localhost.example.com"), "localhost.example.com/ [Https] []");
    }

    #[test]
    fn says_what_is_wrong_where() {
        let shown = |text: &str| parse(text).expect_err("a wrong configuration").to_string();
        insta::assert_snapshot!(shown(
            "[registry.\"docker.io\"]\nmirors = []\nhttp = \"yes\"\nca = \"x\"\nmirrors = [1, \"http://m:5000/p\", \"/x\"]\n\n[regitsry.x]\n"
        ), @r#"
        registries.toml:2: unknown key `mirors` in a registry
        registries.toml:3: `http` must be true or false, and is a string
        registries.toml:4: `ca` must be a list of strings, and is a string
        registries.toml:5: `mirrors` must be a list of strings, and is an integer
        registries.toml:5: `mirrors` is invalid: a mirror is named without `http://`; `http = true` under `[registry."m:5000"]` says that it has no TLS
        registries.toml:5: `mirrors` is invalid: `/x` names no host
        registries.toml:7: unknown key `regitsry` in the registry configuration
        "#);
        insta::assert_snapshot!(shown("registry = 1"), @"registries.toml:1: `registry` must be a table, and is an integer");
    }
}
