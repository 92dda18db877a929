//! One build on an engine: its progress on stderr, Ctrl-C, and its failure as the user's.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use luakit_buildkit::progress::Event;
use luakit_buildkit::progress::plain::PlainProgress;
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

/// Builds a definition that is ready; Ctrl-C cancels the build on the engine.
pub(crate) async fn definition(
    engine: &Engine,
    request: BuildRequest,
    definition: PlatformDefinition,
    progress: &str,
    printer: &Printer,
) -> Result<BuildResponse, Failure> {
    let mut display = Display::new(progress, printer);
    let sources = vec![definition.definition.clone()];
    let outcome = {
        let mut observer = |event| display.event(event);
        interruptible(Box::pin(engine.solve(request, vec![definition], &mut observer))).await?
    };
    display.finish();
    outcome.map_err(|error| report::failure(&error, &sources))
}

/// Builds a script's plan, whose images the engine resolves; Ctrl-C cancels the build on the engine.
pub(crate) async fn plan(
    engine: &Engine,
    request: BuildRequest,
    plan: &Plan,
    references: &References,
    settings: &MarshalSettings,
    progress: &str,
    printer: &Printer,
) -> Result<BuildResponse, Failure> {
    let mut display = Display::new(progress, printer);
    let told: Mutex<(Vec<Definition>, Vec<Diagnostic>)> = Mutex::default();
    let tell = || told.lock().unwrap_or_else(PoisonError::into_inner);
    let frontend = |gateway: Gateway| async move {
        let marshalled = |outputs: &[Output]| {
            tell().0 = outputs.iter().map(|output| output.definition.clone()).collect();
        };
        let built = solver::build(&gateway, plan, references, settings, marshalled).await;
        let built = built.map_err(|failure| match failure {
            solver::Failure::Resolve(errors) => FrontendError::Own(errors),
            solver::Failure::Solve(error) => FrontendError::Gateway(error),
        })?;
        tell().1 = built.warnings;
        Ok(built.outputs.into_iter().map(result).collect())
    };
    let outcome = {
        let mut observer = |event| display.event(event);
        interruptible(Box::pin(engine.build(request, frontend, &mut observer))).await?
    };
    display.finish();
    let (definitions, warnings) = told.into_inner().unwrap_or_else(PoisonError::into_inner);
    for warning in &warnings {
        printer.diagnostic(warning);
    }
    outcome.map_err(|failure| match failure {
        BuildFailure::Build(error) => report::failure(&error, &definitions),
        BuildFailure::Frontend(errors) => Failure::several(Kind::Build, errors.diagnostics()),
    })
}

fn result((output, result): (Output, ResultRef)) -> PlatformResult {
    PlatformResult {
        platform: Some(output.platform),
        result,
        image_config: Some(output.config),
    }
}

async fn interruptible<T>(build: impl Future<Output = T>) -> Result<T, Failure> {
    tokio::select! {
        outcome = build => Ok(outcome),
        _ = tokio::signal::ctrl_c() => Err(Failure::interrupted()),
    }
}

/// Shows what happens.
struct Display<'a> {
    started: Instant,
    plain: PlainProgress,
    quiet: bool,
    printer: &'a Printer,
}

impl<'a> Display<'a> {
    fn new(progress: &str, printer: &'a Printer) -> Self {
        Self {
            started: Instant::now(),
            plain: PlainProgress::new(),
            quiet: progress == "quiet",
            printer,
        }
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Update(update) if !self.quiet => {
                let lines = self.plain.feed(&update, self.started.elapsed());
                for line in lines {
                    self.printer.line(&line);
                }
            }
            Event::Update(_) => {}
            Event::SkippedDevice { local, path } => self.printer.warning(
                "device",
                &format!("`{path}` in the local directory `{local}` is a device, and was left out"),
            ),
        }
    }

    fn finish(&mut self) {
        if !self.quiet {
            for line in self.plain.finish() {
                self.printer.line(&line);
            }
        }
    }
}
