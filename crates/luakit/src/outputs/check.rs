//! What an engine of this kind is known not to do of a build, told before the build begins.

use luakit_buildkit::engines::Demands;
use luakit_buildkit::{Archive, CacheEntry, DockerStore, Engine, Export, ExportKind};
use luakit_diagnostic::Diagnostic;

use crate::failure::{Failure, Kind};

/// Refuses what this engine can't do. `platforms` is how many go into the result.
pub(crate) fn engine(
    engine: &Engine,
    exports: &[Export],
    cache_exports: &[CacheEntry],
    platforms: usize,
) -> Result<(), Failure> {
    let Some(store) = engine.docker_store() else {
        return Ok(());
    };
    let pushes = |key: &str| {
        let on = |export: &&Export| export.attrs.get(key).is_some_and(|value| value == "true");
        exports.iter().any(|export| on(&export))
    };
    if pushes("push-by-digest") {
        return Err(refused("Docker's engine can't push without a name")
            .hint("leave `push-by-digest` out, or build with another builder"));
    }
    let demands = Demands {
        platforms,
        exporters: exports.iter().map(|export| exporter(export).to_owned()).collect(),
        cache_exports: cache_exports.iter().map(|entry| entry.kind.clone()).collect(),
        ..Demands::default()
    };
    let mut lacks: Vec<String> = store.lacks(&demands).iter().map(ToString::to_string).collect();
    if store == DockerStore::Graph && pushes("push") {
        lacks.push("pushing from a build".to_owned());
    }
    if lacks.is_empty() {
        return Ok(());
    }
    let message = format!("Docker's older image store can't do this: {}", lacks.join(", "));
    Err(refused(&message).hint(
        "turn on containerd's image store in Docker, or build with another builder (`luakit engines`); an image that is \
         named with `-t` can be pushed with `docker push`",
    ))
}

fn refused(message: &str) -> Failure {
    Failure::new(Kind::Build, Diagnostic::error("unsupported", message))
}

/// BuildKit's name of the exporter.
fn exporter(export: &Export) -> &'static str {
    match export.kind {
        ExportKind::Local(_) => "local",
        ExportKind::Archive(Archive::Tar, _) => "tar",
        ExportKind::Archive(Archive::Oci, _) => "oci",
        ExportKind::Archive(Archive::Docker, _) => "docker",
        ExportKind::Image => "image",
    }
}
