//! `--load` from an engine that isn't in Docker: the engine sends an archive, which goes on to Docker as it arrives.
//!
//! Docker with containerd's store reads image layouts, which hold several platforms and attestations; the older one
//! reads what `docker save` writes. docker buildx chooses in the same way.

use std::pin::pin;

use luakit_buildkit::DockerHost;
use luakit_buildkit::endpoint::pipe;
use luakit_buildkit::progress::Event;
use luakit_buildkit::{Archive, CancellationToken, Engine, Export, ExportKind, FileOutput};
use luakit_diagnostic::Diagnostic;
use tokio::io::AsyncRead;

use super::import::Import;
use crate::environment::Environment;
use crate::failure::{Failure, Kind};
use crate::flags::output::Spec;

/// An image on its way into Docker.
pub(crate) struct Loading {
    docker: DockerHost,
    archive: Box<dyn AsyncRead + Send + Unpin>,
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
    Ok(Some(Loading {
        docker,
        archive: Box::new(archive),
        by_digest,
    }))
}

/// Why a build that loads an image fails.
pub(crate) enum Unloaded<E> {
    /// The build did.
    Build(E),
    /// The image isn't loaded.
    Load(Failure),
}

impl Loading {
    /// Runs a build together with loading what it sends, of which `observer` hears. Of both, the build's failure says
    /// more. The token, which the build has too, ends the loading.
    pub(crate) async fn beside<T, E>(
        self,
        build: impl Future<Output = Result<T, E>>,
        cancel: &CancellationToken,
        observer: impl FnMut(Event) + Send,
    ) -> Result<T, Unloaded<E>> {
        let mut build = pin!(build);
        let import = Import::new(observer);
        let mut work = pin!(async {
            let loaded = self.docker.load(self.archive, |event| import.hear(event)).await;
            let loaded = loaded.map(drop).map_err(|e| failed(e.to_string()));
            import.end(loaded.as_ref().err());
            loaded.map_err(Unloaded::Load)
        });
        tokio::select! {
            built = &mut build => {
                let built = built.map_err(Unloaded::Build)?;
                import.begin();
                tokio::select! {
                    loaded = &mut work => loaded?,
                    () = cancel.cancelled() => {
                        let failure = failed("loading the image was canceled".to_owned());
                        import.end(Some(&failure));
                        return Err(Unloaded::Load(failure));
                    }
                }
                Ok(built)
            }
            loaded = &mut work => {
                // Docker may answer before the engine has said that all is done; or refuse what it gets, and then there is
                // nothing to build for.
                if loaded.is_err() {
                    cancel.cancel();
                }
                let built = build.await;
                loaded?;
                built.map_err(Unloaded::Build)
            }
        }
    }
}

fn failed(message: String) -> Failure {
    Failure::new(Kind::Build, Diagnostic::error("load", message))
}
