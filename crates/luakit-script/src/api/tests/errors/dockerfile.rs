//! What people write who know Dockerfiles, and what they are told.

use super::errors;

#[test]
fn habits() {
    let told = errors(
        r#"
s:copy(".", "/app")
s:run("apt-get", "install")
s:env("A", 1)
s:env("A=1")
s:run("x", { env = "A=1" })
s:run("x", { env = { "A=1" } })
s:run("x", { mounts = bk.cache("/x") })
s:run("x", { mounts = { type = "cache", target = "/x" } })
s:run("x", { mounts = { "type=cache,target=/x" } })
s:run("x", { workdir = "/x" })
s:run("x", { network = "none", ignore_cache = "true" })
s:cmd({ "x" })
s:entrypoint({ "x" })
s:label({ a = "b" })
s:expose(80)
s:volume("/data")
s:healthcheck("x")
s:maintainer("me")
s:add("https://a.b/c", "/c")
s:from("alpine")
s:arg("A")
s:export()
s:RUN("x")
bk.from("alpine")
bk.FROM("alpine")
bk.run("x")
bk.entrypoint({ "x" })
bk.context
bk.export("alpine")
bk.export(s, "app")
bk.export(s, { tag = "me/app:1" })
bk.image("alpine", "linux/arm64")
bk.image("golang:1.21 AS builder")
bk.image("--platform=linux/amd64 alpine")
bk.image("alpine::x")
bk.image("alpine@3.19")
bk.image(3)
bk.cache("/x", "name")
bk.arg("A", "b", "what it is")
bk.bind("./src", "/src")
bk.merge("alpine", "busybox")
s:shell("/bin/bash -c")
bk.export(s, { labels = "a=b" })
s:run("x", { valid_exit_codes = { "1" } })
bk.scratch:copy(s, "a", "b")
"#,
    );
    insta::assert_snapshot!(told, @r#"
    s:copy(".", "/app")
        wrong-type: argument 1 (from) of copy() must be a state, got string
        note: also: copy() needs argument 3 (dest): a path, got 2 arguments (it takes from, src, dest)
        hint: the state to copy from comes first: `state:copy(bk.local_("context"), ".", …)`
    s:run("apt-get", "install")
        wrong-type: argument 2 (options) of run() must be a table of options, got string
        hint: a command in several words is a list: `state:run({ "make", "install" })`
    s:env("A", 1)
        wrong-type: argument 1 (vars) of env() must be a table of variables by name, got string
        note: also: env() takes at most 1 argument, got 2
        hint: write `{ A = "value" }`
    s:env("A=1")
        wrong-type: argument 1 (vars) of env() must be a table of variables by name, got string
        hint: write `{ A = "1" }`
    s:run("x", { env = "A=1" })
        wrong-type: env must be a table of variables by name, got string
        hint: write `{ A = "1" }`
    s:run("x", { env = { "A=1" } })
        wrong-type: env must be a table keyed by names, but it has the key 1
        hint: write `{ NAME = "value" }`
    s:run("x", { mounts = bk.cache("/x") })
        wrong-type: mounts must be a list of mounts, got mount
        hint: a list of one has braces too: `{ … }`
    s:run("x", { mounts = { type = "cache", target = "/x" } })
        wrong-type: mounts must be a list of mounts, but it has the key "target"
        hint: mounts are made with bk.cache, bk.bind, bk.secret, bk.ssh and bk.tmpfs
    s:run("x", { mounts = { "type=cache,target=/x" } })
        wrong-type: mounts[1] must be a mount, got string
        hint: mounts are made with bk.cache, bk.bind, bk.secret, bk.ssh and bk.tmpfs
    s:run("x", { workdir = "/x" })
        unknown-option: unknown option `workdir` in run(); did you mean `cwd`?
    s:run("x", { network = "none", ignore_cache = "true" })
        wrong-type: ignore_cache must be a boolean, got string
        hint: write it without quotes: true
    s:cmd({ "x" })
        unknown-name: a state has no `cmd`
        hint: `cmd` is an option of the export: `bk.export(state, { cmd = … })`
    s:entrypoint({ "x" })
        unknown-name: a state has no `entrypoint`
        hint: `entrypoint` is an option of the export: `bk.export(state, { entrypoint = … })`
    s:label({ a = "b" })
        unknown-name: a state has no `label`
        hint: `labels` is an option of the export: `bk.export(state, { labels = … })`
    s:expose(80)
        unknown-name: a state has no `expose`
        hint: `expose` is an option of the export: `bk.export(state, { expose = … })`
    s:volume("/data")
        unknown-name: a state has no `volume`
        hint: `volumes` is an option of the export: `bk.export(state, { volumes = … })`
    s:healthcheck("x")
        unknown-name: a state has no `healthcheck`
        hint: `healthcheck` is an option of the export: `bk.export(state, { healthcheck = … })`
    s:maintainer("me")
        unknown-name: a state has no `maintainer`
        hint: `author` is an option of the export: `bk.export(state, { author = … })`
    s:add("https://a.b/c", "/c")
        unknown-name: a state has no `add`
        hint: `copy` takes files from a state; a file behind a URL is the state `bk.http(url)`
    s:from("alpine")
        unknown-name: a state has no `from`
        hint: a Dockerfile's `FROM` is `bk.image(ref)`
    s:arg("A")
        unknown-name: a state has no `arg`
        hint: `arg` is a function of bk: `bk.arg(…)`
    s:export()
        unknown-name: a state has no `export`
        hint: `export` is a function of bk: `bk.export(…)`
    s:RUN("x")
        unknown-name: a state has no `RUN`; did you mean `state:run()`?
    bk.from("alpine")
        unknown-name: bk has no `from`
        hint: a Dockerfile's `FROM` is `bk.image(ref)`
    bk.FROM("alpine")
        unknown-name: bk has no `FROM`
        hint: a Dockerfile's `FROM` is `bk.image(ref)`
    bk.run("x")
        unknown-name: bk has no `run`
        hint: `run` is a method of states: `state:run(…)`
    bk.entrypoint({ "x" })
        unknown-name: bk has no `entrypoint`
        hint: `entrypoint` is an option of the export: `bk.export(state, { entrypoint = … })`
    bk.context
        unknown-name: bk has no `context`
        hint: the build context's files are the state `bk.local_("context")`
    bk.export("alpine")
        wrong-type: argument 1 (state) of bk.export() must be a state, got string
        hint: for an image write `bk.image("alpine")`
    bk.export(s, "app")
        wrong-type: argument 2 (options) of bk.export() must be a table of options, got string
        hint: options have names: `{ name = "app" }`
    bk.export(s, { tag = "me/app:1" })
        unknown-option: unknown option `tag` in bk.export(); did you mean `name`?
    bk.image("alpine", "linux/arm64")
        wrong-type: argument 2 (options) of bk.image() must be a table of options, got string
        hint: options have names: `{ platform = "linux/arm64" }`
    bk.image("golang:1.21 AS builder")
        bad-value: argument 1 (ref) of bk.image() must be an image reference: invalid tag `1.21 AS builder` in the image reference
        hint: leave out `AS …`: a stage's name is the variable that the state is in
    bk.image("--platform=linux/amd64 alpine")
        bad-value: argument 1 (ref) of bk.image() must be an image reference: invalid repository name `--platform=linux/amd64 alpine` in the image reference
        hint: the platform is an option: `bk.image(ref, { platform = "linux/arm64" })`
    bk.image("alpine::x")
        bad-value: argument 1 (ref) of bk.image() must be an image reference: invalid tag `:x` in the image reference
        hint: one `:` too many: write "alpine:x"
    bk.image("alpine@3.19")
        bad-value: argument 1 (ref) of bk.image() must be an image reference: `3.19` is not a digest: it must be `sha256:` and 64 lower-case hex digits
        hint: a tag follows `:`, and a digest `@`
    bk.image(3)
        wrong-type: argument 1 (ref) of bk.image() must be a string, got number
    bk.cache("/x", "name")
        wrong-type: argument 2 (options) of bk.cache() must be a table of options, got string
        hint: options have names: `{ id = "name" }`
    bk.arg("A", "b", "what it is")
        wrong-type: argument 3 (options) of bk.arg() must be a table of options, got string
        hint: options have names: `{ description = "what it is" }`
    bk.bind("./src", "/src")
        wrong-type: argument 1 (state) of bk.bind() must be a state, got string
        hint: the build context's files are the state `bk.local_("context")`
    bk.merge("alpine", "busybox")
        wrong-type: argument 1 (states) of bk.merge() must be a state or a list of states, got string
        note: also: argument 2 (states) of bk.merge() must be a state or a list of states, got string (for an image write `bk.image("busybox")`)
        hint: for an image write `bk.image("alpine")`
    s:shell("/bin/bash -c")
        wrong-type: argument 1 (shell) of shell() must be a list of strings, got string
        hint: write a list: { "/bin/bash", "-c" }
    bk.export(s, { labels = "a=b" })
        wrong-type: labels must be a table of texts by name, got string
        hint: write `{ a = "b" }`
    s:run("x", { valid_exit_codes = { "1" } })
        wrong-type: valid_exit_codes[1] must be a whole number, got string
        hint: write it without quotes: 1
    bk.scratch:copy(s, "a", "b")
        runtime: attempt to index function with 'copy'
        hint: a function is called with `()` first
    "#);
}
