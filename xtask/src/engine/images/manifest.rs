//! The JSON of an image: config, manifest, index, as the OCI image specification has them.
//!
//! Times are fixed and keys sorted, so that the same layers give the same digests. The Docker daemon's
//! clients take OCI media types as well as Docker's own; one set is enough.

use anyhow::Result;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::catalog::{Image, Variant};
use super::layer::Made;

/// The media type of an index.
pub(super) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// The media type of a manifest.
pub(super) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// When every image says it was made, and when every file in it was: see `layer.sh`.
const CREATED: &str = "2024-01-01T00:00:00Z";

/// Bytes and their digest.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) digest: String,
    pub(super) content: Vec<u8>,
}

impl Content {
    fn of(value: &Value) -> Result<Self> {
        let content = serde_json::to_vec(value)?;
        let digest = format!("sha256:{}", hex::encode(Sha256::digest(&content)));
        Ok(Self { digest, content })
    }
}

/// One platform of an image.
#[derive(Debug)]
pub(super) struct Manifest {
    pub(super) config: Content,
    pub(super) content: Content,
    pub(super) layers: Vec<Made>,
    platform: Value,
}

/// Writes the config and manifest of one platform of `image`.
pub(super) fn of(image: &Image, variant: &Variant, layers: &[&Made]) -> Result<Manifest> {
    let platform = platform_fields(variant.platform);
    let mut config = Map::new();
    let env = image.env.iter().map(|line| (*line).to_owned());
    let env: Vec<String> = env.chain(layers.iter().flat_map(|layer| layer.env.clone())).collect();
    config.insert("Env".to_owned(), json!(env));
    if !image.entrypoint.is_empty() {
        config.insert("Entrypoint".to_owned(), json!(image.entrypoint));
    }
    if !image.cmd.is_empty() {
        config.insert("Cmd".to_owned(), json!(image.cmd));
    }
    if !image.workdir.is_empty() {
        config.insert("WorkingDir".to_owned(), json!(image.workdir));
    }
    if !image.user.is_empty() {
        config.insert("User".to_owned(), json!(image.user));
    }
    let diff_ids: Vec<&str> = layers.iter().map(|layer| layer.diff_id.as_str()).collect();
    let history: Vec<Value> = layers
        .iter()
        .map(|layer| json!({ "created": CREATED, "created_by": format!("luakit test image: {}", layer.name) }))
        .collect();
    let mut whole = platform.clone();
    whole.insert("created".to_owned(), json!(CREATED));
    whole.insert("config".to_owned(), Value::Object(config));
    whole.insert("rootfs".to_owned(), json!({ "type": "layers", "diff_ids": diff_ids }));
    whole.insert("history".to_owned(), json!(history));
    let config = Content::of(&Value::Object(whole))?;

    let described: Vec<Value> = layers
        .iter()
        .map(|layer| json!({ "mediaType": LAYER, "digest": layer.digest, "size": layer.size }))
        .collect();
    let manifest = Content::of(&json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": { "mediaType": CONFIG, "digest": config.digest, "size": config.content.len() },
        "layers": described,
    }))?;
    let layers = layers.iter().map(|layer| (*layer).clone()).collect();
    Ok(Manifest {
        config,
        content: manifest,
        layers,
        platform: Value::Object(platform),
    })
}

/// Writes the index of an image's platforms.
pub(super) fn index(manifests: &[Manifest]) -> Result<Content> {
    let described: Vec<Value> = manifests
        .iter()
        .map(|one| {
            json!({
                "mediaType": MANIFEST,
                "digest": one.content.digest,
                "size": one.content.content.len(),
                "platform": one.platform,
            })
        })
        .collect();
    Content::of(&json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": described }))
}

/// `linux/arm/v7` as the fields of a config or an index entry.
fn platform_fields(platform: &str) -> Map<String, Value> {
    let mut fields = Map::new();
    for (key, value) in ["os", "architecture", "variant"].iter().zip(platform.split('/')) {
        fields.insert((*key).to_owned(), json!(value));
    }
    // As the images of the public registry have it.
    if platform == "linux/arm64" {
        fields.insert("variant".to_owned(), json!("v8"));
    }
    fields
}
