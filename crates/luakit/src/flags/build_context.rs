//! `--build-context NAME=VALUE`: what takes the place of an image or a directory, as docker buildx reads it
//! (<https://docs.docker.com/reference/cli/docker/buildx/build/#build-context>).

use std::path::PathBuf;

use luakit_llb::Reference;
use luakit_llb::git_url::GitRemote;
use luakit_llb::op::GitSource;
use luakit_llb::reference::ImageDigest;
use luakit_script::NamedContexts;

/// One `--build-context`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ContextSpec {
    /// The name, normalised.
    pub(crate) name: String,
    pub(crate) value: ContextValue,
}

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ContextValue {
    Dir(PathBuf),
    Image(Reference),
    Scratch,
    OciLayout {
        dir: PathBuf,
        /// The entry of its index, unless there is a digest.
        tag: Option<String>,
        digest: Option<ImageDigest>,
    },
    Git {
        url: String,
        reference: Option<String>,
        subdir: Option<String>,
    },
    Http(String),
}

/// Reads one context.
pub(crate) fn parse(text: &str) -> Result<ContextSpec, String> {
    let Some((name, value)) = text.split_once('=').filter(|(_, value)| !value.is_empty()) else {
        return Err("it must be NAME=VALUE".to_owned());
    };
    if name == luakit_llb::marshal::CONTEXT {
        return Err("the build context itself is named by `--context DIR`".to_owned());
    }
    let name = NamedContexts::normalise(name).map_err(|e| format!("invalid name `{name}`: {e}"))?;
    Ok(ContextSpec {
        name,
        value: parse_value(value)?,
    })
}

fn parse_value(value: &str) -> Result<ContextValue, String> {
    if let Some(reference) = value.strip_prefix("docker-image://") {
        if reference == "scratch" {
            return Ok(ContextValue::Scratch);
        }
        let reference = reference.parse().map_err(|e| format!("{e}"))?;
        return Ok(ContextValue::Image(reference));
    }
    if let Some(layout) = value.strip_prefix("oci-layout://") {
        return oci_layout(layout);
    }
    if let Some(target) = value.strip_prefix("target:") {
        return Err(format!(
            "`target:{target}` is another target's result, and a script has that in a variable: use its state there"
        ));
    }
    if let Some(scheme) = ["input:", "local:"].iter().find(|scheme| value.starts_with(**scheme)) {
        return Err(format!("`{scheme}` is for frontends: name the directory itself"));
    }
    let (url, fragment) = value.split_once('#').unwrap_or((value, ""));
    if is_git(url) {
        return git(url, fragment);
    }
    if url.starts_with("http://") || url.starts_with("https://") {
        let host = url.split("://").nth(1).and_then(|rest| rest.split('/').next());
        if host.is_some_and(|host| host.contains('@')) {
            return Err("a user in a URL would be in the build's definition: leave it out".to_owned());
        }
        return Ok(ContextValue::Http(value.to_owned()));
    }
    if let Some((scheme, _)) = value.split_once("://") {
        return Err(format!(
            "unknown scheme `{scheme}://`: it must be a directory, docker-image://, oci-layout:// or a git or http URL"
        ));
    }
    Ok(ContextValue::Dir(value.into()))
}

/// What Docker takes for a repository: by its scheme, as scp writes it, or a web address that ends in `.git`.
fn is_git(url: &str) -> bool {
    let web = url.starts_with("http://") || url.starts_with("https://");
    let git = url
        .trim_end_matches('/')
        .rsplit('/')
        .next()
        .is_some_and(|name| name.strip_suffix(".git").is_some());
    ["git://", "ssh://", "git@"].iter().any(|start| url.starts_with(start)) || (web && git)
}

fn git(url: &str, fragment: &str) -> Result<ContextValue, String> {
    GitRemote::parse(url).map_err(|e| e.to_string())?;
    if url
        .split_once("://")
        .and_then(|(scheme, rest)| Some((scheme, rest.split('/').next()?)))
        .is_some_and(|(scheme, host)| scheme.starts_with("http") && host.contains('@'))
    {
        return Err("a user in a URL would be in the build's definition: give `--secret id=GIT_AUTH_TOKEN`".to_owned());
    }
    let (reference, subdir) = fragment.split_once(':').unwrap_or((fragment, ""));
    let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    if reference.starts_with('-') || reference.contains(char::is_whitespace) {
        return Err(format!("`{reference}` is no branch, tag or commit"));
    }
    Ok(ContextValue::Git {
        url: url.to_owned(),
        reference: some(reference),
        subdir: some(subdir),
    })
}

