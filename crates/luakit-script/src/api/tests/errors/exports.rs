//! What `bk.export` refuses.

#![allow(clippy::needless_raw_string_hashes, reason = "some calls hold a `#` after a quote")]

use super::errors;

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
        hint: for an image write `bk.image("x")`
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
        hint: write a list: { "sh" }
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
