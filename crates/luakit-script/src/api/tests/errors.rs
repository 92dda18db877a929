//! Every kind of error that a call can be refused with: what it says, and what it advises.

#![allow(clippy::needless_raw_string_hashes, reason = "some calls hold a `#` after a quote")]

use super::input;
use crate::error::ScriptError;
use crate::evaluate;

/// The error of each line, run alone.
fn errors(calls: &str) -> String {
    let mut told = Vec::new();
    for call in calls.trim().lines() {
        let value = if call.starts_with('(') {
            format!(";{call}")
        } else {
            format!("local _ = {call}")
        };
        // Statements after a first expression stay as they are.
        let line = if call.contains("; bk.") { call.to_owned() } else { value };
        let mut input = input(&format!("local s, i = bk.scratch(), bk.image('alpine')\n{line}"));
        input.args.insert("GIVEN".to_owned(), "tow".to_owned());
        let Err(failure) = evaluate(input) else {
            panic!("no error: {call}");
        };
        let diagnostic = &failure.diagnostic;
        assert!(!matches!(failure.error, ScriptError::NoExport), "no error: {call}");
        told.push(format!("{call}\n    {}: {}", diagnostic.code, diagnostic.message));
        told.extend(diagnostic.notes.iter().map(|note| format!("    note: {note}")));
        told.extend(diagnostic.hint.iter().map(|hint| format!("    hint: {hint}")));
    }
    told.join("\n")
}

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
fn types_of_values() {
    let told = errors(
        r##"
s:run("x", { mounts = { bk.tmpfs("/a"), "/b" } })
s:run("x", { mounts = bk.tmpfs("/a") })
s:run("x", { mounts = { s } })
s:run("x", { mounts = { bk.tmpfs("/a"), nil, bk.tmpfs("/b") } })
s:run("x", { mounts = { a = bk.tmpfs("/a") } })
s:run("x", { env = { A = true } })
s:run("x", { env = { "A=1" } })
s:run("x", { env = { A = {} } })
s:run("x", { cwd = 5 })
s:run("x", { ignore_cache = "yes" })
s:run(5)
s:run({})
s:run({ "sleep", 5 })
s:run({ "", "a" })
s:run({ [1] = "a", [3] = "b" })
s:run({ [0] = "a" })
bk.image(s)
bk.image({ "alpine" })
s:copy("x", "a", "b")
s:copy(bk.tmpfs("/x"), "a", "b")
s:env({ ["A=B"] = "1" })
s:env({ [""] = "1" })
s:env({ [5] = "1" })
s:env({ ["a b"] = function() end })
s:shell("/bin/sh -c")
bk.merge(s, "x")
bk.merge({ s, 5 })
bk.cache("/x", { from = "base" })
s:run("x", { extra_hosts = { a = 5 } })
s:run(("x"):rep(3), { hostname = bk.target_platform })
"##,
    );
    insta::assert_snapshot!(told, @r#"
    s:run("x", { mounts = { bk.tmpfs("/a"), "/b" } })
        wrong-type: mounts[2] must be a mount, got string
    s:run("x", { mounts = bk.tmpfs("/a") })
        wrong-type: mounts must be a list of mounts, got mount
    s:run("x", { mounts = { s } })
        wrong-type: mounts[1] must be a mount, got state
    s:run("x", { mounts = { bk.tmpfs("/a"), nil, bk.tmpfs("/b") } })
        nil-value: mounts[2] must be a mount, got nil
        hint: a list can't have holes; is the variable's name right, and was it set?
    s:run("x", { mounts = { a = bk.tmpfs("/a") } })
        wrong-type: mounts must be a list of mounts, but it has the key "a"
    s:run("x", { env = { A = true } })
        wrong-type: env.A must be a string or a number, got boolean
        hint: write it in quotes: "true"
    s:run("x", { env = { "A=1" } })
        wrong-type: env must be a table keyed by names, but it has the key 1
        hint: write `{ NAME = "value" }`
    s:run("x", { env = { A = {} } })
        wrong-type: env.A must be a string or a number, got table
    s:run("x", { cwd = 5 })
        wrong-type: cwd must be a path, got number
        hint: write it in quotes: "5"
    s:run("x", { ignore_cache = "yes" })
        wrong-type: ignore_cache must be a boolean, got string
    s:run(5)
        wrong-type: argument 1 (cmd) of run() must be a string or a list of strings, got number
        hint: write it in quotes: "5"
    s:run({})
        bad-value: argument 1 (cmd) of run() can't be an empty list
    s:run({ "sleep", 5 })
        wrong-type: cmd[2] must be a string, got number
        hint: write it in quotes: "5"
    s:run({ "", "a" })
        bad-value: argument 1 (cmd) of run() can't start with an empty string: the first is the program
    s:run({ [1] = "a", [3] = "b" })
        nil-value: cmd[2] must be a string, got nil
        hint: a list can't have holes; is the variable's name right, and was it set?
    s:run({ [0] = "a" })
        wrong-type: argument 1 (cmd) of run() must be a list of strings, but it has the key 0
    bk.image(s)
        wrong-type: argument 1 (ref) of bk.image() must be a string, got state
    bk.image({ "alpine" })
        wrong-type: argument 1 (ref) of bk.image() must be a string, got table
    s:copy("x", "a", "b")
        wrong-type: argument 1 (from) of copy() must be a state, got string
    s:copy(bk.tmpfs("/x"), "a", "b")
        wrong-type: argument 1 (from) of copy() must be a state, got mount
    s:env({ ["A=B"] = "1" })
        bad-value: argument 1 (vars) of env() can't have a variable with `=` in its name: "A=B"
    s:env({ [""] = "1" })
        bad-value: argument 1 (vars) of env() can't have an empty name as a key
    s:env({ [5] = "1" })
        wrong-type: argument 1 (vars) of env() must be a table keyed by names, but it has the key 5
    s:env({ ["a b"] = function() end })
        wrong-type: vars["a b"] must be a string or a number, got function
    s:shell("/bin/sh -c")
        wrong-type: argument 1 (shell) of shell() must be a list of strings, got string
    bk.merge(s, "x")
        wrong-type: argument 2 (states) of bk.merge() must be a state or a list of states, got string
    bk.merge({ s, 5 })
        wrong-type: states[2] must be a state, got number
    bk.cache("/x", { from = "base" })
        wrong-type: from must be a state, got string
    s:run("x", { extra_hosts = { a = 5 } })
        wrong-type: extra_hosts.a must be an IP address, got number
    s:run(("x"):rep(3), { hostname = bk.target_platform })
        wrong-type: hostname must be a string, got platform
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
    bk.arg("A", "b", "c")
        wrong-type: argument 3 (options) of bk.arg() must be a table of options, got string
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
fn texts_and_numbers() {
    let told = errors(
        r##"
s:run("a\0b")
s:run("\255")
s:run("x", { env = { A = "\0" } })
s:run("x", { env = { ["\255"] = "a" } })
s:run("x", { cwd = "" })
s:run("")
s:copy(s, "", "/b")
s:copy(s, "a", "")
s:copy(s, {}, "/b")
s:copy(s, { "a", "" }, "/b")
s:mkdir("")
s:workdir("")
s:user("")
s:mkdir("/a", { mode = 888 })
s:mkdir("/a", { mode = "0o755" })
s:mkdir("/a", { mode = "u+x" })
s:mkdir("/a", { mode = 4755 })
s:mkfile("/a", "", { mode = "1777" })
s:mkfile("/a", "", { mode = -1 })
s:mkfile("/a", "", { mode = 7.5 })
s:mkfile("/a", 5)
s:copy(s, "a", "b", { mode = "rwx" })
s:copy(s, "a", "b", { mode = 10000 })
s:copy(s, "a", "b", { owner = "a:b:c" })
s:copy(s, "a", "b", { owner = {} })
s:copy(s, "a", "b", { owner = { user = 1.5 } })
s:copy(s, "a", "b", { owner = { user = -1 } })
s:copy(s, "a", "b", { created = "yesterday" })
s:copy(s, "a", "b", { created = -1 })
s:copy(s, "a", "b", { created = 0/0 })
bk.tmpfs("/a", { size = "64x" })
bk.tmpfs("/a", { size = -1 })
bk.tmpfs("/a", { size = 1/0 })
bk.image("a", { layer_limit = -1 })
bk.image("a", { layer_limit = 1.5 })
bk.image("a", { platform = "linux/amd46" })
bk.image("a", { platform = "linux" })
bk.image("a", { platform = { os = "linux", arch = "" } })
bk.platform("linus", "amd64")
bk.platform("linux/arm64", "arm64")
bk.platform(bk.target_platform, "arm64")
bk.image("a", { checksum = "sha256:12" })
"##,
    );
    insta::assert_snapshot!(told, @r#"
    s:run("a\0b")
        bad-value: argument 1 (cmd) of run() can't hold a NUL byte: "a\0b"
    s:run("\255")
        bad-value: argument 1 (cmd) of run() must be UTF-8 text
        hint: only a file's data may hold any bytes (mkfile)
    s:run("x", { env = { A = "\0" } })
        bad-value: env.A can't hold a NUL byte: "\0"
    s:run("x", { env = { ["\255"] = "a" } })
        bad-value: env["�"] must be UTF-8 text
        hint: only a file's data may hold any bytes (mkfile)
    s:run("x", { cwd = "" })
        bad-value: cwd can't be empty
    s:run("")
        bad-value: argument 1 (cmd) of run() can't be empty
    s:copy(s, "", "/b")
        bad-value: argument 2 (src) of copy() can't be empty
    s:copy(s, "a", "")
        bad-value: argument 3 (dest) of copy() can't be empty
    s:copy(s, {}, "/b")
        bad-value: argument 2 (src) of copy() can't be an empty list
    s:copy(s, { "a", "" }, "/b")
        bad-value: src[2] can't be empty
    s:mkdir("")
        bad-value: argument 1 (path) of mkdir() can't be empty
    s:workdir("")
        bad-value: argument 1 (path) of workdir() can't be empty
    s:user("")
        bad-value: argument 1 (user) of user() can't be empty
    s:mkdir("/a", { mode = 888 })
        bad-value: mode must have octal digits, 0 to 7: `888` has `8`
        hint: a mode is read digit by digit, as chmod does: `0755` and `755` are rwxr-xr-x; a number that was computed in decimal is not
    s:mkdir("/a", { mode = "0o755" })
        bad-value: mode must be a mode such as "0755" or "u+x", got "0o755"
        hint: write the octal digits alone: "0755"
    s:mkdir("/a", { mode = "u+x" })
        bad-value: mode must be octal digits here, got the symbolic mode "u+x"
        hint: a symbolic mode changes a mode that is there; only copy takes one
    s:mkdir("/a", { mode = 4755 })
        bad-value: mode must be permission bits alone, up to 0777: `4755` has setuid, setgid or sticky, which BuildKit drops here
        hint: set them with run: `chmod u+s …`
    s:mkfile("/a", "", { mode = "1777" })
        bad-value: mode must be permission bits alone, up to 0777: `1777` has setuid, setgid or sticky, which BuildKit drops here
        hint: set them with run: `chmod u+s …`
    s:mkfile("/a", "", { mode = -1 })
        bad-value: mode must be at least 0, got -1
    s:mkfile("/a", "", { mode = 7.5 })
        bad-value: mode must be a whole number, got 7.5
    s:mkfile("/a", 5)
        wrong-type: argument 2 (data) of mkfile() must be a string, got number
        hint: write it in quotes: "5"
    s:copy(s, "a", "b", { mode = "rwx" })
        bad-value: mode must be a mode such as "0755" or "u+x", got "rwx"
    s:copy(s, "a", "b", { mode = 10000 })
        bad-value: mode must be at most four octal digits, got `10000`
    s:copy(s, "a", "b", { owner = "a:b:c" })
        bad-value: owner must be "user" or "user:group", got "a:b:c"
    s:copy(s, "a", "b", { owner = {} })
        bad-value: owner must have a `user` or a `group`
    s:copy(s, "a", "b", { owner = { user = 1.5 } })
        bad-value: owner.user must be a whole number, got 1.5
    s:copy(s, "a", "b", { owner = { user = -1 } })
        bad-value: owner.user must be at least 0, got -1
    s:copy(s, "a", "b", { created = "yesterday" })
        bad-value: created must be Unix seconds or RFC 3339 such as "2024-01-02T03:04:05Z", got "yesterday"
    s:copy(s, "a", "b", { created = -1 })
        bad-value: created must be at least 0, got -1
    s:copy(s, "a", "b", { created = 0/0 })
        bad-value: created must be a finite number, got NaN
    bk.tmpfs("/a", { size = "64x" })
        bad-value: size must be a number of bytes or a size such as "64m" or "1.5g", got "64x"
    bk.tmpfs("/a", { size = -1 })
        bad-value: size must be at least 0, got -1
    bk.tmpfs("/a", { size = 1/0 })
        bad-value: size must be a finite number, got inf
    bk.image("a", { layer_limit = -1 })
        bad-value: layer_limit must be at least 0, got -1
    bk.image("a", { layer_limit = 1.5 })
        bad-value: layer_limit must be a whole number, got 1.5
    bk.image("a", { platform = "linux/amd46" })
        bad-value: platform must be a platform: unknown architecture `amd46`
        hint: did you mean `amd64`?
    bk.image("a", { platform = "linux" })
        bad-value: platform must be a platform: `linux` names no architecture
        hint: write "linux/amd64" or "linux/arm64"
    bk.image("a", { platform = { os = "linux", arch = "" } })
        bad-value: platform.arch can't be empty
    bk.platform("linus", "amd64")
        bad-value: argument 1 (os) of bk.platform() must be a platform: unknown operating system `linus`
        hint: did you mean `linux`?
    bk.platform("linux/arm64", "arm64")
        bad-value: argument 1 (os) of bk.platform() must be a platform: `linux/arm64` can't be part of a platform
    bk.platform(bk.target_platform, "arm64")
        bad-value: argument 1 (os) of bk.platform() must be the operating system alone when the architecture follows
    bk.image("a", { checksum = "sha256:12" })
        bad-value: checksum must be a digest, `sha256:` and 64 lower-case hex digits, got "sha256:12"
    "#);
}

#[test]
fn sources() {
    let told = errors(
        r##"
bk.image("scratch")
bk.image("")
bk.image("Alpine")
bk.image("alpine:")
bk.image(" alpine")
bk.image("https://x.io/y")
bk.image(("a"):rep(64))
bk.image("a", { resolve_mode = "pul" })
bk.local_("")
bk.local_("a", { differ = "content" })
bk.git("")
bk.git("#main")
bk.git("/src/repo")
bk.git("file:///src/repo")
bk.git("https://")
bk.git("https://me:token@git.example.com/a.git")
bk.git("me:token@git.example.com/a.git")
bk.git("https://git.example.com/a b.git")
bk.git("-oProxyCommand=x")
bk.git("https://git.example.com/a.git#main", { ref = "v1" })
bk.git("https://git.example.com/a.git#:dir", { subdir = "other" })
bk.git("https://git.example.com/a.git", { ref = "--upload-pack=x" })
bk.git("https://git.example.com/a.git", { checksum = "main" })
bk.http("ftp://a.b/c")
bk.http("a.b/c")
bk.http("https:///c")
bk.http("https://me:pw@a.b/c")
bk.http("https://a.b/c d")
bk.https("http://a.b/c")
bk.https("a.b/c")
bk.http("https://a.b/c", { filename = "a/b" })
bk.http("https://a.b/c", { headers = { Accept = "a\nb" } })
bk.http("https://a.b/c", { chmod = "4755" })
bk.oci_layout("alpine:3.19")
"##,
    );
    insta::assert_snapshot!(told, @r##"
    bk.image("scratch")
        bad-value: argument 1 (ref) of bk.image() can't be "scratch", which is no image
        hint: write `bk.scratch()`
    bk.image("")
        bad-value: argument 1 (ref) of bk.image() can't be empty
    bk.image("Alpine")
        bad-value: argument 1 (ref) of bk.image() must be an image reference: repository name `library/Alpine` must be lowercase
        hint: write "alpine"
    bk.image("alpine:")
        bad-value: argument 1 (ref) of bk.image() must be an image reference: invalid tag `` in the image reference
        hint: there is nothing after `:`; is the version's variable set?
    bk.image(" alpine")
        bad-value: argument 1 (ref) of bk.image() must be an image reference: invalid repository name `library/ alpine` in the image reference
        hint: it has a blank at its start or end
    bk.image("https://x.io/y")
        bad-value: argument 1 (ref) of bk.image() must be an image reference: invalid registry `https:` in the image reference
        hint: leave out the part up to `://`; for a file over HTTP there is bk.http
    bk.image(("a"):rep(64))
        bad-value: argument 1 (ref) of bk.image() must be an image reference: `aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa` is an image id, which no registry can be asked for
        hint: name the image by its repository, and pin it with `@sha256:…`
    bk.image("a", { resolve_mode = "pul" })
        bad-value: resolve_mode must be "default" or "pull" or "local", got "pul"
        hint: did you mean `pull`?
    bk.local_("")
        bad-value: argument 1 (name) of bk.local_() can't be empty
    bk.local_("a", { differ = "content" })
        bad-value: differ must be "none" or "metadata", got "content"
    bk.git("")
        bad-value: argument 1 (url) of bk.git() can't be empty
    bk.git("#main")
        bad-value: argument 1 (url) of bk.git() must be a git remote, got nothing before `#`
    bk.git("/src/repo")
        bad-value: argument 1 (url) of bk.git() must be a git remote: "/src/repo" names no host
        hint: write `https://host/path.git` or `git@host:path.git`
    bk.git("file:///src/repo")
        bad-value: argument 1 (url) of bk.git() must be a git remote: "file:///src/repo" has another scheme than https, http, ssh or git
        hint: a directory of this machine is had with bk.local_
    bk.git("https://")
        bad-value: argument 1 (url) of bk.git() names no host: "https://"
    bk.git("https://me:token@git.example.com/a.git")
        bad-value: argument 1 (url) of bk.git() must hold no password
        hint: secrets don't belong in a build's definition: give it as a build secret, and name that with `auth_token_secret`
    bk.git("me:token@git.example.com/a.git")
        bad-value: argument 1 (url) of bk.git() must hold no password
        hint: secrets don't belong in a build's definition: give it as a build secret, and name that with `auth_token_secret`
    bk.git("https://git.example.com/a b.git")
        bad-value: argument 1 (url) of bk.git() must be a git remote: "https://git.example.com/a b.git" has a blank in it
    bk.git("-oProxyCommand=x")
        bad-value: argument 1 (url) of bk.git() must be a git remote: "-oProxyCommand=x" starts with a dash
    bk.git("https://git.example.com/a.git#main", { ref = "v1" })
        conflicting-options: `ref` is given twice: as an option, and as "main" in the URL
        hint: leave one out
    bk.git("https://git.example.com/a.git#:dir", { subdir = "other" })
        conflicting-options: `subdir` is given twice: as an option, and as "dir" in the URL
        hint: leave one out
    bk.git("https://git.example.com/a.git", { ref = "--upload-pack=x" })
        bad-value: ref must be a branch, a tag or a commit, got "--upload-pack=x"
    bk.git("https://git.example.com/a.git", { checksum = "main" })
        bad-value: checksum must be a commit, 40 or 64 lower-case hex digits or at least the first 7, got "main"
    bk.http("ftp://a.b/c")
        bad-value: argument 1 (url) of bk.http() must start with `http://` or `https://`, got "ftp://a.b/c"
    bk.http("a.b/c")
        bad-value: argument 1 (url) of bk.http() must start with `http://` or `https://`, got "a.b/c"
    bk.http("https:///c")
        bad-value: argument 1 (url) of bk.http() names no host: "https:///c"
    bk.http("https://me:pw@a.b/c")
        bad-value: argument 1 (url) of bk.http() must hold no password
        hint: secrets don't belong in a build's definition: give it as a build secret, and name that with `auth_header_secret`
    bk.http("https://a.b/c d")
        bad-value: argument 1 (url) of bk.http() has a blank in it: "https://a.b/c d"
        hint: write it as `%20`
    bk.https("http://a.b/c")
        bad-value: argument 1 (url) of bk.https() must start with `https://`, got "http://a.b/c"
        hint: for HTTP without TLS there is bk.http
    bk.https("a.b/c")
        bad-value: argument 1 (url) of bk.https() must start with `https://`, got "a.b/c"
    bk.http("https://a.b/c", { filename = "a/b" })
        bad-value: filename must be a name without `/`, got "a/b"
    bk.http("https://a.b/c", { headers = { Accept = "a\nb" } })
        bad-value: headers can't have a line break in `accept`
    bk.http("https://a.b/c", { chmod = "4755" })
        bad-value: chmod must be permission bits alone, up to 0777: `4755` has setuid, setgid or sticky, which BuildKit drops here
        hint: set them with run: `chmod u+s …`
    bk.oci_layout("alpine:3.19")
        bad-value: argument 1 (ref) of bk.oci_layout() must have a digest, got "alpine:3.19"
        hint: an OCI layout is read by digest: write `name@sha256:…`; the digests are in the directory's index.json
    "##);
}

#[test]
fn mounts_and_outputs() {
    let told = errors(
        r##"
bk.cache("x")
bk.cache("./node_modules")
bk.cache("/")
bk.cache("/a/..")
bk.cache("")
bk.cache("/a", { sharing = "lock" })
bk.cache("/a", { selector = "/b" })
bk.cache("/a", { id = "" })
bk.secret("x")
bk.secret({ id = "a", env = "A", mode = 0400 })
bk.secret({ id = "a", env = "A=B" })
bk.secret("/a", { mode = "04000" })
bk.secret("/a", { uid = 4294967296 })
bk.ssh("/a")
bk.ssh({ dest = "sock" })
bk.bind(s, "/")
bk.bind(nil, "/a")
s:run("x", { mounts = { bk.tmpfs("/a"), bk.cache("/b/../a/") } })
s:run("x", { mounts = { bk.tmpfs("/a"), bk.secret("/a") } })
s:output("/a")
s:run("x"):output("/a")
s:run("x"):output("/")
s:run("x", { mounts = { bk.tmpfs("/a") } }):output("/a")
s:run("x", { mounts = { bk.bind(i, "/a") } }):output("/a")
s:run("x", { mounts = { bk.bind(i, "/a", { readonly = false }) } }):output("/b")
"##,
    );
    insta::assert_snapshot!(told, @r#"
    bk.cache("x")
        bad-value: argument 1 (dest) of bk.cache() must be an absolute path, got "x"
        hint: write it with the working directory before it: "/app/x"
    bk.cache("./node_modules")
        bad-value: argument 1 (dest) of bk.cache() must be an absolute path, got "./node_modules"
        hint: write it with the working directory before it: "/app/node_modules"
    bk.cache("/")
        bad-value: argument 1 (dest) of bk.cache() can't be `/`, which is the run's own root filesystem
    bk.cache("/a/..")
        bad-value: argument 1 (dest) of bk.cache() can't be `/`, which is the run's own root filesystem
    bk.cache("")
        bad-value: argument 1 (dest) of bk.cache() can't be empty
    bk.cache("/a", { sharing = "lock" })
        bad-value: sharing must be "shared" or "private" or "locked", got "lock"
        hint: did you mean `locked`?
    bk.cache("/a", { selector = "/b" })
        bad-value: selector is a path of `from`, and there is no `from`
    bk.cache("/a", { id = "" })
        bad-value: id can't be empty
    bk.secret("x")
        bad-value: argument 1 (dest) of bk.secret() must be an absolute path, got "x"
        hint: write it with the working directory before it: "/app/x"
    bk.secret({ id = "a", env = "A", mode = 0400 })
        conflicting-options: `uid`, `gid` and `mode` are a file's, and with `env` alone there is none
        hint: give a destination as the first argument
    bk.secret({ id = "a", env = "A=B" })
        bad-value: env must be a variable's name, got "A=B"
    bk.secret("/a", { mode = "04000" })
        bad-value: mode must be permission bits alone, up to 0777: `04000` has setuid, setgid or sticky, which BuildKit drops here
        hint: set them with run: `chmod u+s …`
    bk.secret("/a", { uid = 4294967296 })
        bad-value: uid must be at most 4294967295, got 4294967296
    bk.ssh("/a")
        wrong-type: argument 1 (options) of bk.ssh() must be a table of options, got string
    bk.ssh({ dest = "sock" })
        bad-value: dest must be an absolute path, got "sock"
        hint: write it with the working directory before it: "/app/sock"
    bk.bind(s, "/")
        bad-value: argument 2 (dest) of bk.bind() can't be `/`, which is the run's own root filesystem
    bk.bind(nil, "/a")
        nil-value: argument 1 (state) of bk.bind() must be a state, got nil
        hint: is the variable's name right, and was it set?
    s:run("x", { mounts = { bk.tmpfs("/a"), bk.cache("/b/../a/") } })
        duplicate-mount: mounts[2] is at "/b/../a/", where mounts[1] is already
        hint: give each mount a place of its own
    s:run("x", { mounts = { bk.tmpfs("/a"), bk.secret("/a") } })
        duplicate-mount: mounts[2] is at "/a", where mounts[1] is already
        hint: give each mount a place of its own
    s:output("/a")
        no-such-output: this state is not the result of a run
        hint: call output on what run() returned: `local built = state:run(…)`, then `built:output("/out")`
    s:run("x"):output("/a")
        no-such-output: the run has no mount at `/a`
        hint: mount something writable for the run: `bk.bind(bk.scratch(), "/out", { readonly = false })`
    s:run("x"):output("/")
        no-such-output: the run has no mount at `/`
        hint: the root filesystem after a run is what run() returned
    s:run("x", { mounts = { bk.tmpfs("/a") } }):output("/a")
        no-such-output: the mount at `/a` is a tmpfs mount, and has no output
        hint: only a writable bind mount has one: `bk.bind(state, dest, { readonly = false })`
    s:run("x", { mounts = { bk.bind(i, "/a") } }):output("/a")
        no-such-output: the mount at `/a` is a read-only bind mount, and has no output
        hint: only a writable bind mount has one: `bk.bind(state, dest, { readonly = false })`
    s:run("x", { mounts = { bk.bind(i, "/a", { readonly = false }) } }):output("/b")
        no-such-output: the run has no mount at `/b`
        hint: writable mounts of this run: /a
    "#);
}

#[test]
fn options_of_run() {
    let told = errors(
        r##"
s:run("x", { network = "hots" })
s:run("x", { security = "none" })
s:run("x", { valid_exit_codes = "0-10" })
s:run("x", { valid_exit_codes = "10..0" })
s:run("x", { valid_exit_codes = "0..100000" })
s:run("x", { valid_exit_codes = { 0, "1" } })
s:run("x", { valid_exit_codes = 0.5 })
s:run("x", { extra_hosts = { a = "host" } })
s:run("x", { extra_hosts = { ["a b"] = "1.2.3.4" } })
s:run("x", { ulimits = { nofiles = 1 } })
s:run("x", { ulimits = { files = 1 } })
s:run("x", { ulimits = { nofile = { hard = 1 } } })
s:run("x", { ulimits = { nofile = { soft = 2, hard = 1 } } })
s:run("x", { ulimits = { nofile = -2 } })
s:run("x", { resources = { memory = "much" } })
s:run("x", { resources = { cpus = 0 } })
s:run("x", { resources = { cpus = 1, cpu_quota = 5 } })
s:run("x", { resources = { cpuset_cpus = "a" } })
s:run("x", { progress_group = { name = "a" } })
s:run("x", { cwd = 1, network = "x", zzz = 1 })
"##,
    );
    insta::assert_snapshot!(told, @r#"
    s:run("x", { network = "hots" })
        bad-value: network must be "sandbox" or "host" or "none", got "hots"
        hint: did you mean `host`?
    s:run("x", { security = "none" })
        bad-value: security must be "sandbox" or "insecure", got "none"
    s:run("x", { valid_exit_codes = "0-10" })
        bad-value: valid_exit_codes must be a number, a list of numbers or a range such as "0..10", got "0-10"
    s:run("x", { valid_exit_codes = "10..0" })
        bad-value: valid_exit_codes must be a number, a list of numbers or a range such as "0..10", got "10..0"
    s:run("x", { valid_exit_codes = "0..100000" })
        bad-value: valid_exit_codes must be a number, a list of numbers or a range such as "0..10", got "0..100000"
    s:run("x", { valid_exit_codes = { 0, "1" } })
        wrong-type: valid_exit_codes[2] must be a whole number, got string
    s:run("x", { valid_exit_codes = 0.5 })
        bad-value: valid_exit_codes must be a whole number, got 0.5
    s:run("x", { extra_hosts = { a = "host" } })
        bad-value: extra_hosts.a must be an IP address, got "host"
    s:run("x", { extra_hosts = { ["a b"] = "1.2.3.4" } })
        bad-value: extra_hosts must have host names as keys, got "a b"
    s:run("x", { ulimits = { nofiles = 1 } })
        bad-value: ulimits has the unknown limit `nofiles`
        hint: did you mean `nofile`?
    s:run("x", { ulimits = { files = 1 } })
        bad-value: ulimits has the unknown limit `files`
        hint: known: as, core, cpu, data, fsize, locks, memlock, msgqueue, nice, nofile, nproc, rss, rtprio, rttime, sigpending, stack
    s:run("x", { ulimits = { nofile = { hard = 1 } } })
        missing-option: ulimits.nofile must have `soft`: a whole number
    s:run("x", { ulimits = { nofile = { soft = 2, hard = 1 } } })
        bad-value: ulimits must have a soft limit for `nofile` that is not above the hard one
    s:run("x", { ulimits = { nofile = -2 } })
        bad-value: ulimits.nofile must be at least -1, got -2
    s:run("x", { resources = { memory = "much" } })
        bad-value: resources.memory must be a number of bytes or a size such as "64m" or "1.5g", got "much"
    s:run("x", { resources = { cpus = 0 } })
        bad-value: resources must have `cpus` of at least 0.01
    s:run("x", { resources = { cpus = 1, cpu_quota = 5 } })
        bad-value: resources can't have `cpus` together with `cpu_period` or `cpu_quota`: it is the short form of both
    s:run("x", { resources = { cpuset_cpus = "a" } })
        bad-value: resources must have numbers and ranges such as "0-3,5" as `cpuset_cpus`, got "a"
    s:run("x", { progress_group = { name = "a" } })
        missing-option: progress_group must have `id`: a string
    s:run("x", { cwd = 1, network = "x", zzz = 1 })
        unknown-option: unknown option `zzz` in run()
        note: also: cwd must be a path, got number (write it in quotes: "1")
        note: also: network must be "sandbox" or "host" or "none", got "x"
        hint: known: `env`, `cwd`, `user`, `mounts`, `network`, `security`, `hostname`, `valid_exit_codes`, `extra_hosts`, `ulimits`, `cgroup_parent`, `proxy`, `devices`, `readonly_rootfs`, `ignore_cache`, `description`, `progress_group`, `resources`
    "#);
}

#[test]
fn exports() {
    let told = errors(
        r##"
bk.export("x")
bk.export(i, { name = "a/b:c" })
bk.export(i, { name = "" })
bk.export(i, { workdir = "/a", cwd = "/b" })
bk.export(i, { expose = { "80:80" } })
bk.export(i, { expose = 70000 })
bk.export(i, { expose = { 80, "http" } })
bk.export(i, { stop_signal = "SIGTEM" })
bk.export(i, { env = { "A" } })
bk.export(i, { env = { "A=1", B = "2" } })
bk.export(i, { healthcheck = {} })
bk.export(i, { healthcheck = { test = "x", interval = "soon" } })
bk.export(i, { healthcheck = { test = "x", interval = 0.0001 } })
bk.export(i, { healthcheck = { test = "x", timeout = -1 } })
bk.export(i, { healthcheck = { test = "none", retries = 3 } })
bk.export(i, { healthcheck = { test = { "CMD" } } })
bk.export(i, { labels = { a = true } })
bk.export(i, { volumes = { "" } })
bk.export(i, { shell = "sh" })
bk.export(i, { command = {} })
bk.export(i); bk.export(i)
bk.export(i, { platform = "linux/arm64" }); bk.export(s)
bk.export(i, { name = "a" }); bk.export(s, { name = "a" })
"##,
    );
    insta::assert_snapshot!(told, @r#"
    bk.export("x")
        wrong-type: argument 1 (state) of bk.export() must be a state, got string
    bk.export(i, { name = "a/b:c" })
        bad-value: name must be letters, digits, `-`, `_` and `.`, and start with a letter or digit, got "a/b:c"
        hint: this names a target, not an image: the image's name is given with `-t`
    bk.export(i, { name = "" })
        bad-value: name can't be empty
    bk.export(i, { workdir = "/a", cwd = "/b" })
        conflicting-options: `cwd` and `workdir` are the same option, and both are given
        hint: leave one out
    bk.export(i, { expose = { "80:80" } })
        bad-value: expose[1] must be a port such as "8080" or "8080/tcp", got "80:80": an image exposes its own ports, and knows nothing of the host's
    bk.export(i, { expose = 70000 })
        bad-value: expose must be at most 65535, got 70000
    bk.export(i, { expose = { 80, "http" } })
        bad-value: expose[2] must be a port such as "8080" or "8080/tcp", got "http"
    bk.export(i, { stop_signal = "SIGTEM" })
        bad-value: stop_signal must be a signal such as "SIGTERM", got "SIGTEM"
        hint: did you mean `SIGTERM`?
    bk.export(i, { env = { "A" } })
        bad-value: env[1] must be "NAME=value", got "A"
    bk.export(i, { env = { "A=1", B = "2" } })
        wrong-type: env must be a list of strings, but it has the key "B"
    bk.export(i, { healthcheck = {} })
        missing-option: healthcheck must have `test`: a string or a list of strings
    bk.export(i, { healthcheck = { test = "x", interval = "soon" } })
        bad-value: healthcheck.interval must be a number of seconds or a duration such as "30s" or "1m30s", got "soon"
    bk.export(i, { healthcheck = { test = "x", interval = 0.0001 } })
        bad-value: healthcheck needs at least 1ms as its `interval`
    bk.export(i, { healthcheck = { test = "x", timeout = -1 } })
        bad-value: healthcheck.timeout must be at least 0, got -1
    bk.export(i, { healthcheck = { test = "none", retries = 3 } })
        bad-value: healthcheck is "none", and takes no times then
    bk.export(i, { healthcheck = { test = { "CMD" } } })
        bad-value: healthcheck has a wrong number of words after `CMD`
    bk.export(i, { labels = { a = true } })
        wrong-type: labels.a must be a string or a number, got boolean
        hint: write it in quotes: "true"
    bk.export(i, { volumes = { "" } })
        bad-value: volumes[1] can't be empty
    bk.export(i, { shell = "sh" })
        wrong-type: shell must be a list of strings, got string
    bk.export(i, { command = {} })
        unknown-option: unknown option `command` in bk.export(); did you mean `cmd`?
    bk.export(i); bk.export(i)
        duplicate-export: the default target is exported twice for linux/arm64
        hint: give one of them another `name` or `platform`
    bk.export(i, { platform = "linux/arm64" }); bk.export(s)
        duplicate-export: the default target is exported twice for linux/arm64
        hint: give one of them another `name` or `platform`
    bk.export(i, { name = "a" }); bk.export(s, { name = "a" })
        duplicate-export: target `a` is exported twice for linux/arm64
        hint: give one of them another `name` or `platform`
    "#);
}

#[test]
fn arguments_files_and_codecs() {
    let told = errors(
        r##"
bk.arg("A=B")
bk.arg("")
bk.arg("A", true)
bk.arg("A", {}, {})
bk.arg("A", { required = true })
bk.arg("A", { required = true, description = "the version" })
bk.arg("A", "x", { required = true })
bk.arg("A", "x", { choices = { "a", "b" } })
bk.arg("GIVEN", "one", { choices = { "one", "two" } })
bk.read_file("/etc/passwd")
bk.read_file("../x")
bk.read_file("missing")
bk.exists("")
bk.glob("/x")
bk.json.decode("{")
bk.json.decode("\255")
bk.yaml.decode("a: [")
bk.toml.decode("a =")
bk.json.encode()
bk.json.encode(nil)
bk.json.encode(s)
bk.json.encode({ a = { b = print } })
bk.json.encode({ 1, nil, 3 })
bk.json.encode({ 1, a = 2 })
bk.json.encode({ [0] = 1 })
bk.json.encode({ [true] = 1 })
bk.json.encode("\255")
bk.json.encode(0/0)
bk.toml.encode({ a = bk.null })
bk.toml.encode({ 1 })
(function() local t = {}; t.t = t; return bk.json.encode(t) end)()
(function() local t = {}; for _ = 1, 40 do t = { t, t } end; return bk.json.encode(t) end)()
"##,
    );
    insta::assert_snapshot!(told, @r#"
    bk.arg("A=B")
        bad-value: argument 1 (name) of bk.arg() must be a name without `=`, got "A=B"
        hint: the default is the second argument
    bk.arg("")
        bad-value: argument 1 (name) of bk.arg() can't be empty
    bk.arg("A", true)
        wrong-type: argument 2 (default) of bk.arg() must be a string or a number, got boolean
        hint: write it in quotes: "true"
    bk.arg("A", {}, {})
        wrong-type: argument 2 (default) of bk.arg() must be a string or a number, got table
    bk.arg("A", { required = true })
        missing-build-argument: build argument `A` is required, and not given
        hint: give it with `--arg A=…`
    bk.arg("A", { required = true, description = "the version" })
        missing-build-argument: build argument `A` is required, and not given
        note: `A` is the version
        hint: give it with `--arg A=…`
    bk.arg("A", "x", { required = true })
        bad-value: required is pointless beside the default "x"
        hint: leave one out
    bk.arg("A", "x", { choices = { "a", "b" } })
        bad-value: argument 2 (default) of bk.arg() must be one of the choices "a", "b", got "x"
    bk.arg("GIVEN", "one", { choices = { "one", "two" } })
        bad-argument-value: build argument `GIVEN` must be one of "one", "two", got "tow"
        hint: did you mean `two`?
    bk.read_file("/etc/passwd")
        bad-value: argument 1 (path) of bk.read_file() must be a path relative to the build context, got "/etc/passwd"
    bk.read_file("../x")
        outside-context: `../x` is outside the build context
    bk.read_file("missing")
        no-such-file: the build context has no file "missing"
        hint: ask with bk.exists() first if it may be missing
    bk.exists("")
        bad-value: argument 1 (path) of bk.exists() can't be empty
    bk.glob("/x")
        bad-value: argument 1 (pattern) of bk.glob() must be a path relative to the build context, got "/x"
    bk.json.decode("{")
        bad-text: this is no JSON: EOF while parsing an object at line 1 column 1
    bk.json.decode("\255")
        bad-text: this is no JSON: byte 1 is not UTF-8
    bk.yaml.decode("a: [")
        bad-text: this is no YAML: while parsing a node, did not find expected node content at line 2 column 1
    bk.toml.decode("a =")
        bad-text: this is no TOML: string values must be quoted, expected literal string at line 1 column 4
    bk.json.encode()
        missing-argument: bk.json.encode() needs argument 1 (value): a value, got 0 arguments
        hint: it takes value
    bk.json.encode(nil)
        bad-value: can't be encoded as JSON: value is nil; write bk.null for null
    bk.json.encode(s)
        bad-value: can't be encoded as JSON: value is a state
    bk.json.encode({ a = { b = print } })
        bad-value: can't be encoded as JSON: value.a.b is a function
    bk.json.encode({ 1, nil, 3 })
        bad-value: can't be encoded as JSON: value[2] is nil; write bk.null for null
    bk.json.encode({ 1, a = 2 })
        bad-value: can't be encoded as JSON: value is a list and has names as keys too
    bk.json.encode({ [0] = 1 })
        bad-value: can't be encoded as JSON: value has the key 0, and a list starts at 1
    bk.json.encode({ [true] = 1 })
        bad-value: can't be encoded as JSON: value has a key that is a boolean
    bk.json.encode("\255")
        bad-value: can't be encoded as JSON: value is not UTF-8 text
    bk.json.encode(0/0)
        bad-value: can't be encoded as JSON: value is NaN, which no text form has
    bk.toml.encode({ a = bk.null })
        bad-value: can't be encoded as TOML: value.a is null, which TOML has not
    bk.toml.encode({ 1 })
        bad-value: can't be encoded as TOML: a document is a table with names as keys
    (function() local t = {}; t.t = t; return bk.json.encode(t) end)()
        bad-value: can't be encoded as JSON: it is nested more than 120 deep, or holds itself
    (function() local t = {}; for _ = 1, 40 do t = { t, t } end; return bk.json.encode(t) end)()
        bad-value: can't be encoded as JSON: it holds more than 1000000 values
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
        hint: arguments are given with `--arg NAME=VALUE`
    (function() s.x = 1 end)()
        read-only: can't set `x`: a state is read-only
        hint: every method returns another state; keep that
    (function() bk.target_platform.os = "x" end)()
        read-only: can't set `os`: a platform is read-only
    "#);
}
