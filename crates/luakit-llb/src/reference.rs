//! Image references, parsed and normalised as the distribution project's `reference` package does
//! (<https://github.com/distribution/reference>): `alpine` is `docker.io/library/alpine:latest`.

use std::fmt;
use std::str::FromStr;

/// A normalised image reference: it has a domain, a path, and a tag or a digest or both.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    domain: String,
    path: String,
    tag: Option<String>,
    digest: Option<ImageDigest>,
}

/// A digest of an image, a layer or a file: an algorithm and lower-case hex digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageDigest(String);

/// Why a text is no reference.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum ReferenceError {
    /// Nothing there.
    #[error("an image reference can't be empty")]
    Empty,
    /// The repository has upper-case letters.
    #[error("repository name `{0}` must be lowercase")]
    UpperCase(String),
    /// Sixty-four hex digits: an image id, which no registry knows.
    #[error("`{0}` is an image id, which no registry can be asked for")]
    ImageId(String),
    /// A part breaks the grammar.
    #[error("invalid {part} `{text}` in the image reference")]
    Part {
        /// Which part.
        part: &'static str,
        /// What stands there.
        text: String,
    },
    /// A repository's path of more than 255 characters.
    #[error("repository name must not be longer than 255 characters")]
    TooLong,
    /// The digest is none.
    #[error(transparent)]
    Digest(#[from] DigestError),
}

/// Why a text is no digest.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not a digest: it must be `sha256:` and 64 lower-case hex digits")]
pub struct DigestError(pub String);

impl Reference {
    /// The registry: `docker.io`, `localhost:5000`.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The repository without the registry: `library/alpine`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The tag. There is one when there is no digest.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest.
    pub fn digest(&self) -> Option<&ImageDigest> {
        self.digest.as_ref()
    }

    /// This reference pinned to a digest; the tag stays.
    pub fn with_digest(&self, digest: ImageDigest) -> Self {
        Self {
            digest: Some(digest),
            ..self.clone()
        }
    }

    /// As people write it: without the default registry, its `library/` and `:latest`.
    pub fn familiar(&self) -> String {
        let mut text = match self.domain.as_str() {
            DEFAULT_DOMAIN => self.path.strip_prefix(OFFICIAL).unwrap_or(&self.path).to_owned(),
            domain => format!("{domain}/{}", self.path),
        };
        if let Some(tag) = &self.tag
            && (tag != "latest" || self.digest.is_some())
        {
            text = format!("{text}:{tag}");
        }
        match &self.digest {
            Some(digest) => format!("{text}@{digest}"),
            None => text,
        }
    }
}

const DEFAULT_DOMAIN: &str = "docker.io";
const OFFICIAL: &str = "library/";

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        if text.is_empty() {
            return Err(ReferenceError::Empty);
        }
        if text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(ReferenceError::ImageId(text.to_owned()));
        }
        let (domain, rest) = split_domain(text);
        let (rest, digest) = match rest.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest.parse::<ImageDigest>()?)),
            None => (rest.as_str(), None),
        };
        let (path, tag) = match rest.split_once(':') {
            Some((path, tag)) => (path, Some(tag)),
            None => (rest, None),
        };
        if path.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(ReferenceError::UpperCase(path.to_owned()));
        }
        check("registry", &domain, is_domain)?;
        check("repository name", path, |p| p.split('/').all(is_path_component))?;
        if path.len() > 255 {
            return Err(ReferenceError::TooLong);
        }
        if let Some(tag) = tag {
            check("tag", tag, is_tag)?;
        }
        let tag = match (tag, &digest) {
            (Some(tag), _) => Some(tag.to_owned()),
            (None, None) => Some("latest".to_owned()),
            (None, Some(_)) => None,
        };
        Ok(Self {
            domain,
            path: path.to_owned(),
            tag,
            digest,
        })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.domain, self.path)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

impl ImageDigest {
    /// The whole, `sha256:…`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The algorithm, and the hex digits.
    pub fn parts(&self) -> (&str, &str) {
        self.0.split_once(':').unwrap_or(("", &self.0))
    }
}

