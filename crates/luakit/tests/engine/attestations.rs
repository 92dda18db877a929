//! What generators find in a result, attested to beside it. The generator is a stand-in that keeps to BuildKit's protocol
//! (<https://github.com/moby/buildkit/blob/master/docs/attestations/sbom-protocol.md>), in the test engine's registry.

use std::path::Path;

use luakit_testkit::image::Archive;
use serde_json::Value;

use crate::workbench::{Workbench, stderr_of, succeeded};

/// Tells the release of the root that it is given, and which of its runs this is.
const GENERATOR: &str = r#"
local scan = [[#!/bin/sh
set -eu
version=$(cat "$BUILDKIT_SCAN_SOURCE/etc/alpine-release")
run=$(cat /proc/sys/kernel/random/uuid)
cat >"$BUILDKIT_SCAN_DESTINATION/$(basename "$BUILDKIT_SCAN_SOURCE").spdx.json" <<END
{"_type":"https://in-toto.io/Statement/v0.1","predicateType":"https://spdx.dev/Document","predicate":{
"spdxVersion":"SPDX-2.3","SPDXID":"SPDXRef-DOCUMENT","name":"test","documentNamespace":"urn:uuid:$run",
"packages":[{"name":"alpine-release","SPDXID":"SPDXRef-1","versionInfo":"$version"}]}}
END
]]
bk.export(bk.image("alpine:3.20"):mkfile("/scan", scan, { mode = "0755" }):mkfile("/test", "TEST"), { entrypoint = { "/scan" } })
"#;

const SCRIPT: &str = r#"bk.export(bk.image("alpine:3.19"):mkfile("/added", "text"))"#;

struct Scanned {
    bench: Workbench,
    generator: String,
}

impl Scanned {
    /// With a generator of the test's own: two that push one name would take it from each other, and of two with the
    /// same content one would find the other's scan in the cache.
    fn new(test: &str) -> Self {
        let bench = Workbench::new();
        let registry = bench.engine.registry();
        let generator = format!("{registry}/luakit-test/generator-{test}:{}", std::process::id());
        let script = GENERATOR.replace("TEST", &format!("{test} {}", std::process::id()));
        let project = bench.project(&[("build.lua", &script)]);
        let mut command = bench.luakit(&project);
        let pushed = command.args(["build", "--push", "-t", &generator]).output().unwrap();
        succeeded("luakit build --push", &pushed);
        Self { bench, generator }
    }

    /// The SPDX documents of a build with these flags, with what each is about.
    fn documents(&self, flags: &[&str]) -> Vec<(Value, Value)> {
        let project = self.bench.project(&[("build.lua", SCRIPT)]);
        let dest = self.bench.path("scanned.tar");
        let mut command = self.bench.luakit(&project);
        // A statement is about names, too: without any it is about nothing.
        let spec = format!("type=oci,name=luakit-test/scanned,dest={}", dest.display());
        succeeded(
            "luakit build",
            &command.args(["build", "-o", &spec]).args(flags).output().unwrap(),
        );
        documents(&dest)
    }
}

/// By BuildKit's storage of attestations: a manifest beside the image's, whose layers are statements.
fn documents(archive: &Path) -> Vec<(Value, Value)> {
    let archive = Archive::open(archive).unwrap();
    let blob = |descriptor: &Value| {
        let digest = descriptor["digest"].as_str().unwrap();
        archive.json(&format!("blobs/{}", digest.replace(':', "/"))).unwrap()
    };
    let top = archive.json("index.json").unwrap();
    let index = blob(&top["manifests"][0]);
    let mut found = Vec::new();
    for entry in index["manifests"].as_array().into_iter().flatten() {
        if entry["annotations"]["vnd.docker.reference.type"] != "attestation-manifest" {
            continue;
        }
        let about = entry["annotations"]["vnd.docker.reference.digest"].as_str().unwrap();
        for layer in blob(entry)["layers"].as_array().unwrap() {
            if layer["annotations"]["in-toto.io/predicate-type"] == "https://spdx.dev/Document" {
                let statement = blob(layer);
                let hash = statement["subject"][0]["digest"]["sha256"].as_str().unwrap();
                assert_eq!(format!("sha256:{hash}"), about, "the statement is about another image");
                found.push((statement, entry["annotations"].clone()));
            }
        }
    }
    found
}

#[test]
fn a_generators_sbom_is_attested() {
    let scanned = Scanned::new("one");
    let flags = [
        format!("--sbom=generator={}", scanned.generator),
        format!("--attest=type=sbom,generator={}", scanned.generator),
    ];
    let mut runs = Vec::new();
    for flag in &flags {
        let documents = scanned.documents(&[flag, "--provenance=false"]);
        let [(statement, _)] = documents.as_slice() else {
            panic!("{flag}: {documents:?}")
        };
        assert_eq!(statement["predicateType"], "https://spdx.dev/Document");
        let package = &statement["predicate"]["packages"][0];
        assert_eq!(package["name"], "alpine-release");
        assert!(
            package["versionInfo"].as_str().unwrap().starts_with("3.19"),
            "{package}"
        );
        runs.push(statement["predicate"]["documentNamespace"].clone());
    }
    assert_eq!(runs[0], runs[1], "the same scan is cached");
    let again = scanned.documents(&[&flags[0], "--no-cache"]);
    assert_ne!(
        again[0].0["predicate"]["documentNamespace"], runs[0],
        "`--no-cache` scans again"
    );
    assert!(scanned.documents(&[]).is_empty(), "nobody asked");
}

/// Each platform's image has its own.
#[test]
fn several_platforms_are_scanned() {
    let scanned = Scanned::new("several");
    let flag = format!("--sbom=generator={}", scanned.generator);
    let documents = scanned.documents(&[&flag, "--platform=linux/amd64,linux/arm64"]);
    let about: Vec<&Value> = documents
        .iter()
        .map(|(_, annotations)| &annotations["vnd.docker.reference.digest"])
        .collect();
    assert_eq!(about.len(), 2, "{documents:?}");
    assert_ne!(about[0], about[1]);
}

#[test]
fn a_generator_that_fails_fails_the_build() {
    let bench = Workbench::new();
    let project = bench.project(&[("build.lua", SCRIPT)]);
    let dest = bench.path("scanned.tar");
    let mut command = bench.luakit(&project);
    let generator = format!("--sbom=generator={}/luakit-test/none:1", bench.engine.registry());
    command.args(["build", &generator, "-o", &format!("type=oci,dest={}", dest.display())]);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", stderr_of(&output));
    assert!(
        stderr_of(&output).contains("luakit-test/none:1: not found"),
        "{}",
        stderr_of(&output)
    );
    assert!(!dest.exists());
}
