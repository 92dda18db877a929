//! Git repositories as build contexts: which URLs are such, and what their fragments and queries ask for.
//!
//! The rules are those of BuildKit's Dockerfile frontend
//! (<https://github.com/moby/buildkit/blob/master/frontend/dockerfile/dfgitutil/git_ref.go>): `#ref:subdir`, or the query
//! keys `ref`, `tag`, `branch`, `subdir`, `checksum`, `keep-git-dir`, `submodules`, `mtime` and `fetch-by-commit`. Unlike
//! there, credentials are refused: they would be in the build's definition, for everyone to read.

use std::collections::BTreeMap;

use luakit_diagnostic::nearest;
use luakit_llb::git_url::{GitRemote, GitUrlError};
use luakit_llb::op::GitSource;
use luakit_llb::percent::{self, Plus};

use crate::values::parse_bool;

/// Why a git URL can't be a context.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum GitContextError {
    /// It is no git URL after all.
    #[error(transparent)]
    Url(#[from] GitUrlError),
    /// A web address with a user, who may be a token.
    #[error("a user in a URL would be in the build's definition: give `--secret id=GIT_AUTH_TOKEN`")]
    User,
    /// A user of the protocol that has none.
    #[error("`git://` knows no users, and one in a URL would be in the build's definition: leave it out")]
    GitUser,
    /// A password for ssh.
    #[error("a password in a URL would be in the build's definition: leave it out, and give a key with `--ssh`")]
    Password,
    /// What git could take for an option, or would never find.
    #[error("`{0}` is no branch, tag or commit")]
    Reference(String),
    /// A key that means nothing.
    #[error("unknown key `{key}` in the URL's query{}", did_you_mean(.key))]
    Key {
        /// The key.
        key: String,
    },
    /// A key that is there more than once.
    #[error("`{0}` is in the URL's query twice")]
    Twice(String),
    /// A key whose value has another form.
    #[error("`{key}` in the URL's query must be {expected}, got `{value}`")]
    Value {
        /// The key.
        key: String,
        /// What stands there.
        value: String,
        /// What should.
        expected: &'static str,
    },
    /// Two parts of the URL name different things.
    #[error("the URL names both `{first}` and `{second}` as its {what}")]
    Conflict {
        /// What it should name once.
        what: &'static str,
        /// The first.
        first: String,
        /// The other.
        second: String,
    },
}

const KEYS: &[&str] = &[
    "branch",
    "checksum",
    "commit",
    "fetch-by-commit",
    "keep-git-dir",
    "mtime",
    "ref",
    "subdir",
    "submodules",
    "tag",
];

fn did_you_mean(key: &str) -> String {
    let near = nearest(key, KEYS.iter().copied());
    near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default()
}

/// Whether a text can only be a git URL: by its scheme, as scp writes it for the user `git`, or a web address whose
/// path ends in `.git`.
pub fn is_git(text: &str) -> bool {
    if starts_with(text, &["http://", "https://"]) {
        return GitRemote::parse(text).is_ok_and(|remote| remote.path.strip_suffix(".git").is_some());
    }
    starts_with(text, &["git://", "ssh://", "git@"])
}

/// The same for the build's own context, which is never a directory here: scp's form for any user, and GitHub's
/// repositories without a scheme.
pub(crate) fn is_git_context(text: &str) -> bool {
    let scp = || !text.contains("://") && text.contains('@') && GitRemote::parse(text).is_ok_and(|remote| remote.ssh);
    is_git(text) || text.starts_with("github.com/") || scp()
}

fn starts_with(text: &str, starts: &[&str]) -> bool {
    let has = |start: &&str| {
        text.get(..start.len())
            .is_some_and(|begin| begin.eq_ignore_ascii_case(start))
    };
    starts.iter().any(has)
}

/// What a git URL asks for.
pub fn parse(text: &str) -> Result<GitSource, GitContextError> {
    parse_with_times(text, false)
}

/// The same. `commit_times` is whether files have their commit's time where the URL says nothing of it.
pub(crate) fn parse_with_times(text: &str, commit_times: bool) -> Result<GitSource, GitContextError> {
    let url = text.split(['#', '?']).next().unwrap_or_default();
    if has_credentials(url) {
        let scheme = url.split("://").next().unwrap_or_default();
        return Err(match scheme.to_ascii_lowercase().as_str() {
            "ssh" => GitContextError::Password,
            "git" => GitContextError::GitUser,
            _ => GitContextError::User,
        });
    }
    let remote = GitRemote::parse(text)?;
    let mut source = GitSource {
        url: url.to_owned(),
        reference: remote.reference,
        subdir: remote.subdir,
        mtime_commit: commit_times,
        ..GitSource::default()
    };
    apply_query(&mut source, &remote.query)?;
    match &source.reference {
        Some(name) if name.starts_with('-') || name.contains(char::is_whitespace) => {
            Err(GitContextError::Reference(name.clone()))
        }
        _ => Ok(source),
    }
}

