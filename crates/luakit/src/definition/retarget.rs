//! A definition for another platform than it was written for, where that is the whole truth.
//!
//! What the graph itself can't tell, its record does. Image configs that went into the graph are asked for again:
//! only when they say the same for the new platform is the graph the one that the script means.

use luakit_diagnostic::Diagnostic;
use luakit_frontend::resolve::{self, Network, ResolveErrors, resolve};
use luakit_llb::definition::{AppliedImage, ExportRecord, RetargetError};
use luakit_llb::{Definition, Pins, Platform, Reference};
use serde_json::Value;

use crate::environment::Environment;
use crate::failure::{Failure, Kind};
use crate::resolution::RegistryArgs;

/// The definition for `platform`, and its record. No platform leaves it as it is.
pub(crate) async fn for_platform(
    definition: Definition,
    platform: Option<&Platform>,
    registries: &RegistryArgs,
    environment: &Environment,
) -> Result<(Definition, Option<ExportRecord>), Failure> {
    let Some(platform) = platform else {
        let damaged = |message: String| Failure::new(Kind::Usage, Diagnostic::error("definition", message));
        let record = definition.export().map_err(|e| damaged(e.to_string()))?;
        return Ok((definition, record));
    };
    let retargeted = match definition.retarget(platform) {
        Err(RetargetError::Images { .. }) => {
            let record = definition.export().map_err(|e| refused(&e.to_string()))?;
            let images = record.map(|record| record.images).unwrap_or_default();
            check_images(&images, platform, registries, environment).await?;
            definition.retarget_agreed(platform)
        }
        other => other,
    };
    let retargeted = retargeted.map_err(|e| refusal(&e, platform))?;
    let record = retargeted.export().map_err(|e| refused(&e.to_string()))?;
    Ok((retargeted, record))
}

fn refusal(error: &RetargetError, platform: &Platform) -> Failure {
    let failure = refused(&format!("can't build this definition for {platform}: {error}"));
    match error {
        RetargetError::Definition(_) | RetargetError::Export(_) | RetargetError::Foreign { .. } => failure,
        _ => failure.hint(format!("write one for it: `luakit build --platform {platform} …`")),
    }
}

fn refused(message: &str) -> Failure {
    Failure::new(Kind::Usage, Diagnostic::error("platform", message))
}

/// Makes sure that each image's config says the same for `platform` as for the platform it was applied for.
async fn check_images(
    images: &[AppliedImage],
    platform: &Platform,
    registries: &RegistryArgs,
    environment: &Environment,
) -> Result<(), Failure> {
    let registry = registries.registry(environment)?;
    let mut requests = Vec::new();
    for image in images {
        let reference: Reference = image
            .reference
            .parse()
            .map_err(|_| refused("the definition's record is damaged"))?;
        requests.push((reference.clone(), image.platform.clone()));
        requests.push((reference, platform.clone()));
    }
    let resolved = resolve(requests, &Pins::new(), &registry, Network::default().parallel).await;
    let resolved = resolved.map_err(|e| Failure::several(Kind::Build, unresolved(&e, platform)))?;
    for image in images {
        let config = |platform: &Platform| {
            let reference: Reference = image.reference.parse().ok()?;
            let found = resolved.get(&(reference, platform.clone()))?;
            let root: Value = serde_json::from_slice(&found.config).ok()?;
            Some((found.digest.clone(), root.get("config").cloned()))
        };
        if config(&image.platform) != config(platform) {
            let message = format!(
                "can't build this definition for {platform}: `{}` says something else for it than for {}",
                image.reference, image.platform
            );
            return Err(refused(&message).hint(format!("write one for it: `luakit build --platform {platform} …`")));
        }
    }
    Ok(())
}

/// Images that could not be asked for. `solve` reads no lock file, so what to do is another thing than for `build`.
fn unresolved(errors: &ResolveErrors, platform: &Platform) -> Vec<Diagnostic> {
    let diagnostic = |error: &resolve::ResolveError| {
        match &error.failure {
        resolve::Failure::Unreachable { .. }
        | resolve::Failure::TimedOut { .. }
        | resolve::Failure::RateLimited { .. } => error.diagnostic().with_hint(format!(
            "`--registry-config` can name a mirror; or write a definition for it: `luakit build --platform {platform} …`"
        )),
        _ => error.diagnostic(),
    }
    };
    errors.0.iter().map(diagnostic).collect()
}
