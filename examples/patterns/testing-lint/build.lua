local base = bk.image("node:20")
local src = bk.local_("context")
local workspace = base:copy(src, ".", "/app")

-- Install dependencies
local deps = workspace:run("npm ci", {
    cwd = "/app",
    mounts = { bk.cache("/root/.npm") }
})

-- Lint (allow 0 or 1 for certain linters)
local linted = deps:run("npm run lint", {
    cwd = "/app",
    valid_exit_codes = {0}
})

-- Type check
local typed = deps:run("npm run type-check", {
    cwd = "/app",
    valid_exit_codes = {0}
})

-- Merge lint and type-check results
local checked = bk.merge(linted, typed)

-- Build
local built = checked:run("npm run build", {
    cwd = "/app"
})

bk.export(built)
