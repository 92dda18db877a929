//! Where the frontend finds script and context: with the client, in a repository, in a download, in another target.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use luakit_testkit::image::Archive;
use luakit_testkit::registry::Registry;

use crate::frontend::Docker;
use crate::git::Server;
use crate::workbench::{feed, platform_of, stderr_of, succeeded};

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

/// A layout with an image for two platforms whose environment says which.
fn layout(docker: &Docker) -> PathBuf {
    let made = docker.project(
        "bk.export(bk.image(\"alpine:3.19\"):env({ OF = \"the layout, \" .. tostring(bk.target_platform) }))",
        &[],
    );
    let archive = docker.bench.path("layout.tar");
    let spec = format!("type=oci,dest={}", archive.display());
    docker.says(
        &made,
        &["--platform=linux/amd64,linux/arm64", "--provenance=false", "-o", &spec],
    );
    unpacked(docker, &archive)
}

/// An archive's layout, in a directory.
fn unpacked(docker: &Docker, archive: &Path) -> PathBuf {
    let layout = docker.bench.path("layout");
    fs::create_dir(&layout).unwrap();
    let unpacked = Command::new("tar")
        .arg("-xf")
        .arg(archive)
        .arg("-C")
        .arg(&layout)
        .output();
    succeeded("tar", &unpacked.unwrap());
    layout
}

#[test]
fn an_image_of_a_layout_takes_the_place_of_one_with_its_config() {
    let docker = Docker::new();
    let layout = layout(&docker);
    let script = r#"
        local function said(platform)
            return bk.image("base", { platform = platform }):run("echo $OF > /said")
        end
        local both = bk.scratch():copy(said(nil), "/said", "/own"):copy(said("linux/arm64"), "/said", "/other")
        bk.export(both)"#;
    let project = docker.project(script, &[]);
    let context = format!("--build-context=base=oci-layout://{}", layout.display());
    let files = docker.files(&project, &[&context]);
    let said = |path: &str| files.get(path).unwrap().text().unwrap();
    assert_eq!(said("/own"), "the layout, linux/amd64\n");
    assert_eq!(said("/other"), "the layout, linux/arm64\n");
}

#[test]
fn a_context_that_no_script_uses_is_not_loaded() {
    let docker = Docker::new();
    let layout = layout(&docker);
    let project = docker.project("bk.export(bk.scratch():mkfile(\"/a\", \"a\"))", &[("dir/a", "")]);
    let said = docker.says(
        &project,
        &[
            &format!("--build-context=base=oci-layout://{}", layout.display()),
            "--build-context=other=dir",
        ],
    );
    assert!(
        !said.contains("[context ") && !said.contains("load .dockerignore"),
        "{said}"
    );
}

/// An image for one platform, in the place of one for another: the result is for what was asked for, as a Dockerfile's.
#[test]
fn an_image_for_another_platform_is_told_and_does_not_count() {
    let docker = Docker::new();
    let files = [("Dockerfile", "FROM base\n"), ("base.Dockerfile", "FROM alpine:3.19\n")];
    let project = docker.project("bk.export(bk.image(\"base\"))", &files);
    let archive = docker.bench.path("layout.tar");
    let spec = format!("type=oci,dest={}", archive.display());
    docker.says(
        &project,
        &[
            "-f",
            "base.Dockerfile",
            "-t",
            "example.com/base:latest",
            "--platform=linux/amd64",
            "--provenance=false",
            "-o",
            &spec,
        ],
    );
    let layout = unpacked(&docker, &archive);
    let context = format!("--build-context=base=oci-layout://{}", layout.display());
    let result = docker.bench.path("result.tar");
    let spec = format!("type=oci,dest={}", result.display());
    let args = [
        "--platform=linux/amd64,linux/arm64",
        &context,
        "--provenance=false",
        "-o",
        &spec,
    ];
    let platforms = || {
        let archive = Archive::open(&result).unwrap();
        let images = archive.images().unwrap();
        let told = images.iter().map(|image| {
            format!(
                "{} {}",
                platform_of(&image.descriptor["platform"]),
                platform_of(&image.config)
            )
        });
        told.collect::<Vec<_>>().join(", ")
    };
    let both = "linux/amd64 linux/amd64, linux/arm64 linux/arm64";
    let remark = "image `base` is for linux/amd64, and was asked for linux/arm64";
    let said = docker.says(&project, &args);
    assert!(said.contains(&format!("{remark} (build.lua:2)")), "{said}");
    assert_eq!(platforms(), both);
    docker.says(&project, &[&args[..], &["-f", "Dockerfile"]].concat());
    assert_eq!(platforms(), both, "of a Dockerfile");
    let output = docker
        .bench
        .luakit(&project)
        .args(["build", "build.lua"])
        .args(args)
        .output()
        .unwrap();
    succeeded("luakit build", &output);
    let said = stderr_of(&output);
    assert!(said.contains(remark), "{said}");
    assert_eq!(platforms(), both, "of the command line");

    // A linked target has a platform of its own, too.
    let bake = format!(
        "target \"base\" {{\n  dockerfile = \"base.Dockerfile\"\n  platforms = [\"linux/amd64\"]\n}}\ntarget \"app\" {{\n  dockerfile = \"build.lua\"\n  platforms = [\"linux/amd64\", \"linux/arm64\"]\n  contexts = {{ base = \"target:base\" }}\n  output = [\"{spec}\"]\n}}\n",
    );
    fs::write(project.join("docker-bake.hcl"), bake).unwrap();
    let output = docker.bake(&project, &["--provenance=false", "app"]);
    succeeded("docker buildx bake app", &output);
    assert_eq!(platforms(), both, "of a bake");
    let said = stderr_of(&output);
    let remark = "build context `base` is an image for linux/amd64, and was asked for linux/arm64";
    assert!(said.contains(remark), "{said}");
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
    // An archive is taken as it is, here as with a Dockerfile.
    let project = docker.project(SCRIPT, &[("a.txt", "archived\n"), (".dockerignore", "a.txt\n")]);
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
    let script = docker.script("bk.export(bk.scratch():mkfile(\"/a\", tostring(#bk.glob(\"*\"))))");
    let dest = docker.bench.path("out");
    let spec = format!("type=local,dest={}", dest.display());
    let mut command = docker.command(&std::env::temp_dir(), &["-o", &spec, "-"]);
    command.stdout(Stdio::null());
    succeeded("docker buildx build -", &feed(&mut command, script.as_bytes()));
    assert_eq!(fs::read_to_string(dest.join("a")).unwrap(), "0");
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
    succeeded("docker buildx bake app", &docker.bake(&project, &["app"]));
    assert_eq!(fs::read_to_string(dest.join("said")).unwrap(), "by-the-base\n");
}

