//! Where the frontend finds script and context: with the client, in a repository, in a download, in another target.

use std::fs;
use std::process::{Command, Stdio};

use crate::frontend::Docker;
use crate::git::Server;
use crate::workbench::{feed, succeeded};

/// What a context's `a.txt` says, found by a script that reads it, and copied from the context.
const SCRIPT: &str = r#"
local text = bk.read_file("a.txt")
bk.export(bk.scratch():mkfile("/read", text):copy(bk.local_("context"), "a.txt", "/copied"))"#;

#[test]
fn named_contexts_take_the_place_of_images_and_directories() {
    let docker = Docker::new();
    let script = r#"
        local base = bk.image("example.com/base")
        local other = bk.local_("other", { exclude = { "own.txt" } })
        bk.export(bk.scratch():copy(base, "/etc/alpine-release", "/release"):copy(other, ".", "/other"))"#;
    let files = [
        ("dir/.dockerignore", "*.log\n"),
        ("dir/kept.txt", ""),
        ("dir/own.txt", ""),
        ("dir/ignored.log", ""),
    ];
    let project = docker.project(script, &files);
    let base = "--build-context=example.com/base=docker-image://alpine:3.18";
    let built = docker.files(&project, &[base, "--build-context=other=dir"]);
    assert!(built.get("/release").unwrap().text().unwrap().starts_with("3.18"));
    let names: Vec<&str> = built.paths().filter(|path| path.starts_with("/other/")).collect();
    assert_eq!(names, ["/other/.dockerignore", "/other/kept.txt"]);
    let said = docker.says(
        &project,
        &[base, "--build-context=other=dir", "--build-context=nobody=dir"],
    );
    assert!(
        said.contains("build context `nobody` is given, and the script names no such"),
        "{said}"
    );
    assert!(said.contains("[context other] load from client"), "{said}");
}

#[test]
fn an_image_of_a_layout_takes_the_place_of_one_with_its_config() {
    let docker = Docker::new();
    let made = docker.project("bk.export(bk.image(\"alpine:3.19\"):env({ OF = \"the layout\" }))", &[]);
    let archive = docker.bench.path("layout.tar");
    let spec = format!("type=oci,dest={}", archive.display());
    docker.says(&made, &["--provenance=false", "-o", &spec]);
    let layout = docker.bench.path("layout");
    fs::create_dir(&layout).unwrap();
    let unpacked = Command::new("tar")
        .args(["-xf"])
        .arg(&archive)
        .arg("-C")
        .arg(&layout)
        .output();
    succeeded("tar", &unpacked.unwrap());
    let project = docker.project("bk.export(bk.image(\"base\"):run(\"echo $OF > /said\"))", &[]);
    let context = format!("--build-context=base=oci-layout://{}", layout.display());
    let files = docker.files(&project, &[&context]);
    assert_eq!(files.get("/said").unwrap().text().unwrap(), "the layout\n");
}

#[test]
fn a_repository_is_script_and_context() {
    let docker = Docker::new();
    let server = Server::start(&docker.bench);
    let script = docker.script(&SCRIPT.replace("a.txt", "version.txt"));
    Server::commit(
        &docker.bench,
        &[
            ("docs/build.lua", &script),
            ("docs/version.txt", "in docs\n"),
            ("build.lua", &script),
        ],
    );
    for (fragment, said) in [("#main", "2.0.0\n"), ("#main:docs", "in docs\n")] {
        let dest = docker.bench.path("out");
        let spec = format!("type=local,dest={}", dest.display());
        let url = format!("{}{fragment}", server.url);
        let mut command = docker.command(&std::env::temp_dir(), &["-f", "build.lua", "-o", &spec, &url]);
        let output = command.output().unwrap();
        succeeded(&url, &output);
        for file in ["read", "copied"] {
            assert_eq!(fs::read_to_string(dest.join(file)).unwrap(), said, "{url}");
        }
    }
}

#[test]
fn an_archive_on_stdin_is_script_and_context() {
    let docker = Docker::new();
    let project = docker.project(SCRIPT, &[("a.txt", "archived\n")]);
    for flag in ["-cf", "-czf"] {
        let archive = Command::new("tar")
            .args(["-C"])
            .arg(&project)
            .args([flag, "-", "."])
            .output()
            .unwrap();
        succeeded("tar", &archive);
        let dest = docker.bench.path("out");
        let spec = format!("type=local,dest={}", dest.display());
        let mut command = docker.command(&project, &["-f", "build.lua", "-o", &spec, "-"]);
        succeeded("docker buildx build -", &feed(&mut command, &archive.stdout));
        assert_eq!(fs::read_to_string(dest.join("read")).unwrap(), "archived\n");
        assert_eq!(fs::read_to_string(dest.join("copied")).unwrap(), "archived\n");
    }
}

#[test]
fn a_script_on_stdin_has_an_empty_context() {
    let docker = Docker::new();
    let script = docker.script("bk.export(bk.scratch():mkfile(\"/a\", tostring(bk.exists(\"build.lua\"))))");
    let dest = docker.bench.path("out");
    let spec = format!("type=local,dest={}", dest.display());
    let mut command = docker.command(&std::env::temp_dir(), &["-o", &spec, "-"]);
    command.stdout(Stdio::null());
    succeeded("docker buildx build -", &feed(&mut command, script.as_bytes()));
    assert_eq!(fs::read_to_string(dest.join("a")).unwrap(), "false");
}

#[test]
fn a_target_of_the_same_bake_is_a_context() {
    let docker = Docker::new();
    let project = docker.project(
        "bk.export(bk.image(\"base\"):run(\"echo $SAID > /said\"))",
        &[("Dockerfile", "FROM alpine:3.19\nENV SAID=by-the-base\n")],
    );
    let dest = docker.bench.path("out");
    let bake = format!(
        "target \"base\" {{ context = \".\" }}\ntarget \"app\" {{\n  context = \".\"\n  dockerfile = \"build.lua\"\n  contexts = {{ base = \"target:base\" }}\n  output = [\"type=local,dest={}\"]\n}}\n",
        dest.display()
    );
    fs::write(project.join("docker-bake.hcl"), bake).unwrap();
    let mut command = Command::new(&docker.bench.engine.facts().docker_cli);
    docker.bench.prepare(&mut command, &project);
    let output = command
        .args(["buildx", "bake", "--progress=plain", "app"])
        .output()
        .unwrap();
    succeeded("docker buildx bake app", &output);
    assert_eq!(fs::read_to_string(dest.join("said")).unwrap(), "by-the-base\n");
}
