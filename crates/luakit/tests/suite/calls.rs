//! `luakit build --call`: what a script is asked instead of being built.

use crate::project::{Project, Run};

const SCRIPT: &str = r#"local version = bk.arg("VERSION", "1.0", { description = "what is built" })
print("building " .. version)
local built = bk.image("golang:1.21"):run("go build", { mounts = { bk.secret("/token", { id = "token" }) } })
bk.export(built, { description = "the service" })
bk.export(built:run("go test"), { name = "test" })
"#;

fn told(run: &Run) -> String {
    let stdout = String::from_utf8_lossy(run.stdout());
    format!("exit code {}\n{stdout}--- stderr\n{}", run.code(), run.stderr())
}

fn called(script: &str, args: &[&str]) -> String {
    let project = Project::new(&[("build.lua", script)]);
    told(&project.run(&[&["build"], args].concat()))
}

#[test]
fn a_check_that_finds_nothing() {
    insta::assert_snapshot!(called(SCRIPT, &["--check", "-t", "app", "--push", "--progress", "plain"]), @"
    exit code 0
    Check complete, no warnings found.
    --- stderr
    building 1.0
    ");
}

#[test]
fn a_check_that_finds_something() {
    let odd = ["--arg", "VERSIN=2", "--build-context", "apline=."];
    insta::assert_snapshot!(called(SCRIPT, &[&["--call", "check"], &odd[..]].concat()), @"
    exit code 1
    Check complete, 2 warnings have been found!

    WARNING: unread-argument
    build argument `VERSIN` is given, and the script never reads it; did you mean `VERSION`?

    WARNING: unused-context
    build context `apline` is given, and the script names no such image or directory
    --- stderr
    building 1.0
    ");
    let ignored = called(SCRIPT, &[&["--call", "check,ignorestatus=true"], &odd[..]].concat());
    assert!(
        ignored.starts_with("exit code 0\nCheck complete, 2 warnings"),
        "{ignored}"
    );
}

#[test]
fn a_check_of_a_script_that_fails() {
    let script = "local base = bk.image('alpine')\nbk.export(base:rnu('true'))\n";
    insta::assert_snapshot!(called(script, &["--check"]), @"
    exit code 3
    --- stderr
    error[unknown-name]: a state has no `rnu`; did you mean `state:run()`?
     --> build.lua:2:16
      |
    2 | bk.export(base:rnu('true'))
      |                ^^^
    ");
    insta::assert_snapshot!(called(SCRIPT, &["--check", "--target", "tset"]), @"
    exit code 2
    --- stderr
    building 1.0
    error[usage]: the script has no target `tset`
    hint: did you mean `test`?
    ");
    insta::assert_snapshot!(called(SCRIPT, &["--check", "--no-cache-filter", "tset"]), @"
    exit code 2
    --- stderr
    building 1.0
    error[usage]: the script has no target `tset` whose cache could be left out
    hint: did you mean `test`?
    ");
}

#[test]
fn what_a_target_takes() {
    insta::assert_snapshot!(called(SCRIPT, &["--call=outline", "--arg", "VERSION=2.0"]), @"
    exit code 0
    TARGET:      (default)
    DESCRIPTION: the service

    BUILD ARG   VALUE   DESCRIPTION
    VERSION     2.0     what is built

    SECRET   REQUIRED
    token    true

    --- stderr
    building 2.0
    ");
    let old = called(SCRIPT, &["--print=outline", "--target", "test"]);
    assert!(old.starts_with("exit code 0\nTARGET: test\n"), "{old}");
}

#[test]
fn which_targets_there_are() {
    insta::assert_snapshot!(called(SCRIPT, &["--call=targets"]), @"
    exit code 0
    TARGET    DESCRIPTION
    (default) the service
    test      
    --- stderr
    building 1.0
    ");
}

#[test]
fn programs_get_json() {
    let project = Project::new(&[("build.lua", SCRIPT)]);
    let json = |method: &str, args: &[&str]| -> serde_json::Value {
        let call = format!("--call={method},format=json");
        let run = project.run(&[&["build", &call], args].concat());
        serde_json::from_slice(run.stdout()).unwrap()
    };
    assert_eq!(json("outline", &[])["secrets"][0]["name"], "token");
    assert_eq!(json("targets", &[])["targets"][1]["name"], "test");
    assert_eq!(
        json("check", &["--arg", "x=1"])["warnings"][0]["ruleName"],
        "unread-argument"
    );
    assert_eq!(
        json("check", &["--target", "x"])["buildError"]["location"],
        serde_json::json!({})
    );
    assert_eq!(json("subrequests.describe", &[])[0]["name"], "frontend.outline");
}

#[test]
fn a_build_is_a_call_too() {
    let project = Project::new(&[("build.lua", SCRIPT)]);
    let written = project.run(&["build", "--call=build", "--resolve=never"]).success();
    let plain = project.run(&["build", "--resolve=never"]).success();
    assert!(!written.is_empty() && written == plain);
}
