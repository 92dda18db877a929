//! Git remotes, read as BuildKit's `util/gitutil` reads them.

use crate::path;
use crate::percent::{self, Plus};

/// A git remote taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitRemote {
    /// What git is given: no fragment, no query.
    pub remote: String,
    /// Whether it is reached over ssh.
    pub ssh: bool,
    /// Host and port.
    pub host: String,
    /// The path on the host, decoded.
    pub path: String,
    /// The reference of a `#ref:subdir` fragment.
    pub reference: Option<String>,
    /// The directory of a `#ref:subdir` fragment, cleaned.
    pub subdir: Option<String>,
    /// What follows a `?`, as it is written.
    pub query: String,
}

/// Why a text is no git remote.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum GitUrlError {
    /// A scheme that BuildKit does not fetch git from.
    #[error("can't fetch a git repository over `{0}`: it must be https, http, ssh or git")]
    Scheme(String),
    /// No host.
    #[error("`{0}` names no host")]
    NoHost(String),
}

impl GitRemote {
    /// Reads `scheme://host/path`, `user@host:path`, or `host/path`, which is `https`.
    pub fn parse(text: &str) -> Result<Self, GitUrlError> {
        if let Some((scheme, rest)) = split_scheme(text) {
            return Self::from_url(scheme, rest, text);
        }
        if let Some(remote) = Self::from_scp(text) {
            return Ok(remote);
        }
        let text = format!("https://{text}");
        Self::from_url("https", text.get("https://".len()..).unwrap_or_default(), &text)
    }

    /// What BuildKit calls the repository: the same over every protocol.
    pub fn identifier(&self) -> String {
        format!("{}{}", self.host, path::join(&["/", &self.path]))
    }

    fn from_url(scheme: &str, rest: &str, text: &str) -> Result<Self, GitUrlError> {
        let scheme = scheme.to_ascii_lowercase();
        if !matches!(scheme.as_str(), "http" | "https" | "ssh" | "git") {
            return Err(GitUrlError::Scheme(scheme));
        }
        let (rest, fragment) = cut(rest, '#');
        let (rest, query) = cut(rest, '?');
        let (authority, url_path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        if host.is_empty() {
            return Err(GitUrlError::NoHost(text.to_owned()));
        }
        let (reference, subdir) = split_fragment(fragment);
        Ok(Self {
            remote: format!("{scheme}://{rest}"),
            ssh: scheme == "ssh",
            host: host.to_owned(),
            // Go's URL parser hands out the path decoded.
            path: String::from_utf8(percent::decode(url_path, Plus::Plus)).unwrap_or_else(|_| url_path.to_owned()),
            reference,
            subdir,
            query: query.to_owned(),
        })
    }

    fn from_scp(text: &str) -> Option<Self> {
        let (user, rest) = text.split_once('@')?;
        let (host, rest) = rest.split_once(':')?;
        let user_fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        let host_fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
        if user.is_empty() || host.is_empty() || !user.chars().all(user_fits) || !host.chars().all(host_fits) {
            return None;
        }
        let (rest, fragment) = cut(rest, '#');
        let (scp_path, query) = cut(rest, '?');
        let (reference, subdir) = split_fragment(fragment);
        Some(Self {
            remote: format!("{user}@{host}:{scp_path}"),
            ssh: true,
            host: host.to_owned(),
            path: scp_path.to_owned(),
            reference,
            subdir,
            query: query.to_owned(),
        })
    }
}

fn split_scheme(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once("://")?;
    (!scheme.is_empty() && scheme.bytes().all(|b| b.is_ascii_alphanumeric())).then_some((scheme, rest))
}

fn cut(text: &str, at: char) -> (&str, &str) {
    text.split_once(at).unwrap_or((text, ""))
}

fn split_fragment(fragment: &str) -> (Option<String>, Option<String>) {
    let (reference, subdir) = cut(fragment, ':');
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    (
        some(reference),
        some(path::join(&["/", subdir]).trim_start_matches('/')),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: &str) {
        let shown = GitRemote::parse(text).map_or_else(
            |e| e.to_string(),
            |g| {
                let ssh = if g.ssh { " ssh" } else { "" };
                format!("{} {}{ssh} {:?} {:?}", g.remote, g.identifier(), g.reference, g.subdir)
            },
        );
        assert_eq!(shown, expect, "{text}");
    }

    #[test]
    fn reads_every_form() {
        check("https://h.com/a/b.git", "https://h.com/a/b.git h.com/a/b.git None None");
        check("h.com/a/b", "https://h.com/a/b h.com/a/b None None");
        check(
            "https://u:p@h.com:8443/a//b/../c.git?x=1#r",
            "https://u:p@h.com:8443/a//b/../c.git h.com:8443/a/c.git Some(\"r\") None",
        );
        check(
            "git@h.com:a/b.git#main:sub/../d/",
            "git@h.com:a/b.git h.com/a/b.git ssh Some(\"main\") Some(\"d\")",
        );
        check(
            "ssh://git@h.com:22/a.git#:sub",
            "ssh://git@h.com:22/a.git h.com:22/a.git ssh None Some(\"sub\")",
        );
        check("https://h.com/a%20b", "https://h.com/a%20b h.com/a b None None");
        check(
            "ftp://h.com/a",
            "can't fetch a git repository over `ftp`: it must be https, http, ssh or git",
        );
        check("https:///a", "`https:///a` names no host");
    }
}
