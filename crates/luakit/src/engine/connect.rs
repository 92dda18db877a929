//! Which engine builds, and what to say when none answers.

use std::path::PathBuf;

use luakit_buildkit::{Endpoint, Engine};
use luakit_diagnostic::Diagnostic;

use crate::environment::Environment;
use crate::failure::{Failure, Kind};

/// BuildKit's own socket, where a daemon listens unless told otherwise.
const BUILDKIT_SOCKET: &str = "/run/buildkit/buildkitd.sock";

/// Connects to the engine at `addr`, `BUILDKIT_HOST` or `DOCKER_HOST`; else to Docker's usual socket, else to
/// BuildKit's.
pub(crate) async fn connect(addr: Option<&str>, environment: &Environment) -> Result<Engine, Failure> {
    let named = addr.map(|addr| ("--addr", addr));
    let named = named.or_else(|| environment.buildkit_host.as_deref().map(|host| ("BUILDKIT_HOST", host)));
    if let Some((source, addr)) = named {
        let endpoint: Endpoint = addr.parse().map_err(|e| Failure::usage(format!("{source}: {e}")))?;
        return Engine::connect(&endpoint).await.map_err(|e| no_engine(e.to_string()));
    }
    let docker = Endpoint::docker(environment.docker_host.as_deref());
    let docker = docker.map_err(|e| Failure::usage(format!("DOCKER_HOST: {e}")))?;
    if environment.docker_host.is_some() {
        // Whoever names an engine wants that one.
        return Engine::connect(&docker)
            .await
            .map_err(|e| no_engine(format!("DOCKER_HOST: {e}")));
    }
    let mut tried = Vec::new();
    for endpoint in [docker, Endpoint::Unix(PathBuf::from(BUILDKIT_SOCKET))] {
        match Engine::connect(&endpoint).await {
            Ok(engine) => return Ok(engine),
            Err(error) => tried.push(error.to_string()),
        }
    }
    let diagnostic = tried
        .into_iter()
        .fold(Diagnostic::error("no-engine", "no engine found"), Diagnostic::with_note);
    let hint = "start Docker, or name a BuildKit daemon with `--addr unix://PATH` or `BUILDKIT_HOST`";
    Err(Failure::new(Kind::NoEngine, diagnostic.with_hint(hint)))
}

fn no_engine(message: String) -> Failure {
    Failure::new(Kind::NoEngine, Diagnostic::error("no-engine", message))
}
