//! What can be said of a build before its engine hears of it: what the engine lacks for it, and what will be hard to find.

use luakit_buildkit::engines::{Demands, Lack};
use luakit_buildkit::{Archive, BuildRequest, DockerStore, Engine, Export, ExportKind, Worker};
use luakit_diagnostic::Diagnostic;
use luakit_llb::Platform;

use crate::failure::{Failure, Kind};
use crate::printer::Printer;

/// What to do about Docker's older store.
const OTHER_STORE: &str = "switch Docker to containerd's image store (docs.docker.com/engine/storage/containerd), or \
                           build on a BuildKit of its own: `docker buildx create --use --bootstrap` makes one";

/// Refuses a build that `engine` is known to be unable to do: one error, with everything that is the matter.
pub(crate) async fn check(engine: &Engine, request: &BuildRequest, platforms: &[Platform]) -> Result<(), Failure> {
    let unnamed = |export: &Export| is_on(export, "push-by-digest");
    if engine.docker_store().is_some() && request.exports.iter().any(unnamed) {
        let diagnostic = Diagnostic::error("unsupported", "Docker's engine can't push without a name");
        let hint = "leave `push-by-digest` out, or build with another builder";
        return Err(Failure::new(Kind::Build, diagnostic.with_hint(hint)));
    }
    let demands = of(request, platforms);
    let of_store = engine
        .docker_store()
        .map(|store| store.lacks(&demands))
        .unwrap_or_default();
    let mut lacks = of_store.clone();
    // Engines of today have all of these: it costs a call only where it can matter.
    if demands.exporters.len() > 1 || demands.attestations {
        let abilities = engine.abilities().await;
        let abilities =
            abilities.map_err(|e| Failure::new(Kind::NoEngine, Diagnostic::error("no-engine", e.to_string())))?;
        let more = abilities.lacks(&demands).into_iter();
        lacks.extend(more.filter(|lack| !of_store.contains(lack)));
    }
    if lacks.is_empty() {
        return Ok(());
    }
    let diagnostic = Diagnostic::error("unsupported", format!("{} can't do this build", name(engine)));
    let notes = lacks.iter().map(|lack| told(lack, platforms));
    let hint = if of_store.is_empty() {
        "build without, or on a newer engine: `luakit engines` lists what there is"
    } else {
        OTHER_STORE
    };
    let diagnostic = notes.fold(diagnostic, Diagnostic::with_note).with_hint(hint);
    Err(Failure::new(Kind::Build, diagnostic))
}

/// Says which images nobody will find, though they have names: a BuildKit without containerd has no store for images.
pub(crate) fn warn_unstored(engine: &Engine, workers: &[Worker], exports: &[Export], printer: &Printer) {
    let stores = engine.docker_store().is_some() || workers.first().is_none_or(Worker::keeps_images);
    if !stores && exports.iter().any(|export| is_image(export) && !is_on(export, "push")) {
        printer.warning(
            "unstored-image",
            "this engine has no store for images, so the image stays in its build cache, where nothing finds it by name: \
             push it with `-o type=image,name=NAME,push=true`, or write it to a file with `-o type=docker,dest=FILE`",
        );
    }
}

fn of(request: &BuildRequest, platforms: &[Platform]) -> Demands {
    let images = request.exports.iter().any(|export| match &export.kind {
        ExportKind::Image => true,
        ExportKind::Archive(archive, _) => *archive != Archive::Tar,
        ExportKind::Local(_) => false,
    });
    Demands {
        platforms: if images { platforms.len() } else { 0 },
        attestations: request.attributes.keys().any(|key| key.starts_with("attest:")),
        exporters: request
            .exports
            .iter()
            .map(|export| exporter(&export.kind).to_owned())
            .collect(),
        cache_exports: request.cache_exports.iter().map(|cache| cache.kind.clone()).collect(),
        push: request
            .exports
            .iter()
            .any(|export| is_image(export) && is_on(export, "push")),
        ..Demands::default()
    }
}

fn exporter(kind: &ExportKind) -> &'static str {
    match kind {
        ExportKind::Local(_) => "local",
        ExportKind::Archive(Archive::Tar, _) => "tar",
        ExportKind::Archive(Archive::Oci, _) => "oci",
        ExportKind::Archive(Archive::Docker, _) => "docker",
        ExportKind::Image => "image",
    }
}

pub(super) fn is_image(export: &Export) -> bool {
    matches!(export.kind, ExportKind::Image)
}

/// Whether an attribute is there and true.
pub(super) fn is_on(export: &Export, key: &str) -> bool {
    export.attrs.get(key).is_some_and(|value| value == "true")
}

/// What is lacking, by the options that ask for it.
fn told(lack: &Lack, platforms: &[Platform]) -> String {
    match lack {
        Lack::SeveralPlatforms => {
            let all: Vec<String> = platforms.iter().map(Platform::to_string).collect();
            format!(
                "it makes no {lack}, and this one is for {}: choose one with `--platform`",
                all.join(", ")
            )
        }
        Lack::Attestations => format!("it makes no {lack}: leave `--attest`, `--provenance` and `--sbom` out"),
        Lack::Exporter(_) => format!("it doesn't have {lack} of `-o`"),
        Lack::CacheExport(_) => format!("it doesn't have {lack} of `--cache-to`; `type=inline` it has"),
        Lack::Push => format!("it can't do {lack}: build with `-t`, then `docker push`"),
        Lack::SeveralExporters => format!("it can't do {lack}: build once for each `-o`"),
        Lack::Merge | Lack::Diff => format!("it can't do {lack}"),
    }
}

fn name(engine: &Engine) -> String {
    match engine.docker_store() {
        Some(DockerStore::Graph) => "Docker, as it keeps images with a graph driver,".to_owned(),
        _ => format!("the engine at {}", engine.endpoint()),
    }
}
