//! How errors of the `bk` functions are placed: the part of the call that is wrong, in the file where it is.

use super::Run;

fn error(script: &str) -> String {
    Run::script(script).error()
}

#[test]
fn options_are_underlined() {
    insta::assert_snapshot!(error("local base = bk.image(\"alpine:3.20\", { plattform = \"linux/arm64\" })"), @r#"
    error[unknown-option]: unknown option `plattform` in bk.image(); did you mean `platform`?
     --> build.lua:1:40
      |
    1 | local base = bk.image("alpine:3.20", { plattform = "linux/arm64" })
      |                                        ^^^^^^^^^
    "#);
    insta::assert_snapshot!(error("local s = bk.scratch()\ns:run(\"make\", {\n  cwd = \"/x\",\n  enviroment = { A = \"1\" },\n})"), @r#"
    error[unknown-option]: unknown option `enviroment` in run(); did you mean `env`?
     --> build.lua:4:3
      |
    4 |   enviroment = { A = "1" },
      |   ^^^^^^^^^^
    "#);
    insta::assert_snapshot!(error("local s = bk.scratch()\ns:run(\"make\", { mounts = { bk.cache(\"/x\"), \"oops\" } })"), @r#"
    error[wrong-type]: mounts[2] must be a mount, got string
     --> build.lua:2:44
      |
    2 | s:run("make", { mounts = { bk.cache("/x"), "oops" } })
      |                                            ^^^^^^
    hint: mounts are made with bk.cache, bk.bind, bk.secret, bk.ssh and bk.tmpfs
    "#);
    insta::assert_snapshot!(error("local s = bk.scratch()\ns:mkdir(\"/x\", { [\"mode\"] = 0899 }):run(\"x\", { mode = 1 })"), @r#"
    error[bad-value]: mode must have octal digits, 0 to 7: `899` has `8`
     --> build.lua:2:28
      |
    2 | s:mkdir("/x", { ["mode"] = 0899 }):run("x", { mode = 1 })
      |                            ^^^^
    hint: a mode is read digit by digit, as chmod does: `0755` and `755` are rwxr-xr-x; a number that was computed in decimal is not
    "#);
    insta::assert_snapshot!(error("local opts = { netwrk = \"host\" }\nbk.scratch():run(\"x\", opts)"), @r#"
    error[unknown-option]: unknown option `netwrk` in run(); did you mean `network`?
     --> build.lua:2:23
      |
    2 | bk.scratch():run("x", opts)
      |                       ^^^^
    "#);
}

#[test]
fn arguments_are_underlined() {
    insta::assert_snapshot!(error("local s = bk.scratch()\nlocal t = s:copy(foo, \"/a\", \"/b\")"), @r#"
    error[nil-value]: argument 1 (from) of copy() must be a state, got nil
     --> build.lua:2:18
      |
    2 | local t = s:copy(foo, "/a", "/b")
      |                  ^^^
    note: the global `foo` is not defined
    hint: is the variable's name right, and was it set?
    "#);
    insta::assert_snapshot!(error("local source = bk.scratch()\nlocal t = bk.scratch()\n  :mkdir(\"/x\")\n  :copy(sorce, \"/a\", \"/b\")"), @r#"
    error[nil-value]: argument 1 (from) of copy() must be a state, got nil
     --> build.lua:4:9
      |
    4 |   :copy(sorce, "/a", "/b")
      |         ^^^^^
    note: the global `sorce` is not defined
    hint: did you mean `source`?
    "#);
    insta::assert_snapshot!(error("local src\nbk.scratch():copy(src, \"/a\", \"/b\")"), @r#"
    error[nil-value]: argument 1 (from) of copy() must be a state, got nil
     --> build.lua:2:19
      |
    2 | bk.scratch():copy(src, "/a", "/b")
      |                   ^^^
    hint: is the variable's name right, and was it set?
    "#);
    insta::assert_snapshot!(error("bk.image(function(a, b) return a, b end, {})"), @"
    error[wrong-type]: argument 1 (ref) of bk.image() must be a string, got function
     --> build.lua:1:10
      |
    1 | bk.image(function(a, b) return a, b end, {})
      |          ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    ");
    insta::assert_snapshot!(error("bk.image()"), @"
    error[missing-argument]: bk.image() needs argument 1 (ref): a string, got 0 arguments
     --> build.lua:1:1
      |
    1 | bk.image()
      | ^^^^^^^^^^
    hint: it takes ref
    ");
    insta::assert_snapshot!(error("local a, b = bk.image(1), bk.image(\"alpine\")"), @r#"
    error[wrong-type]: argument 1 (ref) of bk.image() must be a string, got number
     --> build.lua:1
      |
    1 | local a, b = bk.image(1), bk.image("alpine")
      | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    "#);
    insta::assert_snapshot!(error("bk.export(final)"), @"
    error[nil-value]: argument 1 (state) of bk.export() must be a state, got nil
     --> build.lua:1:11
      |
    1 | bk.export(final)
      |           ^^^^^
    note: the global `final` is not defined
    hint: is the variable's name right, and was it set?
    ");
}

#[test]
fn names_that_are_not_there() {
    insta::assert_snapshot!(error("local base = bk.imgae(\"alpine\")"), @r#"
    error[unknown-name]: bk has no `imgae`; did you mean `bk.image`?
     --> build.lua:1:17
      |
    1 | local base = bk.imgae("alpine")
      |                 ^^^^^
    "#);
    insta::assert_snapshot!(error("local s = bk.scratch()\ns:rnu(\"x\")"), @r#"
    error[unknown-name]: a state has no `rnu`; did you mean `state:run()`?
     --> build.lua:2:3
      |
    2 | s:rnu("x")
      |   ^^^
    "#);
    insta::assert_snapshot!(error("local s = bk.scratch()\ns.run(\"x\")"), @r#"
    error[wrong-receiver]: run() must be called on a state with `:`, got string in the state's place
     --> build.lua:2:1
      |
    2 | s.run("x")
      | ^^^^^^^^^^
    hint: write `state:run(…)`, not `state.run(…)`
    "#);
}

#[test]
fn both_places_of_a_double_export_are_shown() {
    insta::assert_snapshot!(error("local a = bk.image(\"alpine\")\nbk.export(a)\n\nbk.export(a:run(\"x\"))"), @r#"
    error[duplicate-export]: the default target is exported twice for linux/amd64
     --> build.lua:4:1
      |
    4 | bk.export(a:run("x"))
      | ^^^^^^^^^^^^^^^^^^^^^
      |
     ::: build.lua:2:1
      |
    2 | bk.export(a)
      | ------------ first exported here
    hint: give one of them another `name` or `platform`
    "#);
}

#[test]
fn a_call_in_a_module_is_placed_there() {
    let files = [(
        "libs/go.lua",
        "local M = {}\nfunction M.build(s)\n  return s:run(\"go build\", { cdw = \"/src\" })\nend\nreturn M\n",
    )];
    let run = Run::script("local go = require(\"libs.go\")\nlocal out = go.build(bk.scratch())\n").files(&files);
    insta::assert_snapshot!(run.error(), @r#"
    error[unknown-option]: unknown option `cdw` in run(); did you mean `cwd`?
     --> libs/go.lua:3:30
      |
    3 |   return s:run("go build", { cdw = "/src" })
      |                              ^^^
    traceback:
      libs/go.lua:3 in `build`
      build.lua:2
    "#);
}

#[test]
fn a_caught_call_error_is_its_message() {
    let script = "local ok, err = pcall(bk.image, \"alpine\", { plattform = \"x\" })\nprint(ok, type(err), err)";
    insta::assert_snapshot!(Run::script(script).printed(), @"false	string	unknown option `plattform` in bk.image(); did you mean `platform`?");
}

/// What a script's only error underlines.
fn underlined(script: &str) -> String {
    let (_, failure) = Run::script(script).run();
    let span = failure
        .and_then(|failure| failure.diagnostic.span.clone())
        .expect("a place");
    let columns = span.columns.expect("columns");
    let line = script.lines().nth(span.line as usize - 1).expect("a line");
    let width = (columns.end - columns.start) as usize;
    line.chars().skip(columns.start as usize - 1).take(width).collect()
}

#[test]
fn what_is_deep_in_a_call_is_underlined() {
    let check = |call: &str, expect: &str| {
        let script = format!("local s = bk.image(\"alpine\")\n{call}");
        assert_eq!(underlined(&script), expect, "{call}");
    };
    check("s:copy(s, 'a', 'b', { owner = { user = {} } })", "{}");
    check("s:copy(s, 'a', 'b', { owner = { usr = 'x' } })", "usr");
    check("s:copy(s, { 'a', 5 }, '/b/')", "5");
    check("s:run('x', { mounts = { bk.cache('/a'), 'b' } })", "'b'");
    check(
        "s:run('x', { mounts = { bk.cache('/a'), bk.cache('/a/') } })",
        "bk.cache('/a/')",
    );
    check("s:run('x', { env = { A = '', [\"B.[1]\"] = true } })", "true");
    check("s:run('x', {\n  env = {\n    A = {},\n  },\n})", "{}");
    check("s:run('x', { env = { ['A=B'] = 'c' } })", "'A=B'");
    check("s:run('x', { ulimits = { nofile = { soft = 'x' } } })", "'x'");
    check("s:run('x', { ulimits = { nofil = 1 } })", "nofil");
    check(
        "s:run('x', { ulimits = { nproc = 1, nofile = { soft = 2, hard = 1 } } })",
        "{ soft = 2, hard = 1 }",
    );
    check("s:run('x', { extra_hosts = { a = '::1', b = 'x' } })", "'x'");
    check("s:run('x', { extra_hosts = { ['a b'] = '::1' } })", "'a b'");
    check("s:run('x', { devices = { 'a', { name = 1 } } })", "1");
    check("s:run('x', { resources = { cpus = 0 } })", "0");
    check("s:run('x', { resources = { cpuset_cpus = 'all' } })", "'all'");
    check("bk.merge({ s, nil, s })", "nil");
    check("bk.merge(s, { s, 1 })", "1");
    check("s:env({ A = 'x', B = {} })", "{}");
    check("bk.http('https://a.b/c', { headers = { Cookie = 'x' } })", "Cookie");
    check(
        "bk.http('https://a.b/c', { headers = { Authorization = 'x' } })",
        "Authorization",
    );
    check(
        "bk.http('https://a.b/c', { headers = { accept = 'a\\nb' } })",
        "'a\\nb'",
    );
    check(
        "bk.export(s, { healthcheck = { test = 'x', interval = '1ns' } })",
        "'1ns'",
    );
    check("bk.export(s, { expose = { 80, '99999' } })", "'99999'");
    check("bk.platform({ os = 'linux', arch = 5 })", "5");
    // What is in a variable is not seen: the variable stands for it.
    check(
        "local owner = { usr = 'x' } s:copy(s, 'a', 'b', { owner = owner })",
        "owner",
    );
    check("local o = { owner = { usr = 'x' } } s:copy(s, 'a', 'b', o)", "o");
    check("local function f() return 1 end s:copy(s, { f(), 'a' }, '/b/')", "f()");
}
