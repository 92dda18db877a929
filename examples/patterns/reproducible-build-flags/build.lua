-- The snippet takes its bases for granted: each has the toolchain, and its part of the source in /app.
local src = bk.local_("context")

local base = bk.image("golang:1.21"):copy(src, "go", "/app")

-- Go
local built = base:run({
    "go", "build",
    "-ldflags=-s -w -X main.Version=1.0.0",
    "-o", "/out/app", "."
}, {
    cwd = "/app"
})

bk.export(built, { name = "go", entrypoint = { "/out/app" } })

local base = bk.image("node:20"):copy(src, "node", "/app")

-- Node.js
local built = base:run("npm run build", {
    cwd = "/app",
    env = { NODE_ENV = "production" }
})

bk.export(built, { name = "node", workdir = "/app", entrypoint = { "node", "dist/index.js" } })

-- PyInstaller calls objdump.
local base = bk.image("python:3.11-slim")
    :run("apt-get update && apt-get install -y --no-install-recommends binutils")
    :run("pip install --no-cache-dir pyinstaller==6.11.1")
    :copy(src, "python", "/app")

-- Python
local built = base:run({
    "python", "-m", "PyInstaller",
    "--onefile",
    "--name", "app",
    "src/main.py"
}, {
    cwd = "/app"
})

bk.export(built, { name = "python", entrypoint = { "/app/dist/app" } })
