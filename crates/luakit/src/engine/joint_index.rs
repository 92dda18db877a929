//! The image that several nodes built: one index of what each has pushed by digest, pushed under the image's names.
//!
//! As `docker buildx` does (`util/imagetools` of <https://github.com/docker/buildx>): the entries of the nodes' own
//! indexes one after the other, attestations among them; an OCI index unless every entry is Docker's.

use std::collections::BTreeMap;

use base64::Engine as _;
use luakit_buildkit::BuildResponse;
use luakit_diagnostic::Diagnostic;
use luakit_frontend::resolve::{self, Registry};
use luakit_llb::{ImageDigest, Reference};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::divide::{JointImage, repository};
use crate::failure::{Failure, Kind};

const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

/// What an index says of a manifest; its fields are written in the order in which Docker's tools write them.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: String,
    digest: String,
    size: u64,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    platform: Option<Value>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Index {
    schema_version: u8,
    media_type: String,
    manifests: Vec<Descriptor>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
}

/// Joins what the nodes have pushed, pushes that, and tells of it as an engine would.
pub(super) async fn push(
    registry: &Registry,
    image: &JointImage,
    answers: &[BuildResponse],
) -> Result<BuildResponse, Failure> {
    let Some(first) = image.names.first() else {
        return Err(Failure::usage("an image that is pushed needs a name"));
    };
    let mut parts = Vec::with_capacity(answers.len());
    for answer in answers {
        let digest = answer.exporter.get("containerimage.digest");
        let digest = digest.and_then(|text| text.parse::<ImageDigest>().ok());
        let digest = digest.ok_or_else(|| wrong(first, "a node doesn't say what it has pushed"))?;
        let (_, content) = registry
            .manifest(&first.with_digest(digest))
            .await
            .map_err(|failure| denied(first, "read", &failure))?;
        let index = serde_json::from_slice::<Index>(&content);
        parts.push(index.map_err(|e| wrong(first, &format!("what a node has pushed is no index: {e}")))?);
    }
    let (media_type, content) = joined(parts, &image.annotations)?;
    let digest = format!("sha256:{}", hex::encode(Sha256::digest(&content)));
    for name in &image.names {
        let target = match digest.parse::<ImageDigest>() {
            Ok(digest) if image.by_digest => name.with_digest(digest),
            _ => name.clone(),
        };
        let put = registry.put_manifest(&target, media_type, &content).await;
        put.map_err(|failure| denied(name, "push", &failure))?;
    }
    let descriptor = serde_json::json!({ "mediaType": media_type, "digest": digest, "size": content.len() });
    let descriptor = base64::engine::general_purpose::STANDARD.encode(descriptor.to_string());
    let names: Vec<String> = image
        .names
        .iter()
        .map(|name| {
            if image.by_digest {
                repository(name)
            } else {
                name.to_string()
            }
        })
        .collect();
    Ok(BuildResponse {
        exporter: BTreeMap::from([
            ("containerimage.descriptor".to_owned(), descriptor),
            ("containerimage.digest".to_owned(), digest),
            ("image.name".to_owned(), names.join(",")),
        ]),
    })
}

/// One index of several: its media type and its bytes.
fn joined(parts: Vec<Index>, annotations: &BTreeMap<String, String>) -> Result<(&'static str, Vec<u8>), Failure> {
    let manifests: Vec<Descriptor> = parts.into_iter().flat_map(|part| part.manifests).collect();
    let dockers = manifests
        .iter()
        .all(|m| m.media_type.starts_with("application/vnd.docker."));
    let media_type = if dockers { DOCKER_LIST } else { OCI_INDEX };
    let index = Index {
        schema_version: 2,
        media_type: media_type.to_owned(),
        manifests,
        // Docker's lists have none.
        annotations: if dockers { BTreeMap::new() } else { annotations.clone() },
    };
    let content = serde_json::to_vec_pretty(&index);
    Ok((media_type, content.map_err(|e| Failure::internal(e.to_string()))?))
}

fn wrong(name: &Reference, why: &str) -> Failure {
    let message = format!("can't join the image `{}`: {why}", name.familiar());
    Failure::new(Kind::Build, Diagnostic::error("push", message))
}

fn denied(name: &Reference, what: &str, failure: &resolve::Failure) -> Failure {
    let message = format!(
        "can't {what} the image `{}` that the nodes have built: {failure}",
        name.familiar()
    );
    Failure::new(Kind::Build, Diagnostic::error("push", message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(media_type: &str, digest: &str, arch: &str) -> Index {
        let json = serde_json::json!({
            "schemaVersion": 2,
            "mediaType": OCI_INDEX,
            "manifests": [{
                "mediaType": media_type, "digest": digest, "size": 7,
                "platform": { "architecture": arch, "os": "linux" },
                "artifactType": "application/x",
            }],
        });
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn an_index_of_both() {
        let oci = "application/vnd.oci.image.manifest.v1+json";
        let annotations = BTreeMap::from([("who".to_owned(), "me".to_owned())]);
        let parts = vec![part(oci, "sha256:a", "amd64"), part(oci, "sha256:b", "arm64")];
        let (media_type, content) = joined(parts, &annotations).unwrap();
        assert_eq!(media_type, OCI_INDEX);
        insta::assert_snapshot!(String::from_utf8(content).unwrap(), @r#"
        {
          "schemaVersion": 2,
          "mediaType": "application/vnd.oci.image.index.v1+json",
          "manifests": [
            {
              "mediaType": "application/vnd.oci.image.manifest.v1+json",
              "digest": "sha256:a",
              "size": 7,
              "platform": {
                "architecture": "amd64",
                "os": "linux"
              },
              "artifactType": "application/x"
            },
            {
              "mediaType": "application/vnd.oci.image.manifest.v1+json",
              "digest": "sha256:b",
              "size": 7,
              "platform": {
                "architecture": "arm64",
                "os": "linux"
              },
              "artifactType": "application/x"
            }
          ],
          "annotations": {
            "who": "me"
          }
        }
        "#);
        let docker = "application/vnd.docker.distribution.manifest.v2+json";
        let (media_type, content) = joined(vec![part(docker, "sha256:a", "amd64")], &annotations).unwrap();
        assert_eq!(media_type, DOCKER_LIST);
        assert!(!String::from_utf8(content).unwrap().contains("who"));
    }
}
