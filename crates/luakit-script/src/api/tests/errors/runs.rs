//! Mounts, outputs, and the options of `run`.

#![allow(clippy::needless_raw_string_hashes, reason = "some calls hold a `#` after a quote")]

use super::errors;

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
        hint: options have names: `{ name = value }`
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
        hint: write it without quotes: 1
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
        note: also: cwd must be a path, got number
        note: also: network must be "sandbox" or "host" or "none", got "x"
        hint: known: `env`, `cwd`, `user`, `mounts`, `network`, `security`, `hostname`, `valid_exit_codes`, `extra_hosts`, `ulimits`, `cgroup_parent`, `proxy`, `devices`, `readonly_rootfs`, `ignore_cache`, `description`, `progress_group`, `resources`
    "#);
}
