//! One build on an engine: shown while it runs, and its failure told as the user's.

use std::sync::{Mutex, PoisonError};

use luakit_buildkit::{
    BuildFailure, BuildRequest, BuildResponse, Engine, FrontendError, Gateway, PlatformDefinition, PlatformResult,
    ResultRef,
};
use luakit_diagnostic::Diagnostic;
use luakit_frontend::plan::MarshalSettings;
use luakit_frontend::{Output, Plan, References, solver};
use luakit_llb::Definition;

use super::report;
use crate::failure::{Failure, Kind};
use crate::printer::Printer;
use crate::progress::{Display, Setup, show};

/// Builds a definition that is ready; Ctrl-C cancels the build on the engine.
pub(crate) async fn definition(
    engine: &Engine,
    request: BuildRequest,
    definition: PlatformDefinition,
    progress: Setup,
    printer: &Printer,
) -> Result<BuildResponse, Failure> {
    progress.places.add(&definition.definition);
    let display = Display::new(progress, printer);
    let cancel = request.cancel.clone();
    let sources = vec![definition.definition.clone()];
    let build =
        async |observer: &mut (dyn FnMut(_) + Send)| Box::pin(engine.solve(request, vec![definition], observer)).await;
    let outcome = show(display, cancel, build).await?;
    outcome.map_err(|error| report::failure(&error, &sources))
}

/// Builds a script's plan, whose images the engine resolves; Ctrl-C cancels the build on the engine.
pub(crate) async fn plan(
    engine: &Engine,
    request: BuildRequest,
    plan: &Plan,
    references: &References,
    settings: &MarshalSettings,
    progress: Setup,
    printer: &Printer,
) -> Result<BuildResponse, Failure> {
    let places = progress.places.clone();
    let display = Display::new(progress, printer);
    let cancel = request.cancel.clone();
    let told: Mutex<(Vec<Definition>, Vec<Diagnostic>)> = Mutex::default();
    let tell = || told.lock().unwrap_or_else(PoisonError::into_inner);
    let frontend = |gateway: Gateway| async move {
        let marshalled = |outputs: &[Output]| {
            for output in outputs {
                places.add(&output.definition);
                tell().0.push(output.definition.clone());
            }
        };
        let built = solver::build(&gateway, plan, references, settings, marshalled).await;
        let built = built.map_err(|failure| match failure {
            solver::Failure::Resolve(errors) => FrontendError::Own(errors),
            solver::Failure::Solve(error) => FrontendError::Gateway(error),
        })?;
        tell().1 = built.warnings;
        Ok(built.outputs.into_iter().map(result).collect())
    };
    let build = async |observer: &mut (dyn FnMut(_) + Send)| Box::pin(engine.build(request, frontend, observer)).await;
    let outcome = show(display, cancel, build).await?;
    let (definitions, warnings) = told.into_inner().unwrap_or_else(PoisonError::into_inner);
    for warning in &warnings {
        printer.diagnostic(warning);
    }
    outcome.map_err(|failure| match failure {
        BuildFailure::Build(error) => report::failure(&error, &definitions),
        BuildFailure::Frontend(errors) => Failure::several(Kind::Build, plan.unresolved(&errors)),
    })
}

fn result((output, result): (Output, ResultRef)) -> PlatformResult {
    PlatformResult {
        platform: Some(output.platform),
        result,
        image_config: Some(output.config),
    }
}
