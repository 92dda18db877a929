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
    /// Whether images are annotated.
    pub annotations: bool,
    /// Whether results get one time, by `SOURCE_DATE_EPOCH`.
    pub source_date_epoch: bool,
    /// Whether the sources are under a policy.
    pub source_policy: bool,
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
    /// Annotations of images.
    Annotations,
    /// Results of one time.
    SourceDateEpoch,
    /// Policies for sources.
    SourcePolicy,
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
            Self::Annotations => f.write_str("annotations of images"),
            Self::SourceDateEpoch => f.write_str("times set by `SOURCE_DATE_EPOCH`"),
            Self::SourcePolicy => f.write_str("source policies"),
        }
    }
}

impl Demands {
    /// Whether anything is asked for that engines may lack without a word: an engine that doesn't know an attribute, or
    /// a policy, builds as if it weren't there.
    pub fn need_abilities(&self) -> bool {
        let wishes = [
            self.exporters.len() > 1,
            self.attestations,
            self.merge,
            self.diff,
            self.annotations,
            self.source_date_epoch,
            self.source_policy,
        ];
        wishes.contains(&true)
    }
}

impl DockerStore {
    /// Whether an exporter's attribute means nothing to the store's own exporter of images, which says nothing of it: the
    /// older store's knows names alone (`builder/builder-next/exporter/mobyexporter` of
    /// <https://github.com/moby/moby>).
    pub fn ignores(self, attribute: &str) -> bool {
        self == Self::Graph && attribute != "name"
    }

    /// What of a build a Docker with this store can't do, whichever its version (`builder/builder-next/controller.go` of
    /// <https://github.com/moby/moby> lists the caches).
    pub fn lacks(self, demands: &Demands) -> Vec<Lack> {
        let caches: &[&str] = match self {
            Self::Containerd => &["inline", "registry", "local", "gha"],
            Self::Graph => &["inline"],
        };
        let caches = demands
            .cache_exports
            .iter()
            .filter(|name| !caches.contains(&name.as_str()));
        let caches = caches.cloned().map(Lack::CacheExport);
        if self == Self::Containerd {
            return caches.collect();
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
        lacks.extend(caches);
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
            (demands.annotations && !self.annotations, Lack::Annotations),
            (
                demands.source_date_epoch && !self.source_date_epoch,
                Lack::SourceDateEpoch,
            ),
            (demands.source_policy && !self.source_policy, Lack::SourcePolicy),
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
            cache_exports: names(&["inline", "registry", "local", "s3"]),
            push: true,
            merge: true,
            diff: true,
            annotations: true,
            source_date_epoch: true,
            source_policy: true,
        }
    }

    fn text(lacks: &[Lack]) -> String {
        lacks.iter().map(Lack::to_string).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn dockers_stores() {
        insta::assert_snapshot!(text(&DockerStore::Containerd.lacks(&all())), @"the cache export `type=s3`");
        insta::assert_snapshot!(text(&DockerStore::Graph.lacks(&all())), @r"
        images of several platforms
        attestations
        the output `type=oci`
        the output `type=docker`
        pushing an image as it is built
        the cache export `type=registry`
        the cache export `type=local`
        the cache export `type=s3`
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
        annotations of images
        times set by `SOURCE_DATE_EPOCH`
        source policies
        ");
        assert_eq!(Abilities::default().lacks(&Demands::default()), []);
    }

    /// Whatever an engine can be found to lack, it is asked for.
    #[test]
    fn an_engine_is_asked_for_all_that_it_may_lack() {
        let one = |set: fn(&mut Demands)| {
            let mut demands = Demands::default();
            set(&mut demands);
            demands
        };
        let cases = [
            one(|d| d.exporters = vec!["local".to_owned(), "tar".to_owned()]),
            one(|d| d.attestations = true),
            one(|d| d.merge = true),
            one(|d| d.diff = true),
            one(|d| d.annotations = true),
            one(|d| d.source_date_epoch = true),
            one(|d| d.source_policy = true),
        ];
        for demands in &cases {
            assert!(demands.need_abilities(), "{demands:?}");
            assert_eq!(Abilities::default().lacks(demands).len(), 1, "{demands:?}");
        }
        assert!(!Demands::default().need_abilities());
    }
}