/// `PATH[:TAG][@DIGEST]`.
fn oci_layout(text: &str) -> Result<ContextValue, String> {
    let (rest, digest) = match text.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest.parse::<ImageDigest>().map_err(|e| e.to_string())?)),
        None => (text, None),
    };
    let (dir, tag) = match rest.split_once(':') {
        Some((dir, tag)) => (dir, Some(tag.to_owned())),
        None => (rest, None),
    };
    if dir.is_empty() || tag.as_deref() == Some("") {
        return Err("it must be oci-layout://PATH[:TAG][@DIGEST]".to_owned());
    }
    Ok(ContextValue::OciLayout {
        dir: dir.into(),
        tag,
        digest,
    })
}

impl ContextValue {
    /// The source of a git context.
    pub(crate) fn git_source(url: &str, reference: Option<&String>, subdir: Option<&String>) -> GitSource {
        GitSource {
            url: url.to_owned(),
            reference: reference.cloned(),
            subdir: subdir.cloned(),
            ..GitSource::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_those_of_buildx() {
        let digest = format!("sha256:{}", "1".repeat(64));
        let texts = [
            "src=../src",
            "docker.io/library/alpine:latest=dir",
            "alpine:3.19=docker-image://alpine:3.20",
            "base=docker-image://scratch",
            "base=oci-layout://out",
            "base=oci-layout://out:v1",
            "base=oci-layout://out@DIGEST",
            "src=https://github.com/moby/buildkit.git#v0.12:docs",
            "src=git@github.com:moby/buildkit",
            "src=https://example.com/x.tar.gz",
            "src",
            "src=",
            "context=dir",
            "Bad Name=dir",
            "base=docker-image://Bad",
            "base=oci-layout://",
            "base=oci-layout://out@sha256:1",
            "base=target:other",
            "base=input:x",
            "base=ftp://x",
            "src=https://me:secret@example.com/x",
            "src=https://me:secret@example.com/x.git",
        ];
        let said = texts.map(|text| match parse(&text.replace("DIGEST", &digest)) {
            Ok(spec) => format!("{text} -> {} {:?}", spec.name, spec.value).replace(&"1".repeat(64), "1…"),
            Err(error) => format!("{text} -> {error}"),
        });
        insta::assert_snapshot!(said.join("\n"), @r#"
        src=../src -> src Dir("../src")
        docker.io/library/alpine:latest=dir -> alpine Dir("dir")
        alpine:3.19=docker-image://alpine:3.20 -> alpine:3.19 Image(Reference { domain: "docker.io", path: "library/alpine", tag: Some("3.20"), digest: None })
        base=docker-image://scratch -> base Scratch
        base=oci-layout://out -> base OciLayout { dir: "out", tag: None, digest: None }
        base=oci-layout://out:v1 -> base OciLayout { dir: "out", tag: Some("v1"), digest: None }
        base=oci-layout://out@DIGEST -> base OciLayout { dir: "out", tag: None, digest: Some(ImageDigest("sha256:1…")) }
        src=https://github.com/moby/buildkit.git#v0.12:docs -> src Git { url: "https://github.com/moby/buildkit.git", reference: Some("v0.12"), subdir: Some("docs") }
        src=git@github.com:moby/buildkit -> src Git { url: "git@github.com:moby/buildkit", reference: None, subdir: None }
        src=https://example.com/x.tar.gz -> src Http("https://example.com/x.tar.gz")
        src -> it must be NAME=VALUE
        src= -> it must be NAME=VALUE
        context=dir -> the build context itself is named by `--context DIR`
        Bad Name=dir -> invalid name `Bad Name`: repository name `library/Bad Name` must be lowercase
        base=docker-image://Bad -> repository name `library/Bad` must be lowercase
        base=oci-layout:// -> it must be oci-layout://PATH[:TAG][@DIGEST]
        base=oci-layout://out@sha256:1 -> `sha256:1` is not a digest: it must be `sha256:` and 64 lower-case hex digits
        base=target:other -> `target:other` is another target's result, and a script has that in a variable: use its state there
        base=input:x -> `input:` is for frontends: name the directory itself
        base=ftp://x -> unknown scheme `ftp://`: it must be a directory, docker-image://, oci-layout:// or a git or http URL
        src=https://me:secret@example.com/x -> a user in a URL would be in the build's definition: leave it out
        src=https://me:secret@example.com/x.git -> a user in a URL would be in the build's definition: give `--secret id=GIT_AUTH_TOKEN`
        "#);
    }
}
