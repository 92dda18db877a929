//! What a build asks of an engine, and what an engine is known to lack of it before anything is sent.
//!
//! Docker has two image stores. The older one holds images of one platform, without attestations, and its BuildKit
//! exports files, tarballs and images into that store alone, and cache inside images (`builder/builder-next/worker` of
//! <https://github.com/moby/moby>; docker buildx checks the same). Engines say the rest themselves: [`Abilities`].

use std::fmt;

use super::Abilities;

/// Which image store Docker has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DockerStore {
    /// containerd's, which can hold what BuildKit makes.
    Containerd,
    /// The older one, with a graph driver.
    Graph,
}

/// What a build asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "each is a wish of its own")]
pub struct Demands {
    /// How many platforms go into one image.
    pub platforms: usize,
    /// Whether there are attestations: provenance, an SBOM.
    pub attestations: bool,
    /// BuildKit's names of the exporters: `image`, `oci`, `docker`, `tar`, `local`.
    pub exporters: Vec<String>,
    /// The types of cache exports: `registry`, `local`, `inline`…
    pub cache_exports: Vec<String>,
    /// Whether the engine pushes an image.
    pub push: bool,
    /// Whether the graph merges.
    pub merge: bool,
    /// Whether the graph has differences.
    pub diff: bool,
}

/// Something that an engine can't do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lack {
    /// Images of several platforms.
    SeveralPlatforms,
    /// Attestations.
    Attestations,
    /// An exporter.
    Exporter(String),
    /// A kind of cache export.
    CacheExport(String),
    /// Pushing, as a part of the build.
    Push,
    /// More than one exporter in a build.
    SeveralExporters,
    /// Merging.
    Merge,
    /// Differences.
    Diff,
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SeveralPlatforms => f.write_str("images of several platforms"),
            Self::Attestations => f.write_str("attestations"),
            Self::Exporter(name) => write!(f, "the output `type={name}`"),
            Self::CacheExport(name) => write!(f, "the cache export `type={name}`"),
            Self::Push => f.write_str("pushing an image as it is built"),
            Self::SeveralExporters => f.write_str("several outputs of one build"),
            Self::Merge => f.write_str("`bk.merge`"),
            Self::Diff => f.write_str("`bk.diff`"),
        }
    }
}

impl DockerStore {
    /// What of a build a Docker with this store can't do, whichever its version.
    pub fn lacks(self, demands: &Demands) -> Vec<Lack> {
        if self == Self::Containerd {
            return Vec::new();
        }
        let mut lacks = Vec::new();
        if demands.platforms > 1 {
            lacks.push(Lack::SeveralPlatforms);
        }
        if demands.attestations {
            lacks.push(Lack::Attestations);
        }
        let known = ["moby", "image", "local", "tar"];
        let exporters = demands.exporters.iter().filter(|name| !known.contains(&name.as_str()));
        lacks.extend(exporters.cloned().map(Lack::Exporter));
        // Its exporter knows no `push`, and says nothing.
        if demands.push {
            lacks.push(Lack::Push);
        }
        let caches = demands.cache_exports.iter().filter(|name| *name != "inline");
        lacks.extend(caches.cloned().map(Lack::CacheExport));
        lacks
    }
}

impl Abilities {
    /// What of a build an engine with these abilities can't do.
    pub fn lacks(&self, demands: &Demands) -> Vec<Lack> {
        let checks = [
            (
                demands.exporters.len() > 1 && !self.several_exporters,
                Lack::SeveralExporters,
            ),
            (demands.attestations && !self.attestations, Lack::Attestations),
            (demands.merge && !self.merge, Lack::Merge),
            (demands.diff && !self.diff, Lack::Diff),
        ];
        let lacks = checks.into_iter().filter(|(lacks, _)| *lacks);
        lacks.map(|(_, lack)| lack).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Demands {
        let names = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect();
        Demands {
            platforms: 2,
            attestations: true,
            exporters: names(&["image", "oci", "docker", "local"]),
            cache_exports: names(&["inline", "registry", "local"]),
            push: true,
            merge: true,
            diff: true,
        }
    }

    fn text(lacks: &[Lack]) -> String {
        lacks.iter().map(Lack::to_string).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn dockers_stores() {
        assert_eq!(DockerStore::Containerd.lacks(&all()), []);
        insta::assert_snapshot!(text(&DockerStore::Graph.lacks(&all())), @r"
        images of several platforms
        attestations
        the output `type=oci`
        the output `type=docker`
        pushing an image as it is built
        the cache export `type=registry`
        the cache export `type=local`
        ");
        let plain = Demands {
            platforms: 1,
            exporters: vec!["image".to_owned()],
            ..Demands::default()
        };
        assert_eq!(DockerStore::Graph.lacks(&plain), []);
    }

    #[test]
    fn what_an_old_engine_lacks() {
        insta::assert_snapshot!(text(&Abilities::default().lacks(&all())), @r"
        several outputs of one build
        attestations
        `bk.merge`
        `bk.diff`
        ");
        assert_eq!(Abilities::default().lacks(&Demands::default()), []);
    }
}
