//! What wrong calls raise: the message, and the place, which is the script's.

use super::{error, message};

#[test]
fn messages() {
    let calls = [
        r#"prelude.go_build("x", bk.scratch())"#,
        "prelude.go_build(bk.scratch(), srcc)",
        r#"prelude.go_build(bk.scratch(), bk.scratch(), { mian = "." })"#,
        r#"prelude.go_build(bk.scratch(), bk.scratch(), { zzzzzzzz = "." })"#,
        r#"prelude.go_build(bk.scratch(), bk.scratch(), { "." })"#,
        "prelude.go_build(bk.scratch(), bk.scratch(), { cwd = 5 })",
        r#"prelude.go_build(bk.scratch(), bk.scratch(), "x")"#,
        r#"prelude.go_binary_app("1.22", bk.scratch(), { uid = 1000 })"#,
        r#"prelude.go_binary_app("1.22", bk.scratch(), { user = "a b" })"#,
        r#"prelude.go_binary_app("1.22", bk.scratch(), { output = "/" })"#,
        "prelude.from_alpine(3.20)",
        r#"prelude.from_alpine("3.20 beta")"#,
        r#"prelude:from_alpine("3.20")"#,
        "prelude.form_alpine()",
        "prelude.zzzzzzzz()",
        "prelude.from_alpine = nil",
        r#"prelude.standard_base("debain")"#,
        r#"prelude.standard_base("plan9")"#,
        r#"prelude.install_system_deps(bk.scratch(), "git", "arch")"#,
        "prelude.apk_package(bk.scratch(), {})",
        r#"prelude.apk_package(bk.scratch(), { "git", 5 })"#,
        r#"prelude.deb_package(bk.scratch(), "git --allow-unauthenticated")"#,
        r#"prelude.with_user(bk.scratch(), "x; rm -rf /")"#,
        r#"prelude.with_user(bk.scratch(), "app", 1.5)"#,
        r#"prelude.with_user(bk.scratch(), "app", "1000")"#,
        r#"prelude.as_non_root(bk.scratch(), "app", 0)"#,
        r#"prelude.chown_path(bk.scratch(), "/a", "a:b")"#,
        "prelude.container(bk.scratch(), function() end)",
        r#"prelude.multi_stage("a", "b", nil)"#,
        r#"prelude.layered_copy(bk.scratch(), {}, { { from = "x", from_path = "/" } })"#,
        r#"prelude.layered_copy(bk.scratch(), {}, { { form = bk.scratch(), from_path = "/" } })"#,
        "prelude.layered_copy(bk.scratch(), {}, { { from = bk.scratch() } })",
        "prelude.layered_copy(bk.scratch(), {}, { bk.scratch() })",
        "prelude.merge_multiple({})",
        "prelude.merge_multiple({ bk.scratch(), nil, bk.scratch() })",
        "prelude.merge_multiple(bk.scratch())",
        r#"prelude.parallel_build(bk.scratch(), "x")"#,
        "prelude.parallel_build(bk.scratch(), function(s) return s end, function() return 1 end)",
        "prelude.node_build(bk.scratch(), bk.scratch(), { deps_only = 1 })",
    ];
    let messages: Vec<String> = calls
        .iter()
        .map(|call| format!("{call}\n  {}", message(call)))
        .collect();
    insta::assert_snapshot!(messages.join("\n"), @r#"
    prelude.go_build("x", bk.scratch())
      argument 1 (builder) of prelude.go_build() must be a state, got "x"
    prelude.go_build(bk.scratch(), srcc)
      argument 2 (src) of prelude.go_build() must be a state, got nil
    prelude.go_build(bk.scratch(), bk.scratch(), { mian = "." })
      unknown option `mian` in prelude.go_build(); did you mean `main`?
    prelude.go_build(bk.scratch(), bk.scratch(), { zzzzzzzz = "." })
      unknown option `zzzzzzzz` in prelude.go_build(); it takes `cwd`, `flags`, `ldflags`, `main`, `output`
    prelude.go_build(bk.scratch(), bk.scratch(), { "." })
      the options of prelude.go_build() must be named, got a list
    prelude.go_build(bk.scratch(), bk.scratch(), { cwd = 5 })
      cwd in prelude.go_build() must be a path, got 5
    prelude.go_build(bk.scratch(), bk.scratch(), "x")
      the options of prelude.go_build() must be a table, got string
    prelude.go_binary_app("1.22", bk.scratch(), { uid = 1000 })
      uid in prelude.go_binary_app() needs `user` beside it
    prelude.go_binary_app("1.22", bk.scratch(), { user = "a b" })
      user in prelude.go_binary_app() must be a user's name: letters, digits, `_`, `.` and `-`, 32 at most, got "a b"
    prelude.go_binary_app("1.22", bk.scratch(), { output = "/" })
      output in prelude.go_binary_app() must name a file
    prelude.from_alpine(3.20)
      argument 1 (version) of prelude.from_alpine() must be a string, got number
    prelude.from_alpine("3.20 beta")
      argument 1 (ref) of bk.image() must be an image reference: invalid tag `3.20 beta` in the image reference
    prelude:from_alpine("3.20")
      prelude.from_alpine() must be called with `.`, not with `:`
    prelude.form_alpine()
      prelude has no `form_alpine`; did you mean `from_alpine`?
    prelude.zzzzzzzz()
      prelude has no `zzzzzzzz`; it has `apk_package`, `as_non_root`, `chown_path`, `container`, `copy_all`, `deb_package`, `from_alpine`, `from_debian`, `from_fedora`, `from_ubuntu`, `go_base`, `go_binary_app`, `go_build`, `go_runtime`, `install_ca_certs`, `install_curl`, `install_git`, `install_system_deps`, `layered_copy`, `merge_multiple`, `multi_stage`, `node_app`, `node_base`, `node_build`, `node_runtime`, `parallel_build`, `python_app`, `python_base`, `python_build`, `python_runtime`, `standard_base`, `with_alpine_user`, `with_user`, `with_workdir`
    prelude.from_alpine = nil
      attempt to modify a readonly table
    prelude.standard_base("debain")
      prelude.standard_base() knows no distribution `debain`; did you mean `debian`?
    prelude.standard_base("plan9")
      prelude.standard_base() knows no distribution `plan9`; it knows `alpine`, `debian`, `fedora`, `ubuntu`
    prelude.install_system_deps(bk.scratch(), "git", "arch")
      prelude.install_system_deps() knows no distribution `arch`; it knows `alpine`, `debian`, `fedora`, `ubuntu`
    prelude.apk_package(bk.scratch(), {})
      argument 2 (packages) of prelude.apk_package() names no package
    prelude.apk_package(bk.scratch(), { "git", 5 })
      argument 2 (packages) of prelude.apk_package() must be a string or a list of strings, got table
    prelude.deb_package(bk.scratch(), "git --allow-unauthenticated")
      prelude.deb_package(): `--allow-unauthenticated` is no package's name
    prelude.with_user(bk.scratch(), "x; rm -rf /")
      argument 2 (name) of prelude.with_user() must be a user's name: letters, digits, `_`, `.` and `-`, 32 at most, got "x; rm -rf /"
    prelude.with_user(bk.scratch(), "app", 1.5)
      argument 3 (uid) of prelude.with_user() must be a whole number from 0 to 4294967295, got 1.5
    prelude.with_user(bk.scratch(), "app", "1000")
      argument 3 (uid) of prelude.with_user() must be a whole number from 0 to 4294967295, got "1000"
    prelude.as_non_root(bk.scratch(), "app", 0)
      prelude.as_non_root(): the user with the number 0 is root
    prelude.chown_path(bk.scratch(), "/a", "a:b")
      argument 3 (user) of prelude.chown_path() must be a user's or group's name or number, got "a:b"
    prelude.container(bk.scratch(), function() end)
      the function of prelude.container() must return a state, got nil
    prelude.multi_stage("a", "b", nil)
      argument 3 (fn) of prelude.multi_stage() must be a function, got nil
    prelude.layered_copy(bk.scratch(), {}, { { from = "x", from_path = "/" } })
      mappings[1].from of prelude.layered_copy() is neither a state nor the key of a source: `x`
    prelude.layered_copy(bk.scratch(), {}, { { form = bk.scratch(), from_path = "/" } })
      unknown key `form` in mappings[1] of prelude.layered_copy(); did you mean `from`?
    prelude.layered_copy(bk.scratch(), {}, { { from = bk.scratch() } })
      mappings[1].from_path of prelude.layered_copy() must be a path, got nil
    prelude.layered_copy(bk.scratch(), {}, { bk.scratch() })
      mappings[1] of prelude.layered_copy() must be a table { from =, from_path =, to_path = }, got state
    prelude.merge_multiple({})
      prelude.merge_multiple() needs at least one state, got an empty list
    prelude.merge_multiple({ bk.scratch(), nil, bk.scratch() })
      argument 1 (states) of prelude.merge_multiple() must be a list of states, got table
    prelude.merge_multiple(bk.scratch())
      argument 1 (states) of prelude.merge_multiple() must be a list of states, got state
    prelude.parallel_build(bk.scratch(), "x")
      argument 2 of prelude.parallel_build() must be a state, got "x"
    prelude.parallel_build(bk.scratch(), function(s) return s end, function() return 1 end)
      function 2 of prelude.parallel_build() must return a state, got number
    prelude.node_build(bk.scratch(), bk.scratch(), { deps_only = 1 })
      deps_only in prelude.node_build() must be a boolean, got 1
    "#);
}

#[test]
fn the_place_is_the_scripts() {
    insta::assert_snapshot!(error("\nlocal function app(src)\n  return prelude.go_binary_app('1.22', src, { mian = '.' })\nend\napp(bk.local_('context'))"), @r#"
    error[unknown-option]: unknown option `mian` in prelude.go_binary_app(); did you mean `main`?
     --> build.lua:4:47
      |
    4 |   return prelude.go_binary_app('1.22', src, { mian = '.' })
      |                                               ^^^^
    traceback:
      build.lua:4 in `app`
      build.lua:6
    "#);
}

#[test]
fn a_complaint_of_bk_is_the_callers() {
    insta::assert_snapshot!(error("prelude.python_app('3.11 slim', bk.local_('context'))"), @r#"
    error[bad-value]: argument 1 (ref) of bk.image() must be an image reference: invalid tag `3.11 slim-slim` in the image reference
     --> build.lua:2:1
      |
    2 | prelude.python_app('3.11 slim', bk.local_('context'))
      | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    "#);
}

#[test]
fn what_a_function_of_the_script_raises_is_its_own() {
    insta::assert_snapshot!(error("prelude.container('alpine', function(s)\n  return s:run('make', { enviroment = {} })\nend)"), @r#"
    error[unknown-option]: unknown option `enviroment` in run(); did you mean `env`?
     --> build.lua:3:26
      |
    3 |   return s:run('make', { enviroment = {} })
      |                          ^^^^^^^^^^
    traceback:
      build.lua:3
      build.lua:2
    "#);
}

#[test]
fn a_wrong_argument_is_underlined() {
    insta::assert_snapshot!(error("local base = prelude.apk_package(bk.scratch(), { 'git', 5 })"), @"
    error[invalid-argument]: argument 2 (packages) of prelude.apk_package() must be a string or a list of strings, got table
     --> build.lua:2:48
      |
    2 | local base = prelude.apk_package(bk.scratch(), { 'git', 5 })
      |                                                ^^^^^^^^^^^^
    ");
    insta::assert_snapshot!(error("local s = bk.scratch()\nbk.export(prelude.go_build(s, sorce, {}))"), @"
    error[invalid-argument]: argument 2 (src) of prelude.go_build() must be a state, got nil
     --> build.lua:3:31
      |
    3 | bk.export(prelude.go_build(s, sorce, {}))
      |                               ^^^^^
    note: the global `sorce` is not defined
    hint: is the variable's name right, and was it set?
    ");
    insta::assert_snapshot!(error("bk.export(prelude.from_alpine(3.20))"), @"
    error[invalid-argument]: argument 1 (version) of prelude.from_alpine() must be a string, got number
     --> build.lua:2:31
      |
    2 | bk.export(prelude.from_alpine(3.20))
      |                               ^^^^
    hint: write it in quotes: the number 3.20 is 3.2
    ");
    insta::assert_snapshot!(error("bk.export(prelude.form_alpine())"), @"
    error[unknown-name]: prelude has no `form_alpine`; did you mean `from_alpine`?
     --> build.lua:2:19
      |
    2 | bk.export(prelude.form_alpine())
      |                   ^^^^^^^^^^^
    ");
    insta::assert_snapshot!(error("bk.export(prelude:from_alpine())"), @"
    error[wrong-receiver]: prelude.from_alpine() must be called with `.`, not with `:`
     --> build.lua:2:11
      |
    2 | bk.export(prelude:from_alpine())
      |           ^^^^^^^^^^^^^^^^^^^^^
    hint: write `prelude.from_alpine(…)`
    ");
    insta::assert_snapshot!(error("bk.export(prelude.go_build(bk.scratch(), bk.scratch(), { cwd = 3 }))"), @"
    error[invalid-argument]: cwd in prelude.go_build() must be a path, got 3
     --> build.lua:2:64
      |
    2 | bk.export(prelude.go_build(bk.scratch(), bk.scratch(), { cwd = 3 }))
      |                                                                ^
    ");
}

#[test]
fn a_script_that_catches_an_error_sees_its_message() {
    insta::assert_snapshot!(error("local ok, message = pcall(prelude.from_alpine, 5)\nerror('no: ' .. message)"), @"
    error[runtime]: no: argument 1 (version) of prelude.from_alpine() must be a string, got number
     --> build.lua:3
      |
    3 | error('no: ' .. message)
      | ^^^^^^^^^^^^^^^^^^^^^^^^
    ");
}

#[test]
fn the_name_of_the_module_is_guessed() {
    insta::assert_snapshot!(error("require('prelud')"), @"
    error[module-not-found]: module `prelud` not found
     --> build.lua:2:9
      |
    2 | require('prelud')
      |         ^^^^^^^^
    note: tried prelud.lua in the script's directory
    note: tried prelud/init.lua in the script's directory
    note: tried prelud.lua in the context
    note: tried prelud/init.lua in the context
    note: tried prelud.lua in Luakit's own library
    note: tried prelud/init.lua in Luakit's own library
    hint: did you mean `prelude`?
    ");
}
