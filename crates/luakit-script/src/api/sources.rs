//! Where filesystems come from: `bk.image`, `bk.local_`, `bk.git` and their kin.

use luakit_diagnostic::Diagnostic;
use luakit_llb::Reference;
use luakit_llb::git_url::GitRemote;
use luakit_llb::op::{Differ, GitSource, HttpSource, ImageSource, LocalSource, OciLayoutSource, ResolveMode};
use luakit_llb::reference::ReferenceError;
use mlua::Result;

use super::contexts;
use super::decode::{Call, Options, Out, clean, quoted};
use super::warnings::warn_of_bare_name;
use crate::error::{CallError, Subject};

pub(super) fn image(call: &mut Call<'_>) -> Result<Out> {
    let text: String = call.arg(0)?;
    if text == "scratch" {
        return Err(call
            .bad_arg(0, "can't be \"scratch\", which is no image")
            .hint("write `bk.scratch()`")
            .into());
    }
    let reference = reference(call, &text)?;
    let resolve_mode = resolve_mode(call)?;
    let image = ImageSource {
        reference,
        platform: call.option("platform")?,
        resolve_mode,
        resolve_digest: call.flag("resolve_digest", true)?,
        layer_limit: call.option("layer_limit")?,
        checksum: call.option("checksum")?,
    };
    if let Some(state) = contexts::instead_of_image(call, &image)? {
        return Ok(Out::State(state));
    }
    call.hold(text.len())?;
    let at = call.at();
    Ok(Out::State(call.graph().image(image, at)))
}

fn reference(call: &Call<'_>, text: &str) -> Result<Reference> {
    text.parse().map_err(|error: ReferenceError| {
        let wrong = call.bad_arg(0, format_args!("must be an image reference: {error}"));
        match error {
            _ if text.contains("://") => {
                wrong.hint("leave out the part up to `://`; for a file over HTTP there is bk.http")
            }
            _ if text.starts_with("--platform") => {
                wrong.hint("the platform is an option: `bk.image(ref, { platform = \"linux/arm64\" })`")
            }
            _ if text.to_ascii_lowercase().contains(" as ") => {
                wrong.hint("leave out `AS …`: a stage's name is the variable that the state is in")
            }
            _ if text.contains('$') => {
                wrong.hint("nothing is put into strings: join them, as in `\"alpine:\" .. bk.arg(\"VERSION\")`")
            }
            _ if text.contains("::") => {
                wrong.hint(format!("one `:` too many: write {}", quoted(&text.replace("::", ":"))))
            }
            _ if text.trim() != text => wrong.hint("it has a blank at its start or end"),
            ReferenceError::UpperCase(_) if text.to_ascii_lowercase().parse::<Reference>().is_ok() => {
                wrong.hint(format!("write {}", quoted(&text.to_ascii_lowercase())))
            }
            ReferenceError::Part { part: "tag", text: tag } if tag.is_empty() => {
                wrong.hint("there is nothing after `:`; is the version's variable set?")
            }
            ReferenceError::Digest(_) => wrong.hint("a tag follows `:`, and a digest `@`"),
            ReferenceError::ImageId(_) => wrong.hint("name the image by its repository, and pin it with `@sha256:…`"),
            _ => wrong,
        }
        .into()
    })
}

fn resolve_mode(call: &mut Call<'_>) -> Result<ResolveMode> {
    let mode: Option<&'static str> = call.option("resolve_mode")?;
    let alias: Option<&'static str> = call.option("resolve")?;
    if mode.is_some() && alias.is_some() {
        return Err(call
            .error(
                "conflicting-options",
                "`resolve_mode` and `resolve` are the same option, and both are given",
            )
            .about(Subject::OptionName("resolve".to_owned()))
            .hint("leave one out")
            .into());
    }
    Ok(match mode.or(alias) {
        Some("pull" | "always") => ResolveMode::ForcePull,
        Some("local" | "never") => ResolveMode::PreferLocal,
        _ => ResolveMode::Default,
    })
}

pub(super) fn scratch(call: &mut Call<'_>) -> Result<Out> {
    call.hold(0)?;
    Ok(Out::State(call.graph().scratch()))
}

