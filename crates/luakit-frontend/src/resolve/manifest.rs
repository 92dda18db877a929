//! What registries answer: indexes, manifests, and the config that a manifest names.
//!
//! Only what resolution needs is read
//! (<https://github.com/opencontainers/image-spec/blob/main/manifest.md>, `image-index.md`, and Docker's
//! schema 2 forms of both). A document that calls itself one thing and looks like another is refused.

use luakit_llb::{ImageDigest, Platform};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use crate::resolve::error::{Failure, Part};
use crate::resolve::matching::{Matcher, WirePlatform};

const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// What is asked for where a manifest or an index may come.
pub(crate) const ACCEPT: &str = concat!(
    "application/vnd.docker.distribution.manifest.v2+json, ",
    "application/vnd.docker.distribution.manifest.list.v2+json, ",
    "application/vnd.oci.image.manifest.v1+json, ",
    "application/vnd.oci.image.index.v1+json, */*",
);

/// Configs of container images. The last is what very old registries say.
const CONFIG_TYPES: &[&str] = &[
    "application/vnd.docker.container.image.v1+json",
    "application/vnd.oci.image.config.v1+json",
    "application/octet-stream",
];

/// A manifest, or an index of them.
#[derive(Debug)]
pub(crate) enum Manifest {
    Image { config: ImageDigest },
    Index(Vec<Entry>),
}

/// One entry of an index.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) digest: ImageDigest,
    pub(crate) platform: Option<WirePlatform>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    media_type: Option<String>,
    config: Option<Descriptor>,
    layers: Option<IgnoredAny>,
    manifests: Option<Vec<Descriptor>>,
    fs_layers: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    #[serde(default)]
    media_type: String,
    digest: String,
    platform: Option<WirePlatform>,
}

impl Manifest {
    /// Reads a document; `content_type` decides where the document itself doesn't.
    pub(crate) fn read(body: &[u8], content_type: &str) -> Result<Self, Failure> {
        let malformed = |reason: String| Failure::Malformed {
            part: Part::Manifest,
            reason,
        };
        let document: Document = object(body, Part::Manifest)?;
        let media_type = document.media_type.as_deref().unwrap_or_default();
        if document.fs_layers.is_some() || media_type.starts_with("application/vnd.docker.distribution.manifest.v1") {
            return Err(Failure::SchemaOne);
        }
        let looks_like_image = document.config.is_some() || document.layers.is_some();
        let looks_like_index = document.manifests.is_some();
        let is_index = match (media_type, looks_like_index, looks_like_image) {
            (_, true, true) => return Err(malformed("it is a manifest and an index at once".to_owned())),
            (DOCKER_MANIFEST | OCI_MANIFEST, true, _) | (DOCKER_LIST | OCI_INDEX, _, true) => {
                return Err(malformed(format!("it says that it is `{media_type}`, and is not")));
            }
            (_, true, _) => true,
            (_, _, true) => false,
            _ => matches!(content_type, DOCKER_LIST | OCI_INDEX),
        };
        if is_index {
            let entries = document.manifests.unwrap_or_default().into_iter().map(|d| {
                Ok(Entry {
                    digest: digest(&d.digest)?,
                    platform: d.platform,
                })
            });
            return Ok(Self::Index(entries.collect::<Result<_, Failure>>()?));
        }
        let config = document
            .config
            .ok_or_else(|| malformed("it names no config".to_owned()))?;
        if !CONFIG_TYPES.contains(&config.media_type.as_str()) {
            return Err(Failure::NotAnImage {
                media_type: config.media_type,
            });
        }
        Ok(Self::Image {
            config: digest(&config.digest)?,
        })
    }
}

fn digest(text: &str) -> Result<ImageDigest, Failure> {
    text.parse()
        .map_err(|e: luakit_llb::reference::DigestError| Failure::Malformed {
            part: Part::Manifest,
            reason: e.to_string(),
        })
}

/// The entry that serves a platform best; of equals the first. Entries without a platform come last: what
/// they are for only their config says.
pub(crate) fn choose<'a>(entries: &'a [Entry], wanted: &Platform) -> Result<&'a Entry, Failure> {
    let matcher = Matcher::only(wanted);
    let rank = |entry: &Entry| match &entry.platform {
        Some(platform) => matcher.rank(platform),
        None => Some(usize::MAX),
    };
    entries
        .iter()
        .filter_map(|entry| Some((rank(entry)?, entry)))
        .min_by_key(|(rank, _)| *rank)
        .map(|(_, entry)| entry)
        .ok_or_else(|| Failure::NoPlatform {
            available: platforms(entries),
        })
}

/// The platforms of an index, as they are told to a person: attestations are none.
fn platforms(entries: &[Entry]) -> Vec<String> {
    let known = entries.iter().filter_map(|e| e.platform.as_ref());
    let mut names: Vec<String> = known
        .filter(|p| p.os != "unknown" && p.architecture != "unknown")
        .filter_map(|p| Some(p.normal()?.to_string()))
        .collect();
    names.sort();
    names.dedup();
    names
}

