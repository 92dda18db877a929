//! What a layer is made from, as data: the tables are in [`super::layers`] and [`super::catalog`].
//!
//! A layer's source is a set of Debian's packages; its `finish` script then runs in the layer's root with
//! `$FILES` (the recipe's files), `$TOOLS` (the engine's programs), `$WHEELS`, `$ARCH`, and `$ENV`, a file
//! that takes `NAME=VALUE` lines for the config of the images above. A change to any of it changes the
//! recipe's hash, and makes the layer and those above anew.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

/// Where a layer's files come from.
#[derive(Debug)]
pub(super) enum Source {
    /// From its `finish` script alone.
    Nothing,
    /// A configured minimal Debian root.
    Debian,
    /// Packages installed over the layers below by apt.
    Apt(&'static [&'static str]),
    /// Packages and what they depend on (or, written `=NAME`, the package alone), unpacked and not
    /// configured: for other architectures, and for roots without dpkg.
    Unpack(&'static [&'static str]),
    /// Packages for apt to install in a run step, with no network: `/var/lib/test-packages`.
    Repository(&'static [&'static str]),
    /// No layer but what the images' `apk` installs: `NAME.tar.gz` for each name.
    Bundles(&'static [(&'static str, &'static [&'static str])]),
}

/// One layer.
#[derive(Debug)]
pub(super) struct Recipe {
    pub(super) name: String,
    /// Debian's name of the architecture.
    pub(super) arch: &'static str,
    /// The layers that it rests on, lowest first.
    pub(super) below: Vec<String>,
    /// Layers to copy from: their roots are `$BESIDE`, one a line, and no part of the images above.
    pub(super) beside: &'static [&'static str],
    pub(super) source: Source,
    /// Python wheels to have at hand in `$WHEELS`, as pip's requirements.
    pub(super) wheels: &'static [&'static str],
    pub(super) files: &'static [(&'static str, &'static str)],
    pub(super) finish: String,
}

impl Recipe {
    /// The layers that must be made before this one.
    pub(super) fn needs(&self) -> impl Iterator<Item = &str> {
        self.below.iter().map(String::as_str).chain(self.beside.iter().copied())
    }

    /// The recipe's hash, over those of the layers below.
    pub(super) fn hash(&self, hashes: &BTreeMap<String, String>) -> String {
        let mut hash = Sha256::new();
        let mut part = |text: &str| {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text);
        };
        part(include_str!("layer.sh"));
        part(self.arch);
        part(&format!("{:?}", self.source));
        part(&self.finish);
        for wheel in self.wheels {
            part(wheel);
        }
        for (name, content) in self.files {
            part(name);
            part(content);
        }
        for name in self.needs() {
            part(name);
            part(hashes.get(name).map_or("", String::as_str));
        }
        let digest = hex::encode(hash.finalize());
        digest.get(..16).unwrap_or(&digest).to_owned()
    }
}
