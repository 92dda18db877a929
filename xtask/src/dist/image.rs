//! The frontend image, built by the binary that was just made.
//!
//! The engine is the test engine while it is up, else the one that `luakit build` finds: Docker's, or what
//! `BUILDKIT_HOST` names.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, anyhow, bail};
use luakit_testkit::engine::{Engine, state_folder};
use serde_json::Value;

use super::binary::Arch;

/// The archive's name, beside the binaries.
const ARCHIVE: &str = "frontend.tar";

/// The time of everything in the image, unless the environment says another.
const EPOCH: &str = "0";

/// Names that the image gets, in the engine's store and in registries.
#[derive(Default)]
pub(super) struct Names<'a> {
    pub(super) tags: &'a [String],
    pub(super) push: &'a [String],
}

/// Builds the image of the binaries in `made`; its digest. What the engine remembers of an image of the same files counts
/// unless it is to be built `anew`.
pub(super) fn build(sources: &Path, made: &Path, arches: &[Arch], names: &Names<'_>, anew: bool) -> Result<String> {
    let archive = made.join(ARCHIVE);
    let facts = tempfile::NamedTempFile::new()?;
    let luakit = made.join(Arch::of_machine()?.directory()).join("luakit");
    if !luakit.exists() {
        bail!("the image is built by the binary for this machine: name its platform too, or use `--no-image`");
    }
    let mut command = Command::new(&luakit);
    command
        .args(["build", "--provenance=false", "--arg"])
        .arg(format!("VERSION={}", env!("CARGO_PKG_VERSION")))
        .args(["--platform", &list(arches), "--context"])
        .arg(made)
        .arg("--metadata-file")
        .arg(facts.path());
    if anew {
        command.arg("--no-cache");
    }
    for output in outputs(&archive, names) {
        command.arg("--output").arg(output);
    }
    command.arg(sources.join("dist/frontend.lua"));
    if std::env::var_os("SOURCE_DATE_EPOCH").is_none() {
        command.env("SOURCE_DATE_EPOCH", EPOCH);
    }
    if let Ok(engine) = Engine::at(&state_folder()) {
        command
            .env("DOCKER_HOST", engine.docker_host())
            .env_remove("BUILDKIT_HOST")
            .env_remove("BUILDX_BUILDER");
    }
    println!("building the image");
    let status = command.status().context("the binary can't be started")?;
    if !status.success() {
        bail!("building the image: {status}; for an engine, `cargo xtask engine up`");
    }
    let facts: Value = serde_json::from_slice(&std::fs::read(facts.path())?)?;
    let digest = facts.get("containerimage.digest").and_then(Value::as_str);
    let digest = digest.ok_or_else(|| anyhow!("the engine doesn't say the image's digest: {facts}"))?;
    println!(
        "{}  {} bytes  {digest}",
        archive.strip_prefix(sources).unwrap_or(&archive).display(),
        std::fs::metadata(&archive)?.len()
    );
    Ok(digest.to_owned())
}

fn list(arches: &[Arch]) -> String {
    arches.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// The archive, and an image for each name: of OCI's types too, so that all have one digest.
fn outputs(archive: &Path, names: &Names<'_>) -> Vec<String> {
    let archive = format!("type=oci,{}", field(&format!("dest={}", archive.display())));
    let image =
        |kind: &str, name: &String| format!("type={kind},{},oci-mediatypes=true", field(&format!("name={name}")));
    let tagged = names.tags.iter().map(|name| image("image", name));
    let pushed = names.push.iter().map(|name| image("registry", name));
    std::iter::once(archive).chain(tagged).chain(pushed).collect()
}

/// A field of comma-separated values, in quotes where it would be several.
fn field(text: &str) -> String {
    if text.contains([',', '"']) {
        return format!("\"{}\"", text.replace('"', "\"\""));
    }
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_names_may_have_commas_and_quotes() {
        let names = Names {
            tags: &["a,b".to_owned()],
            push: &["r.example/a".to_owned()],
        };
        let outputs = outputs(Path::new("/a, \"b\"/frontend.tar"), &names);
        assert_eq!(
            outputs,
            [
                "type=oci,\"dest=/a, \"\"b\"\"/frontend.tar\"",
                "type=image,\"name=a,b\",oci-mediatypes=true",
                "type=registry,name=r.example/a,oci-mediatypes=true",
            ]
        );
    }
}
