//! Docker with its older image store: what builds there, and that what can't is said before the build.

use std::process::{Command, Output};

use crate::workbench::{Workbench, stderr_of, succeeded};

const SCRIPT: &str = r#"bk.export(bk.image("alpine:3.19"):run("echo built > /f"), { cmd = { "cat", "/f" } })"#;

fn build(bench: &Workbench, args: &[&str]) -> Output {
    let project = bench.project(&[("build.lua", SCRIPT)]);
    let mut command = bench.luakit(&project);
    on_graph(bench, &mut command);
    command
        .args(["build", "--progress", "quiet"])
        .args(args)
        .output()
        .unwrap()
}

fn on_graph(bench: &Workbench, command: &mut Command) {
    let host = format!("unix://{}", bench.engine.graph_socket().display());
    command.env("DOCKER_HOST", host);
}

#[test]
fn an_image_is_built_named_and_runs() {
    let bench = Workbench::new();
    succeeded("luakit build -t", &build(&bench, &["-t", "luakit-test-graph:1"]));
    let docker = |args: &[&str]| {
        let mut command = Command::new(&bench.engine.facts().docker_cli);
        bench.prepare(&mut command, &bench.path(""));
        on_graph(&bench, &mut command);
        let output = command.args(args).output().unwrap();
        succeeded("docker", &output);
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(docker(&["run", "--rm", "luakit-test-graph:1"]), "built\n");
    // An image that only this store has is known by no digest.
    let project = bench.project(&[(
        "build.lua",
        r#"bk.export(bk.image("luakit-test-graph:1", { resolve = "never" }):run("cp /f /g"))"#,
    )]);
    let mut command = bench.luakit(&project);
    on_graph(&bench, &mut command);
    let out = bench.path("out");
    let spec = format!("type=local,dest={}", out.display());
    let output = command.args(["build", "-o", &spec]).output().unwrap();
    succeeded("luakit build -o type=local", &output);
    assert_eq!(std::fs::read_to_string(out.join("g")).unwrap(), "built\n");
    docker(&["image", "rm", "--force", "luakit-test-graph:1"]);
}

#[test]
fn what_it_lacks_is_said_before_the_build() {
    let bench = Workbench::new();
    let dest = bench.path("image.tar");
    let oci = format!("type=oci,dest={}", dest.display());
    let output = build(&bench, &["--platform", "linux/amd64,linux/arm64", "-o", &oci]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr_of(&output));
    assert!(!dest.exists());
    insta::assert_snapshot!(stderr_of(&output), @r"
    error[unsupported]: Docker, as it keeps images with a graph driver, can't do this build
    note: it makes no images of several platforms, and this one is for linux/amd64, linux/arm64: choose one with `--platform`
    note: it doesn't have the output `type=oci` of `-o`
    hint: switch Docker to containerd's image store (docs.docker.com/engine/storage/containerd), or build on a BuildKit of its own: `docker buildx create --use --bootstrap` makes one
    ");
    let pushed = build(&bench, &["-o", "type=image,name=localhost:1/a,push=true"]);
    assert!(
        stderr_of(&pushed).contains("it can't do pushing an image as it is built: build with `-t`, then `docker push`"),
        "{}",
        stderr_of(&pushed)
    );
}

/// The image is as good without, so that it is built.
#[test]
fn what_it_leaves_out_of_an_image_is_said() {
    let bench = Workbench::new();
    let script = r#"bk.export(bk.image("alpine:3.19"), { annotations = { ["org.example.who"] = "me" } })"#;
    let project = bench.project(&[("build.lua", script)]);
    let mut command = bench.luakit(&project);
    on_graph(&bench, &mut command);
    command.env("SOURCE_DATE_EPOCH", "1700000000");
    let output = command
        .args(["build", "-t", "luakit-test-graph-plain:1"])
        .output()
        .unwrap();
    let said = stderr_of(&output);
    assert!(output.status.success(), "{said}");
    let warning = said.lines().find(|line| line.starts_with("warning"));
    insta::assert_snapshot!(warning.unwrap_or(&said), @"warning[ignored-attribute]: Docker, as it keeps images with a graph driver, makes the image without `annotation.org.example.who`, `source-date-epoch`");
    let mut command = Command::new(&bench.engine.facts().docker_cli);
    bench.prepare(&mut command, &bench.path(""));
    on_graph(&bench, &mut command);
    let output = command
        .args(["image", "rm", "--force", "luakit-test-graph-plain:1"])
        .output()
        .unwrap();
    succeeded("docker image rm", &output);
}
