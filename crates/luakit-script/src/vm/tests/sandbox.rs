//! What a script has, and what it hasn't.

use super::Run;

#[track_caller]
fn check(script: &str, printed: &str) {
    assert_eq!(Run::script(script).printed().trim_end(), printed, "{script}");
}

#[test]
fn ordinary_lua_5_1_runs() {
    check(
        r##"
        local t = {}
        for i, w in ipairs({ "b", "a" }) do table.insert(t, w) end
        table.sort(t)
        print(table.concat(t, ","), #t, table.getn(t), unpack(t))
        for w in string.gfind("one two", "%a+") do io_test = w end
        print(io_test, _G.io_test, math.pow(2, 3), math.mod(7, 4), 7 % 4)
        table.unpack = table.unpack or unpack
        function string.trim(s) return (s:gsub("^%s+", ""):gsub("%s+$", "")) end
        print("[" .. ("  x "):trim() .. "]", select("#", table.unpack({ 1, 2, 3 })))
        print(tostring(nil), tonumber("0x10"), 0755, type(print))
        print(loadstring("return 1 + ...")(2), load("return x", "c", "t", { x = 5 })())
        local co = coroutine.wrap(function(a) local b = coroutine.yield(a + 1); return b * 2 end)
        print(co(1), co(10))
        print(string.format("%5.2f|%q|%s", 1.5, "a\nb", tostring({ } ~= nil)), os.difftime(5, 3))
        "##,
        "a,b\t2\t2\ta\tb\ntwo\ttwo\t8\t3\t3\n[x]\t3\nnil\t16\t755\tfunction\n3\t5\n2\t20\n \
         1.50|\"a\\\nb\"|true\t2",
    );
}

#[test]
fn luau_is_there_too() {
    check(
        r#"
        local version: string = "1.2"
        local n = 7 // 2
        n += 1
        for i = 1, 3 do if i == 2 then continue end n += i end
        local t: { [string]: number } = { a = 1 }
        print(`v{version}`, n, if n > 1 then "big" else "small", t.a, bit32.band(6, 3), utf8.len("äö"))
        "#,
        "v1.2\t8\tbig\t1\t2\t2",
    );
}

#[test]
fn directives_and_a_byte_order_mark_are_skipped() {
    let check = |script: &str| {
        let (_, failure) = Run::script(script).run();
        let diagnostic = failure.expect("it fails").diagnostic;
        assert_eq!(
            (diagnostic.span.expect("a place").line, diagnostic.message.as_str()),
            (3, "here")
        );
    };
    check("# syntax=luakit/luakit:1\n\nerror('here')");
    check("#!/usr/bin/env luakit\r\n\r\nerror('here')");
    check("\u{feff}-- x\n\nerror('here')");
    check("\u{feff}# syntax=luakit\n\nerror('here')");
    check("--\n--\nerror('here')");
    check("#!/usr/bin/env luakit\n# syntax=luakit\nerror('here')");
    check("\u{feff}# syntax=luakit\r\n# check=error=true\r\nerror('here')");
    assert_eq!(Run::script("#").printed(), "");
    assert_eq!(Run::script("#!x\n# y").printed(), "");
    let (_, late) = Run::script("#!x\n\n# y").run();
    assert_eq!(late.expect("it fails").diagnostic.span.expect("a place").line, 3);
    assert_eq!(Run::script("").printed(), "");
}

#[test]
fn what_is_forbidden_says_why() {
    let forbidden = [
        "os.execute('x')",
        "os.exit()",
        "os.remove('x')",
        "os.rename('a', 'b')",
        "os.tmpname()",
        "os.setlocale('C')",
        "io.open('x')",
        "io.lines('x')",
        "io.popen('x')",
        "io.read()",
        "io.write('x')",
        "dofile('x')",
        "loadfile('x')",
        "package.loadlib('x', 'y')",
        "string.dump(print)",
        "getfenv(1)",
        "setfenv(1, {})",
        "newproxy()",
        "debug.getinfo(1)",
        "debug.sethook()",
        "debug.getregistry()",
        "debug.setmetatable(1, {})",
        "debug.getupvalue(print, 1)",
    ];
    for call in forbidden {
        let failure = Run::script(format!("local x = 1\n{call}")).failure();
        let name = call.split('(').next().unwrap_or_default();
        let message = format!("{name} is not available in build scripts (sandboxed)");
        assert_eq!(
            (failure.diagnostic.code, failure.diagnostic.message),
            ("sandboxed", message)
        );
        let caught = format!("print(select(2, pcall(function() {call} end)))");
        check(
            &caught,
            &format!("{name} is not available in build scripts (sandboxed)"),
        );
    }
    for read in ["io.stderr:write('x')", "local x = package.path", "package.path = 'x'"] {
        assert_eq!(Run::script(read).failure().diagnostic.code, "sandboxed", "{read}");
    }
}

#[test]
fn nothing_but_what_is_allowed_is_there() {
    check(
        r#"
        local names = {}
        for name in pairs(_G) do names[#names + 1] = name end
        table.sort(names)
        print(table.concat(names, " "))
        for _, library in ipairs({ "os", "io", "debug", "package", "coroutine" }) do
            local names = {}
            for name in pairs(_G[library]) do names[#names + 1] = name end
            table.sort(names)
            print(library .. ": " .. table.concat(names, " "))
        end
        "#,
        "_G _VERSION assert bit32 bk buffer collectgarbage coroutine debug dofile error gcinfo getfenv getmetatable io \
         ipairs load loadfile loadstring math module newproxy next os package pairs pcall print rawequal rawget rawlen \
         rawset require select setfenv setmetatable string table tonumber tostring type typeof unpack utf8 xpcall\n\
         os: clock date difftime execute exit getenv remove rename setlocale time tmpname\n\
         io: close flush input lines open output popen read tmpfile type write\n\
         debug: debug getfenv gethook getinfo getlocal getmetatable getregistry getupvalue getuservalue info setfenv \
         sethook setlocal setmetatable setupvalue setuservalue traceback upvalueid upvaluejoin\n\
         package: loaded loadlib preload seeall\n\
         coroutine: close create isyieldable resume running status wrap yield",
    );
}

#[test]
fn the_clock_stands_still() {
    let script = r#"
        print(os.time(), os.clock(), os.date("%Y-%m-%d %H:%M:%S"), os.date("!%c"), os.date())
        local t = os.date("*t")
        print(t.year, t.month, t.day, t.hour, t.min, t.sec, t.wday, t.yday, t.isdst)
        print(os.time({ year = 2024, month = 2, day = 30, hour = 0 }), os.date("!*t", 86400).day)
        print(os.time({ year = 2024, month = 14, day = 1 }), pcall(os.date, "%Q"))
        print(pcall(os.time, { year = 2024 }))
    "#;
    assert_eq!(
        Run::script(script).printed(),
        "0\t0\t1970-01-01 00:00:00\tThu Jan  1 00:00:00 1970\tThu Jan  1 00:00:00 1970\n\
         1970\t1\t1\t0\t0\t0\t5\t1\tfalse\n1709251200\t2\n\
         1738411200\tfalse\tinvalid conversion specifier '%Q' in date format\n\
         false\tfield 'month' missing in date table\n"
    );
    let mut run = Run::script("print(os.time(), os.date('%F'), os.getenv('HOME'), os.getenv('V'))");
    run.input.args = [("SOURCE_DATE_EPOCH", "1700000000"), ("V", "1")]
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .into();
    assert_eq!(run.printed(), "1700000000\t2023-11-14\tnil\t1\n");
    let mut run = Run::script("os.time()");
    run.input.args.insert("SOURCE_DATE_EPOCH".to_owned(), "soon".to_owned());
    assert_eq!(run.failure().diagnostic.code, "invalid-argument");
}

#[test]
fn runs_are_alike() {
    let script = r#"
        local t, f = {}, function() end
        print(tostring(t), tostring(f), tostring(t), t, `{f} {print}`, string.format("%s %d", t, 3), ("%s"):format(f))
        print(math.random(), math.random(10), math.random(5, 6), math.random(10), coroutine.create(f))
        math.randomseed(os.time()) print(math.random(1000), math.random(1000))
        math.randomseed(7) local a = math.random(1e6) math.randomseed(7) print(a == math.random(1e6))
        print(collectgarbage("count"), (gcinfo()), collectgarbage())
        print(tostring(setmetatable({}, { __tostring = function() return "mine" end })))
    "#;
    let first = Run::script(script).printed();
    assert!(
        first.starts_with("table: 0x0000000000000001\tfunction: 0x0000000000000002\ttable: 0x0000000000000001\t"),
        "{first}"
    );
    assert!(first.ends_with("\ntrue\n0\t0\t0\nmine\n"), "{first}");
    for _ in 0..3 {
        assert_eq!(Run::script(script).printed(), first);
    }
    check(
        "for i = 1, 2000 do local r = math.random(3) assert(r >= 1 and r <= 3 and r % 1 == 0) end print(pcall(math.random, 0))",
        "false\tbad arguments to 'random': interval is empty",
    );
}

#[test]
fn load_takes_text_only() {
    check(
        r#"
        print(load("\27Lua"))
        print(loadstring("\6\3\1"))
        print(load("return 1", "=x", "b"))
        print(load("x = = 1", "=mine"))
        print(loadstring("a b"))
        print(load("error('deep')", "@lib/gen.lua"))
        print(pcall(load("\n\nerror('deep')", "=gen")))
        local n = 0
        print(load(function() n += 1 return ({ "return ", "4", "2" })[n] end)())
        print(load(function() error("reader") end))
        print(pcall(load, "return 1", "x", "t", 5))
        y = 1
        local env = setmetatable({}, { __index = _G })
        load("y = 2", "e", "t", env)()
        print(y, env.y, load("return y")())
        "#,
        "nil\t(load): bytecode is not taken, only text\n\
         nil\t[string \"\u{6}\u{3}\u{1}\"]: bytecode is not taken, only text\n\
         nil\tattempt to load a text chunk: `load` takes text only\n\
         nil\tmine:1: Expected identifier when parsing expression, got '='\n\
         nil\t[string \"a b\"]:1: Incomplete statement: expected assignment or a function call\n\
         function: 0x0000000000000001\nfalse\tgen:3: deep\n42\nnil\tbuild.lua:11: reader\n\
         false\tthe environment of `load` must be a table, got number\n1\t2\t1",
    );
}

#[test]
fn errors_are_caught_as_in_lua() {
    check(
        r#"
        print(pcall(error))
        print(pcall(error, "level 0", 0))
        print(select(2, pcall(function() error("here") end)))
        local function f() error("caller", 2) end
        print(select(2, pcall(function() f() end)))
        local e = { code = 7 }
        print(select(2, pcall(error, e)) == e)
        print(xpcall(function() error("x", 0) end, function(m) return "handled " .. m end))
        print(xpcall(function(...) return ... end, print, 1, 2))
        print(select(2, pcall(function() local x = nil; return x.y end)))
        print(select(2, pcall(os.exit)) .. "!")
        print(coroutine.resume(coroutine.create(function() error("in co", 0) end)))
        print(pcall(coroutine.wrap(function() error("in wrap", 0) end)))
        local co = coroutine.create(function() pcall(coroutine.yield, 1) coroutine.yield(2) end)
        print(coroutine.resume(co)) print(coroutine.resume(co))
        print(coroutine.status(co), coroutine.close(co), coroutine.status(co))
        print(type(debug.traceback()), debug.info(1, "l"))
        print(pcall(string.rep))
        print(pcall(string.rep, "x", 2 ^ 31))
        "#,
        "false\tnil\nfalse\tlevel 0\nbuild.lua:4: here\nbuild.lua:6: caller\ntrue\nfalse\thandled x\ntrue\t1\t2\n\
         build.lua:11: attempt to index nil with 'y'\nos.exit is not available in build scripts (sandboxed)!\n\
         false\tin co\nfalse\tin wrap\ntrue\t1\ntrue\t2\nsuspended\ttrue\tdead\nstring\t18\n\
         false\tmissing argument #1 to 'rep' (string expected)\n\
         false\tresulting string too large",
    );
}

#[test]
fn states_as_keys_have_an_order() {
    let script = r#"
        local t, list = { plain = 1 }, {}
        for i = 1, 40 do
            local s = bk.scratch():mkdir("/" .. i)
            list[i] = s
        end
        for i = 40, 1, -1 do t[list[i]] = i end
        local order = {}
        for key, value in pairs(t) do
            if value == 20 then t[list[21]] = nil end
            order[#order + 1] = value
        end
        print(table.concat(order, " "))
        local platforms = {}
        for name in pairs({ [bk.platform("linux/arm64")] = 1, [bk.platform("linux/amd64")] = 2 }) do
            platforms[#platforms + 1] = tostring(name)
        end
        print(table.concat(platforms, " "))
    "#;
    let expected: Vec<String> = (1..=40).filter(|i| *i != 21).map(|i| i.to_string()).collect();
    check(script, &format!("1 {}\nlinux/amd64 linux/arm64", expected.join(" ")));
}

#[test]
fn many_loaded_texts_of_one_name_are_kept_apart_in_time() {
    check(
        "local n = 0 for i = 1, 20000 do n += load('return ' .. i, '=x')() end print(n, select(2, load('x x', '=x')))",
        "200010000\tx #20001:1: Incomplete statement: expected assignment or a function call",
    );
}

#[test]
fn keys_beside_objects_have_an_order() {
    check(
        r#"
        local t = { [bk.image("b")] = "image", z = 1, a = 2, [true] = 3, [2.5] = 4, 10, 20, [false] = 5 }
        local seen = {}
        for key, value in pairs(t) do
            seen[#seen + 1] = if type(key) == "userdata" then "image" else tostring(key)
            t[key] = nil
        end
        print(table.concat(seen, " "), next(t))
        for key in pairs({ [print] = 1, b = 2 }) do print(type(key)) end
        "#,
        "1 2 2.5 a z false true image\tnil\nstring\nfunction",
    );
}

#[test]
fn keys_without_an_order_are_refused() {
    let told = |table: &str| {
        let (_, failure) = Run::script(format!("for key in pairs({table}) do end")).run();
        failure
            .map(|failure| failure.diagnostic.message.clone())
            .unwrap_or_default()
    };
    insta::assert_snapshot!(told("{ [{}] = 1, [{}] = 2 }"), @"pairs() can't go through a table with several objects (a table) as keys: their order would differ from run to run");
    insta::assert_snapshot!(told("{ [print] = 1, [bk.tmpfs('/x')] = 2 }"), @"pairs() can't go through a table with several objects (a function) as keys: their order would differ from run to run");
    let (_, failure) = Run::script("local set = { [{}] = 1, [{}] = 2 }\nfor key in pairs(set) do end").run();
    insta::assert_snapshot!(luakit_diagnostic::render(&failure.expect("it fails").diagnostic, luakit_diagnostic::Colour::Plain), @"
    error[unordered-keys]: pairs() can't go through a table with several objects (a table) as keys: their order would differ from run to run
     --> build.lua:2:18
      |
    2 | for key in pairs(set) do end
      |                  ^^^
    hint: keep the keys in a list as well, and go through that with `ipairs`
    ");
}

#[test]
fn loops_without_pairs_have_the_same_order() {
    let script = r#"
        local t, u, sorted = {}, {}, {}
        for i = 1, 40 do
            t[bk.scratch():mkdir("/" .. i)] = i
            sorted[i] = tostring(i)
        end
        sorted = table.concat(sorted, " ")
        local function check(...)
            local seen = {}
            for key, value in ... do seen[#seen + 1] = tostring(value) end
            assert(table.concat(seen, " ") == sorted, table.concat(seen, " "))
        end
        check(t) check(next, t) check(next, t, nil) check(pairs(t))
        local seen, key, value = {}, next(t)
        while key do
            seen[#seen + 1] = tostring(value)
            t[key] = value
            key, value = next(t, key)
        end
        assert(table.concat(seen, " ") == sorted)
        load("local t, check = ... local n = 0 for _, value in t do n += 1 assert(n == value) end", "=x", "t", {
            assert = assert,
        })(t)
        -- What is no table with such keys is gone through as before.
        local n = 0
        for key: number, value in { 5, 6, nil, 7 } do n += value end
        for word in string.gmatch("a b", "%a") do n += 1 end
        for value in setmetatable({ [print] = 1, [bk.scratch()] = 2 }, { __iter = function() return next, { 100 } end }) do n += value end
        for key in (function() for i = 1, 2 do if i == 2 then return { [print] = 1 } end end end)() do n += 1000 end
        for name, value in bk.args do n += 1 end
        for _, i in ipairs({ 1 }) do for key in { 1 } do n += 1 end end
        for key in setmetatable({}, { __metatable = false }) do n += 1 end
        while true do n += 1 break end
        print(n, next({}), #sorted)
    "#;
    check(script, "1031\tnil\t110");
}

#[test]
fn loops_without_pairs_are_refused_alike() {
    let told = |script: &str| {
        let (_, failure) = Run::script(format!("local t = {{ [{{}}] = 1, [{{}}] = 2 }}\n{script}")).run();
        failure.map_or_else(String::new, |failure| {
            luakit_diagnostic::render(&failure.diagnostic, luakit_diagnostic::Colour::Plain)
        })
    };
    insta::assert_snapshot!(told("for key in t do\nend"), @"
    error[unordered-keys]: a loop can't go through a table with several objects (a table) as keys: their order would differ from run to run
     --> build.lua:2
      |
    2 | for key in t do
      | ^^^^^^^^^^^^^^^
    hint: keep the keys in a list as well, and go through that with `ipairs`
    ");
    insta::assert_snapshot!(told("local key = next(t)\nnext(t, key)"), @"
    error[unordered-keys]: next() can't go through a table with several objects (a table) as keys: their order would differ from run to run
     --> build.lua:3:6
      |
    3 | next(t, key)
      |      ^
    hint: keep the keys in a list as well, and go through that with `ipairs`
    ");
}

#[test]
fn errors_around_loops_are_those_of_the_text_as_it_is() {
    let (_, failure) = Run::script("local function f()\n  for key in { 1 } do error('deep') end\nend\nf()").run();
    let shown = luakit_diagnostic::render(&failure.expect("it fails").diagnostic, luakit_diagnostic::Colour::Plain);
    insta::assert_snapshot!(shown, @"
    error[runtime]: deep
     --> build.lua:2
      |
    2 |   for key in { 1 } do error('deep') end
      |   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    traceback:
      build.lua:2 in `f`
      build.lua:4
    ");
    for (script, expect) in [
        ("\nfor key in nothing do end", "nothing"),
        ("\nfor key in { 1 } do end end", "error[syntax]"),
        ("\nfor key in { 1 } do end end, function()", "error[syntax]"),
    ] {
        let (_, failure) = Run::script(script).run();
        let shown = luakit_diagnostic::render(&failure.expect("it fails").diagnostic, luakit_diagnostic::Colour::Plain);
        assert!(shown.contains(expect) && shown.contains(" --> build.lua:2"), "{shown}");
    }
}

#[test]
fn strings_that_look_like_loops_stay_as_they_are() {
    for (string, value) in [
        (r#""for x in y do""#, "for x in y do"),
        ("'for x in y do'", "for x in y do"),
        ("`for x in y do`", "for x in y do"),
        ("[[for x in y do]]", "for x in y do"),
        ("[==[for x in y do]==]", "for x in y do"),
        ("'a\\\r\nfor x in y do'", "a\nfor x in y do"),
        ("'a\\\nfor x in y do'", "a\nfor x in y do"),
        ("'a\\z \r\n\x0b for x in y do'", "afor x in y do"),
        ("0xe--it's\r\n..'for x in y do'", "14for x in y do"),
        (r#"`a{"`"}b` .. "for f in *; do x; done""#, "a`bfor f in *; do x; done"),
        ("`{tostring(`for x in a; do`)}`", "for x in a; do"),
        (
            "`{`{1}for x in y do`}for z in y do{ ({2})[1] }`",
            "1for x in y dofor z in y do2",
        ),
        ("`\\u{66}or x in y do\\{ for x in y do`", "for x in y do{ for x in y do"),
    ] {
        // The file has a loop that asks, too.
        let script = format!("-- for x in y do '\nfor _ in {{ 1 }} do end\nprint((({string}):gsub('\\r', '')))");
        let printed = Run::script(script).printed();
        assert_eq!(printed, format!("{value}\n"), "{string}");
    }
}

/// A script that goes through `t` without `pairs` in `body`, and fails if that has no order.
fn in_order(body: &str) {
    let script = format!(
        "local t = {{}}\nfor i = 1, 40 do t[bk.scratch():mkdir('/' .. i)] = i end\nlocal seen = {{}}\n\
         {body}\n\
         assert(#seen == 40, #seen) for i, value in ipairs(seen) do assert(i == value, value) end"
    );
    Run::script(script).printed();
}

#[test]
fn loops_beside_odd_code_have_an_order() {
    let go = "for _, value in t do table.insert(seen, value) end";
    for beside in [
        "for _ in (function(...) local a = ... if a then return {} end return {} end)(1) do end",
        "for _ in (function(a) if a then return if a then if a then {} else {} else {} end return {} end)(1) do end",
        "for _ in (function(a) local b = if not a then 1 else if a then 2 else 3 if b then end return {} end)(1) do end",
        "for _ in (function(a) if a then if a then end else if a then end end return {} end)(1) do end",
        "for _ in (function(a) if if a then a else a then end while if a then false else a do end return {} end)(1) do end",
        "for _ in (function(a) local b: number? if a then end return {} end)(1) do end",
        // What isn't understood is left as it is, alone.
        "for _ in (function(a) local b: Array<number> if a then end return {} end)(1) do end type Array<T> = { T }",
        "local s = `{if true then 'for x in y do' else 1}`",
    ] {
        in_order(&format!("{beside}\n{go}"));
        in_order(&format!("{go}\n{beside}"));
    }
    in_order("local s = `{(function() for _, value in t do table.insert(seen, value) end end)()}`");
    in_order(&format!("{go}\0' for it's"));
    in_order(&format!("-- it's\r{go}"));
    in_order(
        "for _, value in (function(...) local a = ... if a then return t end end)(1) do table.insert(seen, value) end",
    );
    in_order(&format!("--!optimize 2\nlocal s = 'a' .. string.char(98)\n{go}"));
}

#[test]
fn a_hint_to_the_compiler_takes_no_order_away() {
    let script = "local t, n = {}, 0\nfor i = 1, 40 do t[bk.scratch():mkdir('/' .. i)] = i end\n\
                  local s = string.char(98) .. 'a' .. 'b'\nfor _, i in t do n += 1 assert(n == i) end print(s)";
    for hint in ["--!optimize 0", "--!optimize 2", "--!strict"] {
        assert_eq!(Run::script(format!("{hint}\n{script}")).printed(), "bab\n");
    }
}

#[test]
fn a_script_cannot_lose_the_order_of_loops() {
    let insert = "do table.insert(seen, value) end";
    in_order(&format!(
        "local own = next next = print for _, value in own, t {insert}"
    ));
    in_order(&format!("next = print for _, value in t {insert}"));
    in_order(&format!("local own = pairs({{}}) for _, value in own, t {insert}"));
    for says in ["false", "'locked'"] {
        in_order(&format!(
            "setmetatable(t, {{ __metatable = {says} }}) for _, value in t {insert}"
        ));
    }
    let iter = "setmetatable(t, { __metatable = false, __iter = function() return next, { 7 } end }) \
                for _, value in t do print(value) end";
    assert_eq!(
        Run::script(format!("local t = {{ [print] = 1, [{{}}] = 2 }} {iter}")).printed(),
        "7\n"
    );
}

#[test]
fn the_first_key_has_a_place_if_any_has() {
    check(
        r#"
        local function first(t)
            local key, value = next(t)
            return if type(key) == "userdata" then "object" else tostring(key), value
        end
        print(first({ [{}] = 1, [{}] = 2, b = 3, a = 4 }))
        print(first({ [{}] = 1, [{}] = 2, [true] = 3 }))
        print(first({ [{}] = 1, [{}] = 2, [bk.scratch():mkdir("/a")] = 3 }))
        print(first({ [{}] = 1, [print] = 1, [bk.scratch():mkdir("/a")] = 3, [2] = 4 }))
        print(select(2, next({ [{}] = 5, [{}] = 5 })))
        "#,
        "a\t4\ntrue\t3\nobject\t3\n2\t4\n5",
    );
}
