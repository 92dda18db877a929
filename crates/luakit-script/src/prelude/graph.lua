
-- # Stages, copies, merges

---Hands a state to a function and gives back what that returns: a build in a block of its own.
---@param base State|string What to begin with: a state, or an image reference.
---@param fn fun(state: State): State What to do with it.
---@return State state What `fn` returned.
---
---```lua
---local tools = prelude.container("alpine:3.19", function(s)
---    return s:run("apk add --no-cache git"):env({ GIT_PAGER = "cat" })
---end)
---```
function prelude.container(base, fn)
	check("container", "base", "image", base, "fn", "function", fn)
	local start = if is_state(base) then base else bk.image(base)
	return check_result("container", "the function", fn(start))
end

---Two stages: one that builds, and one that the result goes into.
---@param builder_image State|string What builds: an image reference, or a state.
---@param runtime_image State|string What the result goes into: an image reference, or a state.
---@param fn fun(builder: State, runtime: State): State What builds.
---@return State runtime The second stage, as it was.
---@return State built What `fn` returned.
---
---```lua
---local runtime, built = prelude.multi_stage("golang:1.22", "alpine:3.19", function(builder)
---    return prelude.go_build(builder, bk.local_("context"))
---end)
---bk.export(runtime:copy(built, "/out/app", "/app/server"))
---```
function prelude.multi_stage(builder_image, runtime_image, fn)
	check(
		"multi_stage",
		"builder_image", "image", builder_image,
		"runtime_image", "image", runtime_image,
		"fn", "function", fn
	)
	local builder = if is_state(builder_image) then builder_image else bk.image(builder_image)
	local runtime = if is_state(runtime_image) then runtime_image else bk.image(runtime_image)
	local built = check_result("multi_stage", "the function", fn(builder, runtime))
	return runtime, built
end

---Copies from one state to another, `from` first.
---@param from State Where the files are.
---@param to State Where they go.
---@param from_path? string The path in `from`; wildcards work (default: `"/"`).
---@param to_path? string The path in `to` (default: `from_path`).
---@return State state `to` with the files.
---
---```lua
---local final = prelude.copy_all(built, runtime, "/out", "/app")
---```
function prelude.copy_all(from, to, from_path, to_path)
	check("copy_all", "from", "state", from, "to", "state", to, "from_path", "path?", from_path, "to_path", "path?", to_path)
	from_path = from_path or "/"
	return to:copy(from, from_path, to_path or from_path)
end

---@class prelude.Mapping
---@field from State|string|integer Where the files are: a state, or the key of one in `sources`.
---@field from_path string The path there; wildcards work.
---@field to_path? string The path in the target (default: `from_path`).

local MAPPING = { from = true, from_path = true, to_path = true }

local function check_mapping(index, mapping, sources)
	local at = `mappings[{index}]`
	if type(mapping) ~= "table" or is_state(mapping) then
		fail(`{at} of prelude.layered_copy() must be a table \{ from =, from_path =, to_path = }, got {type_name(mapping)}`, "argument", 3)
	end
	local positional = mapping.from == nil and mapping[1] ~= nil
	local names = if positional then { 1, 2, 3 } else { "from", "from_path", "to_path" }
	for key in pairs(mapping) do
		if not table.find(names, key) then
			local rest = if type(key) == "string" then instead(key, sorted_keys(MAPPING), "it takes") else ""
			fail(`unknown key \`{tostring(key)}\` in {at} of prelude.layered_copy(){rest}`, "argument", 3)
		end
	end
	local from, from_path, to_path = mapping[names[1]], mapping[names[2]], mapping[names[3]]
	if from ~= nil and not is_state(from) then
		local source = sources[from]
		if source == nil then
			fail(`{at}.from of prelude.layered_copy() is neither a state nor the key of a source: \`{tostring(from)}\``, "argument", 3)
		end
		check_at(`sources.{tostring(from)} of prelude.layered_copy()`, "state", source, "argument", 2)
		from = source
	end
	local of = " of prelude.layered_copy()"
	check_at(`{at}.from{of}`, "state", from, "argument", 3)
	check_at(`{at}.from_path{of}`, "path", from_path, "argument", 3)
	if to_path ~= nil then
		check_at(`{at}.to_path{of}`, "path", to_path, "argument", 3)
	end
	return from, from_path, to_path or from_path
end

---Copies from several states, one step for each mapping, in their order.
---@param target State Where the files go.
---@param sources table<string|integer, State> States by name or number, for mappings to refer to; may be empty.
---@param mappings prelude.Mapping[] What goes where: `{ from =, from_path =, to_path = }`, or the same three in that order without names.
---@return State state The target with the files.
---
---```lua
---local final = prelude.layered_copy(runtime, { api = api, web = web }, {
---    { from = "api", from_path = "/out/api", to_path = "/app/api" },
---    { from = "web", from_path = "/app/dist", to_path = "/app/static" },
---})
---```
function prelude.layered_copy(target, sources, mappings)
	check("layered_copy", "target", "state", target, "sources", "table", sources, "mappings", "table", mappings)
	local result = target
	for index = 1, table.maxn(mappings) do
		result = result:copy(check_mapping(index, mappings[index], sources))
	end
	return result
end

local function merge(states)
	if #states == 1 then
		return states[1]
	end
	return bk.merge(states)
end

---Lays a list of states over each other, the last on top: `bk.merge`, for a list of any length but zero.
---@param states State[] The states; one alone is given back as it is.
---@return State state All of them in one.
---
---```lua
---local all = {}
---for _, path in ipairs(bk.glob("services/*/package.json")) do
---    table.insert(all, build_service(path))
---end
---bk.export(prelude.merge_multiple(all))
---```
function prelude.merge_multiple(states)
	check("merge_multiple", "states", "states", states)
	if #states == 0 then
		fail("prelude.merge_multiple() needs at least one state, got an empty list", "argument", 1)
	end
	return merge(states)
end

-- What each function makes of `base`, over `base`.
local function branches(base, functions)
	local results = {}
	for index, fn in ipairs(functions) do
		results[index] = check_result("parallel_build", `function {index}`, fn(base))
	end
	if #results == 1 then
		return results[1]
	end
	local layers = { base }
	for index, result in ipairs(results) do
		layers[index + 1] = bk.diff(base, result)
	end
	return bk.merge(layers)
end

---Merges steps that don't depend on each other, so that the engine runs them at the same time.
---
---With states it is `bk.merge`. With functions after a first state, each function is handed that state, and what each
---of them changed is laid over it, in their order.
---@param ... State|fun(base: State): State|(fun(base: State): State)[] States; or one state, and functions of it (or a list of functions).
---@return State state All of them in one.
---
---```lua
---local tested = prelude.parallel_build(
---    workspace:run("npm run lint"),
---    workspace:run("npm test")
---)
---local tools = prelude.parallel_build(prelude.from_alpine(), prelude.install_git, prelude.install_curl)
---```
function prelude.parallel_build(...)
	local base = ...
	check("parallel_build", "base", "state", base)
	local rest = { select(2, ...) }
	if type(rest[1]) == "table" and select("#", ...) == 2 then
		rest = rest[1]
	end
	local kind = if type(rest[1]) == "function" then "function" else "state"
	for index = 1, table.maxn(rest) do
		check_at(`argument {index + 1} of prelude.parallel_build()`, kind, rest[index], "argument", index + 1)
	end
	if kind == "function" then
		return branches(base, rest)
	end
	return merge({ base, unpack(rest) })
end
