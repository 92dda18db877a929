-- One application for several platforms: files and settings, nothing that is compiled.
local base = bk.image("alpine:3.19")
local app = base:copy(bk.local_("context"), "app.sh", "/usr/local/bin/app", { mode = "0755" })

bk.export(app, {
    entrypoint = { "/usr/local/bin/app" },
    labels = { ["org.opencontainers.image.title"] = "myapp" },
})
