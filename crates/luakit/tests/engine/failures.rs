//! Builds that fail: what is said, where it points, the exit code, and what is left behind.

use crate::workbench::{Workbench, stderr_of};

#[test]
fn a_failed_step_shows_its_log_its_line_and_its_exit_code() {
    let bench = Workbench::new();
    let project = bench.project(&[(
        "build.lua",
        "local base = bk.image(\"alpine:3.19\")\n\
         local broken = base:run(\"echo to stdout; echo to stderr >&2; exit 7\")\n\
         bk.export(broken)\n",
    )]);
    let definition = bench.build(&project, &[]);
    let dest = bench.path("out.tar");
    let spec = format!("type=oci,dest={}", dest.display());
    let output = bench.solve(&project, &definition, &["-o", &spec]);
    let said = stderr_of(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for part in [
        "to stdout",
        "to stderr",
        "exit code 7",
        "build.lua:2",
        "local broken = base:run(",
    ] {
        assert!(said.contains(part), "no {part:?} in:\n{said}");
    }
    assert!(!dest.exists(), "a failed build left an output file");
}

#[test]
fn a_failed_step_in_a_module_points_into_the_module() {
    let bench = Workbench::new();
    let project = bench.project(&[
        (
            "build.lua",
            "local steps = require(\"steps\")\nbk.export(steps.broken(bk.image(\"alpine:3.19\")))\n",
        ),
        (
            "steps.lua",
            "local steps = {}\n\nfunction steps.broken(base)\n    return base:run(\"exit 3\")\nend\n\nreturn steps\n",
        ),
    ]);
    let definition = bench.build(&project, &[]);
    let output = bench.solve(&project, &definition, &[]);
    let said = stderr_of(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for part in ["exit code 3", "steps.lua:4", "return base:run(\"exit 3\")"] {
        assert!(said.contains(part), "no {part:?} in:\n{said}");
    }
}

/// The test engine's BuildKit knows neither; that exit codes are `{ 0 }` says nothing new, and needs nothing:
/// `examples/patterns/testing-lint` has it.
#[test]
fn what_the_engine_cannot_do_is_named_before_anything_runs() {
    let bench = Workbench::new();
    for (call, cap, option) in [
        (
            "run(\"exit 7\", { valid_exit_codes = { 0, 7 } })",
            "exec.validexitcode",
            "can't do `valid_exit_codes` of `run`",
        ),
        ("symlink(\"sh\", \"/bin/shell\")", "file.symlink.create", "ln -s"),
    ] {
        let script = format!("bk.export(bk.image(\"alpine:3.19\"):run(\"true\"):{call})\n");
        let project = bench.project(&[("build.lua", &script)]);
        let definition = bench.build(&project, &[]);
        let output = bench.solve(&project, &definition, &[]);
        let said = stderr_of(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        for part in [cap, option, "--> build.lua:1"] {
            assert!(said.contains(part), "no {part:?} in:\n{said}");
        }
        assert!(!said.contains("/bin/sh -c true"), "a step ran:\n{said}");
    }
}

#[test]
fn a_missing_file_is_named() {
    let bench = Workbench::new();
    let project = bench.project(&[(
        "build.lua",
        "local base = bk.image(\"alpine:3.19\")\nbk.export(base:copy(bk.local_(\"context\"), \"no-such-file\", \"/\"))\n",
    )]);
    let definition = bench.build(&project, &[]);
    let output = bench.solve(&project, &definition, &[]);
    let said = stderr_of(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for part in [
        "copy: there is no `no-such-file` in the local directory `context`",
        "build.lua:2",
        "hint: the context is `",
    ] {
        assert!(said.contains(part), "no {part:?} in:\n{said}");
    }
}

/// The engine says it in its own words, with paths of its own.
#[test]
fn what_a_step_does_not_find_is_told_by_what_it_is_not_in() {
    let bench = Workbench::new();
    let steps = [
        "base:copy(context, \"a.log\", \"/\")",
        "base:copy(context, \"fiel.txt\", \"/\")",
        "base:copy(context, \"*.c\", \"/\")",
        "base:copy(bk.image(\"busybox:1\"), \"/nope\", \"/\")",
        "base:copy(base:run(\"true\"), \"/nope\", \"/\")",
        "base:mkdir(\"/a/b/c\")",
        "base:rm(\"/nope\")",
    ];
    let mut told = String::new();
    for step in steps {
        let script = format!(
            "local base = bk.image(\"alpine:3.19\")\nlocal context = bk.local_(\"context\")\nbk.export({step})\n"
        );
        let files = [
            ("build.lua", script.as_str()),
            (".dockerignore", "*.log\n"),
            ("a.log", ""),
            ("file.txt", ""),
        ];
        let project = bench.project(&files);
        let mut command = bench.luakit(&project);
        let output = command
            .args(["build", "-o", "type=cacheonly", "--progress=quiet", "."])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1));
        let said = stderr_of(&output).replace(&project.canonicalize().unwrap().display().to_string(), "DIR");
        let lines = said
            .lines()
            .filter(|line| line.starts_with("error") || line.starts_with("hint"));
        told.extend(lines.map(|line| format!("{line}\n")));
    }
    insta::assert_snapshot!(told, @"
    error[step-failed]: copy: there is no `a.log` in the local directory `context`
    hint: the pattern `*.log` of the ignore file, or of `exclude`, leaves it out
    error[step-failed]: copy: there is no `fiel.txt` in the local directory `context`
    hint: did you mean `file.txt`?
    error[step-failed]: copy: nothing matches `*.c` in the local directory `context`
    hint: the context is `DIR`
    error[step-failed]: copy: there is no `/nope` in the image `busybox:1`
    error[step-failed]: copy: there is no `/nope` in the result of `/bin/sh -c true`
    error[step-failed]: mkdir: there is no directory to make `/a/b/c` in
    hint: `make_parents = true` makes those above it, too
    error[step-failed]: rm: there is no `/nope`
    hint: `allow_not_found = true` lets it be missing
    ");
}

#[test]
fn a_download_that_is_not_what_the_lock_file_pins() {
    let bench = Workbench::new();
    let server = luakit_testkit::registry::Registry::start();
    server.put_file("/f", "text/plain", b"one");
    let script = format!(
        "bk.export(bk.scratch():copy(bk.http(\"http://{}/f\"), \"f\", \"/f\"))\n",
        server.host()
    );
    let project = bench.project(&[("build.lua", &script)]);
    let run = |args: &[&str]| bench.luakit(&project).args(args).output().unwrap();
    assert!(run(&["lock"]).status.success());
    server.put_file("/f", "text/plain", b"two");
    let output = run(&["build", "-o", "type=cacheonly"]);
    let said = stderr_of(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for part in [
        "is another file than expected: its digest is sha256:3fc4ccfe",
        "and sha256:7692c3ad",
        &format!("`luakit lock --update http://{}/f`", server.host()),
    ] {
        assert!(said.contains(part), "no {part:?} in:\n{said}");
    }
}

/// It is wrong usage, and found before anything is built.
#[test]
fn files_that_cannot_be_written_are_found_before_the_build() {
    let bench = Workbench::new();
    let script = "bk.export(bk.image(\"alpine:3.19\"):run(\"exit 7\"))\n";
    let project = bench.project(&[("build.lua", script)]);
    let cases: [&[&str]; 3] = [
        &["-o", "type=tar,dest=/nonexist/x.tar"],
        &["-t", "luakit-test-unwritten", "--iidfile=/nonexist/x"],
        &["-o", "type=cacheonly", "--metadata-file=/nonexist/x"],
    ];
    for args in cases {
        let output = bench.luakit(&project).arg("build").args(args).output().unwrap();
        let said = stderr_of(&output);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains("no such file or directory"), "{said}");
        assert!(said.contains("hint: there is no directory `/nonexist`"), "{said}");
        assert!(!said.contains(".luakit-"), "{said}");
    }
}

#[test]
fn a_docker_archive_of_several_platforms_is_refused_before_the_build() {
    let bench = Workbench::new();
    let script = "bk.export(bk.image(\"alpine:3.19\"):run(\"exit 7\"))\n";
    let project = bench.project(&[("build.lua", script)]);
    let args = [
        "build",
        "--platform=linux/amd64,linux/arm64",
        "-o",
        "type=docker,dest=d.tar",
    ];
    let output = bench.luakit(&project).args(args).output().unwrap();
    let said = stderr_of(&output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("`-o type=oci,dest=FILE`"), "{said}");
}

#[test]
fn an_unknown_local_directory_is_named() {
    let bench = Workbench::new();
    let project = bench.project(&[(
        "build.lua",
        "bk.export(bk.scratch():copy(bk.local_(\"assets\"), \".\", \"/\"))\n",
    )]);
    let definition = bench.build(&project, &[]);
    let output = bench.solve(&project, &definition, &[]);
    let said = stderr_of(&output);
    assert_ne!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("assets"), "{said}");
}

#[test]
fn what_is_not_allowed_is_shown_where_the_script_asks_for_it() {
    let bench = Workbench::new();
    let project = bench.project(&[(
        "build.lua",
        "local base = bk.image(\"alpine:3.19\")\nbk.export(base:run(\"true\", { network = \"host\" }))\n",
    )]);
    let definition = bench.build(&project, &[]);
    let output = bench.solve(&project, &definition, &[]);
    let said = stderr_of(&output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    for part in ["error[not-allowed]", "build.lua:2", "--allow network.host"] {
        assert!(said.contains(part), "no {part:?} in:\n{said}");
    }
}

#[test]
fn no_engine_has_an_exit_code_of_its_own() {
    let bench = Workbench::new();
    let project = bench.project(&[("build.lua", "bk.export(bk.scratch():mkfile(\"/a\", \"a\"))\n")]);
    let definition = bench.build(&project, &[]);
    let socket = bench.path("nobody-listens.sock");
    let address = format!("unix://{}", socket.display());
    let output = bench.solve(&project, &definition, &["--addr", &address]);
    let said = stderr_of(&output);
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert!(said.contains("nobody-listens.sock"), "{said}");
}

#[test]
fn a_truncated_definition_is_refused() {
    let bench = Workbench::new();
    let project = bench.project(&[("build.lua", "bk.export(bk.image(\"alpine:3.19\"):run(\"true\"))\n")]);
    let definition = bench.build(&project, &[]);
    let output = bench.solve(&project, &definition[..definition.len() / 2], &[]);
    let said = stderr_of(&output);
    assert!(
        matches!(output.status.code(), Some(1 | 2)),
        "{:?}: {said}",
        output.status
    );
    assert!(!said.is_empty());
}
