//! What is wrong with a call as a whole: its receiver, its arguments, the names of its options.

#![allow(clippy::needless_raw_string_hashes, reason = "some calls hold a `#` after a quote")]

use super::errors;

#[test]
fn names_of_options() {
    let told = errors(
        r##"
s:run("x", { enviroment = {} })
s:run("x", { environment = {} })
s:run("x", { frobnicate = 1 })
s:run("x", { "a" })
s:run("x", { [true] = 1 })
s:run("x", { zz = 1, aa = 2 })
s:run("x", "cwd")
bk.image("alpine", { plattform = "linux/arm64" })
bk.local_("context", { include = { "a" }, include_patterns = { "b" } })
bk.image("alpine", { resolve = "never", resolve_mode = "local" })
s:copy(s, "a", "b", { chown = "a" })
s:with_metadata({ ignore_chache = true })
s:run("x", { proxy = { http = "a" } })
s:mkdir("/a", { owner = { uid = 1 } })
bk.http("https://a.b/c", { headers = { Referer = "x" } })
bk.http("https://a.b/c", { username = "me", password = "x" })
bk.http("https://a.b/c", { headers = { Authorization = "x" } })
s:run("x", { devices = { {} } })
bk.platform({ os = "linux" })
"##,
    );
    insta::assert_snapshot!(told, @r#"
    s:run("x", { enviroment = {} })
        unknown-option: unknown option `enviroment` in run(); did you mean `env`?
    s:run("x", { environment = {} })
        unknown-option: unknown option `environment` in run(); did you mean `env`?
    s:run("x", { frobnicate = 1 })
        unknown-option: unknown option `frobnicate` in run()
        hint: known: `env`, `cwd`, `user`, `mounts`, `network`, `security`, `hostname`, `valid_exit_codes`, `extra_hosts`, `ulimits`, `cgroup_parent`, `proxy`, `devices`, `readonly_rootfs`, `ignore_cache`, `description`, `progress_group`, `resources`
    s:run("x", { "a" })
        wrong-type: the options of run() must have names, but there is the key 1
        hint: write `{ name = value }`
    s:run("x", { [true] = 1 })
        wrong-type: the options of run() must have names, but there is the key true
        hint: write `{ name = value }`
    s:run("x", { zz = 1, aa = 2 })
        unknown-option: unknown option `aa` in run()
        note: also: unknown option `zz` in run()
        hint: known: `env`, `cwd`, `user`, `mounts`, `network`, `security`, `hostname`, `valid_exit_codes`, `extra_hosts`, `ulimits`, `cgroup_parent`, `proxy`, `devices`, `readonly_rootfs`, `ignore_cache`, `description`, `progress_group`, `resources`
    s:run("x", "cwd")
        wrong-type: argument 2 (options) of run() must be a table of options, got string
        hint: a command in several words is a list: `state:run({ "make", "install" })`
    bk.image("alpine", { plattform = "linux/arm64" })
        unknown-option: unknown option `plattform` in bk.image(); did you mean `platform`?
    bk.local_("context", { include = { "a" }, include_patterns = { "b" } })
        conflicting-options: `include` and `include_patterns` are the same option, and both are given
        hint: leave one out
    bk.image("alpine", { resolve = "never", resolve_mode = "local" })
        conflicting-options: `resolve_mode` and `resolve` are the same option, and both are given
        hint: leave one out
    s:copy(s, "a", "b", { chown = "a" })
        unknown-option: unknown option `chown` in copy(); did you mean `owner`?
    s:with_metadata({ ignore_chache = true })
        unknown-option: unknown option `ignore_chache` in with_metadata(); did you mean `ignore_cache`?
    s:run("x", { proxy = { http = "a" } })
        unknown-option: unknown key `http` in proxy; did you mean `http_proxy`?
    s:mkdir("/a", { owner = { uid = 1 } })
        unknown-option: unknown key `uid` in owner; did you mean `user`?
    bk.http("https://a.b/c", { headers = { Referer = "x" } })
        unknown-option: unknown key `Referer` in headers
        hint: known: `accept`, `user-agent`
    bk.http("https://a.b/c", { username = "me", password = "x" })
        refused-option: username is not accepted
        note: also: password is not accepted
        hint: secrets don't belong in a build's definition: give an `Authorization` header as a build secret, and name it with `auth_header_secret`
    bk.http("https://a.b/c", { headers = { Authorization = "x" } })
        refused-option: headers.Authorization is not accepted
        hint: secrets don't belong in a build's definition: give an `Authorization` header as a build secret, and name it with `auth_header_secret`
    s:run("x", { devices = { {} } })
        missing-option: devices[1] must have `name`: a string
    bk.platform({ os = "linux" })
        missing-option: argument 1 (os) of bk.platform() must have `arch`: a string
    "#);
}

#[test]
fn arguments_and_receivers() {
    let told = errors(
        r##"
s:copy(undefined_variable, ".", "/app")
s:copy(nil, ".", "/app")
s:copy(s, nil, "/app")
s:copy(s)
s:copy()
bk.image()
bk.image(nil)
bk.image("a", {}, 1)
bk.scratch({})
s:run("x", {}, {}, {})
bk.merge()
bk.merge(i)
bk.merge({ i })
bk.merge(i, nil)
bk.merge({ i }, { i })
bk.diff(i)
s:with_metadata()
bk.secret({ optional = true })
bk.bind("/src")
bk.arg("A", "b", "c")
s.run("x")
s.run(s)
s.run()
bk:image("alpine")
bk.json:encode({})
bk.imgae("alpine")
bk.json.parse("1")
bk[1]
s:rnu("x")
s.mounts
s[1]
bk.tmpfs("/x").dest
bk.target_platform.architecture
"##,
    );
    insta::assert_snapshot!(told, @r#"
    s:copy(undefined_variable, ".", "/app")
        nil-value: argument 1 (from) of copy() must be a state, got nil
        note: the global `undefined_variable` is not defined
        hint: is the variable's name right, and was it set?
    s:copy(nil, ".", "/app")
        nil-value: argument 1 (from) of copy() must be a state, got nil
        hint: is the variable's name right, and was it set?
    s:copy(s, nil, "/app")
        nil-value: argument 2 (src) of copy() must be a path or a list of paths, got nil
        hint: is the variable's name right, and was it set?
    s:copy(s)
        missing-argument: copy() needs argument 2 (src): a path or a list of paths, got 1 argument
        note: also: copy() needs argument 3 (dest): a path, got 1 argument
        hint: it takes from, src, dest
    s:copy()
        missing-argument: copy() needs argument 1 (from): a state, got 0 arguments
        note: also: copy() needs argument 2 (src): a path or a list of paths, got 0 arguments
        note: also: copy() needs argument 3 (dest): a path, got 0 arguments
        hint: it takes from, src, dest
    bk.image()
        missing-argument: bk.image() needs argument 1 (ref): a string, got 0 arguments
        hint: it takes ref
    bk.image(nil)
        nil-value: argument 1 (ref) of bk.image() must be a string, got nil
        hint: is the variable's name right, and was it set?
    bk.image("a", {}, 1)
        too-many-arguments: bk.image() takes at most 2 arguments, got 3
    bk.scratch({})
        too-many-arguments: bk.scratch() takes at most 0 arguments, got 1
        hint: it takes no options
    s:run("x", {}, {}, {})
        too-many-arguments: run() takes at most 2 arguments, got 4
    bk.merge()
        missing-argument: bk.merge() needs at least two states, got 0
    bk.merge(i)
        missing-argument: bk.merge() needs at least two states, got 1
    bk.merge({ i })
        missing-argument: bk.merge() needs at least two states, got 1
    bk.merge(i, nil)
        nil-value: argument 2 (states) of bk.merge() must be a state or a list of states, got nil
        hint: is the variable's name right, and was it set?
    bk.merge({ i }, { i })
        wrong-type: bk.merge() takes states one after the other or in one list, not both
    bk.diff(i)
        missing-argument: bk.diff() needs argument 2 (upper): a state, got 1 argument
        hint: it takes lower, upper
    s:with_metadata()
        missing-argument: with_metadata() needs a table of labels
        hint: write `state:with_metadata({ description = "…" })`
    bk.secret({ optional = true })
        missing-option: bk.secret() needs a destination or an `id`
        hint: write `bk.secret("/run/secrets/NAME")` or `bk.secret({ id = "NAME", env = "VARIABLE" })`
    bk.bind("/src")
        wrong-type: argument 1 (state) of bk.bind() must be a state, got string
        note: also: bk.bind() needs argument 2 (dest): an absolute path, got 1 argument (it takes state, dest)
        hint: the build context's files are the state `bk.local_("context")`
    bk.arg("A", "b", "c")
        wrong-type: argument 3 (options) of bk.arg() must be a table of options, got string
        hint: options have names: `{ description = "c" }`
    s.run("x")
        wrong-receiver: run() must be called on a state with `:`, got string in the state's place
        hint: write `state:run(…)`, not `state.run(…)`
    s.run(s)
        missing-argument: run() needs argument 1 (cmd): a string or a list of strings, got 0 arguments
        hint: it takes cmd
    s.run()
        wrong-receiver: run() must be called on a state with `:`, got nothing in the state's place
        hint: write `state:run(…)`, not `state.run(…)`
    bk:image("alpine")
        wrong-receiver: bk.image() must be called with `.`, not with `:`
        hint: write `bk.image(…)`
    bk.json:encode({})
        wrong-receiver: bk.json.encode() must be called with `.`, not with `:`
        hint: write `bk.json.encode(…)`
    bk.imgae("alpine")
        unknown-name: bk has no `imgae`; did you mean `bk.image`?
    bk.json.parse("1")
        unknown-name: bk.json has no `parse`
    bk[1]
        unknown-name: bk can't be indexed with number
    s:rnu("x")
        unknown-name: a state has no `rnu`; did you mean `state:run()`?
    s.mounts
        unknown-name: a state has no `mounts`
    s[1]
        unknown-name: a state can't be indexed with number
    bk.tmpfs("/x").dest
        unknown-name: a mount has no `dest`
    bk.target_platform.architecture
        unknown-name: a platform has no `architecture`; did you mean `arch`?
    "#);
}

#[test]
fn everything_is_read_only() {
    let told = errors(
        r##"
(function() bk.image = 1 end)()
(function() bk.extra = 1 end)()
(function() bk.json.x = 1 end)()
(function() bk.args.A = 1 end)()
(function() s.x = 1 end)()
(function() bk.target_platform.os = "x" end)()
"##,
    );
    insta::assert_snapshot!(told, @r#"
    (function() bk.image = 1 end)()
        runtime: attempt to modify a readonly table
    (function() bk.extra = 1 end)()
        read-only: can't set `extra`: bk is read-only
    (function() bk.json.x = 1 end)()
        read-only: can't set `x`: bk.json is read-only
    (function() bk.args.A = 1 end)()
        read-only: can't set `A`: bk.args is read-only
        hint: arguments are given with `--build-arg NAME=VALUE`
    (function() s.x = 1 end)()
        read-only: can't set `x`: a state is read-only
        hint: every method returns another state; keep that
    (function() bk.target_platform.os = "x" end)()
        read-only: can't set `os`: a platform is read-only
    "#);
}
