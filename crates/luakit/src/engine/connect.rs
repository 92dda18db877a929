//! Which engine builds, and what to say when none answers.

use luakit_buildkit::engines::{Candidate, Discovery, Node, NodePlatforms, assign};
use luakit_buildkit::{Engine, SetupError};
use luakit_diagnostic::Diagnostic;
use luakit_llb::Platform;

use super::choice::EngineChoice;
use crate::environment::Environment;
use crate::failure::{Failure, Kind};
use crate::printer::Printer;

/// What to do when there is no engine.
const INSTALL: &str = "start Docker (docs.docker.com/engine/install), or BuildKit (github.com/moby/buildkit) and name it \
                       with `--addr` or `BUILDKIT_HOST`; `luakit engines` lists what there is";

/// Connects to the first engine that answers; of a builder with several nodes, to the one for `platform`.
pub(crate) async fn connect(
    args: &EngineChoice,
    platform: Option<&Platform>,
    environment: &Environment,
    printer: &Printer,
) -> Result<Engine, Failure> {
    let discovery = args.discovery(environment)?;
    first(&discovery, platform, printer).await
}

async fn first(discovery: &Discovery, platform: Option<&Platform>, printer: &Printer) -> Result<Engine, Failure> {
    let mut tried = Vec::new();
    let mut passed_over = Vec::new();
    for candidate in discovery.candidates() {
        let source = &candidate.source;
        let error = match connect_one(&candidate, platform).await {
            Ok(engine) => {
                for why in passed_over {
                    printer.warning("engine-skipped", &format!("{why}; building on {}", engine.endpoint()));
                }
                return Ok(engine);
            }
            Err(Unreachable::Setup(error)) if source.is_named() => {
                return Err(Failure::usage(format!("{source}: {error}")));
            }
            Err(error) => error.to_string(),
        };
        let why = format!("{source}: {error}");
        if source.is_named() && tried.is_empty() {
            return Err(no_engine(why));
        }
        if source.is_chosen() {
            passed_over.push(why.clone());
        }
        tried.push(why);
    }
    Err(nobody(tried))
}

/// Nothing was named, and nothing that was found answers.
fn nobody(tried: Vec<String>) -> Failure {
    let diagnostic = Diagnostic::error("no-engine", "no engine answers");
    let diagnostic = tried.into_iter().fold(diagnostic, Diagnostic::with_note);
    Failure::new(Kind::NoEngine, diagnostic.with_hint(INSTALL))
}

fn no_engine(message: String) -> Failure {
    Failure::new(Kind::NoEngine, Diagnostic::error("no-engine", message))
}

/// Why a candidate isn't the one.
enum Unreachable {
    Setup(SetupError),
    Connect(luakit_buildkit::ConnectError),
}

impl std::fmt::Display for Unreachable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Setup(error) => error.fmt(f),
            Self::Connect(error) => error.fmt(f),
        }
    }
}

async fn connect_one(candidate: &Candidate, platform: Option<&Platform>) -> Result<Engine, Unreachable> {
    let nodes = candidate.nodes.as_ref().map_err(|e| Unreachable::Setup(e.clone()))?;
    let wanted: Vec<Platform> = platform.into_iter().cloned().collect();
    let mut known: Vec<NodePlatforms> = nodes.iter().map(declared).collect();
    let mut engines: Vec<Option<Engine>> = vec![None; nodes.len()];
    let settled = luakit_buildkit::engines::assign_declared(&wanted, &known);
    let shares = match settled {
        Some(shares) => shares,
        None if nodes.len() == 1 => assign(&wanted, &known),
        None => {
            for ((node, known), engine) in nodes.iter().zip(&mut known).zip(&mut engines) {
                let connected = reach(node).await?;
                let workers = connected.workers().await.map_err(Unreachable::Connect)?;
                known.workers = workers.iter().flat_map(|worker| worker.platforms.clone()).collect();
                *engine = Some(connected);
            }
            assign(&wanted, &known)
        }
    };
    let chosen = shares.first().map_or(0, |share| share.node);
    if let Some(engine) = engines.get_mut(chosen).and_then(Option::take) {
        return Ok(engine);
    }
    match nodes.get(chosen) {
        Some(node) => reach(node).await,
        None => Err(Unreachable::Setup(SetupError::Node {
            node: candidate.source.to_string(),
            reason: "there are no nodes".to_owned(),
        })),
    }
}

fn declared(node: &Node) -> NodePlatforms {
    NodePlatforms {
        declared: node.platforms.clone(),
        workers: Vec::new(),
    }
}

async fn reach(node: &Node) -> Result<Engine, Unreachable> {
    let endpoint = node.endpoint.as_ref().map_err(|e| Unreachable::Setup(e.clone()))?;
    Engine::connect(endpoint).await.map_err(Unreachable::Connect)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_tried_is_listed() {
        let failure = nobody(vec![
            "docker: can't connect to docker on unix:///var/run/docker.sock: no such file".to_owned(),
            "buildkit: can't connect to unix:///run/buildkit/buildkitd.sock: no such file".to_owned(),
        ]);
        let [diagnostic] = failure.diagnostics() else {
            unreachable!()
        };
        insta::assert_snapshot!(luakit_diagnostic::render(diagnostic, luakit_diagnostic::Colour::Plain), @"
        error[no-engine]: no engine answers
        note: docker: can't connect to docker on unix:///var/run/docker.sock: no such file
        note: buildkit: can't connect to unix:///run/buildkit/buildkitd.sock: no such file
        hint: start Docker (docs.docker.com/engine/install), or BuildKit (github.com/moby/buildkit) and name it with `--addr` or `BUILDKIT_HOST`; `luakit engines` lists what there is
        ");
        assert_eq!(failure.exit_code(), std::process::ExitCode::from(4));
    }
}
