//! Scripts that would never end: each ends in time, with a message of its own and exit code 3.

use std::time::{Duration, Instant};

use crate::project::Project;

/// Runs a script that must be stopped, with little time and memory.
fn check(script: &str, expect: &str) {
    check_within("2s", script, expect);
}

/// The same, with time that is no matter even to a machine that has other work.
fn check_whatever_the_time(script: &str, expect: &str) {
    check_within("50s", script, expect);
}

fn check_within(timeout: &str, script: &str, expect: &str) {
    let project = Project::new(&[("build.lua", script)]);
    let started = Instant::now();
    let run = project.run(&["validate", "--timeout", timeout, "--memory-limit", "64m"]);
    let stderr = run.stderr();
    assert_eq!(run.code(), 3, "{script}\n{stderr}");
    assert!(stderr.contains(expect), "{script}\n{stderr}");
    assert!(
        started.elapsed() < Duration::from_secs(60),
        "{script}: {:?}",
        started.elapsed()
    );
}

#[test]
fn a_loop_ends() {
    check("while true do end", "the script ran for more than 2 s");
}

#[test]
fn a_loop_that_catches_errors_ends() {
    check(
        "while true do pcall(function() while true do end end) end",
        "the script ran for more than 2 s",
    );
}

#[test]
fn a_pattern_that_backtracks_ends() {
    let script = r#"string.find(("a"):rep(30000), (".-"):rep(20) .. "b")"#;
    check(script, "the script ran for more than 2 s");
}

#[test]
fn memory_ends() {
    check_whatever_the_time(
        "local t = {} while true do t[#t + 1] = ('x'):rep(1000) .. #t end",
        "needs more than 64 MiB of memory",
    );
    check_whatever_the_time("local s = ('x'):rep(2 ^ 40)", "error");
}

#[test]
fn recursion_ends() {
    check_whatever_the_time("local function f() return 1 + f() end f()", "error[recursion-limit]");
}

#[test]
fn deeply_nested_text_ends() {
    check_whatever_the_time(
        &format!("local t = {}{}", "{".repeat(100_000), "}".repeat(100_000)),
        "error",
    );
}

#[test]
fn a_definition_that_no_engine_takes_is_told_at_its_line() {
    let script = "local large = (\"x\"):rep(20 * 1024 * 1024)\nbk.export(bk.scratch():mkfile(\"/f\", large))";
    let project = Project::new(&[("build.lua", script)]);
    let run = project.run(&["build", "-o", "definition"]);
    assert_eq!(run.code(), 0);
    insta::assert_snapshot!(run.stderr(), @r#"
    warning[large-definition]: the definition has 20972364 bytes, and an engine takes 16711680 at most
     --> build.lua:2
      |
    2 | bk.export(bk.scratch():mkfile("/f", large))
      | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    hint: a definition is for what to do: copy large files from the build context, or download them
    "#);
}
