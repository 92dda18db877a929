//! What BuildKit's exporters let a user say (`exporter/*`, `exporter/containerimage/exptypes`): their keys, what each
//! value looks like, and the keys of annotations.

use luakit_diagnostic::nearest;
use luakit_frontend::values::parse_bool;
use luakit_llb::Platform;

use super::output::Kind;

/// What a value looks like.
#[derive(Debug, Clone, Copy)]
pub(super) enum Form {
    Text,
    /// What Go's `ParseBool` takes; nothing is `true`.
    Bool,
    Integer,
    OneOf(&'static [&'static str]),
}

pub(super) type Keys = &'static [(&'static str, Form)];

/// Of every exporter.
const COMMON: Keys = &[("source-date-epoch", Form::Integer)];

/// Of those that write files.
const FILES: Keys = &[("attestation-prefix", Form::Text), ("platform-split", Form::Bool)];

/// Of those that make an image.
const IMAGE: Keys = &[
    ("name", Form::Text),
    ("attestation-inline", Form::Bool),
    ("compression", Form::OneOf(&["uncompressed", "gzip", "estargz", "zstd"])),
    ("compression-level", Form::Integer),
    ("force-compression", Form::Bool),
    ("oci-artifact", Form::Bool),
    ("oci-mediatypes", Form::Bool),
    ("prefer-nondist-layers", Form::Bool),
    ("rewrite-timestamp", Form::Bool),
];

/// Of the one that keeps it in the engine. The third is misspelt in BuildKit.
const STORE: Keys = &[
    ("name-canonical", Form::Bool),
    ("dangling-name-prefix", Form::Text),
    ("danging-name-empty-only", Form::Bool),
    ("push", Form::Bool),
    ("push-by-digest", Form::Bool),
    ("registry.insecure", Form::Bool),
    ("store", Form::Bool),
    ("unpack", Form::Bool),
];

/// Of those that make an archive of it.
const ARCHIVE: Keys = &[("tar", Form::Bool)];

/// Where an annotation goes; without one, to the manifest.
pub(super) const ANNOTATED: &[&str] = &["manifest", "manifest-descriptor", "index", "index-descriptor"];

fn known(kind: Kind) -> impl Iterator<Item = &'static (&'static str, Form)> {
    let own: [Keys; 3] = match kind {
        Kind::Local | Kind::Tar => [COMMON, FILES, &[]],
        Kind::Oci | Kind::Docker => [COMMON, IMAGE, ARCHIVE],
        Kind::Image => [COMMON, IMAGE, STORE],
        Kind::CacheOnly => [&[]; 3],
    };
    own.into_iter().flatten()
}

/// Checks a key, and its value, which is given back as BuildKit has it: what is true is `true`.
pub(crate) fn check(kind: Kind, key: &str, value: &str) -> Result<String, String> {
    if kind.is_image()
        && (key == "annotation"
            || key.starts_with("annotation.")
            || key.starts_with("annotation-")
            || key.starts_with("annotation["))
    {
        check_annotation(key)?;
        return Ok(value.to_owned());
    }
    let Some((_, form)) = known(kind).find(|(name, _)| *name == key) else {
        let hint = nearest(key, known(kind).map(|(name, _)| *name));
        let hint = hint.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        return Err(format!("unknown key `{key}` for `type={}`{hint}", kind.name()));
    };
    form.check(key, value)
}

impl Form {
    /// Checks a value, which is given back as BuildKit has it: what is true is `true`.
    pub(super) fn check(self, key: &str, value: &str) -> Result<String, String> {
        match self {
            Self::Text => Ok(value.to_owned()),
            // A key without a value is on.
            Self::Bool if value.is_empty() => Ok("true".to_owned()),
            Self::Bool => match parse_bool(value) {
                Some(yes) => Ok(yes.to_string()),
                None => Err(format!("`{key}={value}` must be `true` or `false`")),
            },
            Self::Integer => match value.parse::<i64>() {
                Ok(_) => Ok(value.to_owned()),
                Err(_) => Err(format!("`{key}={value}` must be a whole number")),
            },
            Self::OneOf(values) if values.contains(&value) => Ok(value.to_owned()),
            Self::OneOf(values) => Err(format!("`{key}={value}` must be one of {}", values.join(", "))),
        }
    }
}

/// `annotation[-WHERE][\[PLATFORM\]].NAME`.
fn check_annotation(key: &str) -> Result<(), String> {
    let wrong = |why: String| Err(format!("`{key}`: {why}"));
    let rest = key.strip_prefix("annotation").unwrap_or(key);
    // The name may hold anything; what is before it may not.
    let Some((head, name)) = rest.split_once('.') else {
        return wrong("an annotation has a name: `annotation.NAME=VALUE`".to_owned());
    };
    if name.is_empty() || name.contains(char::is_whitespace) {
        return wrong("an annotation's name is not empty, and has no spaces".to_owned());
    }
    let (place, platform) = match head.split_once('[') {
        Some((place, platform)) => match platform.strip_suffix(']') {
            Some(platform) => (place, Some(platform)),
            None => return wrong("the platform ends in `]`".to_owned()),
        },
        None => (head, None),
    };
    if let Some(place) = place.strip_prefix('-') {
        if !ANNOTATED.contains(&place) {
            return wrong(format!("an annotation goes to one of {}", ANNOTATED.join(", ")));
        }
    } else if !place.is_empty() {
        return wrong("it must be `annotation.NAME`, `annotation-manifest.NAME`, …".to_owned());
    }
    match platform.map(str::parse::<Platform>) {
        Some(Err(error)) => wrong(error.to_string()),
        Some(Ok(_)) if place.starts_with("-index") => wrong("an index has no platform".to_owned()),
        _ => Ok(()),
    }
}
