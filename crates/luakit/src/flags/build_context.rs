//! `--build-context NAME=VALUE`: what takes the place of an image or a directory, as docker buildx reads it
//! (<https://docs.docker.com/reference/cli/docker/buildx/build/#build-context>).

use std::path::PathBuf;

use luakit_frontend::context_value::{ContextValue, ContextValueError};
use luakit_script::NamedContexts;

/// One `--build-context`.
#[derive(Debug, Clone)]
pub(crate) struct ContextSpec {
    /// The name, normalised.
    pub(crate) name: String,
    pub(crate) value: ClientContext,
}

/// What a name stands for.
#[derive(Debug, Clone)]
pub(crate) enum ClientContext {
    /// A directory of this machine.
    Dir(PathBuf),
    /// What isn't, or a layout, whose store is a directory.
    Other(ContextValue),
    /// A target of the script itself.
    Target(String),
}

/// Reads one context. A URL may hold a password, so errors don't repeat any.
pub(crate) fn parse(text: &str) -> Result<ContextSpec, String> {
    let Some((name, value)) = text.split_once('=').filter(|(_, value)| !value.is_empty()) else {
        return Err("it must be NAME=VALUE".to_owned());
    };
    if name == luakit_llb::marshal::CONTEXT {
        return Err("the build context itself is named by `--context DIR`".to_owned());
    }
    let name = NamedContexts::normalise(name).map_err(|e| {
        if name.contains("://") {
            "it must be NAME=VALUE".to_owned()
        } else {
            format!("invalid name `{name}`: {e}")
        }
    })?;
    Ok(ContextSpec {
        name,
        value: parse_value(value)?,
    })
}

fn parse_value(value: &str) -> Result<ClientContext, String> {
    let parsed = ContextValue::parse(value).map_err(|error| match error {
        ContextValueError::Image(_) | ContextValueError::Digest(_) if has_user(value) => {
            "after `@` comes a digest, `sha256:` and 64 lower-case hex digits".to_owned()
        }
        error => error.to_string(),
    });
    if let Some(other) = parsed? {
        return Ok(ClientContext::Other(other));
    }
    if let Some(target) = value.strip_prefix("target:") {
        if target.is_empty() {
            return Err("it must be target:NAME".to_owned());
        }
        return Ok(ClientContext::Target(target.to_owned()));
    }
    if let Some(scheme) = ["input:", "local:"].iter().find(|scheme| value.starts_with(**scheme)) {
        return Err(format!("`{scheme}` is for frontends: name the directory itself"));
    }
    if let Some((scheme, _)) = value.split_once("://") {
        return Err(format!(
            "unknown scheme `{scheme}://`: it must be a directory, docker-image://, oci-layout://, target: or a git or http URL"
        ));
    }
    Ok(ClientContext::Dir(value.into()))
}

/// Whether what stands before an `@` may be a user with a password: what follows is no digest.
fn has_user(value: &str) -> bool {
    value.split('@').skip(1).any(|after| !after.starts_with("sha256:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(value: &ClientContext) -> String {
        match value {
            ClientContext::Dir(dir) => format!("directory {}", dir.display()),
            ClientContext::Other(ContextValue::Image(reference)) => format!("image {reference}"),
            ClientContext::Other(ContextValue::Git(git)) => {
                format!("git {} {:?} {:?}", git.url, git.reference, git.subdir)
            }
            ClientContext::Other(other) => format!("{other:?}"),
            ClientContext::Target(target) => format!("target {target}"),
        }
    }

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
            "src=https://github.com/moby/buildkit.git?tag=v0.12&subdir=docs",
            "src=https://github.com/moby/buildkit.git?tga=v0.12",
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
            Ok(spec) => format!("{text} -> {} {}", spec.name, shown(&spec.value)).replace(&"1".repeat(64), "1…"),
            Err(error) => format!("{text} -> {error}"),
        });
        insta::assert_snapshot!(said.join("\n"), @r#"
        src=../src -> src directory ../src
        docker.io/library/alpine:latest=dir -> alpine directory dir
        alpine:3.19=docker-image://alpine:3.20 -> alpine:3.19 image docker.io/library/alpine:3.20
        base=docker-image://scratch -> base Scratch
        base=oci-layout://out -> base OciLayout { store: "out", tag: None, digest: None }
        base=oci-layout://out:v1 -> base OciLayout { store: "out", tag: Some("v1"), digest: None }
        base=oci-layout://out@DIGEST -> base OciLayout { store: "out", tag: None, digest: Some(ImageDigest("sha256:1…")) }
        src=https://github.com/moby/buildkit.git#v0.12:docs -> src git https://github.com/moby/buildkit.git Some("v0.12") Some("docs")
        src=https://github.com/moby/buildkit.git?tag=v0.12&subdir=docs -> src git https://github.com/moby/buildkit.git Some("refs/tags/v0.12") Some("docs")
        src=https://github.com/moby/buildkit.git?tga=v0.12 -> unknown key `tga` in the URL's query; did you mean `tag`?
        src=git@github.com:moby/buildkit -> src git git@github.com:moby/buildkit None None
        src=https://example.com/x.tar.gz -> src Http("https://example.com/x.tar.gz")
        src -> it must be NAME=VALUE
        src= -> it must be NAME=VALUE
        context=dir -> the build context itself is named by `--context DIR`
        Bad Name=dir -> invalid name `Bad Name`: repository name `library/Bad Name` must be lowercase
        base=docker-image://Bad -> repository name `library/Bad` must be lowercase
        base=oci-layout:// -> it must be oci-layout://PATH[:TAG][@DIGEST]
        base=oci-layout://out@sha256:1 -> `sha256:1` is not a digest: it must be `sha256:` and 64 lower-case hex digits
        base=target:other -> base target other
        base=input:x -> `input:` is for frontends: name the directory itself
        base=ftp://x -> unknown scheme `ftp://`: it must be a directory, docker-image://, oci-layout://, target: or a git or http URL
        src=https://me:secret@example.com/x -> a user in a URL would be in the build's definition: leave it out
        src=https://me:secret@example.com/x.git -> a user in a URL would be in the build's definition: give `--secret id=GIT_AUTH_TOKEN`
        "#);
    }
}
