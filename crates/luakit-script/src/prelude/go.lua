
-- # Go

local GO_CACHES = {
	bk.cache("/go/pkg/mod", { id = "gomod" }),
	bk.cache("/root/.cache/go-build", { id = "gobuild" }),
}

local GO_BUILD = { cwd = "path", flags = "words", ldflags = "text", output = "path", main = "text" }

local GO_APP = join(GO_BUILD, {
	runtime_version = "version",
	final_path = "path",
	user = "user",
	uid = "id",
	gid = "id",
})

---The Go toolchain.
---@param version? string The tag of `golang` (default: `"1.22-alpine"`).
---@return State base The image.
function prelude.go_base(version)
	check("go_base", "version", "version?", version)
	return bk.image(`golang:{version or "1.22-alpine"}`)
end

---What a Go program runs on: Alpine, which has the certificates of public authorities.
---@param version? string The tag of `alpine` (default: `"3.19"`).
---@return State base The image.
function prelude.go_runtime(version)
	check("go_runtime", "version", "version?", version)
	return bk.image(`alpine:{version or "3.19"}`)
end

---@class prelude.GoBuildOptions
---@field cwd? string Where the source goes, and `go` runs (default: `"/app"`).
---@field flags? string|string[] More flags of `go build`: a list, or words with spaces between.
---@field ldflags? string Flags of the linker: one argument, as `-ldflags` takes it.
---@field output? string Where the binary goes (default: `"/out/app"`).
---@field main? string The package that is built (default: `"."`).

---Compiles a Go module.
---
---The modules that it needs are downloaded in a step of their own, which runs again only when a `go.mod`, `go.sum` or
---`go.work` changes. Both steps keep their caches between builds (`gomod`, `gobuild`). cgo is off, unless the builder's
---environment has `CGO_ENABLED`: the binary then runs on any base image.
---@param builder State What has the Go toolchain: `prelude.go_base()`.
---@param src State The source.
---@param opts? prelude.GoBuildOptions
---@return State built The builder, with the binary at `output`.
---
---```lua
---local built = prelude.go_build(prelude.go_base("1.22"), bk.local_("context"), {
---    main = "./cmd/server",
---    ldflags = "-s -w -X main.Version=1.0.0",
---    output = "/out/server",
---})
---```
function prelude.go_build(builder, src, opts)
	check("go_build", "builder", "state", builder, "src", "state", src)
	opts = check_options("go_build", GO_BUILD, opts)
	local cwd = opts.cwd or "/app"
	local command = { "go", "build" }
	for _, flag in ipairs(split(opts.flags or {})) do
		table.insert(command, flag)
	end
	if opts.ldflags then
		table.insert(command, `-ldflags={opts.ldflags}`)
	end
	for _, word in ipairs({ "-o", opts.output or "/out/app", opts.main or "." }) do
		table.insert(command, word)
	end
	return builder
		:copy(src, ".", cwd, { include = { "go.work", "go.work.sum", "**/go.mod", "**/go.sum" } })
		:run({ "go", "mod", "download" }, { cwd = cwd, mounts = { GO_CACHES[1] } })
		:copy(src, ".", cwd)
		:run(`CGO_ENABLED="$\{CGO_ENABLED:-0}" {quote_all(command)}`, { cwd = cwd, mounts = GO_CACHES })
end

---@class prelude.GoAppOptions: prelude.GoBuildOptions
---@field runtime_version? string The tag of `alpine` that the program runs on (default: `"3.19"`).
---@field final_path? string Where the binary goes there (default: `/app/` and the last part of `output`).
---@field user? string A user to add, and to run as (default: root).
---@field uid? integer The user's number (default: `1000`).
---@field gid? integer The group's number (default: `uid`).

---Compiles a Go module, and puts the binary alone on `prelude.go_runtime`.
---
---The binary is root's, so that the program can't change itself. `bk.export` names it as the `entrypoint`.
---@param builder_image? State|string What compiles: a tag of `golang`, an image reference, or a state (default: `"1.22-alpine"`).
---@param src State The source.
---@param opts? prelude.GoAppOptions
---@return State final The runtime with the binary.
---
---```lua
---local final = prelude.go_binary_app("1.22-alpine", bk.local_("context"), { output = "/out/server", user = "app" })
---bk.export(final, { entrypoint = { "/app/server" }, expose = { 8080 } })
---```
function prelude.go_binary_app(builder_image, src, opts)
	check("go_binary_app", "builder_image", "image?", builder_image, "src", "state", src)
	opts = check_options("go_binary_app", GO_APP, opts)
	check_numbers("go_binary_app", opts)
	local output = opts.output or "/out/app"
	local name = output:match("([^/]+)/*$")
	if not name then
		fail("output in prelude.go_binary_app() must name a file", "option", "output")
	end
	local built = prelude.go_build(image("golang", builder_image or "1.22-alpine"), src, only(GO_BUILD, opts))
	local runtime = prelude.go_runtime(opts.runtime_version)
	if opts.user then
		runtime = add_user(runtime, opts.user, opts.uid, opts.gid):user(opts.user)
	end
	return runtime:copy(built, output, opts.final_path or `/app/{name}`, { mode = "0755" })
end
