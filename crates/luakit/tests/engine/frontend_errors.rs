//! What `docker buildx build` shows where the frontend can't build: the place in the user's files, and what can be done
//! about it with docker.

use std::process::Output;

use crate::frontend::{Docker, told};
use crate::workbench::{stderr_of, succeeded};

/// What docker shows, without what another run calls otherwise, and without the steps that failed: whether docker has
/// heard of them before it ends is a matter of time.
fn shown(docker: &Docker, output: &Output) -> String {
    let told = told(output).replace(docker.image, "IMAGE");
    let mut in_step = false;
    let lines = told.lines().filter(|line| {
        let is_edge = *line == "------";
        in_step ^= is_edge;
        !is_edge && !in_step
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_directory_that_was_not_given() {
    let docker = Docker::new();
    let script = "local other = bk.local_(\"other\")\nbk.export(bk.scratch():copy(other, \".\", \"/\"))";
    let project = docker.project(script, &[("dir/a", "")]);
    insta::assert_snapshot!(shown(&docker, &docker.build(&project, &[])), @r#"
    build.lua:2
    --------------------
       1 |     # syntax=IMAGE
       2 | >>> local other = bk.local_("other")
       3 |     bk.export(bk.scratch():copy(other, ".", "/"))
    --------------------
    ERROR: failed to solve: the build needs the local directory `other`, which was not given
    hint: give it with `--build-context other=DIR`
    "#);
    docker.says(&project, &["--build-context=other=dir"]);
}

#[test]
fn a_bad_pattern_of_an_ignore_file() {
    let docker = Docker::new();
    let script =
        "bk.export(bk.scratch():copy(bk.local_(\"context\"), \".\", \"/\"):copy(bk.local_(\"other\"), \".\", \"/\"))";
    let bad = "*.log\n\n[a\n";
    let files = |files: &[(&'static str, &'static str)]| [&[("dir/a", "")], files].concat();
    let told = |files: &[(&str, &str)]| {
        let docker = Docker::new();
        let project = docker.project(script, files);
        shown(&docker, &docker.build(&project, &["--build-context=other=dir"]))
    };
    let whose = [
        told(&files(&[(".dockerignore", bad)])),
        told(&files(&[("build.lua.dockerignore", "!\n")])),
        told(&files(&[("dir/.dockerignore", bad)])),
    ];
    insta::assert_snapshot!(whose.join("\n\n"), @"
    .dockerignore:3
    --------------------
       1 |     *.log
       2 |     
       3 | >>> [a
       4 |     
    --------------------
    ERROR: failed to solve: syntax error in pattern `[a`
    note: of the directory `context`

    build.lua.dockerignore:1
    --------------------
       1 | >>> !
       2 |     
    --------------------
    ERROR: failed to solve: illegal exclusion pattern: `!`

    .dockerignore:3
    --------------------
       1 |     *.log
       2 |     
       3 | >>> [a
       4 |     
    --------------------
    ERROR: failed to solve: syntax error in pattern `[a`
    note: of the directory `other`
    ");
    // The command line says it in the same words.
    let project = docker.project(script, &files(&[(".dockerignore", bad)]));
    let mut command = docker.bench.luakit(&project);
    let said = command.args(["build", "-t", "none", "."]).output().unwrap();
    insta::assert_snapshot!(stderr_of(&said), @"
    error[ignore-file]: syntax error in pattern `[a`
     --> ./.dockerignore:3
      |
    3 | [a
      | ^^
    ");
}

#[test]
fn what_a_step_may_not_do() {
    let docker = Docker::new();
    let shown = |option: &str, args: &[&str]| {
        let script = format!("local base = bk.image(\"alpine:3.19\")\nbk.export(base:run(\"true\"{option}))");
        let project = docker.project(&script, &[]);
        shown(&docker, &docker.build(&project, args))
    };
    let told = [
        shown(", { security = \"insecure\" }", &[]),
        shown(", { network = \"host\" }", &["--allow=security.insecure"]),
    ];
    insta::assert_snapshot!(told.join("\n\n"), @r#"
    build.lua:3
    --------------------
       1 |     # syntax=IMAGE
       2 |     local base = bk.image("alpine:3.19")
       3 | >>> bk.export(base:run("true", { security = "insecure" }))
    --------------------
    ERROR: failed to solve: a step needs `security.insecure`, which the build is not allowed
    hint: if it may: `docker buildx build --allow security.insecure`, on a builder whose BuildKit allows it, too: `docker buildx create --buildkitd-flags '--allow-insecure-entitlement security.insecure'`

    build.lua:3
    --------------------
       1 |     # syntax=IMAGE
       2 |     local base = bk.image("alpine:3.19")
       3 | >>> bk.export(base:run("true", { network = "host" }))
    --------------------
    ERROR: failed to solve: a step needs `network.host`, which the build is not allowed
    hint: if it may: `docker buildx build --allow network.host`, on a builder whose BuildKit allows it, too: `docker buildx create --buildkitd-flags '--allow-insecure-entitlement network.host'`
    "#);
    let project = docker.project(
        "bk.export(bk.image(\"alpine:3.19\"):run(\"true\", { network = \"host\" }))",
        &[],
    );
    docker.says(&project, &["--allow=network.host"]);
}

#[test]
fn a_locked_image_that_its_registry_has_no_more() {
    let docker = Docker::new();
    let config = docker.bench.base_config("alpine:3.19", "linux/amd64");
    let lock = format!(
        "version = 1\n\n[[image]]\nref = \"docker.io/library/alpine:3.19\"\nplatform = \"linux/amd64\"\ndigest = \"sha256:{}\"\nconfig = '{config}'\n",
        "1".repeat(64)
    );
    let project = docker.project(
        "\nbk.export(bk.image(\"alpine:3.19\"):run(\"true\"))",
        &[("luakit.lock", &lock)],
    );
    let told = shown(&docker, &docker.build(&project, &[]));
    insta::assert_snapshot!(told.replace(&config.to_string(), "CONFIG").replace(&"1".repeat(64), "1…"), @r#"
    build.lua:3
    --------------------
       1 |     # syntax=IMAGE
       2 |     
       3 | >>> bk.export(bk.image("alpine:3.19"):run("true"))
    --------------------
    luakit.lock:6
    --------------------
       4 |     ref = "docker.io/library/alpine:3.19"
       5 |     platform = "linux/amd64"
       6 | >>> digest = "sha256:1…"
       7 |     config = 'CONFIG'
       8 |     
    --------------------
    ERROR: failed to solve: the registry has no `alpine:3.19@sha256:1…`, which the lock file pins
    build.lua:3: named here
    hint: `luakit lock --update alpine:3.19` pins the one that it has now; without its entry the image is looked up
    "#);
}

/// What of it fits is shown: a client that hears nothing would know the exit status alone.
#[test]
fn many_mistakes_in_a_large_file() {
    let docker = Docker::new();
    let entry = |n: usize| {
        let (digest, config) = ("1".repeat(64), "x".repeat(2_000));
        format!(
            "[[image]]\nref = \"alpine:3.{n}\"\nplatform = \"linux/amd46\"\ndigest = \"sha256:{digest}\"\nconfig = '{config}'\n\n"
        )
    };
    let lock: String = (0..100).map(entry).collect();
    let lock = format!("version = 1\n\n{lock}");
    let project = docker.project("bk.export(bk.image(\"alpine:3.19\"))", &[("luakit.lock", &lock)]);
    let told = shown(&docker, &docker.build(&project, &[]));
    assert_eq!(told.matches(">>> platform").count(), 5);
    let first =
        "luakit.lock:5\n--------------------\n   4 |     ref = \"alpine:3.0\"\n   5 | >>> platform = \"linux/amd46\"\n";
    assert!(told.starts_with(first), "{told}");
    let second = "\nERROR: failed to solve: `platform` is invalid: unknown architecture `amd46`\n`config` is invalid";
    assert!(told.contains(second), "{told}");
    let last =
        "\nluakit.lock:599: `platform` is invalid: unknown architecture `amd46`\nluakit.lock:601: `config` is invalid";
    assert!(told.contains(last), "{told}");
}

#[test]
fn what_has_no_line_marks_none() {
    let docker = Docker::new();
    let shown = |script: &str, args: &[&str]| {
        let project = docker.project(script, &[]);
        shown(&docker, &docker.build(&project, args))
    };
    let two = "for _, name in { \"one\", \"two\" } do bk.export(bk.scratch(), { name = name }) end";
    let told = [
        shown("local base = bk.scratch()", &[]),
        shown(two, &[]),
        shown(two, &["--target=tow"]),
        shown(
            two,
            &["--target=one", "--build-arg=BUILDKIT_CONTEXT_KEEP_GIT_DIR=perhaps"],
        ),
    ];
    insta::assert_snapshot!(told.join("\n\n"), @"
    ERROR: failed to solve: no bk.export() call — nothing to build
    note: build.lua ran to its end
    hint: end the script with `bk.export(state)`, where `state` is what the image shall hold

    ERROR: failed to solve: the script has several targets and no default one
    hint: choose one with `--target`: `one`, `two`

    ERROR: failed to solve: the script has no target `tow`
    hint: did you mean `two`?

    ERROR: failed to solve: invalid value `perhaps` of the option `build-arg:BUILDKIT_CONTEXT_KEEP_GIT_DIR`: it must be `true` or `false`
    ");
    // Nor where the frontend is named outside.
    let project = docker.bench.project(&[("build.lua", "local base = bk.scratch()")]);
    let syntax = format!("--build-arg=BUILDKIT_SYNTAX={}", docker.image);
    insta::assert_snapshot!(crate::frontend::told(&docker.build(&project, &[&syntax])), @"
    ERROR: failed to solve: no bk.export() call — nothing to build
    note: build.lua ran to its end
    hint: end the script with `bk.export(state)`, where `state` is what the image shall hold
    ");
}

#[test]
fn an_image_that_a_layout_lacks() {
    let docker = Docker::new();
    let project = docker.project(
        "local base = bk.image(\"base\")\nbk.export(base)",
        &[
            ("layout/oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}"),
            ("layout/index.json", "{\"schemaVersion\":2,\"manifests\":[]}"),
        ],
    );
    let digest = format!("sha256:{}", "4".repeat(64));
    let context = format!("--build-context=base=oci-layout://layout@{digest}");
    insta::assert_snapshot!(shown(&docker, &docker.build(&project, &[&context])).replace(&digest, "DIGEST"), @r#"
    build.lua:2
    --------------------
       1 |     # syntax=IMAGE
       2 | >>> local base = bk.image("base")
       3 |     bk.export(base)
    --------------------
    ERROR: failed to solve: can't resolve build context `base` at DIGEST for linux/amd64: the engine says: failed to resolve source metadata for docker.io/library/base:latest@DIGEST: unable to get info about digest: NotFound: rpc error: code = NotFound desc = content DIGEST: not found
    hint: the digest behind `@` is one that the layout's index.json lists; without it, the image of the tag `latest` is taken
    "#);

    let own = format!("bk.export(bk.oci_layout(\"local/x@{digest}\", {{ store = \"base\" }}))");
    std::fs::write(project.join("build.lua"), docker.script(&own)).unwrap();
    insta::assert_snapshot!(shown(&docker, &docker.build(&project, &[&context])).replace(&digest, "DIGEST"), @r#"
    build.lua:2
    --------------------
       1 |     # syntax=IMAGE
       2 | >>> bk.export(bk.oci_layout("local/x@DIGEST", { store = "base" }))
    --------------------
    ERROR: failed to solve: can't resolve image `local/x@DIGEST` of the layout `base` for linux/amd64: the engine says: failed to resolve source metadata for docker.io/local/x@DIGEST: unable to get info about digest: NotFound: rpc error: code = NotFound desc = unknown store oci:base: not found
    hint: with docker: `bk.image("base")`, given with `--build-context base=oci-layout://DIR`
    "#);
}

#[test]
fn a_file_that_no_definition_holds() {
    let docker = Docker::new();
    let script = "local large = (\"x\"):rep(20 * 1024 * 1024)\nbk.export(bk.scratch():mkfile(\"/f\", large))";
    let project = docker.project(script, &[]);
    // The script is in it, and with it the image's name, whose length is the registry's.
    let shown = shown(&docker, &docker.build(&project, &[]));
    let (before, after) = shown.split_once("has 20972").unwrap();
    let (digits, after) = after.split_at(3);
    assert!(digits.bytes().all(|digit| digit.is_ascii_digit()), "{digits}");
    insta::assert_snapshot!(format!("{before}has 20972NNN{after}"), @r#"
    build.lua:3
    --------------------
       1 |     # syntax=IMAGE
       2 |     local large = ("x"):rep(20 * 1024 * 1024)
       3 | >>> bk.export(bk.scratch():mkfile("/f", large))
    --------------------
    ERROR: failed to solve: the definition has 20972NNN bytes, and an engine takes 16711680 at most
    hint: a definition is for what to do: copy large files from the build context, or download them
    "#);
}

#[test]
fn every_target_of_a_bake_tells_its_remarks() {
    let docker = Docker::new();
    let project = docker.project(
        "print(\"the script says\", bk.arg(\"WHO\", \"nobody\"))\nbk.export(bk.scratch():mkfile(\"/a\", \"a\"))",
        &[],
    );
    let target = |name: &str| {
        format!(
            "target \"{name}\" {{\n  dockerfile = \"build.lua\"\n  args = {{ WHO = \"{name}\", ODD = \"1\" }}\n  output = [\"type=cacheonly\"]\n}}\n"
        )
    };
    let group = "group \"default\" { targets = [\"one\", \"two\", \"three\"] }\n";
    let bake = [group, &target("one"), &target("two"), &target("three")].concat();
    std::fs::write(project.join("docker-bake.hcl"), bake).unwrap();
    let output = docker.bake(&project, &[]);
    succeeded("docker buildx bake", &output);
    let said = stderr_of(&output);
    let counted = |text: &str| said.matches(text).count();
    for name in ["one", "two", "three"] {
        assert_eq!(counted(&format!("WARN: print: the script says {name}\n")), 1, "{said}");
    }
    let odd = "WARN: build argument `ODD` is given, and the script never reads it";
    assert_eq!(counted(odd), 3, "{said}");
}
