//! The pins of a lock file as a BuildKit source policy, which binds Dockerfiles and other frontends too.
//!
//! The form is `sourcepolicy/pb/policy.proto` in JSON, enums by name as BuildKit's own tools write them
//! (<https://github.com/moby/buildkit/blob/master/sourcepolicy/pb/json.go>). `buildctl` and `docker buildx` take it by
//! `EXPERIMENTAL_BUILDKIT_SOURCE_POLICY`.

use luakit_llb::git_url::{GitRemote, GitUrlError};
use luakit_llb::{ImageDigest, Pins, Platform, Reference};
use serde_json::{Value, json};

/// Why pins are no policy.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum PolicyError {
    /// A policy's rules don't see platforms.
    #[error(
        "image `{}` is locked to {} for {} and to {} for {}; a source policy has no platforms",
        reference.familiar(), first.1, first.0, second.1, second.0
    )]
    PlatformsDisagree {
        /// The image.
        reference: Box<Reference>,
        /// One platform, and its digest.
        first: Box<(Platform, ImageDigest)>,
        /// Another.
        second: Box<(Platform, ImageDigest)>,
    },
    /// A remote that BuildKit would not fetch from.
    #[error("git source `{url}`: {reason}")]
    GitUrl {
        /// The remote.
        url: String,
        /// Why not.
        reason: GitUrlError,
    },
}

/// The policy as JSON, ending in a line end.
pub fn source_policy(pins: &Pins) -> Result<String, PolicyError> {
    let mut rules = Vec::new();
    let mut last: Option<(&Reference, &Platform, &ImageDigest)> = None;
    for (reference, platform, image) in pins.images() {
        let Some(pin) = &image.digest else { continue };
        match last {
            Some((same, _, digest)) if same == reference && digest == pin => continue,
            Some((same, other, digest)) if same == reference => {
                return Err(PolicyError::PlatformsDisagree {
                    reference: Box::new(reference.clone()),
                    first: Box::new((other.clone(), digest.clone())),
                    second: Box::new((platform.clone(), pin.clone())),
                });
            }
            _ => {}
        }
        last = Some((reference, platform, pin));
        if reference.digest().is_none() {
            let pinned = reference.with_digest(pin.clone());
            rules.push(convert(
                &whole(&format!("docker-image://{reference}")),
                &json!({ "identifier": replacement(&format!("docker-image://{pinned}")) }),
            ));
        }
    }
    for (url, reference, commit) in pins.commits() {
        let remote = GitRemote::parse(url).map_err(|reason| PolicyError::GitUrl {
            url: url.to_owned(),
            reason,
        })?;
        let plain = format!("git://{}", remote.identifier());
        let unpinned = reference.map_or_else(|| plain.clone(), |reference| format!("{plain}#{reference}"));
        // The directory follows the reference in an identifier, and stays; without a reference there is a `#`
        // only when there is a directory.
        let hash = if reference.is_none() { "#" } else { "" };
        rules.push(convert(
            &whole(&unpinned),
            &json!({ "identifier": replacement(&format!("{plain}#{commit}")) }),
        ));
        rules.push(convert(
            &json!({ "identifier": format!("^{}{hash}:(.+)$", escaped(&unpinned)), "match_type": "REGEX" }),
            &json!({ "identifier": format!("{}#{commit}:${{1}}", replacement(&plain)) }),
        ));
    }
    for (url, checksum) in pins.files() {
        rules.push(convert(
            &exact(url),
            &json!({ "identifier": url, "attrs": { "http.checksum": checksum.as_str() } }),
        ));
    }
    let policy = json!({ "version": 1, "rules": rules });
    Ok(format!("{policy:#}\n"))
}

fn convert(selector: &Value, updates: &Value) -> Value {
    json!({ "action": "CONVERT", "selector": selector, "updates": updates })
}

/// What is that identifier, and becomes another. `EXACT` would say so, but older engines (BuildKit 0.13, in Docker 26)
/// convert nothing for it: they put the selector in the place of the update.
fn whole(identifier: &str) -> Value {
    json!({ "identifier": format!("^{}$", escaped(identifier)), "match_type": "REGEX" })
}

/// A text as what a Go regular expression's match becomes.
fn replacement(identifier: &str) -> String {
    identifier.replace('$', "$$")
}

/// What is that identifier, and stays it.
fn exact(identifier: &str) -> Value {
    json!({ "identifier": identifier, "match_type": "EXACT" })
}

/// A text as a Go regular expression that matches it alone.
fn escaped(text: &str) -> String {
    let mut pattern = String::new();
    for c in text.chars() {
        if c.is_ascii_punctuation() && !matches!(c, '/' | ':' | '-' | '_' | '@' | '#') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern
}
