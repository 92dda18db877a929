//! Pairs that say the same, as a Dockerfile and as a script: `docker buildx build` and `luakit build` make the same
//! image of them.
//!
//! `equal/NAME/` is the context of both. Compared are the image's config, its manifest, and each layer: every path's
//! kind, mode, owner, link target and content, and its time where it has one that doesn't come from the clock. What
//! may differ, and why, is [`without_own`]'s to say.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use luakit_testkit::image::{Archive, Image};
use luakit_testkit::registry::Registry;
use luakit_testkit::rootfs::{Entry, Kind, Rootfs};
use nix::sys::stat::{UtimensatFlags, utimensat};
use nix::sys::time::TimeSpec;
use serde_json::Value;

use crate::workbench::{Workbench, succeeded};

/// The time of all files of a context, in Unix seconds: in 2001.
const CONTEXT_TIME: u64 = 1_000_000_000;
/// The files of base images are of 2024-01-01. What is later was written by a step, when it ran.
const CLOCK: u64 = 1_704_153_600;

/// A pair in a folder of the test's own, with all times set.
struct Pair {
    bench: Workbench,
    name: &'static str,
}

impl Pair {
    fn new(name: &'static str) -> Self {
        let bench = Workbench::new();
        let source = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/engine/equal")
            .join(name);
        let project = bench.project(&[]);
        copy_tree(&source, &project);
        Self { bench, name }
    }

    /// Builds both with the same arguments, and ends the test where their images differ.
    fn is_equal(&self, args: &[&str]) {
        let project = self.bench.path("project");
        set_times(&project);
        let [docker, luakit] = ["docker.tar", "luakit.tar"].map(|name| self.bench.path(name));
        let spec = |file: &Path| format!("type=oci,dest={}", file.display());

        let (to_docker, to_luakit) = (spec(&docker), spec(&luakit));
        let common = ["--progress=plain", "-o"];
        let folder = project.to_str().unwrap();
        let mut buildx = vec!["buildx", "build", "--provenance=false"];
        buildx.extend(common.iter().chain([&to_docker.as_str()]).chain(args).chain([&folder]));
        succeeded("docker buildx build", &self.bench.docker(&buildx));
        let mut command = self.bench.luakit(&project);
        command.arg("build").args(common).arg(to_luakit).args(args).arg(".");
        succeeded("luakit build", &command.output().unwrap());

        let [docker, luakit] = [docker, luakit].map(|file| Archive::open(&file).unwrap());
        let [docker, luakit] = [&docker, &luakit].map(|archive| archive.images().unwrap());
        assert_eq!((docker.len(), luakit.len()), (1, 1), "images");
        let differences = compare(&docker[0], &luakit[0]);
        assert!(
            differences.is_empty(),
            "{} {}: docker's and luakit's images differ:\n{}",
            self.name,
            args.join(" "),
            differences.join("\n")
        );
    }
}

fn compare(docker: &Image<'_>, luakit: &Image<'_>) -> Vec<String> {
    let mut differences = Vec::new();
    let mut same = |what: &str, docker: &dyn std::fmt::Display, luakit: &dyn std::fmt::Display| {
        let (docker, luakit) = (docker.to_string(), luakit.to_string());
        if docker != luakit {
            differences.push(format!("{what}:\n  docker {docker}\n  luakit {luakit}"));
        }
    };
    same("config", &without_own(&docker.config), &without_own(&luakit.config));
    same(
        "index's platform",
        &docker.descriptor["platform"],
        &luakit.descriptor["platform"],
    );
    same("layers", &docker.diff_ids().len(), &luakit.diff_ids().len());
    same("history's layers", &docker.diff_ids().len(), &layers_in_history(docker));
    same("history's layers", &luakit.diff_ids().len(), &layers_in_history(luakit));
    for part in ["mediaType", "annotations"] {
        same(part, &docker.manifest[part], &luakit.manifest[part]);
    }
    same("layers' types", &layer_types(docker), &layer_types(luakit));

    let ids = docker.diff_ids().into_iter().zip(luakit.diff_ids());
    for (number, (left, right)) in ids.enumerate() {
        if left != right {
            let (left, right) = (docker.layer(number).unwrap(), luakit.layer(number).unwrap());
            compare_files(number, &left, &right, &mut differences);
        }
    }
    differences
}

/// A whole config without what says who wrote it and when:
///
/// - `created`, and `history`, whose entries tell a Dockerfile's instructions there, and the engine's steps here;
/// - the digests of layers, in which the clock's times are;
/// - `ArgsEscaped`, which the Dockerfile frontend sets wherever a command is set, for Windows' sake: on Linux nobody
///   reads it, and the image specification has it deprecated.
fn without_own(config: &Value) -> Value {
    let mut config = config.clone();
    let top = config.as_object_mut().unwrap();
    top.remove("created");
    top.remove("history");
    top["rootfs"].as_object_mut().unwrap().remove("diff_ids");
    if let Some(settings) = top.get_mut("config").and_then(Value::as_object_mut) {
        settings.remove("ArgsEscaped");
    }
    config
}

fn layers_in_history(image: &Image<'_>) -> usize {
    let history = image.config["history"].as_array().unwrap();
    history.iter().filter(|entry| entry["empty_layer"] != true).count()
}

