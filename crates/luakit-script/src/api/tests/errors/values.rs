//! Values of a wrong type, and texts and numbers that mean nothing.

#![allow(clippy::needless_raw_string_hashes, reason = "some calls hold a `#` after a quote")]

use super::errors;

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
        hint: mounts are made with bk.cache, bk.bind, bk.secret, bk.ssh and bk.tmpfs
    s:run("x", { mounts = bk.tmpfs("/a") })
        wrong-type: mounts must be a list of mounts, got mount
        hint: a list of one has braces too: `{ … }`
    s:run("x", { mounts = { s } })
        wrong-type: mounts[1] must be a mount, got state
        hint: mount a state with `bk.bind(state, dest)`
    s:run("x", { mounts = { bk.tmpfs("/a"), nil, bk.tmpfs("/b") } })
        nil-value: mounts[2] must be a mount, got nil
        hint: a list can't have holes; is the variable's name right, and was it set?
    s:run("x", { mounts = { a = bk.tmpfs("/a") } })
        wrong-type: mounts must be a list of mounts, but it has the key "a"
        hint: mounts are made with bk.cache, bk.bind, bk.secret, bk.ssh and bk.tmpfs
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
    s:run("x", { ignore_cache = "yes" })
        wrong-type: ignore_cache must be a boolean, got string
        hint: write `true` or `false`
    s:run(5)
        wrong-type: argument 1 (cmd) of run() must be a string or a list of strings, got number
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
        hint: the state to copy from comes first: `state:copy(bk.local_("context"), "x", …)`
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
        hint: write a list: { "/bin/sh", "-c" }
    bk.merge(s, "x")
        wrong-type: argument 2 (states) of bk.merge() must be a state or a list of states, got string
        hint: for an image write `bk.image("x")`
    bk.merge({ s, 5 })
        wrong-type: states[2] must be a state, got number
    bk.cache("/x", { from = "base" })
        wrong-type: from must be a state, got string
        hint: for an image write `bk.image("base")`
    s:run("x", { extra_hosts = { a = 5 } })
        wrong-type: extra_hosts.a must be an IP address, got number
    s:run(("x"):rep(3), { hostname = bk.target_platform })
        wrong-type: hostname must be a string, got platform
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
s:user("a b")
s:user("app:")
s:user("a:b:c")
s:run("x", { user = " app" })
bk.export(s, { user = "app\tx" })
s:copy(s, "a", "b", { owner = "a b" })
s:copy(s, "a", "b", { owner = { user = "a:b" } })
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
    s:user("a b")
        bad-value: argument 1 (user) of user() must be "user" or "user:group", got "a b"
        hint: no user or group has a blank in its name
    s:user("app:")
        bad-value: argument 1 (user) of user() must be "user" or "user:group", got "app:"
        hint: leave out the `:`, or name the group after it
    s:user("a:b:c")
        bad-value: argument 1 (user) of user() must be "user" or "user:group", got "a:b:c"
        hint: there is one user and one group
    s:run("x", { user = " app" })
        bad-value: user must be "user" or "user:group", got " app"
        hint: no user or group has a blank in its name
    bk.export(s, { user = "app\tx" })
        bad-value: user must be "user" or "user:group", got "app\tx"
        hint: no user or group has a blank in its name
    s:copy(s, "a", "b", { owner = "a b" })
        bad-value: owner must be a user's or a group's name or number, got "a b"
        hint: it has no blank and no `:` in it: a user and a group are "user:group" or { user =, group = }
    s:copy(s, "a", "b", { owner = { user = "a:b" } })
        bad-value: owner.user must be a user's or a group's name or number, got "a:b"
        hint: it has no blank and no `:` in it: a user and a group are "user:group" or { user =, group = }
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