impl FromStr for ImageDigest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let digits = match text.split_once(':') {
            Some(("sha256", hex)) if hex.len() == 64 => hex,
            Some(("sha384", hex)) if hex.len() == 96 => hex,
            Some(("sha512", hex)) if hex.len() == 128 => hex,
            _ => return Err(DigestError(text.to_owned())),
        };
        if !digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(DigestError(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for ImageDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Takes the registry off the front. A first part is one when it has a `.` or a `:`, has upper-case
/// letters, or is `localhost`; else it belongs to a repository of Docker Hub.
fn split_domain(text: &str) -> (String, String) {
    let (domain, rest) = match text.split_once('/') {
        Some((first, rest))
            if first.contains(['.', ':']) || first == "localhost" || first.bytes().any(|b| b.is_ascii_uppercase()) =>
        {
            (first, rest)
        }
        _ => (DEFAULT_DOMAIN, text),
    };
    let domain = if domain == "index.docker.io" {
        DEFAULT_DOMAIN
    } else {
        domain
    };
    let official = domain == DEFAULT_DOMAIN && !rest.contains('/');
    let rest = if official {
        format!("{OFFICIAL}{rest}")
    } else {
        rest.to_owned()
    };
    (domain.to_owned(), rest)
}

fn check(part: &'static str, text: &str, fits: impl Fn(&str) -> bool) -> Result<(), ReferenceError> {
    if fits(text) {
        return Ok(());
    }
    Err(ReferenceError::Part {
        part,
        text: text.to_owned(),
    })
}

fn is_domain(domain: &str) -> bool {
    let (host, port) = match domain.strip_prefix('[').and_then(|d| d.split_once(']')) {
        Some((v6, port)) => {
            if v6.is_empty() || !v6.bytes().all(|b| b.is_ascii_hexdigit() || b == b':') {
                return false;
            }
            (
                None,
                port.strip_prefix(':')
                    .or(if port.is_empty() { None } else { Some("-") }),
            )
        }
        None => match domain.split_once(':') {
            Some((host, port)) => (Some(host), Some(port)),
            None => (Some(domain), None),
        },
    };
    let name = |part: &str| {
        !part.is_empty()
            && !part.starts_with('-')
            && !part.ends_with('-')
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    host.is_none_or(|h| h.split('.').all(name))
        && port.is_none_or(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit()))
}

/// Lower-case letters and digits, with `.`, `_`, `__` or dashes between them.
fn is_path_component(component: &str) -> bool {
    let alnum = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let mut separator = String::new();
    let mut seen = false;
    for c in component.bytes() {
        if alnum(c) {
            let between = separator.is_empty()
                || matches!(separator.as_str(), "." | "_" | "__")
                || separator.bytes().all(|b| b == b'-');
            if !between || (!seen && !separator.is_empty()) {
                return false;
            }
            separator.clear();
            seen = true;
        } else if matches!(c, b'.' | b'_' | b'-') {
            separator.push(char::from(c));
        } else {
            return false;
        }
    }
    seen && separator.is_empty()
}

fn is_tag(tag: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    tag.len() <= 128 && tag.bytes().next().is_some_and(word) && tag.bytes().all(|b| word(b) || b == b'.' || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: &str) {
        let shown = text
            .parse::<Reference>()
            .map_or_else(|e| e.to_string(), |r| r.to_string());
        assert_eq!(shown, expect, "{text}");
    }

    #[test]
    fn normalises_as_distribution_does() {
        let d = "sha256:".to_owned() + &"1".repeat(64);
        check("alpine", "docker.io/library/alpine:latest");
        check("alpine:3.19", "docker.io/library/alpine:3.19");
        check("library/busybox:1.36", "docker.io/library/busybox:1.36");
        check("index.docker.io/alpine", "docker.io/library/alpine:latest");
        check("acme/app:v2", "docker.io/acme/app:v2");
        check("docker.io/acme/app", "docker.io/acme/app:latest");
        check("localhost:5000/app", "localhost:5000/app:latest");
        check("localhost/app", "localhost/app:latest");
        check("LOCAL/app", "LOCAL/app:latest");
        check("[::1]:5000/app", "[::1]:5000/app:latest");
        check("ghcr.io/a/b__c--d.e:1", "ghcr.io/a/b__c--d.e:1");
        check(&format!("alpine@{d}"), &format!("docker.io/library/alpine@{d}"));
        check(&format!("alpine:3@{d}"), &format!("docker.io/library/alpine:3@{d}"));
    }

    #[test]
    fn refuses_what_is_no_reference() {
        check("", "an image reference can't be empty");
        check("ALPINE", "repository name `library/ALPINE` must be lowercase");
        check("alpine:", "invalid tag `` in the image reference");
        check("alpine:-x", "invalid tag `-x` in the image reference");
        check("a//b", "invalid repository name `a//b` in the image reference");
        check("a..b/c", "invalid registry `a..b` in the image reference");
        check(
            "al pine",
            "invalid repository name `library/al pine` in the image reference",
        );
        check("x.io/a_-b", "invalid repository name `a_-b` in the image reference");
        check("-a", "invalid repository name `library/-a` in the image reference");
        check("h:x/y", "invalid registry `h:x` in the image reference");
        check("https://x.io/y", "invalid registry `https:` in the image reference");
        check(
            &"a".repeat(256),
            "repository name must not be longer than 255 characters",
        );
        check(
            &"a".repeat(64),
            &format!(
                "`{}` is an image id, which no registry can be asked for",
                "a".repeat(64)
            ),
        );
        check(
            "alpine@sha256:12",
            "`sha256:12` is not a digest: it must be `sha256:` and 64 lower-case hex digits",
        );
    }

    #[test]
    fn familiar_is_what_people_write() {
        let familiar = |text: &str| text.parse::<Reference>().map(|r| r.familiar()).unwrap_or_default();
        assert_eq!(familiar("docker.io/library/alpine:latest"), "alpine");
        assert_eq!(familiar("acme/app:v2"), "acme/app:v2");
        assert_eq!(familiar("ghcr.io/a/b"), "ghcr.io/a/b");
    }
}