pub(super) fn local(call: &mut Call<'_>) -> Result<Out> {
    let name: String = call.arg(0)?;
    let session = call.build.input.contexts.session(&name).cloned();
    let local = LocalSource {
        name,
        include: call.list("include")?,
        exclude: call.list("exclude")?,
        follow_paths: call.list("follow_paths")?,
        shared_key_hint: call.option("shared_key_hint")?,
        differ: match call.option("differ")? {
            Some("none") => Some(Differ::None),
            Some(_) => Some(Differ::Metadata),
            None => None,
        },
        session,
        list_only: false,
    };
    if let Some(state) = contexts::instead_of_local(call, &local)? {
        return Ok(Out::State(state));
    }
    let text = |list: &[String]| list.iter().map(String::len).sum::<usize>();
    call.hold(text(&local.include) + text(&local.exclude) + text(&local.follow_paths))?;
    let at = call.at();
    Ok(Out::State(call.graph().local(local, at)))
}

pub(super) fn git(call: &mut Call<'_>) -> Result<Out> {
    let given: String = call.arg(0)?;
    let (url, fragment) = match given.split_once('#') {
        Some((url, fragment)) => (url, Some(fragment)),
        None => (given.as_str(), None),
    };
    check_git_url(call, url)?;
    let (in_url, subdir_in_url) = match fragment {
        Some(fragment) => fragment
            .split_once(':')
            .map_or((fragment, ""), |(r, subdir)| (r, subdir)),
        None => ("", ""),
    };
    let reference = one_of(call, "ref", in_url)?;
    // A fragment's path is cleaned, an option's is taken as it is: both as BuildKit's client does.
    let subdir = one_of(call, "subdir", clean(subdir_in_url).trim_start_matches('/'))?;
    if let Some(reference) = &reference {
        check_git_ref(call, reference, in_url.is_empty())?;
    }
    let checksum: Option<String> = call.option("checksum")?;
    if let Some(checksum) = &checksum {
        let hex = checksum.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if !hex || !matches!(checksum.len(), 7..=40 | 64) {
            return Err(call
                .bad_option(
                    "checksum",
                    format_args!(
                        "must be a commit, 40 or 64 lower-case hex digits or at least the first 7, got {}",
                        quoted(checksum)
                    ),
                )
                .into());
        }
    }
    let known: Option<String> = call.option("known_ssh_hosts")?;
    let git = GitSource {
        url: url.to_owned(),
        reference,
        subdir,
        keep_git_dir: call.flag("keep_git_dir", false)?,
        checksum,
        auth_token_secret: call.option("auth_token_secret")?,
        auth_header_secret: call.option("auth_header_secret")?,
        known_ssh_hosts: known.map(|hosts| format!("{}\n", hosts.trim_end_matches('\n'))),
        ssh_socket: call.option("ssh_socket")?,
        skip_submodules: call.flag("skip_submodules", false)?,
        ..GitSource::default()
    };
    call.hold(given.len())?;
    let at = call.at();
    warn_of_user(call, url, "auth_token_secret");
    Ok(Out::State(call.graph().git(git, at)))
}

/// Warns of a URL's user that stands without a password: hosts take tokens there. It isn't repeated, nor is the line
/// that it stands in.
fn warn_of_user(call: &Call<'_>, url: &str, secret: &str) {
    if !names_user(url) {
        return;
    }
    let at = call.at();
    let graph = call.graph();
    let frame = graph.stack(at).first();
    let file = frame.and_then(|frame| graph.files().get(graph.file_index(frame.file)));
    let place = match (file, frame) {
        (Some(file), Some(frame)) => format!(" at {}:{}", file.name, frame.line),
        _ => String::new(),
    };
    let message = format!(
        "the URL of {}{place} names a user, and becomes part of the build's definition as it is",
        call.function.shown()
    );
    let hint = format!("if it is a token, leave it out: {}", no_password_hint(secret));
    call.build
        .warnings
        .borrow_mut()
        .push(Diagnostic::warning("user-in-url", message).with_hint(hint));
}

/// Whether an http or https URL has a user; of a git remote without a scheme, which is https, too.
fn names_user(url: &str) -> bool {
    GitRemote::parse(url).is_ok_and(|remote| {
        let rest = remote.remote.strip_prefix("https://");
        let rest = rest.or_else(|| remote.remote.strip_prefix("http://"));
        rest.is_some_and(|rest| rest.split('/').next().is_some_and(|authority| authority.contains('@')))
    })
}

