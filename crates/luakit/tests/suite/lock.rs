//! The lock file: what it pins needs no network, what it doesn't is refused, what is broken is shown.

use crate::project::Project;

const DIGEST: &str = "sha256:1111111111111111111111111111111111111111111111111111111111111111";
const CONFIG: &str = r#"{"architecture":"amd64","config":{"Env":["PATH=/bin","FROM_BASE=1"]},"os":"linux"}"#;

fn lock() -> String {
    format!(
        "version = 1\n\n[[image]]\nref = \"docker.io/library/alpine:3.19\"\nplatform = \"linux/amd64\"\ndigest = \"{DIGEST}\"\nconfig = '{CONFIG}'\n"
    )
}

const SCRIPT: &str = r#"bk.export(bk.image("alpine:3.19"):run("env"))"#;

#[test]
fn a_full_lock_file_needs_no_network() {
    let project = Project::new(&[("build.lua", SCRIPT), ("luakit.lock", &lock())]);
    let bytes = project.run(&["build", "--locked"]).success();
    let text = String::from_utf8_lossy(&bytes);
    assert!(text.contains(&format!("docker-image://docker.io/library/alpine:3.19@{DIGEST}")));
    assert!(text.contains("FROM_BASE=1"));
}

#[test]
fn locked_refuses_what_is_not_pinned() {
    let script = r#"bk.export(bk.merge(bk.image("alpine:3.20"), bk.git("https://h.com/a.git", { ref = "v1" })))"#;
    let project = Project::new(&[("build.lua", script), ("luakit.lock", &lock())]);
    let run = project.run(&["build", "--locked"]);
    assert_eq!(run.code(), 3);
    insta::assert_snapshot!(run.stderr(), @"
    error[not-locked]: the lock file doesn't pin 2 of the build's sources
    note: image `alpine:3.20` for linux/amd64 (pinned is `alpine:3.19` for linux/amd64)
    note: git source `https://h.com/a.git#v1`
    hint: `luakit lock` pins what is missing and keeps what is there
    ");
}

#[test]
fn a_broken_lock_file_is_shown_at_its_line() {
    let broken = [
        lock().replace("digest = ", "digets = "),
        lock().replace(DIGEST, "sha256:12"),
        lock().replace("version = 1", "version = 2"),
        format!("<<<<<<< ours\n{}", lock()),
        lock().chars().take(120).collect(),
        format!(
            "{}{}",
            lock(),
            lock().replace("version = 1\n", "").replace("1111", "2222")
        ),
    ];
    let shown = broken.map(|text| {
        let project = Project::new(&[("build.lua", SCRIPT), ("luakit.lock", &text)]);
        let run = project.run(&["build"]);
        assert_eq!(run.code(), 3, "{text}");
        run.stderr()
    });
    insta::assert_snapshot!(shown.join("----\n"), @r#"
    error[missing-key]: an `[[image]]` entry has no `digest`
     --> luakit.lock:3:1
      |
    3 | [[image]]
      | ^^^^^^^^^
    error[unknown-key]: unknown key `digets` in an `[[image]]` entry
     --> luakit.lock:6:1
      |
    6 | digets = "sha256:1111111111111111111111111111111111111111111111111111111111111111"
      | ^^^^^^
    hint: did you mean `digest`?
    ----
    error[invalid-value]: `digest` is invalid: `sha256:12` is not a digest: it must be `sha256:` and 64 lower-case hex digits
     --> luakit.lock:6:10
      |
    6 | digest = "sha256:12"
      |          ^^^^^^^^^^^
    ----
    error[lock-version]: the lock file has version 2, and this luakit reads version 1
     --> luakit.lock:1:11
      |
    1 | version = 2
      |           ^
    hint: a newer luakit wrote it; update luakit
    ----
    error[merge-conflict]: unresolved merge conflict
     --> luakit.lock:1:1
      |
    1 | <<<<<<< ours
      | ^^^^^^^^^^^^
    hint: resolve the conflict, or keep either side and run `luakit lock`
    ----
    error[toml-syntax]: invalid TOML: invalid basic string, expected `"`
     --> luakit.lock:6:35
      |
    6 | digest = "sha256:11111111111111111
      |                                   ^
    ----
    error[lock-conflict]: image `docker.io/library/alpine:3.19` for linux/amd64 is locked to sha256:2222222222222222222222222222222222222222222222222222222222222222 and to sha256:1111111111111111111111111111111111111111111111111111111111111111
     --> luakit.lock:9:1
      |
    9 | [[image]]
      | ^^^^^^^^^
      |
     ::: luakit.lock:3:1
      |
    3 | [[image]]
      | --------- the first entry
    hint: remove one of the entries
    "#);
}
