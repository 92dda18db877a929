local builder = bk.image("golang:1.21")

-- Copy go.mod and go.sum
local go_files = bk.local_("context", {
    include_patterns = { "go.mod", "go.sum" }
})
local with_go = builder:copy(go_files, ".", "/app")

-- Download dependencies
local deps = with_go:run("go mod download", {
    cwd = "/app",
    mounts = { bk.cache("/go/pkg/mod", { id = "gomod" }) }
})

-- Copy source
local src = bk.local_("context")
local with_src = deps:copy(src, ".", "/app")

-- Build
local built = with_src:run("go build -o /out/app .", {
    cwd = "/app",
    mounts = {
        bk.cache("/go/pkg/mod", { id = "gomod" }),
        bk.cache("/root/.cache/go-build", { id = "gobuild" })
    }
})

-- What the snippet leaves to its reader: an export.
bk.export(built, { entrypoint = { "/out/app" } })
