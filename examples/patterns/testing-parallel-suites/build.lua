local base = bk.image("node:20")
local src = bk.local_("context")
local workspace = base:copy(src, ".", "/app")

-- Install dependencies
local deps = workspace:run("npm ci", {
    cwd = "/app",
    mounts = { bk.cache("/root/.npm") }
})

-- Parallel tests
local unit_tests = deps:run("npm run test:unit", {
    cwd = "/app",
    valid_exit_codes = {0}
})

local integration_tests = deps:run("npm run test:integration", {
    cwd = "/app",
    valid_exit_codes = {0}
})

local e2e_tests = deps:run("npm run test:e2e", {
    cwd = "/app",
    valid_exit_codes = {0}
})

-- Merge results
local all_passed = bk.merge(unit_tests, integration_tests, e2e_tests)

-- Build
local built = all_passed:run("npm run build", { cwd = "/app" })

bk.export(built)
