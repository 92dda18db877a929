//! What can be said of a build before its engine hears of it: what the engine lacks for it, and what will be hard to find.

use std::collections::BTreeSet;

use luakit_buildkit::engines::{Demands, Lack};
use luakit_buildkit::{Archive, BuildRequest, DockerStore, Engine, Export, ExportKind, Worker};
use luakit_diagnostic::Diagnostic;
use luakit_llb::Platform;

use super::exports::{is_on, is_pushed, is_stored};
use crate::failure::{Failure, Kind};
use crate::printer::Printer;

/// What to do about what Docker's engine has with neither store.
const OWN_ENGINE: &str = "build on a BuildKit of its own: `docker buildx create --use --bootstrap` makes one";

/// What to do about Docker's older store.
const OTHER_STORE: &str = "switch Docker to containerd's image store (docs.docker.com/engine/storage/containerd), or \
                           build on a BuildKit of its own: `docker buildx create --use --bootstrap` makes one";

/// Refuses a build that `engine` is known to be unable to do: one error, with everything that is the matter. `attests`
/// says whether somebody asked for attestations.
pub(crate) async fn check(
    engine: &Engine,
    request: &BuildRequest,
    attests: bool,
    platforms: &[Platform],
) -> Result<(), Failure> {
    let unnamed = |export: &Export| is_on(export, "push-by-digest");
    if engine.docker_store().is_some() && request.exports.iter().any(unnamed) {
        let diagnostic = Diagnostic::error("unsupported", "Docker's engine can't push without a name");
        let hint = "leave `push-by-digest` out, or build with another builder";
        return Err(Failure::new(Kind::Build, diagnostic.with_hint(hint)));
    }
    if platforms.len() > 1 && request.exports.iter().any(is_docker_archive) {
        return Err(
            Failure::usage("an archive of `type=docker` holds one platform, and this build is for several").hint(
                "write an archive that holds them all with `-o type=oci,dest=FILE`, or choose one with `--platform`",
            ),
        );
    }
    let demands = of(request, attests, platforms);
    let of_store = engine
        .docker_store()
        .map(|store| store.lacks(&demands))
        .unwrap_or_default();
    let mut lacks = of_store.clone();
    // Engines of today have all of these: it costs a call only where it can matter.
    if demands.need_abilities() {
        let abilities = engine.abilities().await;
        let abilities = abilities.map_err(Failure::no_answer)?;
        let more = abilities.lacks(&demands).into_iter();
        lacks.extend(more.filter(|lack| !of_store.contains(lack)));
    }
    if lacks.is_empty() {
        return Ok(());
    }
    let diagnostic = Diagnostic::error("unsupported", format!("{} can't do this build", name(engine)));
    let notes = lacks.iter().map(|lack| told(lack, platforms));
    let hint = match engine.docker_store() {
        _ if of_store.is_empty() => "build without, or on a newer engine: `luakit engines` lists what there is",
        Some(DockerStore::Containerd) => OWN_ENGINE,
        _ => OTHER_STORE,
    };
    let diagnostic = notes.fold(diagnostic, Diagnostic::with_note).with_hint(hint);
    Err(Failure::new(Kind::Build, diagnostic))
}

/// Says what is asked of an image that Docker's older store leaves out without a word: the image is good without.
pub(crate) fn warn_ignored(engine: &Engine, exports: &[Export], printer: &Printer) {
    let Some(store) = engine.docker_store() else { return };
    let ignored = ignored(store, exports);
    if !ignored.is_empty() {
        let keys: Vec<String> = ignored.iter().map(|key| format!("`{key}`")).collect();
        let message = format!("{} makes the image without {}", name(engine), keys.join(", "));
        printer.diagnostic(&Diagnostic::warning("ignored-attribute", message).with_hint(OTHER_STORE));
    }
}

/// Attributes of images that change nothing there. What is off needs nothing; pushing is refused, not left out.
fn ignored(store: DockerStore, exports: &[Export]) -> BTreeSet<&str> {
    let attrs = exports
        .iter()
        .filter(|export| is_stored(export))
        .flat_map(|export| &export.attrs);
    let attrs = attrs.filter(|(key, value)| store.ignores(key) && *value != "false" && !key.starts_with("push"));
    attrs.map(|(key, _)| key.as_str()).collect()
}

