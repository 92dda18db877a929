//! Limits: every way out of time, memory and stack ends in its own error, in time.

use std::time::{Duration, Instant};

use super::Run;
use crate::error::{Limit, ScriptError};

fn timed_out(script: &str) {
    let timeout = Duration::from_millis(150);
    let mut run = Run::script(script);
    run.input.limits.timeout = timeout;
    let start = Instant::now();
    let failure = run.failure();
    let took = start.elapsed();
    assert!(
        matches!(failure.error, ScriptError::Limit(Limit::Time(t)) if t == timeout),
        "{script}: {failure}"
    );
    assert!(took < Duration::from_secs(5), "{script}: {took:?}");
}

#[test]
fn loops_end() {
    timed_out("while true do end");
    timed_out("repeat until false");
    timed_out("for i = 1, math.huge do end");
    timed_out(
        "local t = setmetatable({}, { __index = function(t, k) return t[k .. 'x'] end }) while true do pcall(function() return t.x end) end",
    );
}

#[test]
fn a_limit_goes_through_pcall() {
    timed_out("while true do pcall(function() while true do end end) end");
    timed_out("while true do xpcall(function() while true do end end, function() while true do end end) end");
    timed_out("pcall(function() while true do end end) exported = true");
    timed_out("local function f() pcall(f) pcall(f) pcall(f) end f()");
    timed_out("xpcall(function() error('x') end, function() while true do end end)");
    timed_out("table.sort({ 3, 2, 1 }, function() while true do end end)");
    timed_out("while true do pcall(table.sort, { 3, 2, 1 }, function() while true do end end) end");
    timed_out("string.gsub('aaa', 'a', function() while true do end end)");
    timed_out("local t = setmetatable({}, { __tostring = function() while true do end end }) tostring(t)");
    timed_out("error(setmetatable({}, { __tostring = function() while true do end end }))");
    timed_out("load(function() while true do end end)");
    timed_out("for i in function() return 1 end do end");
}

#[test]
fn a_limit_goes_through_coroutines() {
    timed_out("coroutine.wrap(function() while true do end end)()");
    timed_out("while true do coroutine.resume(coroutine.create(function() while true do end end)) end");
    timed_out("local co = coroutine.wrap(function() while true do coroutine.yield() end end) while true do co() end");
    timed_out(
        "local function f() coroutine.wrap(function() pcall(f) while true do end end)() end while true do pcall(f) end",
    );
    timed_out("while true do coroutine.close(coroutine.create(print)) end");
}

#[test]
fn patterns_that_backtrack_end() {
    timed_out("string.find(('a'):rep(30000), ('.-'):rep(20) .. 'b')");
    timed_out("string.match(('a'):rep(30000), ('a*'):rep(20) .. 'b')");
    timed_out("string.gsub(('a'):rep(30000), ('.-'):rep(20) .. 'b', '')");
    timed_out("for x in string.gmatch(('a'):rep(30000), ('.-'):rep(20) .. 'b') do end");
    timed_out("while true do pcall(string.find, ('a'):rep(30000), ('.-'):rep(20) .. 'b') end");
}

#[test]
fn one_long_library_call_is_left_behind() {
    timed_out("local s = ('a'):rep(1e6) s:find(('a'):rep(5e5) .. 'b', 1, true)");
}

fn out_of_memory(script: &str) {
    let limit = 32 << 20;
    let mut run = Run::script(script);
    run.input.limits.memory = limit;
    run.input.limits.timeout = Duration::from_secs(20);
    let failure = run.failure();
    assert!(
        matches!(failure.error, ScriptError::Limit(Limit::Memory(l)) if l == limit),
        "{script}: {failure}"
    );
    assert_eq!(
        failure.diagnostic.message,
        "the script needs more than 32 MiB of memory"
    );
}

#[test]
fn memory_ends() {
    out_of_memory("local s = 'x' while true do s = s .. s end");
    out_of_memory("string.rep('x', 1e9)");
    out_of_memory("local t = {} while true do t[#t + 1] = {} end");
    out_of_memory("local t = {} while true do t[#t + 1] = function() return t end end");
    out_of_memory("table.create(6e7)");
    out_of_memory("buffer.create(1e9)");
    out_of_memory("local t = {} for i = 1, 1e9 do t[i] = i end");
    out_of_memory("local t = {} for i = 1, 1e9 do t['k' .. i] = i end");
    out_of_memory("local s = ('x'):rep(1e6) local t = {} for i = 1, 100 do t[i] = s end table.concat(t)");
    out_of_memory("local s = ('x'):rep(1e6) s:gsub('x', ('y'):rep(1000))");
    out_of_memory("local t = {} while true do t[#t + 1] = coroutine.create(print) end");
    out_of_memory("local s = ('x'):rep(1e6) for i = 1, 1e6 do load('return \"' .. s .. i .. '\"') end");
}

