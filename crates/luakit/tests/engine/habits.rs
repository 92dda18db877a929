//! What docker's clients do by themselves, and so does `luakit build`: proxies, the default platform, arguments that
//! mean something to the client.

use std::path::{Path, PathBuf};
use std::process::Command;

use luakit_testkit::image::Archive;
use serde_json::json;

use crate::workbench::{Workbench, platform_of, stderr_of, succeeded};

/// What a run sees of proxies. They are no part of what is cached, so each run has a name.
fn proxies(bench: &Workbench, run: &str, args: &[&str]) -> String {
    let look = format!(": {run}; echo $http_proxy $HTTP_PROXY $no_proxy > /told");
    let script = format!(
        "local ran = bk.image(\"alpine:3.19\"):run([[{look}]])\nbk.export(bk.scratch():copy(ran, \"/told\", \"/told\"))\n"
    );
    let project = bench.project(&[("build.lua", &script)]);
    let dest = bench.path(run);
    let mut command = building(bench, &project, &format!("type=local,dest={}", dest.display()));
    succeeded("luakit build", &command.args(args).output().unwrap());
    std::fs::read_to_string(dest.join("told")).unwrap().trim().to_owned()
}

fn building(bench: &Workbench, project: &Path, output: &str) -> Command {
    let mut command = bench.luakit(project);
    command
        .args(["build", "--progress=quiet", "-o", output])
        .env("DOCKER_CONFIG", bench.path("docker"));
    command
}

fn configure(bench: &Workbench, proxies: &serde_json::Value) {
    let dir = bench.path("docker");
    std::fs::create_dir_all(&dir).unwrap();
    let config = json!({ "proxies": proxies }).to_string();
    std::fs::write(dir.join("config.json"), config).unwrap();
}

#[test]
fn runs_have_the_proxies_of_dockers_configuration() {
    let bench = Workbench::new();
    configure(&bench, &json!({ "default": { "httpProxy": "http://usual:1" } }));
    assert_eq!(proxies(&bench, "usual", &[]), "http://usual:1 http://usual:1");
    let own = json!({ "httpProxy": "http://own:2", "noProxy": "localhost" });
    let host = bench.engine.docker_host();
    configure(
        &bench,
        &json!({ "default": { "httpProxy": "http://usual:1" }, host: own }),
    );
    assert_eq!(proxies(&bench, "own", &[]), "http://own:2 http://own:2 localhost");
    assert_eq!(
        proxies(&bench, "given", &["--arg=http_proxy=http://given:3"]),
        "http://given:3 http://given:3 localhost"
    );
}

#[test]
fn a_variable_names_the_platform() {
    let bench = Workbench::new();
    configure(&bench, &json!({}));
    let project = bench.project(&[("build.lua", r#"bk.export(bk.image("alpine:3.19"))"#)]);
    let built = |args: &[&str]| {
        let file = bench.path("image.tar");
        let mut command = building(&bench, &project, &format!("type=oci,dest={}", file.display()));
        command.env("DOCKER_DEFAULT_PLATFORM", "linux/arm64");
        succeeded("luakit build", &command.args(args).output().unwrap());
        platform_of(&Archive::open(&file).unwrap().images().unwrap()[0].config)
    };
    assert_eq!(built(&[]), "linux/arm64");
    assert_eq!(built(&["--platform=linux/amd64"]), "linux/amd64");
    // What is written is the same on every machine.
    let definition = bench.build(&project, &[]);
    let mut command = bench.luakit(&project);
    command.arg("build").env("DOCKER_DEFAULT_PLATFORM", "linux/arm64");
    assert_eq!(command.output().unwrap().stdout, definition);

    let mut command = building(&bench, &project, "type=cacheonly");
    let output = command.env("DOCKER_DEFAULT_PLATFORM", "linux/").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    insta::assert_snapshot!(
        stderr_of(&output),
        @"error[usage]: the variable `DOCKER_DEFAULT_PLATFORM`: `` can't be part of a platform"
    );
}

#[test]
fn an_argument_puts_the_cache_into_the_image() {
    let bench = Workbench::new();
    configure(&bench, &json!({}));
    let project = bench.project(&[(
        "build.lua",
        r#"bk.export(bk.image("alpine:3.19"):run("echo 1 > /inline"))"#,
    )]);
    let has_cache = |value: &str| {
        let file = bench.path("image.tar");
        let mut command = building(&bench, &project, &format!("type=oci,dest={}", file.display()));
        command.arg(format!("--arg=BUILDKIT_INLINE_CACHE={value}"));
        succeeded("luakit build", &command.output().unwrap());
        let archive = Archive::open(&file).unwrap();
        archive.images().unwrap()[0]
            .config
            .get("moby.buildkit.cache.v0")
            .is_some()
    };
    assert!(has_cache("1"));
    assert!(!has_cache("0"));
}

#[test]
fn an_argument_makes_one_of_several_platforms_of_one() {
    let bench = Workbench::new();
    configure(&bench, &json!({}));
    let project = bench.project(&[("build.lua", r#"bk.export(bk.scratch():mkfile("/one", "1"))"#)]);
    let dest = |name: &str| -> (PathBuf, String) {
        let dest = bench.path(name);
        let output = format!("type=local,dest={}", dest.display());
        (dest, output)
    };
    let (several, output) = dest("several");
    let mut command = building(&bench, &project, &output);
    command.arg("--arg=BUILDKIT_MULTI_PLATFORM=true");
    succeeded("luakit build", &command.output().unwrap());
    assert!(several.join("linux_amd64/one").exists());
    let (_, output) = dest("none");
    let mut command = building(&bench, &project, &output);
    command.args(["--arg=BUILDKIT_MULTI_PLATFORM=0", "--platform=linux/amd64,linux/arm64"]);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    insta::assert_snapshot!(stderr_of(&output), @"
    error[usage]: `BUILDKIT_MULTI_PLATFORM` is false, and the build is for 2 platforms
    hint: choose one with `--platform`
    ");
}
