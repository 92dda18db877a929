//! How lock files and messages name git remotes and files: without the credentials that a URL may carry.

use std::fmt;

/// A git source as messages name it: `https://host/repo.git#v1`.
pub(crate) struct GitName<'a>(pub(crate) &'a str, pub(crate) Option<&'a str>);

impl fmt::Display for GitName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)?;
        match self.1 {
            Some(reference) => write!(f, "#{reference}"),
            None => Ok(()),
        }
    }
}

/// A URL without the user and password that http and https URLs may carry. The user of an ssh URL is no secret,
/// and part of where it leads.
pub(crate) fn public_url(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let Some((user, host)) = authority.rsplit_once('@') else {
        return url.to_owned();
    };
    if scheme.eq_ignore_ascii_case("ssh") {
        let user = user.split(':').next().unwrap_or_default();
        return format!("{scheme}://{user}@{host}{path}");
    }
    format!("{scheme}://{host}{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_lose_what_is_secret() {
        let check = |url: &str, expect: &str| assert_eq!(public_url(url), expect);
        check("https://u:p@h.com:8443/a?b@c", "https://h.com:8443/a?b@c");
        check("https://token@h.com/a.git", "https://h.com/a.git");
        check("https://h.com/a@b", "https://h.com/a@b");
        check("ssh://git:pw@h.com/a", "ssh://git@h.com/a");
        check("git@h.com:a/b.git", "git@h.com:a/b.git");
        check("h.com/a", "h.com/a");
    }
}
