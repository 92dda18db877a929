//! `luakit frontend`: what a frontend image runs. BuildKit starts it, and asks it for one build.
//!
//! It ends by returning something, whatever happens: a result, what is wrong with the script, or that it broke down
//! itself. Stdout is BuildKit's; the user hears through BuildKit alone.

use luakit_buildkit::{CacheEntry, FrontendSetting, Gateway, GatewayError, PlatformResult, ResultRef, Stdio};
use luakit_diagnostic::Diagnostic;
use luakit_frontend::options::{CacheImport, Options};
use luakit_frontend::remote::{self, Answer, Build, Job, Machine, RemoteFailure};
use luakit_llb::Platform;

use crate::engine::report;
use crate::environment::FrontendEnvironment;
use crate::failure::{Failure, Kind, reason};
use crate::runtime;

/// Answer one build as a frontend image of BuildKit: run by BuildKit, it speaks the gateway protocol on stdin and stdout
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_args: Args) -> Result<(), Failure> {
    let Some(environment) = FrontendEnvironment::read() else {
        return Err(Failure::usage("`luakit frontend` is started by BuildKit, as the entrypoint of a frontend image").hint(
            "name that image in a script's first line: `# syntax=IMAGE`; on the command line, `luakit build` builds",
        ));
    };
    let stdio = Stdio::take().map_err(|e| Failure::internal(format!("can't take stdin and stdout: {}", reason(&e))))?;
    runtime::build(serve(stdio, environment))?
}

/// Answers the build, or ends when BuildKit hangs up.
async fn serve(stdio: Stdio, environment: FrontendEnvironment) -> Result<(), Failure> {
    let (gateway, closed) = stdio.open().await.map_err(no_buildkit)?;
    let work = tokio::spawn(work(gateway.clone(), environment));
    tokio::select! {
        biased;
        outcome = work => {
            let outcome = match outcome {
                Ok(outcome) => outcome,
                Err(_) => Err(Diagnostic::error("internal", "luakit broke down: a defect of its own").into()),
            };
            answer(&gateway, outcome).await
        }
        () = closed.cancelled() => Err(Failure::new(
            Kind::NoEngine,
            Diagnostic::error("no-engine", "BuildKit hung up before the build's end"),
        )),
    }
}

/// Does what is asked for. Whatever fails here is returned to BuildKit.
async fn work(
    gateway: Gateway,
    environment: FrontendEnvironment,
) -> Result<Answer<ResultRef>, RemoteFailure<GatewayError>> {
    let asked = environment
        .asked()
        .map_err(|wrong| RemoteFailure::from(Diagnostic::error("option", wrong)))?;
    let options = Options::parse(&asked.options)?;
    let machine = Machine::read(&asked.workers)
        .map_err(|unreadable| RemoteFailure::from(Diagnostic::error("workers", unreadable.to_string())))?;
    let host = gateway.with(FrontendSetting {
        version: machine.as_ref().and_then(|machine| machine.version.clone()),
        session: asked.session.clone(),
        cache_imports: options.cache_imports.iter().map(cache).collect(),
        resolve_mode: options.resolve_mode,
    });
    let job = Job {
        options,
        session: asked.session,
        machine: machine.map_or_else(own_platform, |machine| machine.platform),
    };
    remote::build(&host, job).await
}

/// Returns what came of it. What failed is told there, and nowhere else.
async fn answer(
    gateway: &Gateway,
    outcome: Result<Answer<ResultRef>, RemoteFailure<GatewayError>>,
) -> Result<(), Failure> {
    let failure = match outcome {
        Ok(Answer::Built(build)) => return succeed(gateway, build).await,
        Ok(Answer::Told(answer)) => {
            let metadata = answer.metadata().into_iter();
            let metadata = metadata.map(|(key, value)| (key.to_owned(), value)).collect();
            return gateway.answer(metadata).await.map_err(no_buildkit);
        }
        Err(failure) => failure,
    };
    let returned = match &failure {
        RemoteFailure::Told(diagnostics) => gateway.fail(diagnostics).await,
        RemoteFailure::Host { error, definitions } => match error.build_error() {
            Some(known) => gateway.fail(report::for_docker(known, definitions).diagnostics()).await,
            None => gateway.fail_by(error).await,
        },
        RemoteFailure::Incapable(name) => gateway.fail_incapable(name).await,
        RemoteFailure::UnknownRequest(error) => gateway.fail_unknown(&error.name, &error.to_string()).await,
    };
    returned.map_err(no_buildkit)?;
    Err(Failure::several(Kind::Build, Vec::new()))
}

async fn succeed(gateway: &Gateway, build: Build<ResultRef>) -> Result<(), Failure> {
    let results: Vec<PlatformResult> = build
        .outputs
        .into_iter()
        .map(|(output, result)| PlatformResult {
            platform: Some(output.platform),
            result,
            image_config: Some(output.config),
            base_config: output.base_config,
            annotations: output.annotations,
        })
        .collect();
    match gateway.succeed(&results, build.multi_platform, build.epoch).await {
        Ok(()) => Ok(()),
        Err(error) => {
            gateway.fail_by(&error).await.map_err(no_buildkit)?;
            Err(Failure::several(Kind::Build, Vec::new()))
        }
    }
}

/// What this machine is: the engine's, whose container this runs in.
fn own_platform() -> Platform {
    Platform::new("linux", std::env::consts::ARCH, "").unwrap_or_else(|_| Platform::linux_amd64())
}

fn cache(import: &CacheImport) -> CacheEntry {
    CacheEntry {
        kind: import.kind.clone(),
        attrs: import.attrs.clone(),
    }
}

fn no_buildkit(error: GatewayError) -> Failure {
    Failure::new(Kind::NoEngine, Diagnostic::error("no-engine", error.to_string()))
}
