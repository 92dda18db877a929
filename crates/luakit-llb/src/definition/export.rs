//! What a definition takes along for whoever solves it: the image config and what decides it.
//!
//! LLB holds no image config, so `luakit build X | luakit solve` would lose what the script says in `bk.export`. The
//! record is JSON in the description of the return vertex: engines make no vertex of that one, and other clients pass
//! it on unread. Scratch has no return vertex and stays an empty file, whatever its config: `buildctl build` refuses an
//! empty definition anyway, and a file with metadata alone would no longer be recognised as scratch. So solving
//! a piped scratch gives an image without a config of the script's.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Definition;
use crate::platform::Platform;

/// The key of the record in the description of the return vertex.
pub const EXPORT_KEY: &str = "luakit.export";

/// The version of the record that this crate writes, and the only one that it reads.
pub const EXPORT_VERSION: u64 = 1;

/// What the graph of a definition doesn't say of the export that it was written for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportRecord {
    /// The platform that the definition was written for.
    pub platform: Platform,
    /// The export's name.
    pub name: Option<String>,
    /// The image config, as JSON text.
    pub config: String,
    /// Annotations of the manifest.
    pub annotations: BTreeMap<String, String>,
    /// Digests of the ops whose platform the script said, and said [`ExportRecord::platform`].
    pub explicit: Vec<String>,
    /// Those among them that also stand for a step whose platform is the target.
    pub mixed: Vec<String>,
    /// The images whose configs were applied to the graph.
    pub images: Vec<AppliedImage>,
    /// Whether the script read its target platform, so that another one may give another graph.
    pub depends_on_target: bool,
    /// Whether the script said the export's platform, or one of the config's `os`, `arch` and `variant`.
    pub fixed_platform: bool,
}

/// An image whose config was applied, and whose digest is in the graph.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AppliedImage {
    /// The reference as the script means it, normalised.
    pub reference: String,
    /// The platform that it was resolved for.
    pub platform: Platform,
}

/// Why a definition's record can't be read.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum ExportError {
    /// It is no JSON, or not of this form.
    #[error("the definition's export record is damaged: {0}")]
    Malformed(String),
    /// It is of a version that this crate doesn't know.
    #[error("the definition's export record has version {found}, and this Luakit reads version {EXPORT_VERSION}")]
    Version {
        /// The version.
        found: u64,
    },
}

impl ExportRecord {
    /// The record of a definition that was just marshalled for `platform`: nothing but its marks.
    pub fn new(definition: &Definition, platform: Platform) -> Self {
        Self {
            platform,
            name: None,
            config: String::new(),
            annotations: BTreeMap::new(),
            explicit: definition.explicit_platforms().to_vec(),
            mixed: definition.mixed_platforms().to_vec(),
            images: Vec::new(),
            depends_on_target: false,
            fixed_platform: false,
        }
    }

    /// As JSON with sorted keys.
    pub fn to_json(&self) -> String {
        let wire = Wire {
            annotations: self.annotations.clone(),
            config: self.config.clone(),
            depends_on_target: self.depends_on_target,
            explicit: self.explicit.clone(),
            fixed_platform: self.fixed_platform,
            images: self.images.iter().map(WireImage::from).collect(),
            mixed: self.mixed.clone(),
            name: self.name.clone(),
            platform: self.platform.to_string(),
            version: EXPORT_VERSION,
        };
        // Strings, numbers and lists of them: nothing that JSON lacks.
        serde_json::to_string(&wire).unwrap_or_default()
    }

    /// What [`ExportRecord::to_json`] wrote. Keys that this version doesn't know are left alone.
    pub fn from_json(text: &str) -> Result<Self, ExportError> {
        let malformed = |e: &dyn std::fmt::Display| ExportError::Malformed(e.to_string());
        let version: WireVersion = serde_json::from_str(text).map_err(|e| malformed(&e))?;
        if version.version != EXPORT_VERSION {
            return Err(ExportError::Version { found: version.version });
        }
        let wire: Wire = serde_json::from_str(text).map_err(|e| malformed(&e))?;
        let platform = |text: &str| text.parse::<Platform>().map_err(|e| malformed(&e));
        let images = wire.images.into_iter().map(|image| {
            Ok(AppliedImage {
                platform: platform(&image.platform)?,
                reference: image.reference,
            })
        });
        Ok(Self {
            platform: platform(&wire.platform)?,
            name: wire.name,
            config: wire.config,
            annotations: wire.annotations,
            explicit: wire.explicit,
            mixed: wire.mixed,
            images: images.collect::<Result<_, _>>()?,
            depends_on_target: wire.depends_on_target,
            fixed_platform: wire.fixed_platform,
        })
    }
}

impl Definition {
    /// Has the definition take a record along. Scratch takes none.
    pub fn set_export(&mut self, record: &ExportRecord) {
        self.describe_result(EXPORT_KEY, record.to_json());
    }

    /// The record that came along; definitions of other clients have none.
    pub fn export(&self) -> Result<Option<ExportRecord>, ExportError> {
        self.result_description(EXPORT_KEY)
            .map(ExportRecord::from_json)
            .transpose()
    }
}

/// The record on the wire. Fields are in the order of their keys.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
    config: String,
    #[serde(default, skip_serializing_if = "is_false")]
    depends_on_target: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    explicit: Vec<String>,
    #[serde(default, skip_serializing_if = "is_false")]
    fixed_platform: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    images: Vec<WireImage>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    mixed: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    platform: String,
    version: u64,
}

#[derive(Serialize, Deserialize)]
struct WireImage {
    platform: String,
    reference: String,
}

#[derive(Deserialize)]
struct WireVersion {
    version: u64,
}

impl From<&AppliedImage> for WireImage {
    fn from(image: &AppliedImage) -> Self {
        Self {
            platform: image.platform.to_string(),
            reference: image.reference.clone(),
        }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_false(value: &bool) -> bool {
    !value
}
