//! Images of OCI layouts: which of a layout's blobs is the config for a platform.
//!
//! The choice is a registry's ([`super::registry`]), and BuildKit's: an index's best entry, an image without one as it
//! is. Whoever has the layout reads the blobs; each is held against its digest here.

use std::io;

use luakit_llb::{ImageDigest, Platform};

use crate::resolve::error::Failure;
use crate::resolve::manifest::{Manifest, choose, read_config};
use crate::resolve::matching::Matcher;
use crate::resolve::registry::{CONFIG_LIMIT, INDEX_DEPTH, MANIFEST_LIMIT, digest_of};

/// Why a layout doesn't say an image's config.
#[derive(Debug, thiserror::Error)]
pub enum LayoutFailure {
    /// A blob that can't be read.
    #[error("can't read its blob {digest}: {source}")]
    Blob {
        /// Which.
        digest: ImageDigest,
        /// What the system said.
        source: io::Error,
    },
    /// A blob that is another one.
    #[error("its blob {0} has another content than that digest is of")]
    Content(ImageDigest),
    /// No such document can be that long.
    #[error("its blob {digest} has more than {limit} bytes, and is no such document")]
    TooLarge {
        /// Which.
        digest: ImageDigest,
        /// The most there can be.
        limit: usize,
    },
    /// It is no image for that platform.
    #[error(transparent)]
    Image(#[from] Failure),
}

/// The config for `platform` of the image or the index that is called `root`. `read` gives a blob's content, and of a
/// long one more bytes than its second argument.
pub fn layout_config(
    root: &ImageDigest,
    platform: &Platform,
    read: impl Fn(&ImageDigest, usize) -> io::Result<Vec<u8>>,
) -> Result<Vec<u8>, LayoutFailure> {
    let blob = |digest: &ImageDigest, limit: usize| {
        let content = read(digest, limit).map_err(|source| LayoutFailure::Blob {
            digest: digest.clone(),
            source,
        })?;
        if content.len() > limit {
            let digest = digest.clone();
            return Err(LayoutFailure::TooLarge { digest, limit });
        }
        if digest_of(digest.parts().0, &content) != *digest {
            return Err(LayoutFailure::Content(digest.clone()));
        }
        Ok(content)
    };
    let mut at = root.clone();
    let mut silent = false;
    for _ in 0..INDEX_DEPTH {
        match Manifest::read(&blob(&at, MANIFEST_LIMIT)?, "")? {
            Manifest::Index(entries) => {
                let entry = choose(&entries, platform)?;
                silent = entry.platform.is_none();
                at = entry.digest.clone();
            }
            Manifest::Image { config } => {
                let config = blob(&config, CONFIG_LIMIT)?;
                let is_for = read_config(&config)?;
                if silent && Matcher::only(platform).rank(&is_for).is_none() {
                    let available = is_for.normal().iter().map(ToString::to_string).collect();
                    return Err(Failure::NoPlatform { available }.into());
                }
                return Ok(config);
            }
        }
    }
    Err(Failure::Malformed {
        part: super::Part::Manifest,
        reason: format!("indexes in indexes, more than {INDEX_DEPTH} deep"),
    }
    .into())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[derive(Default)]
    struct Blobs(BTreeMap<String, String>);

    impl Blobs {
        fn add(&mut self, content: &str) -> String {
            let digest = digest_of("sha256", content.as_bytes()).to_string();
            self.0.insert(digest.clone(), content.to_owned());
            digest
        }

        fn image(&mut self, arch: &str) -> String {
            let config = self.add(&format!(r#"{{"architecture":"{arch}","os":"linux"}}"#));
            let media_type = "application/vnd.oci.image.config.v1+json";
            self.add(&format!(
                r#"{{"config":{{"mediaType":"{media_type}","digest":"{config}"}},"layers":[]}}"#
            ))
        }

        fn config(&self, root: &str, platform: &str) -> String {
            let read = |digest: &ImageDigest, _: usize| {
                let content = self.0.get(digest.as_str());
                content
                    .map(|c| c.as_bytes().to_vec())
                    .ok_or_else(|| io::ErrorKind::NotFound.into())
            };
            match layout_config(&root.parse().unwrap(), &platform.parse().unwrap(), read) {
                Ok(config) => String::from_utf8(config).unwrap(),
                Err(error) => error.to_string().replace(root, "ROOT"),
            }
        }
    }

    #[test]
    fn a_platforms_config_is_found() {
        let mut blobs = Blobs::default();
        let (amd64, arm64) = (blobs.image("amd64"), blobs.image("arm64"));
        let index = blobs.add(&format!(
            r#"{{"manifests":[{{"digest":"{arm64}","platform":{{"os":"linux","architecture":"arm64"}}}},{{"digest":"{amd64}"}}]}}"#
        ));
        let broken = format!("sha256:{}", "1".repeat(64));
        blobs.0.insert(broken.clone(), "{}".to_owned());
        let lines = [
            blobs.config(&amd64, "linux/amd64"),
            blobs.config(&amd64, "linux/s390x"),
            blobs.config(&index, "linux/amd64"),
            blobs.config(&index, "linux/arm64"),
            blobs.config(&index, "linux/s390x"),
            blobs.config(&broken, "linux/amd64"),
            blobs.config(&format!("sha256:{}", "2".repeat(64)), "linux/amd64"),
        ];
        insta::assert_snapshot!(lines.join("\n"), @r#"
        {"architecture":"amd64","os":"linux"}
        {"architecture":"amd64","os":"linux"}
        {"architecture":"amd64","os":"linux"}
        {"architecture":"arm64","os":"linux"}
        it is not there for that platform; it is for linux/amd64
        its blob ROOT has another content than that digest is of
        can't read its blob ROOT: entity not found
        "#);
    }
}
