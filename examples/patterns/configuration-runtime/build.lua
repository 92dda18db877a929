-- The snippet takes its source for granted.
local src = bk.local_("context")

-- Build configuration
local build_env = {
    DEBUG = "false",
    OPTIMIZATION = "true"
}

-- Runtime configuration
local runtime_env = {
    NODE_ENV = "production",
    PORT = "8080"
}

local builder = bk.image("node:20")
local built = builder:copy(src, ".", "/app")
    :run("npm run build", {
        cwd = "/app",
        env = build_env
    })

local runtime = bk.image("node:20-alpine")
local final = runtime:copy(built, "/app/dist", "/app/dist")

bk.export(final, {
    env = runtime_env,
    entrypoint = {"node", "dist/index.js"}
})
