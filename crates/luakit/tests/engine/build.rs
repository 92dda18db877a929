//! `luakit build` with a destination: from a script to a result, in one command.

use luakit_testkit::image::Archive;

use crate::workbench::{Workbench, stderr_of, succeeded};

const SCRIPT: &str = r#"
local built = bk.image("alpine:3.19")
    :run("echo built on " .. tostring(bk.build_platform) .. " > /told")
    :copy(bk.local_("context"), "greeting.txt", "/greeting.txt")
bk.export(built, { cmd = { "cat", "/greeting.txt", "/told" }, annotations = { ["org.example.note"] = "kept" } })
"#;

#[test]
fn a_named_image_is_in_the_engine_and_runs() {
    let bench = Workbench::new();
    let project = bench.project(&[("build.lua", SCRIPT), ("greeting.txt", "hello\n")]);
    let tag = "luakit-test/named:1";
    let output = bench.luakit(&project).args(["build", "-t", tag, "."]).output().unwrap();
    succeeded("luakit build -t", &output);
    assert!(output.stdout.is_empty(), "progress is no data");
    let said = bench.docker_says(&["run", "--rm", "--network=none", tag]);
    assert_eq!(said, "hello\nbuilt on linux/amd64\n");
}

#[test]
fn the_script_may_lie_outside_its_context() {
    let bench = Workbench::new();
    let project = bench.project(&[("scripts/app.lua", SCRIPT), ("files/greeting.txt", "hello\n")]);
    let dest = bench.path("out");
    let spec = format!("type=local,dest={}", dest.display());
    let mut command = bench.luakit(&project);
    let output = command
        .args(["build", "-f", "scripts/app.lua", "-o", &spec, "files"])
        .output()
        .unwrap();
    succeeded("luakit build -f", &output);
    assert_eq!(std::fs::read_to_string(dest.join("greeting.txt")).unwrap(), "hello\n");
}

#[test]
fn several_platforms_are_one_image() {
    let bench = Workbench::new();
    let script = r#"
        local s = bk.scratch():mkfile("/all", ""):mkfile("/arch", bk.target_platform.arch)
        bk.export(s, { labels = { arch = bk.target_platform.arch }, annotations = { note = bk.target_platform.arch } })
    "#;
    let project = bench.project(&[("build.lua", script)]);
    let dest = bench.path("image.tar");
    let spec = format!("type=oci,dest={}", dest.display());
    let args = ["build", "--platform", "linux/amd64,linux/arm64", "-o", &spec];
    let output = bench.luakit(&project).args(args).output().unwrap();
    succeeded("luakit build --platform", &output);
    let said = stderr_of(&output);
    for step in [
        " mkfile /all",
        "[linux/amd64] mkfile /arch",
        "[linux/arm64] mkfile /arch",
    ] {
        assert!(said.contains(step), "{said}");
    }
    assert!(!said.contains("64] mkfile /all"), "{said}");
    let archive = Archive::open(&dest).unwrap();
    let mut told: Vec<String> = archive
        .images()
        .unwrap()
        .iter()
        .map(|image| {
            let label = &image.config["config"]["Labels"]["arch"];
            format!(
                "{} {label} {}",
                image.config["architecture"], image.manifest["annotations"]["note"]
            )
        })
        .collect();
    told.sort();
    assert_eq!(told, [r#""amd64" "amd64" "amd64""#, r#""arm64" "arm64" "arm64""#]);
}

#[test]
fn an_image_that_is_nowhere_is_named() {
    let bench = Workbench::new();
    let project = bench.project(&[("build.lua", r#"bk.export(bk.image("no-such-image:1"))"#)]);
    let output = bench.luakit(&project).args(["build", "-t", "x"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let stderr = stderr_of(&output);
    assert!(
        stderr.contains("error[unresolved-image]: can't resolve image `no-such-image:1` for linux/amd64"),
        "{stderr}"
    );
}

#[test]
fn a_failed_step_points_into_the_script() {
    let bench = Workbench::new();
    let script = "local base = bk.image(\"alpine:3.19\")\nbk.export(base:run(\"echo why; exit 7\"))\n";
    let project = bench.project(&[("build.lua", script)]);
    let output = bench
        .luakit(&project)
        .args(["build", "-t", "x", "--progress=quiet"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    insta::assert_snapshot!(stderr_of(&output), @r#"
    error[step-failed]: `/bin/sh -c echo why; exit 7` failed with exit code 7
     --> build.lua:2
      |
    2 | bk.export(base:run("echo why; exit 7"))
      | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    note: its last output:
          why
    "#);
}
