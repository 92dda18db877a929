//! What BuildKit's caches let a user say (`cache/remotecache/*` of <https://github.com/moby/buildkit>): their keys, and
//! what each value looks like.

use luakit_diagnostic::nearest;

use super::cache::Way;
use super::exporter_keys::{Form, Keys};

const TO: Keys = &[("mode", Form::OneOf(&["min", "max"])), ("ignore-error", Form::Bool)];

/// Of caches that are made of an image's blobs.
const BLOBS: Keys = &[
    ("compression", Form::OneOf(&["uncompressed", "gzip", "estargz", "zstd"])),
    ("compression-level", Form::Integer),
    ("force-compression", Form::Bool),
    ("image-manifest", Form::Bool),
    ("oci-mediatypes", Form::Bool),
];

const REGISTRY: Keys = &[("ref", Form::Text), ("registry.insecure", Form::Bool)];

const LOCAL_TO: Keys = &[("dest", Form::Text), ("tag", Form::Text), ("reset", Form::Bool)];

const LOCAL_FROM: Keys = &[("src", Form::Text), ("tag", Form::Text), ("digest", Form::Text)];

const GHA: Keys = &[
    ("scope", Form::Text),
    ("timeout", Form::Text),
    ("token", Form::Text),
    ("url", Form::Text),
    ("url_v2", Form::Text),
    ("version", Form::OneOf(&["1", "2"])),
    ("repository", Form::Text),
    ("ghtoken", Form::Text),
];

/// Of stores with buckets or containers.
const STORE: Keys = &[
    ("prefix", Form::Text),
    ("blobs_prefix", Form::Text),
    ("manifests_prefix", Form::Text),
    ("name", Form::Text),
    ("secret_access_key", Form::Text),
];

const S3: Keys = &[
    ("bucket", Form::Text),
    ("region", Form::Text),
    ("endpoint_url", Form::Text),
    ("access_key_id", Form::Text),
    ("session_token", Form::Text),
    ("use_path_style", Form::Bool),
    ("disable_accept_encoding", Form::Bool),
    ("retry_mode", Form::OneOf(&["standard", "adaptive"])),
    ("retry_max_attempts", Form::Integer),
    ("touch_refresh", Form::Text),
    ("upload_parallelism", Form::Integer),
];

const AZBLOB: Keys = &[
    ("account_url", Form::Text),
    ("account_name", Form::Text),
    ("container", Form::Text),
];

/// The kinds of cache.
pub(super) const KINDS: &[&str] = &["registry", "local", "inline", "gha", "s3", "azblob"];

fn known(way: Way, kind: &str) -> impl Iterator<Item = &'static (&'static str, Form)> {
    let to = way == Way::To;
    let of_kind: [Keys; 2] = match kind {
        "registry" => [REGISTRY, if to { BLOBS } else { &[] }],
        "local" if to => [LOCAL_TO, BLOBS],
        "local" => [LOCAL_FROM, &[]],
        "gha" => [GHA, &[]],
        "s3" => [STORE, S3],
        "azblob" => [STORE, AZBLOB],
        _ => [&[], &[]],
    };
    // A cache inside an image is what its output makes of it.
    let common: Keys = if to && kind != "inline" { TO } else { &[] };
    common.iter().chain(of_kind.into_iter().flatten())
}

/// Whether what looks like a key may be the rest of a secret that has a comma in it.
fn takes_secrets(kind: &str) -> bool {
    matches!(kind, "gha" | "s3" | "azblob")
}

/// Checks a key, and its value, which is given back as BuildKit has it. Errors say nothing of values that may be
/// secret: those are text of any form.
pub(super) fn check(way: Way, kind: &str, key: &str, value: &str) -> Result<String, String> {
    let Some((_, form)) = known(way, kind).find(|(name, _)| *name == key) else {
        let other = match (way, key) {
            (Way::From, "dest") => Some("src"),
            (Way::To, "src") => Some("dest"),
            _ => None,
        };
        let other = other.filter(|other| known(way, kind).any(|(name, _)| name == other));
        let near = other.or_else(|| nearest(key, known(way, kind).map(|(name, _)| *name)));
        return Err(match near {
            Some(near) => format!("unknown key `{key}` for a cache of `type={kind}`; did you mean `{near}`?"),
            None if takes_secrets(kind) => format!("it has a key that a cache of `type={kind}` doesn't take"),
            None => format!("unknown key `{key}` for a cache of `type={kind}`"),
        });
    };
    form.check(key, value)
}