/// What stands in the URL's fragment or in an option, but not in both.
fn one_of(call: &mut Call<'_>, name: &str, in_url: &str) -> Result<Option<String>> {
    let option: Option<String> = call.option(name)?;
    if option.is_some() && !in_url.is_empty() {
        return Err(call
            .error(
                "conflicting-options",
                format!(
                    "`{name}` is given twice: as an option, and as {} in the URL",
                    quoted(in_url)
                ),
            )
            .about(Subject::OptionName(name.to_owned()))
            .hint("leave one out")
            .into());
    }
    Ok(option.or_else(|| (!in_url.is_empty()).then(|| in_url.to_owned())))
}

/// The forms of a remote that BuildKit reads: a URL, `user@host:path`, or `host/path`, which is HTTPS.
fn check_git_url(call: &Call<'_>, url: &str) -> Result<()> {
    let wrong = |why: &str| bad_url(call, url, |url| format!("must be a git remote: {url} {why}"));
    if url.is_empty() {
        return Err(call.bad_arg(0, "must be a git remote, got nothing before `#`").into());
    }
    refuse_password(call, url, "auth_token_secret")?;
    if url.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(wrong("has a blank in it").into());
    }
    if url.starts_with('-') {
        return Err(wrong("starts with a dash").into());
    }
    if let Some((scheme, rest)) = url.split_once("://") {
        if !matches!(scheme, "https" | "http" | "ssh" | "git") {
            return Err(wrong("has another scheme than https, http, ssh or git")
                .hint("a directory of this machine is had with bk.local_")
                .into());
        }
        check_host(call, url, rest)?;
        return GitRemote::parse(url)
            .map(drop)
            .map_err(|_| wrong("can't be read as one").into());
    }
    let scp = url.split_once(':').is_some_and(|(host, path)| {
        let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
        !host.is_empty() && !host.contains('/') && !path.is_empty()
    });
    let bare = url
        .split_once('/')
        .is_some_and(|(host, path)| host.contains('.') && !host.starts_with('.') && !path.is_empty());
    if (scp || bare) && GitRemote::parse(url).is_ok() {
        return Ok(());
    }
    Err(wrong("names no host")
        .hint("write `https://host/path.git` or `git@host:path.git`")
        .into())
}

/// A URL holds no password: a definition is stored and shown. This comes before anything that would repeat the URL.
fn refuse_password(call: &Call<'_>, url: &str, secret: &str) -> Result<()> {
    let user = match url.split_once("://") {
        Some((_, rest)) => {
            let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
            authority.rsplit_once('@').map(|(user, _)| user)
        }
        // Without a scheme a password would come before the first `@` too.
        None => url.split_once('@').map(|(user, _)| user),
    };
    if user.is_some_and(|user| user.contains(':')) {
        return Err(call
            .bad_arg(0, "must hold no password")
            .confidential()
            .hint(no_password_hint(secret))
            .into());
    }
    Ok(())
}

/// An error about a URL. One that is wrong otherwise may hold a password in a place where no URL has one, and isn't
/// repeated then: `https://me:pass/word@host`.
fn bad_url(call: &Call<'_>, url: &str, what: impl FnOnce(&str) -> String) -> CallError {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let hide = rest.rsplit_once('@').is_some_and(|(before, _)| before.contains(':'));
    if hide {
        call.bad_arg(0, what("a URL with a `:` before its `@`")).confidential()
    } else {
        call.bad_arg(0, what(&quoted(url)))
    }
}

/// The host of a URL must be there.
fn check_host(call: &Call<'_>, url: &str, rest: &str) -> Result<()> {
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    if host.is_empty() || host.starts_with(':') {
        return Err(bad_url(call, url, |url| format!("names no host: {url}")).into());
    }
    Ok(())
}

fn no_password_hint(secret: &str) -> String {
    format!("secrets don't belong in a build's definition: give it as a build secret, and name that with `{secret}`")
}

