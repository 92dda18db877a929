
-- # Node.js

local NPM_CACHE = bk.cache("/root/.npm", { id = "npm" })

local NODE_BUILD = { cwd = "path", deps_only = "boolean", install_cmd = "text" }

local NODE_APP = {
	cwd = "path",
	install_cmd = "text",
	runtime_version = "version",
	user = "user",
	uid = "id",
	gid = "id",
}

-- What says which packages are needed, for npm, Yarn, pnpm and Bun.
local MANIFESTS = {
	"package.json",
	"package-lock.json",
	"npm-shrinkwrap.json",
	".npmrc",
	"yarn.lock",
	".yarnrc",
	".yarnrc.yml",
	"pnpm-lock.yaml",
	"pnpm-workspace.yaml",
	"bun.lock",
	"bun.lockb",
}

local NPM_INSTALL =
	"if [ -f package-lock.json ] || [ -f npm-shrinkwrap.json ]; then npm ci --include=dev; else npm install --include=dev; fi"

---Node.js.
---@param version? string The tag of `node` (default: `"20-alpine"`).
---@return State base The image.
function prelude.node_base(version)
	check("node_base", "version", "version?", version)
	return bk.image(`node:{version or "20-alpine"}`)
end

---What a Node.js program runs on.
---@param version? string The tag of `node` (default: `"20-alpine"`).
---@return State base The image.
function prelude.node_runtime(version)
	check("node_runtime", "version", "version?", version)
	return bk.image(`node:{version or "20-alpine"}`)
end

---@class prelude.NodeBuildOptions
---@field cwd? string Where the source goes, and the commands run (default: `"/app"`).
---@field deps_only? boolean Whether only the dependencies are installed: no source is copied, nothing is built (default: `false`).
---@field install_cmd? string A shell command that installs the dependencies (default: `npm ci`, or `npm install` where there is no lock file).

---Installs the dependencies of a Node.js project, then builds it: `npm run build`, if `package.json` has such a script.
---
---The dependencies are a step of their own, which sees the manifests and lock files at the top of the project alone, and
---runs again only when one of these changes. npm's cache is kept between builds (`npm`).
---@param builder State What has Node.js: `prelude.node_base()`.
---@param src State The source.
---@param opts? prelude.NodeBuildOptions
---@return State built The builder, with the project at `cwd`.
---
---```lua
---local built = prelude.node_build(prelude.node_base(), bk.local_("context"), {
---    install_cmd = "corepack enable && yarn install --immutable",
---})
---```
function prelude.node_build(builder, src, opts)
	check("node_build", "builder", "state", builder, "src", "state", src)
	opts = check_options("node_build", NODE_BUILD, opts)
	local cwd = opts.cwd or "/app"
	local options = { cwd = cwd, mounts = { NPM_CACHE } }
	local deps = builder:copy(src, ".", cwd, { include = MANIFESTS }):run(opts.install_cmd or NPM_INSTALL, options)
	if opts.deps_only then
		return deps
	end
	return deps:copy(src, ".", cwd):run("npm run build --if-present", options)
end

---@class prelude.NodeAppOptions
---@field cwd? string Where the project is, in both stages (default: `"/app"`).
---@field install_cmd? string A shell command that installs the dependencies (default: as `prelude.node_build`; packages that only development needs are then removed after the build).
---@field runtime_version? string The tag of `node` that the program runs on (default: what it was built on).
---@field user? string A user to add, to own the project, and to run as (default: root).
---@field uid? integer The user's number (default: `1000`).
---@field gid? integer The group's number (default: `uid`).

---Builds a Node.js project, and puts it with its dependencies on a fresh image.
---
---`NODE_ENV` is `production` there, and the project is the working directory. `bk.export` says what runs.
---@param builder_image? State|string What builds: a tag of `node`, an image reference, or a state (default: `"20-alpine"`).
---@param src State The source.
---@param opts? prelude.NodeAppOptions
---@return State final The runtime with the project.
---
---```lua
---local final = prelude.node_app("20-alpine", bk.local_("context"), { user = "node" })
---bk.export(final, { entrypoint = { "node", "dist/index.js" }, expose = { 3000 } })
---```
function prelude.node_app(builder_image, src, opts)
	check("node_app", "builder_image", "image?", builder_image, "src", "state", src)
	opts = check_options("node_app", NODE_APP, opts)
	check_numbers("node_app", opts)
	local cwd = opts.cwd or "/app"
	local builder = image("node", builder_image or "20-alpine")
	local built = prelude.node_build(builder, src, { cwd = cwd, install_cmd = opts.install_cmd })
	if not opts.install_cmd then
		built = built:run("npm prune --omit=dev --no-audit --no-fund", { cwd = cwd, mounts = { NPM_CACHE } })
	end
	local runtime = if opts.runtime_version then prelude.node_runtime(opts.runtime_version) else builder
	return app_on(runtime:env({ NODE_ENV = "production" }), built, cwd, opts)
end
