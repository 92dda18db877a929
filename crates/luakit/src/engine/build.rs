//! One build, on an engine or on several nodes: shown while it runs, and its failure told as the user's.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use luakit_buildkit::progress::Event;
use luakit_buildkit::{
    BuildError, BuildFailure, BuildRequest, BuildResponse, CancellationToken, Engine, FrontendError, Gateway,
    PlatformDefinition, PlatformResult, ResultRef,
};
use luakit_diagnostic::Diagnostic;
use luakit_frontend::plan::MarshalSettings;
use luakit_frontend::resolve::ResolveErrors;
use luakit_frontend::{Output, Plan, References, solver};
use luakit_llb::Definition;

use super::node_events::{event_of_node, of_node};
use super::report;
use crate::failure::{Failure, Kind};
use crate::outputs::{Loading, Unloaded};
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
    let sources = vec![definition.definition.clone()];
    let checked = engine.check(&request, &sources).await;
    checked.map_err(|error| report::unstarted(&error, &sources, &request))?;
    progress.places.add(&definition.definition);
    let display = Display::new(progress, printer);
    let (cancel, locals) = (request.cancel.clone(), request.locals.clone());
    let build =
        async |observer: &mut (dyn FnMut(_) + Send)| Box::pin(engine.solve(request, vec![definition], observer)).await;
    let outcome = show(display, cancel, build).await?;
    outcome.map_err(|error| report::failure(&error, &sources, &locals))
}

/// Refuses a build that lacks what its outputs need, at the script's line.
pub(crate) async fn check(engine: &Engine, request: &BuildRequest, outputs: &[Output]) -> Result<(), Failure> {
    let definitions: Vec<Definition> = outputs.iter().map(|output| output.definition.clone()).collect();
    let checked = engine.check(request, &definitions).await;
    checked.map_err(|error| report::unstarted(&error, &definitions, request))
}

/// A build's local directories by name.
pub(super) type Locals = BTreeMap<String, PathBuf>;

/// A script's plan, and what its references mean.
pub(crate) struct Job {
    pub(crate) plan: Plan,
    pub(crate) references: References,
}

/// A node's part of a build.
pub(crate) struct NodeJob {
    /// The node's name, as steps are shown with.
    pub(crate) node: String,
    pub(crate) engine: Engine,
    pub(crate) request: BuildRequest,
    pub(crate) job: Job,
}

/// What became known while plans were built.
#[derive(Default)]
struct Told(Mutex<(Vec<Definition>, Vec<Diagnostic>)>);

/// Builds a script's plan, whose images the engine resolves; Ctrl-C cancels the build on the engine, and what is loaded
/// into Docker meanwhile.
pub(crate) async fn plan(
    engine: &Engine,
    request: BuildRequest,
    job: &Job,
    loading: Option<Loading>,
    settings: &MarshalSettings,
    progress: Setup,
    printer: &Printer,
) -> Result<BuildResponse, Failure> {
    let places = progress.places.clone();
    let display = Display::new(progress, printer);
    let (cancel, locals) = (request.cancel.clone(), request.locals.clone());
    let told = Told::default();
    let build = async |observer: &mut (dyn FnMut(_) + Send)| {
        let note = |definition: &Definition| places.add(definition);
        let Some(loading) = loading else {
            let built = run(engine, request, job, settings, &note, &told, observer).await;
            return built.map_err(Ended::Build);
        };
        let observer = Mutex::new(observer);
        let tell = |event| {
            let mut observer = observer.lock().unwrap_or_else(PoisonError::into_inner);
            observer(event);
        };
        let cancel = request.cancel.clone();
        let mut own = tell;
        let built = run(engine, request, job, settings, &note, &told, &mut own);
        let outcome = loading.beside(built, &cancel, tell).await;
        outcome.map_err(|unloaded| match unloaded {
            Unloaded::Build(failure) => Ended::Build(failure),
            Unloaded::Load(failure) => Ended::Own(failure),
        })
    };
    let outcome = show(display, cancel, build).await?;
    let definitions = told.tell(printer);
    outcome.map_err(|ended| ended.into_failure(&definitions, &locals))
}

/// How a build ended, and what belongs to it.
enum Ended {
    /// On the engine.
    Build(BuildFailure<Unresolved>),
    /// Afterwards, or beside.
    Own(Failure),
}

impl Ended {
    fn into_failure(self, definitions: &[Definition], locals: &Locals) -> Failure {
        match self {
            Self::Build(failure) => failed(failure, definitions, locals),
            Self::Own(failure) => failure,
        }
    }
}