/// What git would take for an option, or refuse.
fn check_git_ref(call: &Call<'_>, reference: &str, option: bool) -> Result<()> {
    let bad = reference.starts_with('-')
        || reference.contains("..")
        || reference
            .chars()
            .any(|c| c.is_whitespace() || c.is_control() || "~^:?*[\\".contains(c));
    if !bad {
        return Ok(());
    }
    // `a1b2c3d4e5f6...` in documentation is a commit that was cut short.
    let cut = reference.trim_end_matches('.');
    let shortened = cut != reference && cut.bytes().all(|b| b.is_ascii_hexdigit());
    if shortened {
        return Ok(());
    }
    let what = format!("must be a branch, a tag or a commit, got {}", quoted(reference));
    Err(if option {
        call.bad_option("ref", what).into()
    } else {
        call.bad_arg(0, what).into()
    })
}

pub(super) fn http(call: &mut Call<'_>) -> Result<Out> {
    let url: String = call.arg(0)?;
    refuse_password(call, &url, "auth_header_secret")?;
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let Some(rest) = rest else {
        let wrong = |url: &str| format!("must start with `http://` or `https://`, got {url}");
        return Err(bad_url(call, &url, wrong).into());
    };
    check_host(call, &url, rest)?;
    file(call, url)
}

pub(super) fn https(call: &mut Call<'_>) -> Result<Out> {
    let url: String = call.arg(0)?;
    refuse_password(call, &url, "auth_header_secret")?;
    let Some(rest) = url.strip_prefix("https://") else {
        let wrong = bad_url(call, &url, |url| format!("must start with `https://`, got {url}"));
        return Err(if url.starts_with("http://") {
            wrong.hint("for HTTP without TLS there is bk.http").into()
        } else {
            wrong.into()
        });
    };
    check_host(call, &url, rest)?;
    file(call, url)
}

fn file(call: &mut Call<'_>, url: String) -> Result<Out> {
    if url.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(bad_url(call, &url, |url| format!("has a blank in it: {url}"))
            .hint("write it as `%20`")
            .into());
    }
    let filename: Option<String> = call.option("filename")?;
    if let Some(name) = &filename
        && (name.contains('/') || matches!(name.as_str(), "." | ".."))
    {
        let wrong = call.bad_option(
            "filename",
            format_args!("must be a name without `/`, got {}", quoted(name)),
        );
        return Err(wrong.into());
    }
    let mut headers: Options = call.option("headers")?.unwrap_or_default();
    let mut header = |call: &Call<'_>, name: &str| -> Result<Option<String>> {
        let value: Option<String> = headers.take(name)?;
        if value.as_ref().is_some_and(|value| value.chars().any(char::is_control)) {
            return Err(call
                .bad_option("headers", format_args!("can't have a line break in `{name}`"))
                .within(|headers| headers.value_of(name))
                .into());
        }
        Ok(value)
    };
    let (accept, user_agent) = (header(call, "accept")?, header(call, "user-agent")?);
    let http = HttpSource {
        checksum: call.option("checksum")?,
        filename,
        chmod: call.option("chmod")?,
        uid: call.option("uid")?,
        gid: call.option("gid")?,
        auth_header_secret: call.option("auth_header_secret")?,
        accept,
        user_agent,
        url,
    };
    call.hold(http.url.len())?;
    let at = call.at();
    warn_of_user(call, &http.url, "auth_header_secret");
    Ok(Out::State(call.graph().http(http, at)))
}

pub(super) fn oci_layout(call: &mut Call<'_>) -> Result<Out> {
    let text: String = call.arg(0)?;
    let reference = reference(call, &text)?;
    if reference.digest().is_none() {
        return Err(call
            .bad_arg(0, format_args!("must have a digest, got {}", quoted(&text)))
            .hint(
                "an OCI layout is read by digest: write `local/name@sha256:…`; the digests are in the directory's index.json",
            )
            .into());
    }
    warn_of_bare_name(call, &text);
    let layout = OciLayoutSource {
        reference: text,
        platform: None,
        store: call.option("store")?,
        layer_limit: call.option("layer_limit")?,
    };
    if let Some(store) = &layout.store {
        contexts::names_store(call.build, store);
    }
    call.hold(layout.reference.len())?;
    let at = call.at();
    Ok(Out::State(call.graph().oci_layout(layout, at)))
}
