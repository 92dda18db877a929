//! Secrets and ssh agents: steps get them, and nothing else does.

use std::path::Path;

use luakit_testkit::image::Archive;

use crate::workbench::{Workbench, stderr_of, succeeded};

const SECRET: &str = "hunter2-is-no-word-of-ours";

/// A run that sees its secrets: as a file, and as a variable. Only their digests are told.
const SCRIPT: &str = r#"
local base = bk.image("alpine:3.19")
local ran = base:run("(sha256sum < /run/secrets/token; printf %s \"$KEY\" | sha256sum) > /told", {
    mounts = { bk.secret("/run/secrets/token"), bk.secret({ id = "key", env = "KEY" }) },
})
bk.export(bk.scratch():copy(ran, "/told", "/told"))
"#;

#[test]
fn a_secret_is_seen_by_its_step_alone() {
    let bench = Workbench::new();
    let project = bench.project(&[("build.lua", SCRIPT)]);
    let file = bench.path("token.txt");
    std::fs::write(&file, SECRET).unwrap();
    let dest = bench.path("image.tar");
    let token = format!("id=token,src={}", file.display());
    let spec = format!("type=oci,dest={}", dest.display());
    let given = ["--secret", &token, "--secret", "id=key,env=THE_KEY"];
    let mut command = bench.luakit(&project);
    command.env("THE_KEY", SECRET);
    let output = command
        .args(["build", "--no-cache", "--progress=rawjson", "-o", &spec])
        .args(given)
        .output()
        .unwrap();
    succeeded("luakit build --secret", &output);

    let archive = Archive::open(&dest).unwrap();
    let images = archive.images().unwrap();
    let told = images[0].root().unwrap().get("/told").unwrap().text().unwrap();
    let digests: Vec<&str> = told.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(digests[0], digests[1]);
    let expected = {
        use sha2::Digest as _;
        hex::encode(sha2::Sha256::digest(SECRET))
    };
    assert_eq!(digests[0], expected);

    let definition = bench.build(&project, &[]);
    for (what, bytes) in [
        ("stderr", output.stderr.as_slice()),
        ("stdout", output.stdout.as_slice()),
        ("the definition", definition.as_slice()),
        ("the config", images[0].config.to_string().as_bytes()),
        ("the manifest", images[0].manifest.to_string().as_bytes()),
    ] {
        let found = bytes.windows(SECRET.len()).any(|window| window == SECRET.as_bytes());
        assert!(!found, "{what} holds the secret");
    }

    // The same by a definition.
    let mut command = bench.luakit(&project);
    command.env("THE_KEY", SECRET).args(["solve", "-t", "x"]).args(given);
    let output = crate::workbench::feed(&mut command, &definition);
    succeeded("luakit solve --secret", &output);
}

/// What is told of a build, and of each of its steps, holds none either.
#[test]
fn nothing_that_is_told_of_a_build_holds_a_secret() {
    let bench = Workbench::new();
    let script = SCRIPT.replace("(sha256sum <", "echo begun; (sha256sum <");
    let project = bench.project(&[("build.lua", &script)]);
    let file = bench.path("token.txt");
    std::fs::write(&file, SECRET).unwrap();
    let (dest, metadata) = (bench.path("image.tar"), bench.path("metadata.json"));
    let mut command = bench.luakit(&project);
    command.env("THE_KEY", SECRET);
    command.args(["build", "--no-cache", "--progress=plain", "--provenance=mode=max"]);
    command.args(["--secret", "id=key,env=THE_KEY", "--secret"]);
    command.arg(format!("id=token,src={}", file.display()));
    command.arg("--metadata-file").arg(&metadata);
    let spec = format!("type=oci,dest={}", dest.display());
    let output = command.args(["-o", &spec]).output().unwrap();
    succeeded("luakit build --secret --provenance", &output);

    let metadata = std::fs::read(metadata).unwrap();
    // What attests to the image lies in the archive as it is.
    let archive = std::fs::read(dest).unwrap();
    for (what, bytes, mark) in [
        ("the progress", output.stderr.as_slice(), "begun"),
        ("the metadata", metadata.as_slice(), "containerimage.digest"),
        ("the provenance", archive.as_slice(), "llbDefinition"),
        ("the provenance", archive.as_slice(), "/run/secrets/token"),
    ] {
        let has = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        assert!(has(mark), "{what} has no {mark}");
        assert!(!has(SECRET), "{what} holds the secret");
        let encoded = luakit_testkit::registry::base64(SECRET.as_bytes());
        assert!(!has(encoded.trim_end_matches('=')), "{what} holds the secret in base64");
    }
}

