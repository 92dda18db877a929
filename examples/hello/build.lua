-- The first script: a base image, a run, a copy of the context, and an image that says what it does.
local base = bk.image("alpine:3.19")

local greeting = base:run("echo 'Hello from Lua.' > /greeting")
local final = greeting:copy(bk.local_("context"), "build.lua", "/usr/share/hello/")

bk.export(final, {
    cmd = { "cat", "/greeting" },
    labels = { ["org.opencontainers.image.title"] = "hello" },
})
