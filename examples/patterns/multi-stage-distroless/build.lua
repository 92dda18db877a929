-- Builder with tools
local builder = bk.image("golang:1.21")
local src = bk.local_("context")
local built = builder:copy(src, ".", "/app")
    :run("go build -o /out/app .", { cwd = "/app" })

-- Distroless runtime
local runtime = bk.image("gcr.io/distroless/static-debian12")
local final = runtime:copy(built, "/out/app", "/server")

bk.export(final, {
    entrypoint = {"/server"},
    user = "nobody"
})
