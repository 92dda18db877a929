//! The lock file: what it pins needs no network, what it doesn't is refused, what is broken is shown.

use luakit_testkit::registry::{self as fake, Auth};

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

/// Nothing is said to be done that isn't.
#[test]
fn a_lock_file_that_cannot_be_written_is_not_up_to_date() {
    let project = Project::new(&[("build.lua", "bk.export(bk.scratch():mkdir('/a'))")]);
    let run = project.run(&["lock", "--lock", "/nowhere/l"]);
    assert_eq!(run.code(), 1);
    insta::assert_snapshot!(run.stderr(), @"error[write]: can't write `/nowhere/l`: no such file or directory");
}

/// What helps a build past a registry is what is being written here.
#[test]
fn a_registry_that_cannot_be_reached_is_no_matter_of_the_lock_file() {
    let script = r#"
local image = bk.image("127.0.0.1:9/app:1")
bk.export(image:copy(bk.http("http://127.0.0.1:9/f"), "f", "/"))
"#;
    let project = Project::new(&[("build.lua", script)]);
    let run = project.run(&["lock"]);
    assert_eq!(run.code(), 1);
    insta::assert_snapshot!(run.stderr(), @r#"
    error[unresolved-image]: can't resolve image `127.0.0.1:9/app:1` for linux/amd64: can't reach `127.0.0.1:9`: Connection refused (os error 111)
     --> build.lua:2
      |
    2 | local image = bk.image("127.0.0.1:9/app:1")
      | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    hint: a mirror that can be reached: `mirrors` under `[registry."127.0.0.1:9"]` in luakit/registries.toml
    error[unresolved-source]: can't pin file `http://127.0.0.1:9/f`: can't reach `127.0.0.1`: Connection refused (os error 111)
     --> build.lua:3
      |
    3 | bk.export(image:copy(bk.http("http://127.0.0.1:9/f"), "f", "/"))
      | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    "#);
}

#[test]
fn locked_refuses_what_is_not_pinned() {
    let script = r#"bk.export(bk.merge(bk.image("alpine:3.20"), bk.git("https://h.com/a.git", { ref = "v1" })))"#;
    let project = Project::new(&[("build.lua", script), ("luakit.lock", &lock())]);
    let run = project.run(&["build", "--locked"]);
    assert_eq!(run.code(), 3);
    insta::assert_snapshot!(run.stderr(), @"
    error[not-locked]: the lock file doesn't pin 2 of the build's sources
    note: build.lua:1: image `alpine:3.20` for linux/amd64 (pinned is `alpine:3.19` for linux/amd64)
    note: build.lua:1: git source `https://h.com/a.git#v1`
    hint: `luakit lock` pins what is missing and keeps what is there
    ");

    let script = "local base = bk.image(\"alpine:3.19\")\nbk.export(bk.merge(base, bk.http(\"https://h.com/a\")))";
    let project = Project::new(&[("build.lua", script), ("luakit.lock", &lock())]);
    let run = project.run(&["build", "--locked"]);
    assert_eq!(run.code(), 3);
    insta::assert_snapshot!(run.stderr(), @r#"
    error[not-locked]: the lock file doesn't pin file `https://h.com/a`
     --> build.lua:2
      |
    2 | bk.export(bk.merge(base, bk.http("https://h.com/a")))
      | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    hint: `luakit lock` pins what is missing and keeps what is there
    "#);
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

/// A server that asks for a user, and a script whose git source and download are there.
fn private() -> (fake::Registry, Project, String) {
    let server = fake::Registry::start();
    let commit = "1111111111111111111111111111111111111111";
    let references = format!("{commit}\trefs/heads/main\n");
    server.put_file("/a/b.git/info/refs", "text/plain", references.as_bytes());
    server.put_file("/a/b.git/HEAD", "text/plain", b"ref: refs/heads/main\n");
    server.put_file("/x", "text/plain", b"one");
    server.set_auth(Auth::Basic("ann", "hunter2"));
    let host = server.host();
    let script = format!(
        "bk.export(bk.merge(bk.git('http://{host}/a/b.git', {{ ref = 'main' }}), \
         bk.http('http://{host}/x', {{ auth_header_secret = 'FILES' }})))"
    );
    let project = Project::new(&[("build.lua", &script)]);
    let header = format!("Basic {}", fake::base64(b"ann:hunter2"));
    (server, project, header)
}

#[test]
fn private_sources_are_locked_with_secrets() {
    let (_server, project, header) = private();
    let refused = project.run(&["lock"]);
    assert_eq!(refused.code(), 1);
    assert!(
        refused.stderr().contains("--secret id=GIT_AUTH_TOKEN"),
        "{}",
        refused.stderr()
    );

    project.write("header,of.git", format!("{header}\n").as_bytes());
    let mut command = project.command();
    command.args([
        "lock",
        "--secret",
        "id=GIT_AUTH_HEADER,\"src=header,of.git\"",
        "--secret",
        "id=FILES",
    ]);
    // A secret that no source needs is never looked for.
    command.args(["--secret", "id=OTHER,src=/nonexistent"]);
    let output = command.env("FILES", &header).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    let lock = std::fs::read_to_string(project.path().join("luakit.lock")).unwrap();
    assert!(lock.contains("[[git]]") && lock.contains("[[http]]"), "{lock}");
    let pair = header.trim_start_matches("Basic ");
    assert!(!format!("{lock}{said}").contains(pair), "{lock}{said}");
}

#[test]
fn a_secret_that_is_needed_and_missing_says_where_it_was_looked_for() {
    let (server, project, header) = private();
    project.write("header", header.as_bytes());
    let run = project.run(&[
        "lock",
        "--secret",
        "id=GIT_AUTH_HEADER,src=header",
        "--secret",
        "id=FILES,src=none",
    ]);
    assert_eq!(run.code(), 1);
    insta::assert_snapshot!(
        run.stderr().replace(&server.host(), "HOST"),
        @"
    error[unresolved-source]: can't pin file `http://HOST/x`: can't use the secret `FILES`: can't read `none`: no such file or directory
     --> build.lua:1
      |
    1 | bk.export(bk.merge(bk.git('http://HOST/a/b.git', { ref = 'main' }), bk.http('http://HOST/x', { aut...
      | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    "
    );
    let run = project.run(&["lock", "--secret", "src=header"]);
    assert_eq!(run.code(), 2);
    assert!(run.stderr().contains("it has no name: `id=NAME`"), "{}", run.stderr());
}

#[test]
fn what_a_run_does_not_reach_stays_until_it_is_pruned() {
    let server = fake::Registry::start();
    for name in ["a", "b"] {
        server.put_file(&format!("/{name}"), "text/plain", name.as_bytes());
    }
    let script = format!(
        "bk.export(bk.http('http://{}/' .. bk.arg('WHICH', 'a')))",
        server.host()
    );
    let project = Project::new(&[("build.lua", &script)]);
    let mut shown = String::new();
    for args in [
        &["lock"][..],
        &["lock", "--arg=WHICH=b"],
        &["lock", "--update"],
        &["lock", "--prune"],
    ] {
        let run = project.run(args);
        assert_eq!(run.code(), 0, "{}", run.stderr());
        shown.push_str(&format!("$ luakit {}\n{}", args.join(" "), run.stderr()));
    }
    insta::assert_snapshot!(shown.replace(&server.host(), "HOST"), @"
    $ luakit lock
    added http http://HOST/a: sha256:ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb
    $ luakit lock --arg=WHICH=b
    added http http://HOST/b: sha256:3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d
    kept 1 pin that this run doesn't reach; `--prune` drops it
    $ luakit lock --update
    `luakit.lock` is up to date
    kept 1 pin that this run doesn't reach; `--prune` drops it
    $ luakit lock --prune
    removed http http://HOST/b: sha256:3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d
    ");
}

#[test]
fn a_script_that_update_took_for_a_pin_is_told() {
    let project = Project::new(&[("build.lua", SCRIPT), ("luakit.lock", &lock())]);
    let run = project.run(&["lock", "--update", "build.lua"]);
    assert_eq!(run.code(), 2);
    insta::assert_snapshot!(run.stderr(), @"
    error[unknown-source]: can't update `build.lua`: the build does not use it
    hint: the script or its directory comes first: `luakit lock build.lua --update`
    ");
    let run = project.run(&["lock", "--update", "."]);
    assert!(run.stderr().contains("`luakit lock . --update`"), "{}", run.stderr());
    let project = Project::new(&[("image.lua", SCRIPT)]);
    let run = project.run(&["lock", "--update", "image.lua"]);
    assert_eq!(run.code(), 2);
    assert!(
        run.stderr().contains("`luakit lock image.lua --update`"),
        "{}",
        run.stderr()
    );
}
