//! Exported images, read back: the archives of `type=oci` and `type=docker`.
//!
//! An OCI archive is a tar of an image layout: `oci-layout`, `index.json`, and blobs by digest. BuildKit's
//! Docker archive is one too, with Docker's `manifest.json` beside. Every digest on the way to an image is
//! checked, so that an archive that a strict client would refuse fails the test that reads it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use flate2::read::GzDecoder;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::rootfs::Rootfs;

/// A tar file's members by name, in memory.
#[derive(Debug)]
pub struct Archive {
    members: BTreeMap<String, Vec<u8>>,
}

/// One platform's image in an archive.
#[derive(Debug)]
pub struct Image<'a> {
    archive: &'a Archive,
    /// Its entry in the index.
    pub descriptor: Value,
    /// The manifest.
    pub manifest: Value,
    /// The whole config: platform, `config`, `rootfs`, `history`.
    pub config: Value,
}

impl Archive {
    /// Reads a tar file.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut members = BTreeMap::new();
        let mut archive = tar::Archive::new(BufReader::new(File::open(path)?));
        for member in archive.entries()? {
            let mut member = member?;
            if member.header().entry_type().is_file() {
                let name = member.path()?.to_string_lossy().into_owned();
                let mut content = Vec::new();
                member.read_to_end(&mut content)?;
                members.insert(name, content);
            }
        }
        Ok(Self { members })
    }

    /// A member's content.
    pub fn member(&self, name: &str) -> io::Result<&[u8]> {
        let found = self.members.get(name).map(Vec::as_slice);
        found.ok_or_else(|| io::Error::other(format!("the archive has no `{name}`")))
    }

    /// A member that is JSON.
    pub fn json(&self, name: &str) -> io::Result<Value> {
        Ok(serde_json::from_slice(self.member(name)?)?)
    }

    /// The images of its index, nested indexes included, attestations left out; in the index's order.
    pub fn images(&self) -> io::Result<Vec<Image<'_>>> {
        let layout = self.json("oci-layout")?;
        if layout.get("imageLayoutVersion").and_then(Value::as_str) != Some("1.0.0") {
            return Err(io::Error::other(format!("not an image layout: {layout}")));
        }
        let mut images = Vec::new();
        self.collect(&self.json("index.json")?, &mut images)?;
        Ok(images)
    }

    fn collect<'a>(&'a self, index: &Value, images: &mut Vec<Image<'a>>) -> io::Result<()> {
        let manifests = index.get("manifests").and_then(Value::as_array);
        for descriptor in manifests.ok_or_else(|| io::Error::other(format!("no index: {index}")))? {
            let content: Value = serde_json::from_slice(self.blob(descriptor)?)?;
            if content.get("manifests").is_some() {
                self.collect(&content, images)?;
                continue;
            }
            if descriptor.pointer("/annotations/vnd.docker.reference.type").is_some() {
                continue;
            }
            let config = content.get("config").unwrap_or(&Value::Null);
            let config = serde_json::from_slice(self.blob(config)?)?;
            let descriptor = descriptor.clone();
            images.push(Image {
                archive: self,
                descriptor,
                manifest: content,
                config,
            });
        }
        Ok(())
    }

    /// The blob of a descriptor, if its digest and size are what the descriptor says.
    fn blob(&self, descriptor: &Value) -> io::Result<&[u8]> {
        let text = |key: &str| descriptor.get(key).and_then(Value::as_str).unwrap_or_default();
        let digest = text("digest");
        let hash = digest.strip_prefix("sha256:").unwrap_or_default();
        let content = self.member(&format!("blobs/sha256/{hash}"))?;
        if hex::encode(Sha256::digest(content)) != hash {
            return Err(io::Error::other(format!("the blob `{digest}` has another digest")));
        }
        if descriptor.get("size").and_then(Value::as_u64) != Some(content.len() as u64) {
            return Err(io::Error::other(format!("the blob `{digest}` has another size")));
        }
        Ok(content)
    }
}

impl Image<'_> {
    /// The settings that containers start with: `Env`, `Entrypoint` and so on.
    pub fn settings(&self) -> &Value {
        self.config.get("config").unwrap_or(&Value::Null)
    }

    /// The digests of the uncompressed layers, lowest first.
    pub fn diff_ids(&self) -> Vec<&str> {
        diff_ids(&self.config)
    }

    /// What the layers above the lowest `skip` hold, flattened. Paths that only lie below are not in it.
    pub fn layers_above(&self, skip: usize) -> io::Result<Rootfs> {
        let layers = self.manifest.get("layers").and_then(Value::as_array);
        let mut root = Rootfs::default();
        let diff_ids = self.diff_ids();
        for (layer, diff_id) in layers.into_iter().flatten().zip(diff_ids).skip(skip) {
            let content = unpacked(layer, self.archive.blob(layer)?)?;
            if format!("sha256:{}", hex::encode(Sha256::digest(&content))) != diff_id {
                return Err(io::Error::other(format!(
                    "the config names a layer `{diff_id}` that is not there"
                )));
            }
            root.add_layer(content.as_slice())?;
        }
        Ok(root)
    }

    /// One layer's own members, counted from the lowest: see [`Rootfs::from_layer`].
    pub fn layer(&self, number: usize) -> io::Result<Rootfs> {
        let layers = self.manifest.get("layers").and_then(Value::as_array);
        let layer = layers.and_then(|layers| layers.get(number));
        let layer = layer.ok_or_else(|| io::Error::other(format!("the image has no layer {number}")))?;
        Rootfs::from_layer(unpacked(layer, self.archive.blob(layer)?)?.as_slice())
    }

    /// The whole root filesystem.
    pub fn root(&self) -> io::Result<Rootfs> {
        self.layers_above(0)
    }
}

/// The `rootfs.diff_ids` of a whole config.
pub fn diff_ids(config: &Value) -> Vec<&str> {
    let ids = config.pointer("/rootfs/diff_ids").and_then(Value::as_array);
    ids.into_iter().flatten().filter_map(Value::as_str).collect()
}

/// A layer's tar, by its media type.
fn unpacked(descriptor: &Value, blob: &[u8]) -> io::Result<Vec<u8>> {
    let media_type = descriptor.get("mediaType").and_then(Value::as_str).unwrap_or_default();
    let mut content = Vec::new();
    if media_type.ends_with("gzip") {
        GzDecoder::new(blob).read_to_end(&mut content)?;
    } else if media_type.ends_with("tar") {
        content.extend_from_slice(blob);
    } else {
        return Err(io::Error::other(format!("a layer of the type `{media_type}`")));
    }
    Ok(content)
}
