//! What image references mean: the digest to pin, and the image's config.
//!
//! [`resolve`] takes every image that a build reaches, asks the lock file first and an [`ImageResolver`] for the
//! rest, all at once, and returns them or every failure. [`Registry`] is the resolver that asks registries; an
//! engine that resolves images itself is another. Nothing here knows a script or a graph.

mod auth;
pub(crate) mod config;
pub(crate) mod error;
pub(crate) mod http;
mod layout;
mod manifest;
mod matching;
mod oddities;
mod registry;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::future::Future;

use futures_util::{StreamExt as _, stream};
use luakit_diagnostic::Diagnostic;
use luakit_llb::op::ResolveMode;
use luakit_llb::{Pins, Platform, Reached, Reference, ResolvedImage};

pub use config::RegistryConfig;
pub use error::{Attempt, Failure, Part, ResolveError};
pub use http::Network;
pub use layout::{LayoutFailure, layout_config};
pub use oddities::{OddImage, oddities};
pub use registry::Registry;

pub(crate) use manifest::read_config;

/// Where images are resolved that no lock file pins.
pub trait ImageResolver: Sync {
    /// Resolves one reference for each platform; the answers are in the platforms' order. All of them come from
    /// one look at the reference, so that they agree on the digest even while a tag moves. `mode` is for engines, which
    /// may have the image.
    fn resolve(
        &self,
        reference: &Reference,
        platforms: &[Platform],
        mode: ResolveMode,
    ) -> impl Future<Output = Vec<Result<ResolvedImage, ResolveError>>> + Send;
}

/// All that can't be resolved, by reference and platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolveErrors(pub Vec<ResolveError>);

impl ResolveErrors {
    /// A diagnostic for each.
    pub fn diagnostics(&self) -> Vec<Diagnostic> {
        self.0.iter().map(ResolveError::diagnostic).collect()
    }
}

impl std::error::Error for ResolveErrors {}

impl fmt::Display for ResolveErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, error) in self.0.iter().enumerate() {
            if n > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

/// Resolves all `requests`: what `locked` has is taken from there, the rest is asked of `resolver`, up to
/// `parallel` references at a time. Equal requests are one. The outcome does not depend on who answers first.
///
/// A reference that is locked for other platforms is looked up by the digest that it has there, so that all
/// platforms come from one index; by its tag only where that digest has gone, or has not that platform.
pub async fn resolve(
    requests: impl IntoIterator<Item = (Reference, Platform)>,
    locked: &Pins,
    resolver: &impl ImageResolver,
    parallel: usize,
) -> Result<BTreeMap<(Reference, Platform), ResolvedImage>, ResolveErrors> {
    resolve_by(requests, &BTreeMap::new(), locked, resolver, parallel).await
}

async fn resolve_by(
    requests: impl IntoIterator<Item = (Reference, Platform)>,
    modes: &BTreeMap<Reference, ResolveMode>,
    locked: &Pins,
    resolver: &impl ImageResolver,
    parallel: usize,
) -> Result<BTreeMap<(Reference, Platform), ResolvedImage>, ResolveErrors> {
    let mut images = BTreeMap::new();
    let mut missing: BTreeMap<Reference, BTreeSet<Platform>> = BTreeMap::new();
    for (reference, platform) in requests {
        match locked.image(&reference, &platform) {
            Some(image) => {
                images.insert((reference, platform), image.clone());
            }
            None => {
                missing.entry(reference).or_default().insert(platform);
            }
        }
    }
    let asked = missing.into_iter().map(|(reference, platforms)| async move {
        let platforms: Vec<Platform> = platforms.into_iter().collect();
        let mode = modes.get(&reference).copied().unwrap_or_default();
        let answers = match pinned(locked, &reference) {
            Some(pinned) => {
                let answers = resolver.resolve(&pinned, &platforms, mode).await;
                if answers.iter().all(Result::is_ok) {
                    answers
                } else {
                    resolver.resolve(&reference, &platforms, mode).await
                }
            }
            None => resolver.resolve(&reference, &platforms, mode).await,
        };
        (reference, platforms, answers)
    });
    let answers: Vec<_> = stream::iter(asked).buffered(parallel.max(1)).collect().await;
    let mut errors = Vec::new();
    for (reference, platforms, answers) in answers {
        for (platform, answer) in platforms.into_iter().zip(answers) {
            match answer {
                Ok(image) => {
                    images.insert((reference.clone(), platform), image);
                }
                Err(error) => errors.push(error),
            }
        }
    }
    if errors.is_empty() {
        return Ok(images);
    }
    Err(ResolveErrors(errors))
}

/// Adds to `pins` what `reached` has besides, resolved as [`resolve`] does. `locked` is a whole lock file: a new
/// platform of a locked image comes from the index that the others came from.
pub async fn complete(
    mut pins: Pins,
    locked: &Pins,
    reached: &Reached,
    resolver: &impl ImageResolver,
    parallel: usize,
) -> Result<Pins, ResolveErrors> {
    let missing: Vec<_> = reached
        .images
        .iter()
        .filter(|(reference, platform)| pins.image(reference, platform).is_none())
        .cloned()
        .collect();
    for ((reference, platform), image) in resolve_by(missing, &reached.modes, locked, resolver, parallel).await? {
        pins.insert_image(reference, platform, image);
    }
    Ok(pins)
}

/// A reference by the digest that it is locked to, for whatever platform. `None` when it names one itself.
fn pinned(locked: &Pins, reference: &Reference) -> Option<Reference> {
    if reference.digest().is_some() {
        return None;
    }
    let mut images = locked.images();
    let (_, _, image) = images.find(|(locked, _, _)| *locked == reference)?;
    Some(reference.with_digest(image.digest.clone()?))
}