/// While a build runs, every process of the machine is looked at.
#[test]
fn no_process_shows_a_secret() {
    let bench = Workbench::new();
    let script = SCRIPT.replace("(sha256sum", "sleep 2; (sha256sum");
    let project = bench.project(&[("build.lua", &script)]);
    let file = bench.path("token.txt");
    std::fs::write(&file, SECRET).unwrap();
    let token = format!("id=token,src={}", file.display());
    let mut command = bench.luakit(&project);
    command.env("THE_KEY", SECRET).args(["build", "--no-cache", "-t", "x"]);
    command.args(["--secret", &token, "--secret", "id=key,env=THE_KEY"]);
    let mut child = command.stderr(std::process::Stdio::null()).spawn().unwrap();
    let mut looks = 0;
    let status = loop {
        assert!(!shown(Path::new("/proc")), "a command line holds the secret");
        looks += 1;
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    };
    assert!(status.success() && looks > 10, "{status}, {looks} looks");
}

fn shown(proc: &Path) -> bool {
    std::fs::read_dir(proc).unwrap().flatten().any(|process| {
        let line = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
        line.windows(SECRET.len()).any(|window| window == SECRET.as_bytes())
    })
}

#[test]
fn what_is_missing_is_told_at_its_place() {
    let bench = Workbench::new();
    let script = "local base = bk.image(\"alpine:3.19\")\nlocal s = base:run(\"true\", { mounts = { bk.secret(\"/x/token\") } })\nbk.export(s)\n";
    let project = bench.project(&[("build.lua", script)]);
    let run = |code: i32, args: &[&str]| {
        let output = bench
            .luakit(&project)
            .args(["build", "-t", "x", "--progress=quiet"])
            .args(args)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(code));
        stderr_of(&output)
    };
    insta::assert_snapshot!(run(2, &["--secret", "id=tokens,src=build.lua"]), @r#"
        error[missing-secret]: a step needs the secret `token`, which was not given
         --> build.lua:2
          |
        2 | local s = base:run("true", { mounts = { bk.secret("/x/token") } })
          | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
        hint: `--secret id=tokens` is given: did you mean `id=token`?
        "#);
    // No build has begun: the id of the last one is still that of the last one.
    std::fs::write(project.join("id"), "earlier").unwrap();
    for secret in ["id=tokens,src=build.lua", "id=token,src=missing"] {
        run(2, &["--secret", secret, "--iidfile", "id"]);
        assert_eq!(std::fs::read_to_string(project.join("id")).unwrap(), "earlier");
    }
    insta::assert_snapshot!(run(2, &["--secret", "id=token,env=NOT_SET"]), @"error[usage]: the secret `token`: the variable `NOT_SET` isn't set");
    insta::assert_snapshot!(run(2, &["--secret", "id=token,src=missing"]), @"error[usage]: can't read `missing`, given as the secret `token`: No such file or directory");
    let agent = "bk.export(bk.image(\"alpine:3.19\"):run(\"true\", { mounts = { bk.ssh() } }))\n";
    std::fs::write(project.join("build.lua"), agent).unwrap();
    insta::assert_snapshot!(run(2, &[]), @r#"
    error[missing-ssh]: a step needs the ssh agent `default`, which was not given
     --> build.lua:1
      |
    1 | bk.export(bk.image("alpine:3.19"):run("true", { mounts = { bk.ssh() } }))
      | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    hint: give the one that runs with `--ssh default`, or a key with `--ssh default=KEY`
    "#);
    insta::assert_snapshot!(run(2, &["--ssh", "default"]), @"
    error[usage]: no ssh agent runs for `--ssh default`: `SSH_AUTH_SOCK` isn't set
    hint: start one, or name a key: `--ssh default=KEY`
    ");
    // An optional one may be missing.
    let optional = agent.replace(
        "bk.ssh()",
        "bk.ssh({ optional = true }), bk.secret(\"/t\", { optional = true })",
    );
    std::fs::write(project.join("build.lua"), optional).unwrap();
    let output = bench.luakit(&project).args(["build", "-t", "x"]).output().unwrap();
    succeeded("luakit build", &output);
}

#[test]
fn a_key_is_an_agent_for_its_step() {
    let bench = Workbench::new();
    let script = r#"bk.export(bk.image("alpine:3.19"):run("test -S $SSH_AUTH_SOCK", { mounts = { bk.ssh({ id = "deploy" }) } }))"#;
    let project = bench.project(&[("build.lua", script)]);
    let key = Path::new(env!("CARGO_MANIFEST_DIR")).join("../luakit-buildkit/src/session/ssh/fixtures/ed25519");
    let agent = format!("deploy={}", key.display());
    let output = bench
        .luakit(&project)
        .args(["build", "--no-cache", "-t", "x", "--ssh", &agent])
        .output()
        .unwrap();
    succeeded("luakit build --ssh", &output);
}