/// Whether a URL says what may be secret: a user, who may be a token; for ssh, where users are names, a password.
pub(crate) fn has_credentials(url: &str) -> bool {
    let authority = url
        .split_once("://")
        .and_then(|(_, rest)| rest.split(['/', '?', '#']).next());
    match authority.and_then(|authority| authority.rsplit_once('@')) {
        Some((user, _)) if starts_with(url, &["ssh://"]) => user.contains(':'),
        user => user.is_some(),
    }
}

fn apply_query(source: &mut GitSource, query: &str) -> Result<(), GitContextError> {
    let mut values = pairs(query)?;
    let mut text = |key: &str| -> Result<Option<String>, GitContextError> {
        match values.remove(key) {
            Some(value) if value.is_empty() => Err(wrong(key, "a text", value)),
            value => Ok(value),
        }
    };
    let named = [
        text("ref")?,
        text("tag")?.map(|tag| full_name("refs/tags/", &tag)),
        text("branch")?.map(|branch| full_name("refs/heads/", &branch)),
    ];
    for name in named.into_iter().flatten() {
        source.reference = agree("branch, tag or commit", source.reference.take(), name)?;
    }
    if let Some(subdir) = text("subdir")? {
        source.subdir = agree("directory", source.subdir.take(), subdir)?;
    }
    for key in ["checksum", "commit"] {
        if let Some(checksum) = text(key)? {
            source.checksum = agree("commit", source.checksum.take(), checksum)?;
        }
    }
    source.mtime_commit = match text("mtime")?.as_deref() {
        None => source.mtime_commit,
        Some("checkout") => false,
        Some("commit") => true,
        Some(other) => return Err(wrong("mtime", "`checkout` or `commit`", other.to_owned())),
    };
    let mut flag = |key: &str, default: bool| match values.remove(key) {
        None => Ok(default),
        Some(value) if value.is_empty() => Ok(true),
        Some(value) => parse_bool(&value).ok_or_else(|| wrong(key, "`true` or `false`", value)),
    };
    source.keep_git_dir = flag("keep-git-dir", false)?;
    source.skip_submodules = !flag("submodules", true)?;
    source.fetch_by_commit = flag("fetch-by-commit", false)?;
    match values.into_keys().next() {
        Some(key) => Err(GitContextError::Key { key }),
        None => Ok(()),
    }
}

fn wrong(key: &str, expected: &'static str, value: String) -> GitContextError {
    GitContextError::Value {
        key: key.to_owned(),
        value,
        expected,
    }
}

/// The keys and values of a query, decoded.
fn pairs(query: &str) -> Result<BTreeMap<String, String>, GitContextError> {
    let mut pairs = BTreeMap::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let [key, value] =
            [key, value].map(|text| String::from_utf8_lossy(&percent::decode(text, Plus::Blank)).into_owned());
        if pairs.insert(key.clone(), value).is_some() {
            return Err(GitContextError::Twice(key));
        }
    }
    Ok(pairs)
}

fn full_name(prefix: &str, name: &str) -> String {
    if name.starts_with(prefix) {
        return name.to_owned();
    }
    format!("{prefix}{name}")
}

