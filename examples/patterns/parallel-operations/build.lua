local base = bk.image("node:20")
local src = bk.local_("context")
local workspace = base:copy(src, ".", "/app")

-- These run in parallel
local linted = workspace:run("npm run lint", { cwd = "/app" })
local tested = workspace:run("npm run test", { cwd = "/app" })
local built = workspace:run("npm run build", { cwd = "/app" })

-- Merge results
local verified = bk.merge(linted, tested, built)

bk.export(verified)
