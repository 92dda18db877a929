//! Which engine builds, and what to say when none answers.

use luakit_buildkit::engines::{Candidate, Discovery, Node, NodePlatforms, Source, assign, assign_declared};
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

/// The engines of whoever builds: one, or the nodes of a builder. Those that nobody needs are not asked.
pub(crate) struct Builder {
    source: Source,
    nodes: Vec<Node>,
    known: Vec<NodePlatforms>,
    engines: Vec<Option<Engine>>,
}

/// A node's part of a build.
#[derive(Clone)]
pub(crate) struct Part {
    /// The node's name.
    pub(crate) node: String,
    /// The node.
    pub(crate) engine: Engine,
    /// What it builds; nothing if nothing was asked for.
    pub(crate) platforms: Vec<Platform>,
}

/// Connects to the first engine that answers; of a builder with several nodes, to the one for `platform`.
pub(crate) async fn connect(
    args: &EngineChoice,
    platform: Option<&Platform>,
    environment: &Environment,
    printer: &Printer,
) -> Result<Engine, Failure> {
    let (_, part) = builder(args, platform.map_or(&[], std::slice::from_ref), environment, printer).await?;
    Ok(part.engine)
}

/// The first builder that answers: that is, its nodes for `platforms`. The part is the first one's.
pub(crate) async fn builder(
    args: &EngineChoice,
    platforms: &[Platform],
    environment: &Environment,
    printer: &Printer,
) -> Result<(Builder, Part), Failure> {
    let discovery = args.discovery(environment)?;
    first(&discovery, platforms, printer).await
}

async fn first(discovery: &Discovery, platforms: &[Platform], printer: &Printer) -> Result<(Builder, Part), Failure> {
    let mut tried = Vec::new();
    let mut passed_over = Vec::new();
    for candidate in discovery.candidates() {
        let source = candidate.source.clone();
        let builder = candidate.driver.is_some().then(|| source.builder()).flatten();
        let builder = builder.map(str::to_owned);
        let error = match Builder::reach(candidate, platforms).await {
            Ok((builder, part)) => {
                for why in passed_over {
                    let message = format!("{why}; building on {}", part.engine.endpoint());
                    printer.warning("engine-skipped", &message);
                }
                return Ok((builder, part));
            }
            Err(Unreachable::Setup(error)) if source.is_named() => {
                return Err(Failure::usage(format!("{source}: {error}")));
            }
            Err(Unreachable::Connect(error)) if error.lacks_container() && source.is_chosen() => {
                // Its owner means to build there, and it only has to be made: building elsewhere is no service.
                let failure = Failure::no_engine(format!("{source}: {error}"));
                return Err(match builder {
                    Some(name) => failure.hint(format!("`docker buildx inspect --bootstrap {name}` makes it")),
                    None => failure,
                });
            }
            Err(error) => error.to_string(),
        };
        let why = format!("{source}: {error}");
        if source.is_named() && tried.is_empty() {
            return Err(Failure::no_engine(why));
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

impl Builder {
    /// Connects to the nodes of a candidate that build `platforms`.
    async fn reach(candidate: Candidate, platforms: &[Platform]) -> Result<(Self, Part), Unreachable> {
        let nodes = candidate.nodes.map_err(Unreachable::Setup)?;
        let mut builder = Self {
            source: candidate.source,
            known: nodes.iter().map(declared).collect(),
            engines: vec![None; nodes.len()],
            nodes,
        };
        let mut parts = builder.divide(platforms).await?.into_iter();
        let first = parts.next().ok_or_else(|| builder.empty())?;
        Ok((builder, first))
    }

    /// Which node builds which of these platforms.
    pub(crate) async fn parts(&mut self, platforms: &[Platform]) -> Result<Vec<Part>, Failure> {
        let parts = self.divide(platforms).await;
        parts.map_err(|error| Failure::no_engine(format!("{}: {error}", self.source)))
    }

    async fn divide(&mut self, platforms: &[Platform]) -> Result<Vec<Part>, Unreachable> {
        let shares = if let Some(shares) = assign_declared(platforms, &self.known) {
            shares
        } else {
            if self.nodes.len() > 1 {
                self.ask_all().await?;
            }
            assign(platforms, &self.known)
        };
        let mut parts = Vec::with_capacity(shares.len());
        for share in shares {
            let engine = self.engine(share.node).await?;
            let node = self.nodes.get(share.node).map(|node| node.name.clone());
            parts.push(Part {
                node: node.unwrap_or_default(),
                engine,
                platforms: share.platforms,
            });
        }
        Ok(parts)
    }

    /// Asks every node what it runs, unless it has been asked.
    async fn ask_all(&mut self) -> Result<(), Unreachable> {
        for node in 0..self.nodes.len() {
            let engine = self.engine(node).await?;
            if let Some(known) = self.known.get_mut(node).filter(|known| known.workers.is_empty()) {
                let workers = engine.workers().await.map_err(Unreachable::Connect)?;
                known.workers = workers.iter().flat_map(|worker| worker.platforms.clone()).collect();
            }
        }
        Ok(())
    }

    async fn engine(&mut self, node: usize) -> Result<Engine, Unreachable> {
        if let Some(Some(engine)) = self.engines.get(node) {
            return Ok(engine.clone());
        }
        let known = self.nodes.get(node).ok_or_else(|| self.empty())?;
        let endpoint = known.endpoint.as_ref().map_err(|e| Unreachable::Setup(e.clone()))?;
        let engine = Engine::connect(endpoint).await.map_err(Unreachable::Connect)?;
        if let Some(slot) = self.engines.get_mut(node) {
            *slot = Some(engine.clone());
        }
        Ok(engine)
    }

    fn empty(&self) -> Unreachable {
        Unreachable::Setup(SetupError::Node {
            node: self.source.to_string(),
            reason: "there are no nodes".to_owned(),
        })
    }
}

fn declared(node: &Node) -> NodePlatforms {
    NodePlatforms {
        declared: node.platforms.clone(),
        workers: Vec::new(),
    }
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
