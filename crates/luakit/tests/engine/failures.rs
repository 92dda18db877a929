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
    for part in ["no-such-file", "build.lua:2"] {
        assert!(said.contains(part), "no {part:?} in:\n{said}");
    }
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
