-- The snippet takes its base for granted.
local base = bk.image("node:20")

-- Copy package files first
local pkg = base:copy(bk.local_("context", {
    include_patterns = { "package*.json" }
}), ".", "/app")

-- Install dependencies
local deps = pkg:run("npm ci", {
    cwd = "/app",
    mounts = { bk.cache("/root/.npm") }
})

-- Copy source
local src = bk.local_("context")
local with_src = deps:copy(src, ".", "/app")

-- Build
local built = with_src:run("npm run build", { cwd = "/app" })

-- What the snippet leaves to its reader: an export.
bk.export(built, { workdir = "/app", entrypoint = { "node", "dist/index.js" } })