#[test]
fn memory_cannot_be_caught() {
    out_of_memory("pcall(string.rep, 'x', 1e9)");
    out_of_memory("while true do pcall(string.rep, 'x', 1e9) end");
    out_of_memory("xpcall(string.rep, function() return 1 end, 'x', 1e9)");
    out_of_memory("coroutine.resume(coroutine.create(function() string.rep('x', 1e9) end))");
    out_of_memory("coroutine.wrap(function() string.rep('x', 1e9) end)()");
    out_of_memory("local t = {} while true do pcall(function() while true do t[#t + 1] = {} end end) end");
    out_of_memory(
        "local ok, e = pcall(function() local t = {} while true do t[#t + 1] = ('x'):rep(100) .. #t end end) print(ok, e)",
    );
}

fn too_deep(script: &str) {
    let failure = Run::script(script).failure();
    assert!(matches!(failure.error, ScriptError::Recursion), "{script}: {failure}");
    assert_eq!(failure.diagnostic.code, "recursion-limit", "{script}");
}

#[test]
fn recursion_ends() {
    too_deep("local function f() return 1 + f() end f()");
    too_deep("local t = setmetatable({}, {}) getmetatable(t).__index = function(t, k) return t[k] end return t.x");
    too_deep(
        "local t = setmetatable({}, {}) getmetatable(t).__tostring = function(t) return tostring(t) end tostring(t)",
    );
    too_deep("local function f() return (string.gsub('a', 'a', f)) end f()");
    too_deep("local function f() table.sort({ 1, 2 }, f) end f()");
    too_deep("local function f() error(select(2, pcall(f)), 0) end f()");
    too_deep("local function f() coroutine.wrap(f)() end f()");
}

#[test]
fn nesting_that_the_parser_refuses_is_a_syntax_error() {
    let nested =
        |open: &str, middle: &str, close: &str| format!("{}{middle}{}", open.repeat(100_000), close.repeat(100_000));
    let scripts = [
        nested("x = {", "", "}"),
        format!("x = {}", nested("{", "", "}")),
        format!("x = {}", nested("(", "1", ")")),
        format!("x = {}", nested("not ", "1", "")),
        format!("x = {}", nested("-", "1", "")),
        format!("x = {}1", "1 .. ".repeat(100_000)),
        format!("x = {}1", "1 + ".repeat(100_000)),
        format!("x = y{}", ".z".repeat(100_000)),
        format!("x = y{}", "()".repeat(100_000)),
        format!("x = y{}", ":z()".repeat(100_000)),
        format!("x = y{}", "[1]".repeat(100_000)),
        nested("do ", "", " end"),
        nested("x = function() ", "", " end "),
        nested("while x do ", "", " end "),
        format!("if x then {} end", "elseif x then ".repeat(100_000)),
        format!("x = {}1", "if x then 1 else ".repeat(100_000)),
        format!("local x: {}", nested("{", "number", "}")),
        format!("local x: {}", nested("(", "number", ") -> ()")),
        format!("local x: number{}", "?".repeat(100_000)),
        format!("local x: a{}", " | a".repeat(100_000)),
        format!("x = {}", nested("`{", "1", "}`")),
        format!("x = {}", nested("f{", "", "}")),
    ];
    for script in scripts {
        let (_, failure) = Run::script(&script).run();
        // Some of these Luau takes, and then they fail as they run; what counts is that they end.
        if let Some(failure) = failure {
            let expected = matches!(
                failure.error,
                ScriptError::Syntax { .. } | ScriptError::Runtime { .. } | ScriptError::Recursion
            );
            assert!(expected, "{script:.40}: {failure}");
        }
    }
    let failure = Run::script(format!("x = {}", "{".repeat(5_000_000))).failure();
    assert_eq!(failure.diagnostic.message, "build.lua: the text is larger than 4 MiB");
}

#[test]
fn a_limit_shows_where_it_was_hit() {
    let mut run = Run::script("local function spin()\n  while true do end\nend\nspin()\n");
    run.input.limits.timeout = Duration::from_secs(2);
    insta::assert_snapshot!(run.error(), @"
    error[timeout]: the script ran for more than 2 s
     --> build.lua:2
      |
    2 |   while true do end
      |   ^^^^^^^^^^^^^^^^^
    traceback:
      build.lua:2 in `spin`
      build.lua:4
    hint: `--timeout` sets the limit
    ");
}

#[test]
fn limits_too_small_for_anything_are_errors() {
    let mut run = Run::script("return ('x'):rep(100000)");
    run.input.limits.memory = 1;
    assert!(matches!(run.failure().error, ScriptError::Limit(Limit::Memory(1))));
    let mut run = Run::script("return ('x'):rep(100000)");
    run.input.limits.memory = 0;
    run.printed();
    let mut run = Run::script("return 1");
    run.input.limits.timeout = Duration::ZERO;
    let (_, failure) = run.run();
    assert!(failure.is_none_or(|f| matches!(f.error, ScriptError::Limit(Limit::Time(_)))));
}
