//! `--load` from an engine that isn't in Docker: the engine sends an archive, which goes on to Docker as it arrives.
//!
//! Docker with containerd's store reads image layouts, which hold several platforms and attestations; the older one
//! reads what `docker save` writes. docker buildx chooses in the same way.

use std::pin::{Pin, pin};

use luakit_buildkit::endpoint::{LoadError, pipe};
use luakit_buildkit::{Archive, Engine, Export, ExportKind, FileOutput};
use luakit_diagnostic::Diagnostic;

use crate::environment::Environment;
use crate::failure::{Failure, Kind};
use crate::flags::output::Spec;

/// An image on its way into Docker.
pub(crate) struct Loading {
    work: Pin<Box<dyn Future<Output = Result<(), LoadError>> + Send>>,
    /// Whether that Docker knows images by the digests of manifests.
    pub(crate) by_digest: bool,
}

/// Points the exports that are loaded at Docker, unless the engine is in it already.
pub(crate) async fn loading(
    exports: &mut [Export],
    specs: &[Spec],
    engine: &Engine,
    platforms: usize,
    attests: bool,
    environment: &Environment,
) -> Result<Option<Loading>, Failure> {
    let mut loaded = exports.iter_mut().zip(specs).filter(|(_, spec)| spec.load);
    let Some((export, _)) = loaded.next().filter(|_| engine.docker_store().is_none()) else {
        return Ok(None);
    };
    if loaded.next().is_some() {
        return Err(Failure::usage("two outputs go into Docker"));
    }
    let docker = environment.engines.docker();
    let docker = docker.map_err(|e| failed(format!("can't load the image: {e}")))?;
    let info = docker.info().await;
    let info = info.map_err(|e| failed(format!("can't load the image: docker on {docker} {e}")))?;
    let by_digest = info.containerd_store();
    if !by_digest && (platforms > 1 || attests) {
        let what = if platforms > 1 {
            "several platforms"
        } else {
            "attestations"
        };
        let failure = failed(format!("docker on {docker} can't hold an image with {what}"));
        return Err(failure.hint("turn on containerd's image store there, or push the image instead: `--push`"));
    }
    let (writer, archive) = pipe();
    let output = FileOutput::Stream {
        name: format!("docker on {docker}"),
        writer: Box::new(writer),
    };
    let kind = if by_digest { Archive::Oci } else { Archive::Docker };
    export.kind = ExportKind::Archive(kind, output);
    let work = async move { docker.load(archive, |_| {}).await.map(drop) };
    Ok(Some(Loading {
        work: Box::pin(work),
        by_digest,
    }))
}

impl Loading {
    /// Runs a build together with loading what it sends. Of both, the build's failure says more.
    pub(crate) async fn beside<T>(self, build: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        let mut build = pin!(build);
        let mut work = self.work;
        tokio::select! {
            built = &mut build => {
                let built = built?;
                work.await.map_err(|e| failed(e.to_string()))?;
                Ok(built)
            }
            loaded = &mut work => {
                // Docker may answer before the engine has said that all is done; or refuse what it gets, and the
                // build then fails for want of a reader.
                let built = build.await;
                loaded.map_err(|e| failed(e.to_string()))?;
                built
            }
        }
    }
}

fn failed(message: String) -> Failure {
    Failure::new(Kind::Build, Diagnostic::error("load", message))
}
