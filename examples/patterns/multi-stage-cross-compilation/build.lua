-- The snippet takes its source for granted.
local src = bk.local_("context")

-- Builder for multiple platforms
local platforms = {
    "linux/amd64",
    "linux/arm64",
    "linux/arm/v7"
}

for _, platform in ipairs(platforms) do
    local builder = bk.image("golang:1.21", { platform = platform })
    local built = builder:copy(src, ".", "/app")
        :run("CGO_ENABLED=0 GOOS=linux GOARCH=amd64 go build -o /out/app .", {
            cwd = "/app"
        })

    -- Platform-specific runtime
    local runtime = bk.image("alpine:3.19", { platform = platform })
    local final = runtime:copy(built, "/out/app", "/app/server")

    -- Export with platform tag
    bk.export(final, {
        entrypoint = {"/app/server"}
    })
end
