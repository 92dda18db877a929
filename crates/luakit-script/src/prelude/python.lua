
-- # Python

local PIP_CACHE = bk.cache("/root/.cache/pip", { id = "pip" })

local VENV = "/opt/venv"
-- The path of Python's images, behind the virtual environment's. A state's own can't be read here.
local VENV_ENV = {
	VIRTUAL_ENV = VENV,
	PATH = `{VENV}/bin:/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin`,
}

local PYTHON_BUILD = { cwd = "path", requirements = "path", install_cmd = "text" }

local PYTHON_APP = join(PYTHON_BUILD, {
	runtime_version = "version",
	user = "user",
	uid = "id",
	gid = "id",
})

local function python_tag(version, variant)
	if variant == nil then
		variant = if version:find("-", 1, true) then "" else "slim"
	end
	return if variant == "" then version else `{version}-{variant}`
end

---Python.
---@param version? string The version, as the tags of `python` have it (default: `"3.11"`).
---@param variant? string What stands behind it in the tag; `""` is nothing (default: `"slim"`, unless the version has a variant).
---@return State base The image.
---
---```lua
---local base = prelude.python_base("3.12", "bookworm")
---```
function prelude.python_base(version, variant)
	check("python_base", "version", "version?", version, "variant", "variant?", variant)
	return bk.image(`python:{python_tag(version or "3.11", variant)}`)
end

---What a Python program runs on.
---@param version? string The tag of `python` (default: `"3.11-slim"`).
---@return State base The image.
function prelude.python_runtime(version)
	check("python_runtime", "version", "version?", version)
	return bk.image(`python:{version or "3.11-slim"}`)
end

-- What a requirements file may refer to: those beside it and at the top.
local function requirement_files(path)
	local files = { path, "requirements*.txt", "constraints*.txt" }
	local dir = path:match("^(.+)/[^/]*$")
	if dir then
		table.insert(files, `{dir}/*.txt`)
	end
	return files
end

---@class prelude.PythonBuildOptions
---@field cwd? string Where the source goes, and the commands run (default: `"/app"`).
---@field requirements? string The requirements file, in the source (default: `"requirements.txt"`; none when there is an `install_cmd`).
---@field install_cmd? string A shell command that installs the project or its dependencies, with the source there: `"pip install ."`.

---Installs what a Python project needs into a virtual environment at `/opt/venv`, and copies the source.
---
---The requirements file is installed in a step of its own, which runs again only when such a file changes; then the source
---is copied; then `install_cmd` runs, if there is one. pip's cache is kept between builds (`pip`). The environment's programs
---are first in `PATH`.
---@param builder State What has Python: `prelude.python_base()`.
---@param src State The source.
---@param opts? prelude.PythonBuildOptions
---@return State built The builder, with the source at `cwd`.
---
---```lua
---local built = prelude.python_build(prelude.python_base("3.12"), bk.local_("context"), {
---    install_cmd = "pip install --no-deps .",
---    requirements = "requirements/production.txt",
---})
---```
function prelude.python_build(builder, src, opts)
	check("python_build", "builder", "state", builder, "src", "state", src)
	opts = check_options("python_build", PYTHON_BUILD, opts)
	local cwd = opts.cwd or "/app"
	local options = { cwd = cwd, mounts = { PIP_CACHE } }
	local requirements = opts.requirements or (if opts.install_cmd then nil else "requirements.txt")
	local built = builder:run({ "python", "-m", "venv", VENV }):env(VENV_ENV)
	if requirements then
		built = built
			:copy(src, ".", cwd, { include = requirement_files(requirements) })
			:run({ "pip", "install", "-r", requirements }, options)
	end
	built = built:copy(src, ".", cwd)
	if opts.install_cmd then
		built = built:run(opts.install_cmd, options)
	end
	return built
end

---@class prelude.PythonAppOptions: prelude.PythonBuildOptions
---@field runtime_version? string The tag of `python` that the program runs on: it must be of the same Python version (default: what it was built on).
---@field user? string A user to add, to own the project, and to run as (default: root).
---@field uid? integer The user's number (default: `1000`).
---@field gid? integer The group's number (default: `uid`).

---Builds a Python project, and puts it with its virtual environment on a fresh image.
---
---The environment's programs are first in `PATH` there, and the project is the working directory. `bk.export` says what runs.
---@param builder_image? State|string What builds: a version or a tag of `python`, an image reference, or a state (default: `"3.11-slim"`).
---@param src State The source.
---@param opts? prelude.PythonAppOptions
---@return State final The runtime with the project.
---
---```lua
---local final = prelude.python_app("3.12", bk.local_("context"), { user = "app" })
---bk.export(final, { entrypoint = { "python", "-m", "src.main" }, expose = { 8000 } })
---```
function prelude.python_app(builder_image, src, opts)
	check("python_app", "builder_image", "image?", builder_image, "src", "state", src)
	opts = check_options("python_app", PYTHON_APP, opts)
	check_numbers("python_app", opts)
	local which = builder_image or "3.11-slim"
	if type(which) == "string" and not which:find("[:/@]") then
		which = python_tag(which)
	end
	local builder = image("python", which)
	local built = prelude.python_build(builder, src, only(PYTHON_BUILD, opts))
	local runtime = if opts.runtime_version then prelude.python_runtime(opts.runtime_version) else builder
	return app_on(runtime:copy(built, VENV, VENV):env(VENV_ENV), built, opts.cwd or "/app", opts)
end
