//! Named contexts: what `--build-context` puts in the place of images and directories.

use std::fs;
use std::path::Path;
use std::process::Output;

use serde_json::Value;

use crate::workbench::{Workbench, stderr_of, succeeded};

/// A script whose image and directory are usually others'.
const SCRIPT: &str = r#"
local base = bk.image("example.com/base")
local src = bk.local_("src", { exclude = { "own.txt" } })
bk.export(bk.scratch():copy(base, "/etc/alpine-release", "/release", { allow_empty_wildcard = true })
    :copy(src, "/", "/src"))
"#;

fn build(bench: &Workbench, project: &Path, dest: &Path, contexts: &[&str]) -> Output {
    let mut command = bench.luakit(project);
    command
        .arg("build")
        .arg(format!("-otype=local,dest={}", dest.display()));
    for context in contexts {
        command.args(["--build-context", context]);
    }
    command.output().unwrap()
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn directories_and_images_take_their_places() {
    let bench = Workbench::new();
    let project = bench.project(&[
        ("build.lua", SCRIPT),
        ("other/.dockerignore", "ignored.txt\n"),
        ("other/ignored.txt", "no"),
        ("other/own.txt", "no"),
        ("other/kept.txt", "yes"),
        ("root/etc/alpine-release", "mine\n"),
    ]);
    let dest = bench.path("image");
    let contexts = ["example.com/base:latest=docker-image://alpine:3.20", "src=other"];
    let output = build(&bench, &project, &dest, &contexts);
    succeeded("luakit build --build-context", &output);
    assert!(fs::read_to_string(dest.join("release")).unwrap().starts_with("3.20"));
    assert_eq!(names(&dest.join("src")), [".dockerignore", "kept.txt"]);
    assert!(
        stderr_of(&output).contains("[context example.com/base] alpine:3.20"),
        "{}",
        stderr_of(&output)
    );

    let dest = bench.path("directory");
    let contexts = ["example.com/base=root", "src=docker-image://alpine:3.19", "unused=root"];
    let output = build(&bench, &project, &dest, &contexts);
    succeeded("luakit build --build-context", &output);
    assert_eq!(fs::read_to_string(dest.join("release")).unwrap(), "mine\n");
    assert!(names(&dest.join("src")).contains(&"bin".to_owned()));
    assert!(
        stderr_of(&output).contains("build context `unused` is given, and the script names no such image or directory"),
        "{}",
        stderr_of(&output)
    );
}

#[test]
fn an_image_layout_takes_an_images_place() {
    let bench = Workbench::new();
    let project = bench.project(&[("build.lua", SCRIPT), ("src/kept.txt", "yes")]);
    fs::create_dir_all(project.join("base")).unwrap();
    fs::write(
        project.join("base/build.lua"),
        r#"bk.export(bk.scratch():mkfile("/etc/alpine-release", "from a layout\n"))"#,
    )
    .unwrap();
    let tar = bench.path("base.tar");
    let spec = format!("type=oci,dest={}", tar.display());
    let output = bench
        .luakit(&project)
        .args(["build", "-o", &spec, "-t", "base:v1", "base"])
        .output()
        .unwrap();
    succeeded("luakit build -o type=oci", &output);
    let layout = bench.path("layout");
    tar_out(&tar, &layout);
    let dest = bench.path("out");
    let context = format!("example.com/base=oci-layout://{}:v1", layout.display());
    let output = build(&bench, &project, &dest, &[&context, "src=src"]);
    succeeded("luakit build --build-context oci-layout", &output);
    assert_eq!(fs::read_to_string(dest.join("release")).unwrap(), "from a layout\n");

    let context = format!("example.com/base=oci-layout://{}:v2", layout.display());
    let output = build(&bench, &project, &dest, &[&context, "src=src"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr_of(&output).contains("has no `v2`"), "{}", stderr_of(&output));
}

#[test]
fn an_image_of_a_layout_hands_on_its_config() {
    let bench = Workbench::new();
    let base = r#"bk.export(bk.image("alpine:3.19"), {
        env = { WHO = "layout" }, workdir = "/srv", user = "nobody", cmd = { "serve" }, shell = { "/bin/ash", "-c" },
    })"#;
    let run = r#":run("echo $WHO $(id -un) $PWD > /tmp/said && cp /tmp/said /tmp/again")"#;
    let project = bench.project(&[
        ("base/build.lua", base),
        ("build.lua", &format!("bk.export(bk.image('example.com/base'){run})")),
    ]);
    let layout = bench.path("layout");
    let spec = format!("type=oci,tar=false,dest={}", layout.display());
    let mut command = bench.luakit(&project);
    let output = command
        .args(["build", "-o", &spec, "-t", "base:v1", "base"])
        .output()
        .unwrap();
    succeeded("luakit build -o type=oci,tar=false", &output);
    let built = |args: &[&str]| {
        let dest = bench.path("out.tar");
        let spec = format!("type=oci,dest={}", dest.display());
        let mut command = bench.luakit(&project);
        let output = command.args(["build", "-o", &spec]).args(args).output().unwrap();
        succeeded(&args.join(" "), &output);
        let said = stderr_of(&output);
        assert!(!said.contains("warning"), "{said}");
        let image = bench.path("image");
        let _ = fs::remove_dir_all(&image);
        tar_out(&dest, &image);
        config_of(&image)
    };
    let context = format!("example.com/base=oci-layout://{}:v1", layout.display());
    let told = |config: &Value| {
        let config = &config["config"];
        format!(
            "{} {} {} {} {}",
            config["Env"], config["WorkingDir"], config["User"], config["Cmd"], config["Shell"]
        )
    };
    let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    let expect = format!(r#"["{path}","WHO=layout"] "/srv" "nobody" ["serve"] ["/bin/ash","-c"]"#);
    assert_eq!(told(&built(&["--build-context", &context])), expect);

    // By the script's own source, and what a run saw of it.
    let digest = index_of(&layout)["manifests"][0]["digest"].as_str().unwrap().to_owned();
    let script = format!(
        "local s = bk.oci_layout('local/base@{digest}', {{ store = 'own' }}){run}\nbk.export(s)\nbk.export(bk.scratch():copy(s, '/tmp/said', '/said'), {{ name = 'said' }})"
    );
    fs::write(project.join("build.lua"), script).unwrap();
    let given = format!("own={}", layout.display());
    assert_eq!(told(&built(&["--oci-layout", &given])), expect);
    let dest = bench.path("said");
    let spec = format!("type=local,dest={}", dest.display());
    let mut command = bench.luakit(&project);
    command.args(["build", "--target", "said", "--oci-layout", &given, "-o", &spec]);
    succeeded("luakit build --target said", &command.output().unwrap());
    assert_eq!(fs::read_to_string(dest.join("said")).unwrap(), "layout nobody /srv\n");

    // A definition that is written with the layout has it, too; without, that is said.
    let definition = |args: &[&str]| {
        let mut command = bench.luakit(&project);
        let output = command.arg("build").args(args).output().unwrap();
        succeeded("luakit build", &output);
        stderr_of(&output)
    };
    assert_eq!(definition(&["--oci-layout", &given]), "");
    insta::assert_snapshot!(definition(&[]).replace(&digest, "DIGEST"), @"
    warning[unresolved-config]: the image's config lacks what `local/base@DIGEST` for linux/amd64 says: its environment, entrypoint and command
    hint: give its layout by the name of its `store`: `--oci-layout NAME=DIR`
    ");
    let mut command = bench.luakit(&project);
    let elsewhere = format!("own={}", project.display());
    let output = command
        .args(["build", "-t", "x", "--oci-layout", &elsewhere])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", stderr_of(&output));
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn index_of(layout: &Path) -> Value {
    json(&layout.join("index.json"))
}

/// The config of a layout's image, which may be in an index.
fn config_of(layout: &Path) -> Value {
    let blob = |digest: &Value| json(&layout.join("blobs").join(digest.as_str().unwrap().replace(':', "/")));
    let mut manifest = blob(&index_of(layout)["manifests"][0]["digest"]);
    if manifest["manifests"].is_array() {
        manifest = blob(&manifest["manifests"][0]["digest"]);
    }
    blob(&manifest["config"]["digest"])
}

fn tar_out(tar: &Path, dest: &Path) {
    fs::create_dir_all(dest).unwrap();
    let status = std::process::Command::new("tar")
        .arg("-xf")
        .arg(tar)
        .arg("-C")
        .arg(dest)
        .status()
        .unwrap();
    assert!(status.success());
}

#[test]
fn a_repository_takes_a_directorys_place() {
    let bench = Workbench::new();
    let server = crate::git::Server::start(&bench);
    let project = bench.project(&[("build.lua", SCRIPT), ("root/etc/alpine-release", "mine\n")]);
    let dest = bench.path("out");
    let context = format!("src={}#v1.2.3", server.url);
    let output = build(&bench, &project, &dest, &["example.com/base=root", &context]);
    succeeded("luakit build --build-context git", &output);
    assert_eq!(fs::read_to_string(dest.join("src/version.txt")).unwrap(), "1.2.3\n");
}

#[test]
fn a_target_takes_an_images_place() {
    let bench = Workbench::new();
    let script = r#"
local base = bk.image("alpine:3.19"):run("echo base > /made-by")
bk.export(base, { name = "base", env = { FROM = "the target" } })
bk.export(bk.image("example.com/tools"):run("cat /made-by > /seen; echo $FROM >> /seen"))
"#;
    let project = bench.project(&[("build.lua", script)]);
    let dest = bench.path("out");
    let output = build(&bench, &project, &dest, &["example.com/tools=target:base"]);
    succeeded("luakit build --build-context target", &output);
    assert_eq!(fs::read_to_string(dest.join("seen")).unwrap(), "base\nthe target\n");
}

#[test]
fn what_cannot_be_is_refused() {
    let bench = Workbench::new();
    let project = bench.project(&[("build.lua", SCRIPT), ("file", "")]);
    let said = |contexts: &[&str]| {
        let output = build(&bench, &project, &bench.path("out"), contexts);
        assert_eq!(output.status.code(), Some(2));
        stderr_of(&output)
    };
    let told = [
        said(&["src=missing"]),
        said(&["src=file"]),
        said(&["src=.", "src:latest=."]),
    ];
    insta::assert_snapshot!(told.join("\n"), @"
        error[usage]: can't read `missing`, given as the build context `src`: no such file or directory

        error[usage]: can't read `file`, given as the build context `src`: not a directory

        error[usage]: `--build-context` gives `src` twice
        ");
}