/// Builds the parts of several nodes at once, shown as one build. When one fails, the others are canceled. `finish` makes
/// one of the answers, which are in the nodes' order; Ctrl-C drops it.
pub(crate) async fn on_nodes(
    jobs: Vec<NodeJob>,
    cancel: CancellationToken,
    settings: &MarshalSettings,
    finish: impl AsyncFnOnce(Vec<BuildResponse>) -> Result<BuildResponse, Failure>,
    progress: Setup,
    printer: &Printer,
) -> Result<BuildResponse, Failure> {
    let places = progress.places.clone();
    let display = Display::new(progress, printer);
    // Of its own, so that a failure isn't taken for Ctrl-C.
    let group = cancel.child_token();
    let canceled = cancel.clone();
    // All nodes are given the same.
    let locals = jobs.first().map(|job| job.request.locals.clone()).unwrap_or_default();
    let told = Told::default();
    let build = async |observer: &mut (dyn FnMut(Event) + Send)| {
        let observer = Mutex::new(observer);
        let builds = jobs.into_iter().map(|part| {
            let (observer, group, told, places) = (&observer, &group, &told, &places);
            async move {
                let NodeJob {
                    node,
                    engine,
                    mut request,
                    job,
                } = part;
                request.cancel = group.clone();
                let note = |definition: &Definition| places.add_as(definition, |digest| of_node(&node, digest));
                let mut own = |event| {
                    let mut observer = observer.lock().unwrap_or_else(PoisonError::into_inner);
                    observer(event_of_node(&node, event));
                };
                let outcome = run(&engine, request, &job, settings, &note, told, &mut own).await;
                if outcome.is_err() {
                    group.cancel();
                }
                outcome
            }
        });
        let outcomes = futures_util::future::join_all(builds).await;
        let answers = one_failure(outcomes).map_err(Ended::Build)?;
        tokio::select! {
            finished = finish(answers) => finished.map_err(Ended::Own),
            () = canceled.cancelled() => Err(Ended::Build(BuildError::Canceled.into())),
        }
    };
    let outcome = show(display, cancel, build).await?;
    let definitions = told.tell(printer);
    outcome.map_err(|ended| ended.into_failure(&definitions, &locals))
}

/// All answers, or what failed first: the others were canceled then.
fn one_failure<E>(
    outcomes: Vec<Result<BuildResponse, BuildFailure<E>>>,
) -> Result<Vec<BuildResponse>, BuildFailure<E>> {
    let mut answers = Vec::new();
    let mut canceled = None;
    for outcome in outcomes {
        match outcome {
            Ok(answer) => answers.push(answer),
            Err(BuildFailure::Build(BuildError::Canceled)) => canceled = Some(BuildError::Canceled),
            Err(failure) => return Err(failure),
        }
    }
    canceled.map_or(Ok(answers), |error| Err(error.into()))
}

/// One plan on one engine. `note` hears of each definition.
async fn run(
    engine: &Engine,
    request: BuildRequest,
    job: &Job,
    settings: &MarshalSettings,
    note: &(dyn Fn(&Definition) + Sync),
    told: &Told,
    observer: &mut (dyn FnMut(Event) + Send),
) -> Result<BuildResponse, BuildFailure<Unresolved>> {
    let frontend = |gateway: Gateway| async move {
        let marshalled = |outputs: &[Output]| {
            for output in outputs {
                note(&output.definition);
                told.lock().0.push(output.definition.clone());
            }
        };
        let built = solver::build(&gateway, &job.plan, &job.references, settings, marshalled).await;
        let built = built.map_err(|failure| match failure {
            solver::Failure::Resolve(errors) => FrontendError::Own(Unresolved {
                diagnostics: job.plan.unresolved(&errors),
                errors,
            }),
            solver::Failure::Solve(error) => FrontendError::Gateway(error),
        })?;
        told.lock().1.extend(built.warnings);
        Ok(built.outputs.into_iter().map(result).collect())
    };
    Box::pin(engine.build(request, frontend, observer)).await
}

impl Told {
    fn lock(&self) -> MutexGuard<'_, (Vec<Definition>, Vec<Diagnostic>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says what is odd, each once, and gives the definitions.
    fn tell(self, printer: &Printer) -> Vec<Definition> {
        let (definitions, warnings) = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        for (at, warning) in warnings.iter().enumerate() {
            if !warnings.iter().take(at).any(|earlier| earlier == warning) {
                printer.diagnostic(warning);
            }
        }
        definitions
    }
}

/// Images that can't be resolved, and what to tell of them.
#[derive(Debug)]
struct Unresolved {
    errors: ResolveErrors,
    diagnostics: Vec<Diagnostic>,
}

impl std::fmt::Display for Unresolved {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.errors.fmt(f)
    }
}

fn failed(failure: BuildFailure<Unresolved>, definitions: &[Definition], locals: &Locals) -> Failure {
    match failure {
        BuildFailure::Build(error) => report::failure(&error, definitions, locals),
        BuildFailure::Frontend(unresolved) => Failure::several(Kind::Build, unresolved.diagnostics),
    }
}

fn result((output, result): (Output, ResultRef)) -> PlatformResult {
    PlatformResult {
        platform: Some(output.platform),
        result,
        image_config: Some(output.config),
        base_config: output.base_config,
        // The exporters are told of them.
        annotations: BTreeMap::new(),
    }
}
