local base = bk.image("python:3.11-slim")

-- Copy requirements
local req = base:copy(bk.local_("context", {
    include_patterns = { "requirements*.txt" }
}), ".", "/app")

-- Install dependencies
local deps = req:run("pip install --no-cache-dir -r requirements.txt", {
    cwd = "/app",
    mounts = { bk.cache("/root/.cache/pip", { id = "pip" }) }
})

-- Copy source
local src = bk.local_("context")
local with_src = deps:copy(src, ".", "/app")

-- Build
local built = with_src:run("python -m compileall src/", {
    cwd = "/app"
})

-- What the snippet leaves to its reader: an export.
bk.export(built, { workdir = "/app", entrypoint = { "python", "-m", "src.main" } })
