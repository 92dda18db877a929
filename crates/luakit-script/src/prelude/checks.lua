-- Luakit's prelude: recurring builds as functions, written on the public `bk` API.
--
-- The files of this directory are one chunk, joined in the order that `prelude.rs` gives; this one comes
-- first. It holds what the others check their arguments with. The `---` comments are the documentation:
-- `types/prelude.lua` and the reference are generated from them, and a `-- # Heading` starts a chapter there.

local prelude = {}

-- Raises an error that points at the call of the script's own, as those of `bk` do: the message, what of the
-- call it is about (`"argument"`, `"option"`, `"unknown option"`, `"field"`, `"receiver"`; nil is all of it),
-- which one, and a hint. Luakit hands it to its own library alone.
local fail = select(2, ...)

-- The least number of insertions, deletions, replacements and swaps between two names.
local function distance(a, b)
	local before, above = {}, {}
	for j = 0, #b do
		above[j] = j
	end
	for i = 1, #a do
		local row = { [0] = i }
		for j = 1, #b do
			local same = a:byte(i) == b:byte(j)
			row[j] = math.min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (if same then 0 else 1))
			if i > 1 and j > 1 and a:byte(i) == b:byte(j - 1) and a:byte(i - 1) == b:byte(j) then
				row[j] = math.min(row[j], before[j - 2] + 1)
			end
		end
		before, above = above, row
	end
	return above[#b]
end

-- The name of a sorted list that was probably meant.
local function nearest(name, known)
	local plain = name:lower():gsub("[_-]", "")
	local best, least
	for _, candidate in ipairs(known) do
		local other = candidate:gsub("_", "")
		local d = distance(plain, other)
		local starts = #plain >= 3 and #other >= 3 and (plain:sub(1, #other) == other or other:sub(1, #plain) == plain)
		local allowed = math.max(1, math.ceil(math.max(#plain, #other) / 3))
		if (d <= allowed and d < #other or starts) and (not least or d < least) then
			best, least = candidate, d
		end
	end
	return best
end

-- `; did you mean …?`, or what there is.
local function instead(name, known, there_is)
	local near = nearest(name, known)
	if near then
		return `; did you mean \`{near}\`?`
	end
	return `; {there_is} \`{table.concat(known, "`, `")}\``
end

local function sorted_keys(map)
	local keys = {}
	for key in pairs(map) do
		keys[#keys + 1] = key
	end
	table.sort(keys)
	return keys
end

-- What messages call a value's type: Luakit's own types by their names.
local function type_name(value)
	local kind = typeof(value)
	if type(value) == "userdata" then
		return kind:lower()
	end
	return kind
end

local function is_state(value)
	return typeof(value) == "State"
end

local function is_text(value)
	return type(value) == "string" and value ~= "" and not value:find("\0", 1, true)
end

local function is_id(value)
	return type(value) == "number" and value >= 0 and value <= 4294967295 and value % 1 == 0
end

local function is_user_name(value)
	return is_text(value) and #value <= 32 and value:find("^[%a_][%w_.-]*$") ~= nil
end

-- Whether a value is a list without holes whose every element passes.
local function is_list_of(value, test)
	if type(value) ~= "table" then
		return false
	end
	local count = 0
	for _ in pairs(value) do
		count += 1
	end
	for i = 1, count do
		if not test(value[i]) then
			return false
		end
	end
	return true
end

-- What an argument or an option may be: in words, and whether a value is it.
local KINDS = {
	state = { "a state", is_state },
	image = {
		"an image's tag, an image reference or a state",
		function(value)
			return is_text(value) or is_state(value)
		end,
	},
	version = { "a string", is_text },
	variant = {
		"a string",
		function(value)
			return type(value) == "string"
		end,
	},
	text = { "a string", is_text },
	path = { "a path", is_text },
	boolean = {
		"a boolean",
		function(value)
			return type(value) == "boolean"
		end,
	},
	id = { "a whole number from 0 to 4294967295", is_id },
	user = { "a user's name: letters, digits, `_`, `.` and `-`, 32 at most", is_user_name },
	owner = {
		"a user's or group's name or number",
		function(value)
			return is_id(value) or is_user_name(value)
		end,
	},
	states = {
		"a list of states",
		function(value)
			return is_list_of(value, is_state)
		end,
	},
	words = {
		"a string or a list of strings",
		function(value)
			return is_text(value) or is_list_of(value, is_text)
		end,
	},
	table = {
		"a table",
		function(value)
			return type(value) == "table"
		end,
	},
	["function"] = {
		"a function",
		function(value)
			return type(value) == "function"
		end,
	},
}

-- Why a value is not of a kind, to follow the words for its place, and a hint; nil if it is.
local function complaint(kind, value)
	local words, test = KINDS[kind][1], KINDS[kind][2]
	if test(value) then
		return nil
	end
	local got, hint = type_name(value), nil
	if value == nil then
		hint = "is the variable's name right, and was it set?"
	elseif kind == "version" and type(value) == "number" then
		hint = "write it in quotes: the number 3.20 is 3.2"
	elseif type(value) == "string" then
		got = if value == "" then "an empty string" else string.format("%q", value)
	elseif type(value) == "number" then
		got = tostring(value)
	end
	return `must be {words}, got {got}`, hint
end

-- Checks a value whose place is given in words, and as `fail` takes it.
local function check_at(place, kind, value, what, which)
	local wrong, hint = complaint(kind, value)
	if wrong then
		fail(`{place} {wrong}`, what, which, hint)
	end
end

-- Checks arguments: `check(function, name, kind, value, …)`. A kind that ends in `?` may be nil.
local function check(fn, ...)
	for i = 1, select("#", ...), 3 do
		local name, kind, value = select(i, ...)
		if i == 1 and value == prelude then
			fail(`prelude.{fn}() must be called with \`.\`, not with \`:\``, "receiver", nil, `write \`prelude.{fn}(…)\``)
		end
		local required = kind:match("^(.*)%?$")
		if value ~= nil or not required then
			local index = (i + 2) // 3
			check_at(`argument {index} ({name}) of prelude.{fn}()`, required or kind, value, "argument", index)
		end
	end
end

-- Checks a table of options against its kinds by name, and gives it back: an empty one for nil.
local function check_options(fn, kinds, opts)
	if opts == nil then
		return {}
	end
	if type(opts) ~= "table" then
		fail(`the options of prelude.{fn}() must be a table, got {type_name(opts)}`)
	end
	for name in pairs(opts) do
		if type(name) ~= "string" then
			fail(`the options of prelude.{fn}() must be named, got a list`)
		end
	end
	for _, name in ipairs(sorted_keys(opts)) do
		local kind = kinds[name]
		if not kind then
			fail(`unknown option \`{name}\` in prelude.{fn}(){instead(name, sorted_keys(kinds), "it takes")}`, "unknown option", name)
		end
		check_at(`{name} in prelude.{fn}()`, kind, opts[name], "option", name)
	end
	return opts
end

-- The state that a function of the script returned.
local function check_result(fn, which, value)
	if not is_state(value) then
		fail(`{which} of prelude.{fn}() must return a state, got {type_name(value)}`)
	end
	return value
end

-- The union of option tables.
local function join(...)
	local all = {}
	for i = 1, select("#", ...) do
		for name, kind in pairs((select(i, ...))) do
			all[name] = kind
		end
	end
	return all
end

-- What of `opts` is among `kinds`, to hand on to another function.
local function only(kinds, opts)
	local some = {}
	for name in pairs(kinds) do
		some[name] = opts[name]
	end
	return some
end

-- A word of a shell command: quoted, unless the shell takes it as it is.
local function quote(word)
	if word:find("^[%w@%%_+=:,./-]+$") then
		return word
	end
	return "'" .. word:gsub("'", "'\\''") .. "'"
end

local function quote_all(words)
	local quoted = {}
	for i, word in ipairs(words) do
		quoted[i] = quote(word)
	end
	return table.concat(quoted, " ")
end

-- Words from a list, or from a string that is split at white space.
local function split(words)
	if type(words) == "table" then
		return words
	end
	local list = {}
	for word in words:gmatch("%S+") do
		list[#list + 1] = word
	end
	return list
end

-- An image of a repository by its tag; or any image, by a whole reference or as a state.
local function image(repository, which)
	if is_state(which) then
		return which
	end
	if which:find("[:/@]") then
		return bk.image(which)
	end
	return bk.image(`{repository}:{which}`)
end
