//! What docker asks of a script besides a build: `docker buildx build --print`, which newer ones call `--call`. This one
//! knows no `lint`, and prints what it doesn't know as text.

use std::path::Path;

use serde_json::Value;

use crate::frontend::Docker;
use crate::workbench::{stderr_of, stdout_of};

const SCRIPT: &str = r#"
local version = bk.arg("VERSION", "1.0", { description = "what is built" })
local base = bk.image("alpine:3.19")
local built = base:run("make", {
    mounts = { bk.cache("/cache"), bk.secret("/token", { id = "token" }), bk.ssh() },
})
bk.export(base, { name = "base" })
bk.export(built:env({ VERSION = version }), { description = "the program" })
"#;

/// What docker prints of the folder's script when asked.
fn asked(docker: &Docker, folder: &Path, print: &str, args: &[&str]) -> String {
    let mut command = docker.command(folder, &["-f", "build.lua", &format!("--print={print}")]);
    let output = command
        .env("BUILDX_EXPERIMENTAL", "1")
        .args(args)
        .arg(".")
        .output()
        .unwrap();
    stdout_of(print, &output)
}

/// JSON in which the texts of files are left out: they hold the image's name.
fn json(text: &str) -> String {
    let mut value: Value = serde_json::from_str(text).unwrap();
    if let Some(sources) = value.get_mut("sources").and_then(Value::as_array_mut) {
        for source in sources {
            match source.get_mut("data") {
                Some(data) => *data = Value::from("…"),
                None => *source = Value::from("…"),
            }
        }
    }
    serde_json::to_string_pretty(&value).unwrap()
}

#[test]
fn an_outline() {
    let docker = Docker::new();
    let project = docker.project(SCRIPT, &[]);
    let args = ["--build-arg=VERSION=2.0"];
    insta::assert_snapshot!(asked(&docker, &project, "outline", &args), @"
    TARGET:      (default)
    DESCRIPTION: the program

    BUILD ARG   VALUE   DESCRIPTION
    VERSION     2.0     what is built

    SECRET   REQUIRED
    token    true

    SSH       REQUIRED
    default   true
    ");
    insta::assert_snapshot!(json(&asked(&docker, &project, "outline,format=json", &args)));
}

#[test]
fn targets() {
    let docker = Docker::new();
    let project = docker.project(SCRIPT, &[]);
    insta::assert_snapshot!(asked(&docker, &project, "targets", &[]), @"
    TARGET    DESCRIPTION
    base      
    (default) the program
    ");
    insta::assert_snapshot!(json(&asked(&docker, &project, "targets,format=json", &[])));
}

/// What docker prints of a script is what it prints of a Dockerfile that says the same.
#[test]
fn answers_look_as_those_of_a_dockerfile() {
    let docker = Docker::new();
    let script = r#"
        bk.arg("VERSION", "1.0", { description = "what is built" })
        bk.arg("NONE")
        local mounts = { bk.secret("/token", { id = "token" }), bk.secret("/more", { id = "more", optional = true }), bk.ssh() }
        bk.export(bk.image("alpine:3.19"):run("make", { mounts = mounts }), { name = "app", description = "is the program" })"#;
    let dockerfile = "# VERSION what is built\nARG VERSION=1.0\nARG NONE\n# app is the program\nFROM alpine:3.19 AS app\n\
        ARG VERSION\nARG NONE\nRUN --mount=type=secret,id=token,required=true --mount=type=secret,id=more \\\n  \
        --mount=type=ssh,required=true make\n";
    let project = docker.project(script, &[("Dockerfile", dockerfile)]);
    for question in ["outline", "targets"] {
        for args in [&[][..], &["--target=app"]] {
            let ours = asked(&docker, &project, question, args);
            let theirs = asked(&docker, &project, question, &[args, &["-f", "Dockerfile"]].concat());
            assert_eq!(sorted(&ours), sorted(&theirs), "{question} {args:?}");
        }
    }
}

/// A Dockerfile's secrets are told in any order.
fn sorted(said: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = said.lines().collect();
    lines.sort_unstable();
    lines
}

#[test]
fn what_is_odd_about_a_script() {
    let docker = Docker::new();
    let project = docker.project(
        "local base = bk.scratch()\nbase:mkfile(\"/lost\", \"\")\nbk.export(base)",
        &[],
    );
    let args = ["--build-arg=ODD=1"];
    let text = asked(&docker, &project, "lint", &args);
    insta::assert_snapshot!(text.replace(docker.image, "IMAGE"), @r#"

    WARNING: unread-argument
    build argument `ODD` is given, and the script never reads it

    WARNING: lost-step
    nothing is made of the state that this step returns: the step isn't built
    hint: states never change: go on with what a method returns (`s = s:run(…)`)
    build.lua:3
    --------------------
       1 |     # syntax=IMAGE
       2 |     local base = bk.scratch()
       3 | >>> base:mkfile("/lost", "")
       4 |     bk.export(base)
    --------------------
    "#);
}

#[test]
fn what_is_wrong_with_a_script() {
    let docker = Docker::new();
    let project = docker.project("local base = bk.scratch()\nbk.export(base:rnu(\"true\"))", &[]);
    let text = asked(&docker, &project, "lint", &[]);
    insta::assert_snapshot!(text.replace(docker.image, "IMAGE"), @r#"
    a state has no `rnu`; did you mean `state:run()`?
    build.lua:3
    --------------------
       1 |     # syntax=IMAGE
       2 |     local base = bk.scratch()
       3 | >>> bk.export(base:rnu("true"))
    --------------------
    "#);
}

#[test]
fn nothing_is_odd() {
    let docker = Docker::new();
    let project = docker.project("bk.export(bk.scratch())", &[]);
    assert_eq!(asked(&docker, &project, "lint", &[]), "");
}

#[test]
fn what_may_be_asked() {
    let docker = Docker::new();
    let project = docker.project(SCRIPT, &[]);
    insta::assert_snapshot!(asked(&docker, &project, "subrequests.describe", &[]), @"
    NAME                 VERSION DESCRIPTION
    outline              1.0.0   List what the target takes: arguments, secrets, ssh agents and caches
    targets              1.0.0   List the targets
    lint                 1.0.0   Check the script without building it
    subrequests.describe 1.0.0   List the requests that can be made
    ");
    let mut command = docker.command(&project, &["-f", "build.lua", "--print=dance"]);
    let output = command.env("BUILDX_EXPERIMENTAL", "1").arg(".").output().unwrap();
    let said = stderr_of(&output);
    assert!(
        !output.status.success() && said.contains("unsupported request `frontend.dance`"),
        "{said}"
    );
}