/// What two parts of a URL name, if they name the same.
fn agree(what: &'static str, first: Option<String>, second: String) -> Result<Option<String>, GitContextError> {
    match first {
        Some(first) if first != second => Err(GitContextError::Conflict { what, first, second }),
        _ => Ok(Some(second)),
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    #[test]
    fn urls_are_those_of_dockerfiles() {
        let urls = [
            "https://example.com/a/b.git",
            "https://example.com/a/b.git#v1:docs/../src",
            "https://example.com/a/b.git?ref=v1&subdir=src",
            "https://example.com/a/b.git?tag=v1&checksum=0123456&keep-git-dir=1&submodules=false&mtime=commit",
            "https://example.com/a/b.git?branch=my%2Fbranch&commit=0123456&fetch-by-commit",
            "git@example.com:a/b#main",
            "git@example.com:a/b?ref=main",
            "ssh://me@example.com:22/a/b.git",
            "github.com/a/b#main",
            "https://example.com/a/b.git?ref=v1#v2",
            "https://example.com/a/b.git?tag=a&branch=b",
            "https://example.com/a/b.git?submodule=false",
            "https://example.com/a/b.git?submodules=perhaps",
            "https://example.com/a/b.git?ref=a&ref=b",
            "https://example.com/a/b.git?ref=",
            "https://example.com/a/b.git?mtime=now",
            "https://example.com/a/b.git#-x",
            "https://token@example.com/a/b.git",
            "git://me@example.com/a/b.git",
            "GIT://me:secret@example.com/a/b.git",
            "ssh://me:secret@example.com/a/b.git#main",
            "ssh://me:secret@/b.git",
            "https:///b.git",
        ];
        let mut told = String::new();
        for url in urls {
            let _infallible = match parse(url) {
                Ok(source) => {
                    let whole = format!("{source:?}").replace("GitSource { ", "").replace(" }", "");
                    let said = whole
                        .split(", ")
                        .filter(|part| !part.ends_with("None") && !part.ends_with("false"));
                    writeln!(told, "{}", said.collect::<Vec<_>>().join(", "))
                }
                Err(error) => writeln!(told, "{url}: {error}"),
            };
        }
        insta::assert_snapshot!(told, @r#"
        url: "https://example.com/a/b.git"
        url: "https://example.com/a/b.git", reference: Some("v1"), subdir: Some("src")
        url: "https://example.com/a/b.git", reference: Some("v1"), subdir: Some("src")
        url: "https://example.com/a/b.git", reference: Some("refs/tags/v1"), keep_git_dir: true, checksum: Some("0123456"), skip_submodules: true, mtime_commit: true
        url: "https://example.com/a/b.git", reference: Some("refs/heads/my/branch"), checksum: Some("0123456"), fetch_by_commit: true
        url: "git@example.com:a/b", reference: Some("main")
        url: "git@example.com:a/b", reference: Some("main")
        url: "ssh://me@example.com:22/a/b.git"
        url: "github.com/a/b", reference: Some("main")
        https://example.com/a/b.git?ref=v1#v2: the URL names both `v2` and `v1` as its branch, tag or commit
        https://example.com/a/b.git?tag=a&branch=b: the URL names both `refs/tags/a` and `refs/heads/b` as its branch, tag or commit
        https://example.com/a/b.git?submodule=false: unknown key `submodule` in the URL's query; did you mean `submodules`?
        https://example.com/a/b.git?submodules=perhaps: `submodules` in the URL's query must be `true` or `false`, got `perhaps`
        https://example.com/a/b.git?ref=a&ref=b: `ref` is in the URL's query twice
        https://example.com/a/b.git?ref=: `ref` in the URL's query must be a text, got ``
        https://example.com/a/b.git?mtime=now: `mtime` in the URL's query must be `checkout` or `commit`, got `now`
        https://example.com/a/b.git#-x: `-x` is no branch, tag or commit
        https://token@example.com/a/b.git: a user in a URL would be in the build's definition: give `--secret id=GIT_AUTH_TOKEN`
        git://me@example.com/a/b.git: `git://` knows no users, and one in a URL would be in the build's definition: leave it out
        GIT://me:secret@example.com/a/b.git: `git://` knows no users, and one in a URL would be in the build's definition: leave it out
        ssh://me:secret@example.com/a/b.git#main: a password in a URL would be in the build's definition: leave it out, and give a key with `--ssh`
        ssh://me:secret@/b.git: a password in a URL would be in the build's definition: leave it out, and give a key with `--ssh`
        https:///b.git: `https:///b.git` names no host
        "#);
    }

    #[test]
    fn only_what_ends_in_git_is_one_on_the_web() {
        let git = [
            "https://h/x.git",
            "http://h/x.git?ref=a#b",
            "HTTPS://h/x.git",
            "git://h/x",
            "ssh://h/x",
            "git@h:x",
        ];
        assert!(git.into_iter().all(is_git));
        let none = [
            "https://h/x",
            "https://h/x.git/",
            "https://h/x?y.git",
            "me@h:x",
            "github.com/a/b",
            "dir",
            "",
        ];
        assert!(!none.into_iter().any(is_git));
        assert!(["me@h:x", "github.com/a/b"].into_iter().all(is_git_context));
        assert!(!["dir", "a@b", "ftp://me@h:x", "./me@h"].into_iter().any(is_git_context));
    }
}
