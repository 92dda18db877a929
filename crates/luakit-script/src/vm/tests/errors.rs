//! How errors read.

use super::Run;

fn error(script: &str) -> String {
    Run::script(script).error()
}

#[test]
fn no_export() {
    let failure = super::super::evaluate(Run::script("local x = 1").input)
        .err()
        .expect("nothing is exported");
    insta::assert_snapshot!(luakit_diagnostic::render(&failure.diagnostic, luakit_diagnostic::Colour::Plain), @"
    error[no-export]: no bk.export() call — nothing to build
    note: build.lua ran to its end
    hint: end the script with `bk.export(state)`, where `state` is what the image shall hold
    ");
}

#[test]
fn syntax() {
    insta::assert_snapshot!(error("local x = 1\nif x == 1 thn\n  print(x)\nend\n"), @"
    error[syntax]: expected 'then' when parsing if statement, got 'thn'
     --> build.lua:2:11
      |
    2 | if x == 1 thn
      |           ^^^
    ");
    insta::assert_snapshot!(error("local x = {\n  1, 2\n"), @"
    error[syntax]: expected '}' (to close '{' at line 1), got <eof>
     --> build.lua:3
      |
    3 |
      | ^
    ");
    insta::assert_snapshot!(error("local s = \"open\nlocal t = 1\n"), @r#"
    error[syntax]: malformed string; did you forget to finish it?
     --> build.lua:1
      |
    1 | local s = "open
      | ^^^^^^^^^^^^^^^
    "#);
    insta::assert_snapshot!(error("x = 1 +\n"), @"
    error[syntax]: expected identifier when parsing expression, got <eof>
     --> build.lua:2
      |
    2 |
      | ^
    ");
    insta::assert_snapshot!(error("goto done"), @"
    error[syntax]: incomplete statement: expected assignment or a function call
     --> build.lua:1
      |
    1 | goto done
      | ^^^^^^^^^
    hint: scripts are Luau, which has no `goto`; `continue` goes on with a loop's next round
    ");
    insta::assert_snapshot!(error("local a <const> = 1"), @"
    error[syntax]: expected identifier when parsing expression, got '<'
     --> build.lua:1:9
      |
    1 | local a <const> = 1
      |         ^
    hint: scripts are Luau, which has no attributes: leave it out
    ");
}

#[test]
fn a_keyword_in_place_of_a_function() {
    insta::assert_snapshot!(error("local src = bk.local(\"context\")"), @r#"
    error[syntax]: expected identifier, got 'local'
     --> build.lua:1:16
      |
    1 | local src = bk.local("context")
      |                ^^^^^
    hint: `local` is a keyword of Lua; for a directory of the client there is `bk.local_(name)`
    "#);
}

#[test]
fn every_part_of_a_script_is_told_in_one_way_or_another() {
    let script = "local s = bk.image(\"alpine\", { platform = `linux/{arch}` }) --[[ x ]]\n\
                  s = s:run({ \"a\" }, { env = { [\"A\"] = [==[b]==] }, mounts = { bk.cache(\"/c\", { id = 1 }) } })\n\
                  for i, x in ipairs(s) do local f = function(a) return if a then b.c else d end end\nbk.export(s)";
    for end in (0..script.len()).step_by(5) {
        for text in [&script[..end], &script[end..]] {
            let (_, failure) = Run::script(text).run();
            if let Some(failure) = failure {
                let shown = luakit_diagnostic::render(&failure.diagnostic, luakit_diagnostic::Colour::Plain);
                assert!(shown.starts_with("error["), "{text}: {shown}");
            }
        }
    }
}

#[test]
fn raised_values() {
    insta::assert_snapshot!(error("error(\"no \\\"version\\\" given\")"), @r#"
    error[runtime]: no "version" given
     --> build.lua:1
      |
    1 | error("no \"version\" given")
      | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    "#);
    insta::assert_snapshot!(error("local x = 1\nerror({ code = 1 })"), @"
    error[runtime]: the script raised a table that says nothing
     --> build.lua:2
      |
    2 | error({ code = 1 })
      | ^^^^^^^^^^^^^^^^^^^
    ");
    insta::assert_snapshot!(error("error({ message = 'from a table' })"), @"
    error[runtime]: from a table
     --> build.lua:1
      |
    1 | error({ message = 'from a table' })
      | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    ");
    insta::assert_snapshot!(error("error(setmetatable({}, { __tostring = function() return 'shown' end }))"), @"
    error[runtime]: shown
     --> build.lua:1
      |
    1 | error(setmetatable({}, { __tostring = function() return 'shown' end }))
      | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    ");
    insta::assert_snapshot!(error("error()"), @"
    error[runtime]: the script raised nil
     --> build.lua:1
      |
    1 | error()
      | ^^^^^^^
    ");
    insta::assert_snapshot!(error("error(42)"), @"
    error[runtime]: 42
     --> build.lua:1
      |
    1 | error(42)
      | ^^^^^^^^^
    ");
    insta::assert_snapshot!(error("error('first\\nsecond', 0)"), @r"
    error[runtime]: first
                    second
     --> build.lua:1
      |
    1 | error('first\nsecond', 0)
      | ^^^^^^^^^^^^^^^^^^^^^^^^^
    ");
    insta::assert_snapshot!(error("assert(false)"), @"
    error[runtime]: assertion failed!
     --> build.lua:1
      |
    1 | assert(false)
      | ^^^^^^^^^^^^^
    ");
    insta::assert_snapshot!(error("assert(nil, 'not there')"), @"
    error[runtime]: not there
     --> build.lua:1
      |
    1 | assert(nil, 'not there')
      | ^^^^^^^^^^^^^^^^^^^^^^^^
    ");
}

#[test]
fn nil_is_named() {
    insta::assert_snapshot!(error("local base = 1\nfoo:run(\"x\")"), @r#"
    error[nil-value]: `foo` is nil, so it has no `run`
     --> build.lua:2:1
      |
    2 | foo:run("x")
      | ^^^
    note: the global `foo` is not defined
    "#);
    insta::assert_snapshot!(error("local builder = {}\nbuidler:run(\"x\")"), @r#"
    error[nil-value]: `buidler` is nil, so it has no `run`
     --> build.lua:2:1
      |
    2 | buidler:run("x")
      | ^^^^^^^
    note: the global `buidler` is not defined
    hint: did you mean `builder`?
    "#);
    insta::assert_snapshot!(error("local t = {}\nt.inner.deep = 1"), @"
    error[nil-value]: `t.inner` is nil, so it has no `deep`
     --> build.lua:2:1
      |
    2 | t.inner.deep = 1
      | ^^^^^^^
    ");
    insta::assert_snapshot!(error("local x\nprint(x.y)"), @"
    error[nil-value]: `x` is nil, so it has no `y`
     --> build.lua:2:7
      |
    2 | print(x.y)
      |       ^
    ");
    insta::assert_snapshot!(error("prnt(\"x\")"), @r#"
    error[nil-value]: `prnt` is nil, so it can't be called
     --> build.lua:1:1
      |
    1 | prnt("x")
      | ^^^^
    note: the global `prnt` is not defined
    hint: did you mean `print`?
    "#);
    insta::assert_snapshot!(error("local t = {}\nt.build(1)"), @"
    error[nil-value]: `t.build` is nil, so it can't be called
     --> build.lua:2:1
      |
    2 | t.build(1)
      | ^^^^^^^
    ");
    insta::assert_snapshot!(error("local n = 1 + cout"), @"
    error[runtime]: attempt to perform arithmetic (add) on number and nil
     --> build.lua:1:15
      |
    1 | local n = 1 + cout
      |               ^^^^
    note: the global `cout` is not defined
    ");
    insta::assert_snapshot!(error("local cmd = \"make \" .. falgs\n"), @r#"
    error[runtime]: attempt to concatenate string with nil
     --> build.lua:1:24
      |
    1 | local cmd = "make " .. falgs
      |                        ^^^^^
    note: the global `falgs` is not defined
    "#);
    insta::assert_snapshot!(error("for _, x in ipairs(services) do end"), @"
    error[runtime]: invalid argument #1 to 'ipairs' (table expected, got nil)
     --> build.lua:1:20
      |
    1 | for _, x in ipairs(services) do end
      |                    ^^^^^^^^
    note: the global `services` is not defined
    ");
    insta::assert_snapshot!(error("local t = {} print(t[nil_name].x)"), @"
    error[runtime]: attempt to index nil with 'x'
     --> build.lua:1:22
      |
    1 | local t = {} print(t[nil_name].x)
      |                      ^^^^^^^^
    note: the global `nil_name` is not defined
    ");
    insta::assert_snapshot!(error("local s = \"x\"\ns:uper()"), @"
    error[runtime]: attempt to call missing method 'uper' of string
     --> build.lua:2:3
      |
    2 | s:uper()
      |   ^^^^
    hint: did you mean `upper`?
    ");
}

#[test]
fn forbidden() {
    insta::assert_snapshot!(error("local files = {}\nfor line in io.popen(\"ls\"):lines() do end"), @r#"
    error[sandboxed]: io.popen is not available in build scripts (sandboxed)
     --> build.lua:2:13
      |
    2 | for line in io.popen("ls"):lines() do end
      |             ^^^^^^^^^^^^^^
    hint: `state:run(command)` runs a command as a build step
    "#);
}

#[test]
fn a_traceback_goes_through_functions_and_coroutines() {
    insta::assert_snapshot!(error(
        "local function inner(x)\n  return x.y.z\nend\n\nlocal function outer()\n  local r = inner({})\n  return r\nend\n\nouter()\n"
    ), @"
    error[nil-value]: `x.y` is nil, so it has no `z`
     --> build.lua:2:10
      |
    2 |   return x.y.z
      |          ^^^
    traceback:
      build.lua:2 in `inner`
      build.lua:6 in `outer`
      build.lua:10
    ");
    insta::assert_snapshot!(error(
        "local gen = coroutine.wrap(function()\n  coroutine.yield(1)\n  os.exit(1)\nend)\n\ngen()\nlocal x = gen()\n"
    ), @"
    error[sandboxed]: os.exit is not available in build scripts (sandboxed)
     --> build.lua:3:3
      |
    3 |   os.exit(1)
      |   ^^^^^^^^^^
    traceback:
      build.lua:3
      build.lua:7
    hint: `error(message)` ends the script with a message
    ");
}

#[test]
fn a_caught_error_raised_again_is_what_it_was() {
    insta::assert_snapshot!(error("local ok, err = pcall(function()\n  os.exit(1)\nend)\nerror(err, 0)"), @"
    error[sandboxed]: os.exit is not available in build scripts (sandboxed)
     --> build.lua:4
      |
    4 | error(err, 0)
      | ^^^^^^^^^^^^^
    hint: `error(message)` ends the script with a message
    ");
}

#[test]
fn errors_in_loaded_text_point_into_it() {
    insta::assert_snapshot!(error("load(\"local x\\nreturn x.y\", \"=gen.lua\")()"), @"
    error[nil-value]: `x` is nil, so it has no `y`
     --> gen.lua:2:8
      |
    2 | return x.y
      |        ^
    traceback:
      gen.lua:2
      build.lua:1
    ");
}

#[test]
fn deep_tracebacks_are_short() {
    let text = error("local function f(n)\n  if n == 0 then error(\"deep\") end\n  f(n - 1)\n  return n\nend\nf(100)");
    assert!(text.lines().count() < 30, "{text}");
    assert!(text.contains("  ... 87 more\n"), "{text}");
}

#[test]
fn names_and_texts_that_are_no_utf8_do_no_harm() {
    for script in [
        b"error('\xff\xfe')".as_slice(),
        b"\xff\xfe = 1",
        b"local x = '\xff' .. nil",
        b"load('\xff', '=\xff')()",
        b"foo.\xff()",
        b"error('\x1b[2J')",
    ] {
        let text = Run::script(script).error();
        assert!(text.starts_with("error[") && !text.contains('\u{1b}'), "{text}");
    }
}