/// Whether a config is one: a JSON object, in UTF-8 as JSON is. Its platform.
pub(crate) fn read_config(config: &[u8]) -> Result<WirePlatform, Failure> {
    object(config, Part::Config)
}

/// Reads a JSON object; by way of a map, because a struct would be read from an array as well.
fn object<T: DeserializeOwned>(document: &[u8], part: Part) -> Result<T, Failure> {
    let malformed = |e: serde_json::Error| Failure::Malformed {
        part,
        reason: e.to_string(),
    };
    let object: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(document).map_err(malformed)?;
    serde_json::from_value(object.into()).map_err(malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const D1: &str = "sha256:1111111111111111111111111111111111111111111111111111111111111111";

    fn check(document: &str, expect: &str) {
        let document = document.replace("$D", D1);
        let shown = match Manifest::read(document.as_bytes(), "") {
            Ok(Manifest::Image { .. }) => "image".to_owned(),
            Ok(Manifest::Index(entries)) => format!("index of {}", entries.len()),
            Err(failure) => failure.to_string(),
        };
        assert_eq!(shown, expect, "{document}");
    }

    #[test]
    fn a_document_must_be_what_it_says() {
        let config = r#""config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"$D"}"#;
        check(&format!("{{{config}}}"), "image");
        check(&format!(r#"{{"mediaType":"{OCI_MANIFEST}",{config}}}"#), "image");
        check(&format!(r#"{{"mediaType":"{DOCKER_MANIFEST}",{config}}}"#), "image");
        check(r#"{"manifests":[{"digest":"$D"}]}"#, "index of 1");
        check(
            &format!(r#"{{"mediaType":"{OCI_INDEX}",{config}}}"#),
            "the manifest is malformed: it says that it is `application/vnd.oci.image.index.v1+json`, and is not",
        );
        check(
            &format!(r#"{{"manifests":[],{config}}}"#),
            "the manifest is malformed: it is a manifest and an index at once",
        );
        check(
            r#"{"schemaVersion":1,"fsLayers":[]}"#,
            "it is in Docker's manifest format 1, which no engine takes any more",
        );
        check(
            r#"{"mediaType":"application/vnd.docker.distribution.manifest.v1+prettyjws"}"#,
            "it is in Docker's manifest format 1, which no engine takes any more",
        );
        check(r#"{"layers":[]}"#, "the manifest is malformed: it names no config");
        check(
            r#"{"config":{"mediaType":"application/vnd.cncf.helm.config.v1+json","digest":"$D"}}"#,
            "it is no container image: its config is `application/vnd.cncf.helm.config.v1+json`",
        );
        check(
            r#"{"manifests":[{"digest":"sha256:../../x"}]}"#,
            "the manifest is malformed: `sha256:../../x` is not a digest: it must be `sha256:` and 64 lower-case hex \
             digits",
        );
        check(
            "[]",
            "the manifest is malformed: invalid type: sequence, expected a map at line 1 column 0",
        );
    }

    #[test]
    fn chooses_the_best_and_of_equals_the_first() {
        let entry = |n: u32, platform: &str| {
            let mut parts = platform.split('/').map(str::to_owned);
            let platform = (!platform.is_empty()).then(|| WirePlatform {
                os: parts.next().unwrap_or_default(),
                architecture: parts.next().unwrap_or_default(),
                variant: parts.next().unwrap_or_default(),
                os_features: vec![],
            });
            Entry {
                digest: format!("sha256:{n:064}").parse().expect("a digest"),
                platform,
            }
        };
        let entries = [
            entry(1, ""),
            entry(2, "unknown/unknown"),
            entry(3, "linux/arm/v6"),
            entry(4, "linux/arm/v7"),
            entry(5, "linux/arm64/v8"),
            entry(6, "linux/arm64"),
        ];
        let chosen = |wanted: &str| {
            choose(&entries, &wanted.parse().expect("a platform")).map(|e| e.digest.as_str().ends_with('5'))
        };
        assert!(chosen("linux/arm64").is_ok_and(|five| five));
        let number = |wanted: &str| {
            let entry = choose(&entries, &wanted.parse().expect("a platform")).expect("a match");
            entry.digest.as_str().chars().last()
        };
        assert_eq!(number("linux/arm"), Some('4'));
        assert_eq!(number("linux/arm/v8"), Some('4'));
        assert_eq!(number("linux/arm/v6"), Some('3'));
        assert_eq!(number("linux/amd64"), Some('1'));
        let refused = choose(&entries[1..], &Platform::linux_amd64()).expect_err("no match");
        assert_eq!(
            refused.to_string(),
            "it is not there for that platform; it is for linux/arm/v6, linux/arm/v7, linux/arm64"
        );
    }
}
