-- The snippet takes its two states for granted: a base with the source in its working directory, and a
-- final image.
local base = bk.image("golang:1.21"):workdir("/app"):copy(bk.local_("context"), ".", ".")
local final = bk.image("node:20-alpine"):copy(bk.local_("context"), "server.js", "/app/server.js")

-- In export
bk.export(final, {
    env = {
        NODE_ENV = "production",
        PORT = "8080",
        LOG_LEVEL = "info"
    }
})

-- In command
local result = base:run("go build", {
    env = {
        CGO_ENABLED = "0",
        GOOS = "linux",
        GOARCH = "amd64"
    }
})

bk.export(result, { name = "binary", entrypoint = { "/app/app" } })
