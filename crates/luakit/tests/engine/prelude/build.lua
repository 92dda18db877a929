-- Every function of the prelude, built. A target's run steps look at what came of it, so a target that builds
-- is as it should be.
local prelude = require("prelude")

local context = function(dir)
    return bk.scratch():copy(bk.local_("context"), dir .. "/", "/")
end
local bases = {
    prelude.from_alpine(),
    prelude.from_ubuntu(),
    prelude.from_debian(),
    prelude.from_fedora(),
    prelude.standard_base("debian", "bookworm"),
}

-- Says that a state is well: each command is a step, and a failed one ends the build.
local function all_of(name, states)
    local results = {}
    for index, state in ipairs(states) do
        local mark = `/ok/{name}-{index}`
        table.insert(results, bk.diff(state, state:run({ "mkdir", "-p", mark }, { user = "root" })))
    end
    bk.export(prelude.merge_multiple(results), { name = name })
end

local distributions = {}
for index, id in ipairs({ "alpine", "ubuntu", "debian", "fedora", "debian" }) do
    local base = assert(bases[index])
    table.insert(distributions, base:run(`grep -q '^ID="*{id}"*$' /etc/os-release`))
end
all_of("bases", distributions)

all_of("packages", {
    prelude.apk_package(bases[1], "jq make"):run("jq --version && make --version"),
    prelude.deb_package(bases[3], { "jq" }):run("jq --version"),
    prelude.install_system_deps(bases[4], "jq", "fedora"):run("jq --version"),
    prelude.install_system_deps(bases[2], "jq"):run("jq --version"),
    prelude.install_git(bases[1]):run("git --version"),
    prelude.install_curl(bases[3]):run("curl --version"),
    prelude.install_ca_certs(bases[4]):run("test -s /etc/ssl/certs/ca-certificates.crt"),
})

local users = {}
for _, base in ipairs(bases) do
    local added = prelude.with_user(base, "app", 10001, 10002)
        :run([[test "$(grep ^app: /etc/passwd | cut -d : -f 3,4)" = 10001:10002]])
        :mkfile("/data/file", "x")
    table.insert(users, prelude.chown_path(added, "/data", "app", "app"):run([[test "$(stat -c %u:%g /data/file)" = 10001:10002]]))
    table.insert(users, prelude.as_non_root(base, "worker", 10003):run([[test "$(id -u)" = 10003]]))
end
table.insert(users, prelude.with_alpine_user(bases[1], "app"):run("su app -c true || grep -q ^app:x:1000:1000: /etc/passwd"))
table.insert(users, prelude.with_workdir(bases[1], "/srv/app"):run([[test "$PWD" = /srv/app]]))
all_of("users", users)

local runtime, made = prelude.multi_stage("alpine:3.19", "busybox", function(builder)
    return builder:run("mkdir -p /out && echo made > /out/file")
end)
all_of("graph", {
    prelude.container("alpine:3.19", function(s)
        return s:run("echo in > /file")
    end):run([[test "$(cat /file)" = in]]),
    runtime:copy(made, "/out/file", "/got"):run([[test "$(cat /got)" = made]]),
    prelude.copy_all(made, runtime, "/out", "/in"):run("test -f /in/file"),
    prelude.layered_copy(runtime, { made = made }, {
        { from = "made", from_path = "/out/file", to_path = "/one" },
        ---@diagnostic disable-next-line: missing-fields
        { made, "/out/file", "/two" },
    }):run("test -f /one -a -f /two"),
    prelude.parallel_build(bases[1], function(s)
        return s:run("touch /left")
    end, function(s)
        return s:run("touch /right")
    end):run("test -f /left -a -f /right"),
})

local go = prelude.go_build(prelude.go_base(), context("go"), { ldflags = "-s -w", flags = "-trimpath" })
all_of("go", {
    prelude.go_runtime():copy(go, "/out/app", "/app"):run([[test "$(/app)" = hello]]),
    prelude.go_binary_app("1.22-alpine", context("go"), { output = "/out/server", user = "app" })
        :run([[test "$(/app/server)" = hello && test "$(id -un)" = app]]),
})

all_of("node", {
    prelude.node_build(prelude.node_base("20-slim"), context("node")):run("test -f dist/index.js", { cwd = "/app" }),
    prelude.node_build(prelude.node_base(), context("node"), { deps_only = true })
        :run("test -d node_modules -a ! -e dist", { cwd = "/app" }),
    prelude.node_app("20-alpine", context("node"), { user = "worker", uid = 10004 })
        :run([[test "$(node dist/index.js)" = hello && test "$NODE_ENV" = production]]),
    prelude.node_runtime():run("node --version"),
})

all_of("python", {
    prelude.python_build(prelude.python_base(), context("python")):run([[test "$(python main.py)" = 3.10]], { cwd = "/app" }),
    prelude.python_app("3.11", context("python"), { user = "app" }):run([[test "$(python main.py)" = 3.10]]),
    prelude.python_runtime():run("python --version"),
})
