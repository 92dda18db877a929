//! What sources were resolved to: images with their configs, git commits, file checksums.
//!
//! Marshalling takes [`Pins`] beside the graph. They come from a lock file, an engine or a
//! registry; this module only keeps them, ordered, so that nothing depends on who answered first.
//!
//! A pin acts on the wire as the least that fixes the source on every engine: an image's reference gets the digest,
//! a git source's ref becomes the commit (`git.checksum` would need a BuildKit of 2025, and would fail a build
//! when a branch moves, which is what a pin is there for), an HTTP source gets the checksum that it has none of.

use std::collections::BTreeMap;

use crate::op::{Op, Source};
use crate::platform::Platform;
use crate::reference::{ImageDigest, Reference};

/// What a registry knows an image as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedImage {
    /// The digest of what the reference points at: the index, where there is one, not the platform's manifest. `None`
    /// for an image that only an engine's own store has, where nothing is known by a digest.
    pub digest: Option<ImageDigest>,
    /// The image config of the platform's manifest: JSON, byte for byte as the registry has it.
    pub config: Vec<u8>,
}

/// An image of an OCI layout that the client offers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LayoutImage {
    /// The name that the layout is offered under.
    pub store: String,
    /// The reference, as the source has it.
    pub reference: String,
}

impl LayoutImage {
    /// What it is found by in its layout.
    pub fn digest(&self) -> Option<ImageDigest> {
        self.reference.parse::<Reference>().ok()?.digest().cloned()
    }
}

/// What the sources of a graph were resolved to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pins {
    images: BTreeMap<Reference, BTreeMap<Platform, ResolvedImage>>,
    layouts: BTreeMap<LayoutImage, BTreeMap<Platform, Vec<u8>>>,
    git: BTreeMap<String, BTreeMap<String, String>>,
    http: BTreeMap<String, ImageDigest>,
}

impl Pins {
    /// Nothing resolved: every reference stays as it was written.
    pub fn new() -> Self {
        Self::default()
    }

    /// What an image was resolved to for a platform.
    pub fn image(&self, reference: &Reference, platform: &Platform) -> Option<&ResolvedImage> {
        self.images.get(reference)?.get(platform)
    }

    /// Records an image; what was there before is returned.
    pub fn insert_image(
        &mut self,
        reference: Reference,
        platform: Platform,
        image: ResolvedImage,
    ) -> Option<ResolvedImage> {
        self.images.entry(reference).or_default().insert(platform, image)
    }

    /// All images, by reference and then by platform.
    pub fn images(&self) -> impl Iterator<Item = (&Reference, &Platform, &ResolvedImage)> {
        self.images
            .iter()
            .flat_map(|(reference, platforms)| platforms.iter().map(move |(p, image)| (reference, p, image)))
    }

    /// The config of an image of a layout. Its digest is in the source itself.
    pub fn layout_config(&self, image: &LayoutImage, platform: &Platform) -> Option<&[u8]> {
        self.layouts.get(image)?.get(platform).map(Vec::as_slice)
    }

    /// Records the config of an image of a layout; what was there before is returned.
    pub fn insert_layout_config(&mut self, image: LayoutImage, platform: Platform, config: Vec<u8>) -> Option<Vec<u8>> {
        self.layouts.entry(image).or_default().insert(platform, config)
    }

    /// All images of layouts, with their configs, by image and then by platform.
    pub fn layout_configs(&self) -> impl Iterator<Item = (&LayoutImage, &Platform, &[u8])> {
        self.layouts
            .iter()
            .flat_map(|(image, platforms)| platforms.iter().map(move |(p, config)| (image, p, config.as_slice())))
    }

    /// The config of a source that is an image.
    pub(crate) fn config_of(&self, op: &Op, platform: &Platform) -> Option<&[u8]> {
        match op {
            Op::Source(Source::Image(image)) => self.image(&image.reference, platform).map(|image| &*image.config),
            Op::Source(Source::OciLayout(layout)) => self.layout_config(&layout.image()?, platform),
            _ => None,
        }
    }

    /// The commit of a branch or a tag. `url` is the remote as the script gave it, less any `#ref:subdir`; no
    /// reference is the remote's default branch.
    pub fn git(&self, url: &str, reference: Option<&str>) -> Option<&str> {
        self.git
            .get(url)?
            .get(reference.unwrap_or_default())
            .map(String::as_str)
    }

    /// Records a commit, in full; what was there before is returned.
    pub fn insert_git(&mut self, url: String, reference: Option<String>, commit: String) -> Option<String> {
        self.git
            .entry(url)
            .or_default()
            .insert(reference.unwrap_or_default(), commit)
    }

    /// All commits, by remote and then by reference.
    pub fn commits(&self) -> impl Iterator<Item = (&str, Option<&str>, &str)> {
        self.git.iter().flat_map(|(url, references)| {
            references.iter().map(move |(reference, commit)| {
                let reference = (!reference.is_empty()).then_some(reference.as_str());
                (url.as_str(), reference, commit.as_str())
            })
        })
    }

    /// The digest of the file at a URL, which is taken verbatim.
    pub fn http(&self, url: &str) -> Option<&ImageDigest> {
        self.http.get(url)
    }

    /// Records a file; what was there before is returned.
    pub fn insert_http(&mut self, url: String, checksum: ImageDigest) -> Option<ImageDigest> {
        self.http.insert(url, checksum)
    }
    /// All files, by URL.
    pub fn files(&self) -> impl Iterator<Item = (&str, &ImageDigest)> {
        self.http.iter().map(|(url, checksum)| (url.as_str(), checksum))
    }
}