fn layer_types(image: &Image<'_>) -> String {
    let layers = image.manifest["layers"].as_array().unwrap();
    let types = layers.iter().map(|layer| layer["mediaType"].to_string());
    types.collect::<Vec<_>>().join(" ")
}

fn compare_files(number: usize, docker: &Rootfs, luakit: &Rootfs, differences: &mut Vec<String>) {
    let paths: BTreeSet<&str> = docker.paths().chain(luakit.paths()).collect();
    for path in paths {
        let (left, right) = (docker.get(path), luakit.get(path));
        let equal = match (left, right) {
            (Some(left), Some(right)) => facts(left) == facts(right),
            _ => false,
        };
        if !equal {
            let tell = |entry: Option<&Entry>| entry.map_or("nothing".to_owned(), told);
            differences.push(format!(
                "layer {number}: `{path}`:\n  docker {}\n  luakit {}",
                tell(left),
                tell(right)
            ));
        }
    }
}

/// What must be equal of a path. A time of the clock's is none.
fn facts(entry: &Entry) -> (&Kind, String, (u64, u64), Option<u64>) {
    let modified = (entry.modified < CLOCK).then_some(entry.modified);
    (&entry.kind, format!("{:04o}", entry.mode), entry.owner, modified)
}

fn told(entry: &Entry) -> String {
    let (kind, mode, owner, modified) = facts(entry);
    let kind = match kind {
        Kind::File(content) => format!("file {:.200}", content.escape_ascii().to_string()),
        other => format!("{other:?}"),
    };
    let modified = modified.map_or("by the clock".to_owned(), |seconds| seconds.to_string());
    format!("{kind}, mode {mode}, owner {owner:?}, modified {modified}")
}

fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for item in fs::read_dir(from).unwrap() {
        let item = item.unwrap();
        let (kind, source, dest) = (item.file_type().unwrap(), item.path(), to.join(item.file_name()));
        if kind.is_dir() {
            copy_tree(&source, &dest);
        } else if kind.is_symlink() {
            symlink(fs::read_link(source).unwrap(), dest).unwrap();
        } else {
            fs::copy(source, dest).unwrap();
        }
    }
}

/// Gives everything below a folder, and it too, the same time.
fn set_times(path: &Path) {
    if path.symlink_metadata().unwrap().is_dir() {
        for item in fs::read_dir(path).unwrap() {
            set_times(&item.unwrap().path());
        }
    }
    let time = TimeSpec::new(CONTEXT_TIME.try_into().unwrap(), 0);
    utimensat(
        nix::fcntl::AT_FDCWD,
        path,
        &time,
        &time,
        UtimensatFlags::NoFollowSymlink,
    )
    .unwrap();
}

#[test]
fn instructions() {
    Pair::new("01-instructions").is_equal(&[]);
}

#[test]
fn stages() {
    Pair::new("02-stages").is_equal(&[]);
}

#[test]
fn options_of_copy() {
    Pair::new("03-copy-options").is_equal(&[]);
}

#[test]
fn add() {
    let pair = Pair::new("04-add");
    let mut files = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o640);
    header.set_uid(9);
    header.set_gid(10);
    header.set_mtime(CONTEXT_TIME + 1);
    header.set_size(4);
    files.append_data(&mut header, "inner/file", &b"file"[..]).unwrap();
    fs::write(pair.bench.path("project/files.tar"), files.into_inner().unwrap()).unwrap();

    let server = Registry::start();
    server.put_file("/tool.sh", "text/plain", b"#!/bin/sh\necho tool\n");
    server.put_file("/hello.txt", "text/plain", b"hello over http\n");
    pair.is_equal(&["--build-arg", &format!("SERVER=http://{}", server.host())]);
}

#[test]
fn mounts() {
    Pair::new("05-mounts").is_equal(&[]);
}

#[test]
fn arguments_and_platforms() {
    let pair = Pair::new("06-arguments");
    pair.is_equal(&[]);
    pair.is_equal(&["--build-arg", "NAME=me", "--build-arg", "VERSION=3.20"]);
    pair.is_equal(&["--platform", "linux/arm64"]);
    pair.is_equal(&["--platform", "linux/arm/v7", "--build-arg", "NAME=small"]);
}

#[test]
fn an_ignore_file() {
    let pair = Pair::new("07-ignore-file");
    // Git keeps no directory without files.
    fs::create_dir_all(pair.bench.path("project/src/empty")).unwrap();
    pair.is_equal(&[]);
}

#[test]
fn the_config() {
    Pair::new("08-config").is_equal(&[]);
}

#[test]
fn what_is_inherited() {
    let pair = Pair::new("09-inheritance");
    for target in ["cmd-alone", "entrypoint-alone", "nonroot"] {
        pair.is_equal(&["--target", target]);
    }
}

#[test]
fn paths_of_copy() {
    let pair = Pair::new("10-copy-paths");
    fs::create_dir(pair.bench.path("project/empty")).unwrap();
    pair.is_equal(&[]);
}

#[test]
fn heredocs() {
    Pair::new("11-heredocs").is_equal(&[]);
}