/// What `docker buildx build ARGS URL` gives.
fn built_from(docker: &Docker, args: &[&str], url: &str) -> PathBuf {
    let dest = docker.bench.path("out");
    let _old = fs::remove_dir_all(&dest);
    let spec = format!("type=local,dest={}", dest.display());
    let args = [args, &["-o", &spec, url]].concat();
    let mut command = docker.command(&std::env::temp_dir(), &args);
    succeeded(url, &command.output().unwrap());
    dest
}

#[test]
fn a_download_is_the_script_or_an_archive_with_it() {
    let docker = Docker::new();
    let server = Registry::start();
    let url = |path: &str| format!("http://{}{path}", server.host());
    let alone = docker.script(
        "bk.export(bk.scratch():mkfile(\"/read\", bk.read_file(\"context\")):copy(bk.local_(\"context\"), \".\", \"/all/\"))",
    );
    server.put_file("/build.lua", "text/plain", alone.as_bytes());
    let dest = built_from(&docker, &[], &url("/build.lua"));
    assert_eq!(fs::read_to_string(dest.join("read")).unwrap(), alone);
    assert_eq!(fs::read_to_string(dest.join("all/context")).unwrap(), alone);

    let project = docker.project(
        "bk.export(require(\"libs.said\"):copy(bk.local_(\"context\"), \"a.txt\", \"/copied\"))",
        &[
            ("a.txt", "archived\n"),
            (
                "libs/said.lua",
                "return bk.scratch():mkfile(\"/read\", bk.read_file(\"a.txt\"))",
            ),
        ],
    );
    for (flag, name) in [("-cf", "/context.tar"), ("-czf", "/context.tar.gz")] {
        let archive = Command::new("tar")
            .arg("-C")
            .arg(&project)
            .args([flag, "-", "."])
            .output();
        let archive = archive.unwrap();
        succeeded("tar", &archive);
        server.put_file(name, "application/octet-stream", &archive.stdout);
        let dest = built_from(&docker, &["-f", "build.lua"], &url(name));
        for file in ["read", "copied"] {
            assert_eq!(fs::read_to_string(dest.join(file)).unwrap(), "archived\n", "{name}");
        }
    }
}

#[test]
fn the_directory_of_a_repository_is_kept_where_that_is_asked_for() {
    let docker = Docker::new();
    let server = Server::start(&docker.bench);
    let script = docker.script("bk.export(bk.scratch():mkfile(\"/kept\", tostring(bk.exists(\".git/HEAD\"))))");
    Server::commit(&docker.bench, &[("build.lua", &script)]);
    let url = format!("{}#main", server.url);
    for (args, kept) in [
        (vec!["-f", "build.lua"], "false"),
        (
            vec!["-f", "build.lua", "--build-arg=BUILDKIT_CONTEXT_KEEP_GIT_DIR=1"],
            "true",
        ),
    ] {
        let dest = built_from(&docker, &args, &url);
        assert_eq!(fs::read_to_string(dest.join("kept")).unwrap(), kept);
    }
}

/// The Dockerfile frontend, which reads a script's first line, takes names for patterns: one with brackets it can't find.
#[test]
fn a_name_is_no_pattern() {
    let docker = Docker::new();
    let script = |said: &str| {
        let said = format!("\"{said} \" .. require(\"[lib]\")");
        docker.script(&format!("bk.export(bk.scratch():mkfile(\"/said\", {said}))"))
    };
    let project = docker.bench.project(&[
        ("b1.lua", &script("a one")),
        ("b*.lua", &script("a star")),
        ("[lib].lua", "return \"brackets\""),
        ("l.lua", "return \"a letter\""),
    ]);
    for (name, said) in [("b*.lua", "a star brackets"), ("b1.lua", "a one brackets")] {
        let dest = docker.bench.path("out");
        let spec = format!("type=local,dest={}", dest.display());
        let mut command = docker.command(&project, &["-f", name, "-o", &spec, "."]);
        succeeded(name, &command.output().unwrap());
        assert_eq!(fs::read_to_string(dest.join("said")).unwrap(), said);
    }
}
