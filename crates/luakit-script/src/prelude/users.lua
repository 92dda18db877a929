
-- # Users and directories

-- Files are written, not `useradd` or `adduser` called: it is the same on every distribution, and leaves no
-- date in `/etc/shadow`. Appending minds a last line without an end.
local ADD_USER = [[
set -eu
append() { if [ -s "$1" ] && [ -n "$(tail -c 1 "$1")" ]; then echo >> "$1"; fi; printf '%s\n' "$2" >> "$1"; }
touch /etc/passwd /etc/group
if old=$(grep '^@PATTERN@:' /etc/passwd); then
  old=$(printf '%s\n' "$old" | cut -d : -f 3,4)
  @EXISTING@
  exit 0
fi
if ! grep -q '^@PATTERN@:' /etc/group; then
  append /etc/group '@NAME@:x:@GID@:'
  if [ -f /etc/gshadow ]; then append /etc/gshadow '@NAME@:!::'; fi
fi
append /etc/passwd '@NAME@:x:@UID@:@GID@::/home/@NAME@:/bin/sh'
if [ -f /etc/shadow ]; then append /etc/shadow '@NAME@:!::0:99999:7:::'; fi
mkdir -p /home/@NAME@
chown @UID@:@GID@ /home/@NAME@]]

local KEEP_EXISTING = ": a user of that name is there already, and no other number was asked for"

-- A user with the numbers that were asked for; those that were not are 1000 and the user's own.
local function add_user(state, name, uid, gid)
	local existing = KEEP_EXISTING
	if uid or gid then
		local want = `{uid or "*"}:{gid or "*"}`
		existing = `case "$old" in {want}) ;; *) echo "there is a user {name} already: $old, not {want}" >&2; exit 1 ;; esac`
	end
	uid = uid or 1000
	gid = gid or uid
	local values = {
		EXISTING = existing,
		GID = string.format("%d", gid),
		NAME = name,
		PATTERN = name:gsub("%.", "\\."),
		UID = string.format("%d", uid),
	}
	local script = ADD_USER:gsub("@(%u+)@", values)
	return state:run({ "/bin/sh", "-c", script }, {
		user = "root",
		description = string.format("add user %s (%d:%d)", name, uid, gid),
	})
end

---Makes a directory, with its parents, and the working directory of what follows: Dockerfile's `WORKDIR`.
---@param state State Where.
---@param path string The directory; a relative one joins the present one.
---@return State state The state that works there.
---
---```lua
---local base = prelude.with_workdir(prelude.from_alpine(), "/app")
---```
function prelude.with_workdir(state, path)
	check("with_workdir", "state", "state", state, "path", "path", path)
	return state:mkdir(path, { make_parents = true }):workdir(path)
end

---Adds a user, a group of the same name, and a home directory.
---
---It works on every distribution with a shell (Alpine, busybox, Debian, Ubuntu, Fedora, …), needs no network, and runs
---as root. A user that is there already stays as it is; if it has other numbers than the ones given here, the step fails.
---Numbers that others have already (Ubuntu's `ubuntu` and Node's `node` are 1000) are given a second name.
---@param state State Where.
---@param name string The user's name.
---@param uid? integer The user's number (default: `1000`).
---@param gid? integer The group's number (default: `uid`).
---@return State state The state with the user. What runs on it still runs as before: see `prelude.as_non_root`.
---
---```lua
---local base = prelude.with_user(prelude.from_debian(), "app", 10001)
---```
function prelude.with_user(state, name, uid, gid)
	check("with_user", "state", "state", state, "name", "user", name, "uid", "id?", uid, "gid", "id?", gid)
	return add_user(state, name, uid, gid)
end

---The same as `prelude.with_user`, which works on Alpine too.
---@param state State Where.
---@param name string The user's name.
---@param uid? integer The user's number (default: `1000`).
---@param gid? integer The group's number (default: `uid`).
---@return State state The state with the user.
function prelude.with_alpine_user(state, name, uid, gid)
	check("with_alpine_user", "state", "state", state, "name", "user", name, "uid", "id?", uid, "gid", "id?", gid)
	return add_user(state, name, uid, gid)
end

---Adds a user and makes it the one that later runs and the exported image run as.
---@param state State Where.
---@param name? string The user's name (default: `"appuser"`).
---@param uid? integer The user's and its group's number (default: `1000`).
---@return State state The state with that user.
---
---```lua
---bk.export(prelude.as_non_root(final, "app"), { entrypoint = { "/app/server" } })
---```
function prelude.as_non_root(state, name, uid)
	check("as_non_root", "state", "state", state, "name", "user?", name, "uid", "id?", uid)
	name = name or "appuser"
	if uid == 0 then
		fail("prelude.as_non_root(): the user with the number 0 is root", "argument", 3)
	end
	return add_user(state, name, uid):user(name)
end

---Gives a file, or a directory with all it holds, another owner: `chown -R`. It runs as root.
---
---The files are kept twice, with the old owner and with the new one: `owner` in `state:copy` costs nothing.
---@param state State Where.
---@param path string What.
---@param user string|integer The user's name or number.
---@param group? string|integer The group's name or number (default: the group stays).
---@return State state The state with the new owner.
---
---```lua
---local owned = prelude.chown_path(built, "/app", "app", "app")
---```
function prelude.chown_path(state, path, user, group)
	check("chown_path", "state", "state", state, "path", "path", path, "user", "owner", user, "group", "owner?", group)
	local owner = if group then `{user}:{group}` else tostring(user)
	return state:run({ "chown", "-R", owner, "--", path }, { user = "root" })
end

-- A user's numbers without the user would do nothing.
local function check_numbers(fn, opts)
	for _, name in ipairs({ "uid", "gid" }) do
		if opts[name] and not opts.user then
			fail(`{name} in prelude.{fn}() needs \`user\` beside it`, "option", name)
		end
	end
end

-- A project from the stage that built it, owned by the user who is to run it.
local function app_on(runtime, built, cwd, opts)
	if not opts.user then
		return runtime:copy(built, cwd, cwd):workdir(cwd)
	end
	return add_user(runtime, opts.user, opts.uid, opts.gid)
		:copy(built, cwd, cwd, { owner = { user = opts.user } })
		:workdir(cwd)
		:user(opts.user)
end