/// Says which images nobody will find, though they have names: a BuildKit without containerd has no store for images.
pub(crate) async fn warn_unstored(engine: &Engine, exports: &[Export], printer: &Printer) -> Result<(), Failure> {
    if engine.docker_store().is_some() {
        return Ok(());
    }
    let workers = engine.workers().await.map_err(Failure::no_answer)?;
    let stores = workers.first().is_none_or(Worker::keeps_images);
    if !stores && exports.iter().any(|export| is_stored(export) && !is_pushed(export)) {
        printer.warning(
            "unstored-image",
            "this engine has no store for images, so the image stays in its build cache, where nothing finds it by name: \
             push it with `-o type=image,name=NAME,push=true`, or write it to a file with `-o type=docker,dest=FILE`",
        );
    }
    Ok(())
}

fn of(request: &BuildRequest, attests: bool, platforms: &[Platform]) -> Demands {
    let images = request.exports.iter().any(|export| match &export.kind {
        ExportKind::Image => true,
        ExportKind::Archive(archive, _) => *archive != Archive::Tar,
        ExportKind::Local(_) => false,
    });
    Demands {
        platforms: if images { platforms.len() } else { 0 },
        attestations: attests,
        exporters: request
            .exports
            .iter()
            .map(|export| exporter(&export.kind).to_owned())
            .collect(),
        cache_exports: request.cache_exports.iter().map(|cache| cache.kind.clone()).collect(),
        push: request.exports.iter().any(is_pushed),
        annotations: request.exports.iter().any(is_annotated),
        source_date_epoch: request
            .exports
            .iter()
            .any(|export| export.attrs.contains_key("source-date-epoch")),
        source_policy: request.source_policy.is_some(),
        // What a definition needs is known when it is there.
        merge: false,
        diff: false,
    }
}

fn is_annotated(export: &Export) -> bool {
    export.attrs.keys().any(|key| key.starts_with("annotation"))
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

/// Whether it is in the form of `docker save`, which has no index.
fn is_docker_archive(export: &Export) -> bool {
    matches!(export.kind, ExportKind::Archive(Archive::Docker, _))
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
        Lack::Annotations => format!("it makes no {lack}: leave them out of the script, `--annotation` and `-o`"),
        Lack::SourceDateEpoch => format!("it makes no {lack}: leave it out of arguments, outputs and the environment"),
        Lack::SourcePolicy => format!(
            "it doesn't know {lack}, and would use any source: leave `--source-policy-file` and \
             `EXPERIMENTAL_BUILDKIT_SOURCE_POLICY` out"
        ),
    }
}

fn name(engine: &Engine) -> String {
    match engine.docker_store() {
        Some(DockerStore::Graph) => "Docker, as it keeps images with a graph driver,".to_owned(),
        _ => format!("the engine at {}", engine.endpoint()),
    }
}

#[cfg(test)]
mod tests {
    use luakit_buildkit::source_policy::Policy;

    use super::*;

    fn image(attrs: &[(&str, &str)]) -> Export {
        let attrs = attrs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        Export {
            kind: ExportKind::Image,
            attrs: attrs.collect(),
        }
    }

    #[test]
    fn what_a_build_demands() {
        let plain = BuildRequest {
            exports: vec![image(&[("name", "a")])],
            ..BuildRequest::default()
        };
        assert!(!of(&plain, false, &[]).need_abilities());
        let policy = BuildRequest {
            source_policy: Some(Policy::default()),
            ..BuildRequest::default()
        };
        assert!(of(&policy, false, &[]).source_policy);
        let attrs = image(&[("annotation-index.who", "me"), ("source-date-epoch", "0")]);
        let request = BuildRequest {
            exports: vec![attrs],
            ..BuildRequest::default()
        };
        let demands = of(&request, true, &[]);
        assert!(demands.annotations && demands.source_date_epoch && demands.attestations);
    }

    #[test]
    fn what_dockers_older_store_leaves_out() {
        let exports = [image(&[
            ("name", "a"),
            ("annotation.who", "me"),
            ("compression", "zstd"),
            ("oci-mediatypes", "false"),
            ("push", "true"),
            ("push-by-digest", "true"),
            ("source-date-epoch", "0"),
        ])];
        let keys: Vec<&str> = ignored(DockerStore::Graph, &exports).into_iter().collect();
        assert_eq!(keys, ["annotation.who", "compression", "source-date-epoch"]);
        assert!(ignored(DockerStore::Containerd, &exports).is_empty());
    }
}
