//! `require`.

use super::Run;

#[test]
fn modules_are_found_once_in_every_place() {
    let printed = Run::script(
        r#"
        local a, b = require("libs.go"), require("libs/go")
        print(a == b, a.name, require("./libs/go") == a, loads)
        print(require("pack").name, require("pack.more"), require("in_context"), require "libs/deep.er")
        print(require("string") == string, package.loaded["libs.go"] == a, require("quiet"), quiet_runs, require("quiet"), quiet_runs)
        package.preload.made = function(name) return "made " .. name end
        print(require("made"), require("old").f(), old.f())
        "#,
    )
    .files(&[
        ("libs/go.lua", "loads = (loads or 0) + 1\nreturn { name = ... }"),
        ("context:libs/go.lua", "error('the script\\'s directory comes first')"),
        ("pack/init.lua", "return { name = 'pack' }"),
        ("pack/more.lua", "# a comment\nreturn 'more'"),
        ("context:in_context.lua", "return 'context'"),
        ("libs/deep/er.lua", "return 'deep'"),
        ("quiet.lua", "quiet_runs = (quiet_runs or 0) + 1"),
        ("old.lua", "module(..., package.seeall)\nfunction f() return tostring('old') end"),
    ])
    .printed();
    assert_eq!(
        printed,
        "true\tlibs.go\ttrue\t1\npack\tmore\tcontext\tdeep\ntrue\ttrue\ttrue\t1\ttrue\t1\nmade made\told\told\n"
    );
}

#[test]
fn what_escapes_is_refused() {
    for name in ["../secret", "/etc/passwd", "libs/../../x", "..", "c:/x", "a\\b"] {
        let failure = Run::script(format!("require({name:?})")).failure();
        assert_eq!(failure.diagnostic.code, "module-outside", "{name}");
    }
    for name in ["", ".", "a..b", "a//b", ".a"] {
        let failure = Run::script(format!("require({name:?})")).failure();
        assert_eq!(failure.diagnostic.code, "module-name", "{name}");
    }
}

#[test]
fn not_found_lists_all_that_was_tried() {
    insta::assert_snapshot!(Run::script("local go = require(\"libs.go\")\n").error(), @r#"
    error[module-not-found]: module `libs.go` not found
     --> build.lua:1:20
      |
    1 | local go = require("libs.go")
      |                    ^^^^^^^^^
    note: tried libs/go.lua in the script's directory
    note: tried libs/go/init.lua in the script's directory
    note: tried libs/go.lua in the context
    note: tried libs/go/init.lua in the context
    note: tried libs/go.lua in Luakit's own library
    note: tried libs/go/init.lua in Luakit's own library
    "#);
}

#[test]
fn a_cycle_is_shown() {
    let files = [
        ("a.lua", "return require('b')"),
        ("b.lua", "local x = 1\nreturn require('c')"),
        ("c.lua", "return require('a')"),
    ];
    insta::assert_snapshot!(Run::script("require('a')").files(&files).error(), @"
    error[module-cycle]: module `a` requires itself
     --> c.lua:1:16
      |
    1 | return require('a')
      |                ^^^
    note: a.lua requires b.lua requires c.lua requires a.lua
    traceback:
      c.lua:1
      b.lua:2
      a.lua:1
      build.lua:1
    ");
}

#[test]
fn a_failed_load_can_be_tried_again() {
    let printed =
        Run::script("print(pcall(require, 'a')) print(pcall(require, 'a')) ok = true print(pcall(require, 'a'))")
            .files(&[("a.lua", "if not ok then error('not yet') end return 'now'")])
            .printed();
    assert_eq!(printed, "false\ta.lua:1: not yet\nfalse\ta.lua:1: not yet\ntrue\tnow\n");
}

#[test]
fn an_error_in_a_module_shows_frames_across_files() {
    let files = [(
        "libs/go.lua",
        "local M = {}\n\nfunction M.build(x)\n  error(\"no such version: \" .. x)\nend\n\nreturn M\n",
    )];
    let script =
        "local go = require(\"libs.go\")\n\nlocal function app()\n  return go.build(\"1.99\") .. \"\"\nend\n\napp()\n";
    insta::assert_snapshot!(Run::script(script).files(&files).error(), @r#"
    error[runtime]: no such version: 1.99
     --> libs/go.lua:4
      |
    4 |   error("no such version: " .. x)
      |   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    traceback:
      libs/go.lua:4 in `build`
      build.lua:4 in `app`
      build.lua:7
    "#);
}

#[test]
fn a_module_that_is_no_lua_is_shown() {
    let files = [("bad.lua", "local x = 1\nlocal y = = 2\n")];
    insta::assert_snapshot!(Run::script("\nrequire('bad')").files(&files).error(), @"
    error[syntax]: expected identifier when parsing expression, got '='
     --> bad.lua:2
      |
    2 | local y = = 2
      | ^^^^^^^^^^^^^
    traceback:
      build.lua:2
    ");
}
