-- Multi-stage Python build with all optimizations
local builder = bk.image("python:3.11-slim")

-- Copy requirements
local req = builder:copy(bk.local_("context", {
    include_patterns = { "requirements*.txt" }
}), ".", "/app")

-- Install dependencies
local deps = req:run({
    "pip", "install", "--no-cache-dir", "-r", "requirements.txt"
}, {
    cwd = "/app",
    mounts = { bk.cache("/root/.cache/pip", { id = "pip" }) }
})

-- Copy source
local src = bk.local_("context")
local with_src = deps:copy(src, ".", "/app")

-- Compile Python files
local compiled = with_src:run("python -m compileall -q src/", {
    cwd = "/app"
})

-- Minimal runtime
local runtime = bk.image("python:3.11-slim")
local final = runtime:copy(compiled, "/app", "/app")

-- The snippet takes its user for granted.
final = final:run("useradd --system --no-create-home appuser")

bk.export(final, {
    entrypoint = {"python", "-m", "src.main"},
    cwd = "/app",
    user = "appuser",
    expose = {"8000/tcp"}
})
