
-- # Packages

local function package_list(fn, packages)
	check_at(`argument 2 (packages) of prelude.{fn}()`, "words", packages, "argument", 2)
	local list = split(packages)
	if #list == 0 then
		fail(`argument 2 (packages) of prelude.{fn}() names no package`, "argument", 2)
	end
	for _, name in ipairs(list) do
		-- It would be an option of the package manager.
		if name:sub(1, 1) == "-" then
			fail(`prelude.{fn}(): \`{name}\` is no package's name`, "argument", 2)
		end
	end
	return list
end

-- What installs packages, by distribution. Package managers are root's to run.
local INSTALL = {
	alpine = function(words)
		return `apk add --no-cache {words}`
	end,
	debian = function(words)
		return `apt-get update && apt-get install -y --no-install-recommends {words} && rm -rf /var/lib/apt/lists/*`
	end,
	fedora = function(words)
		return `dnf install -y --setopt=install_weak_deps=False {words} && dnf clean all`
	end,
}
INSTALL.ubuntu = INSTALL.debian

local QUIET = { DEBIAN_FRONTEND = "noninteractive" }

---Installs Debian or Ubuntu packages in one step: the lists are fetched, used and removed again.
---
---It runs as root, whatever the state's user is.
---@param base State A state with `apt-get`.
---@param packages string|string[] Packages, as `apt-get install` takes them: a list, or names with spaces between.
---@return State state The state with the packages.
---
---```lua
---local base = prelude.deb_package(prelude.from_debian(), { "git", "ca-certificates" })
---```
function prelude.deb_package(base, packages)
	check("deb_package", "base", "state", base)
	local list = package_list("deb_package", packages)
	return base:run(INSTALL.debian(quote_all(list)), { env = QUIET, user = "root" })
end

---Installs Alpine packages. It runs as root, whatever the state's user is.
---@param base State A state with `apk`.
---@param packages string|string[] Packages, as `apk add` takes them: a list, or names with spaces between.
---@return State state The state with the packages.
---
---```lua
---local base = prelude.apk_package(prelude.from_alpine(), "git openssh-client")
---```
function prelude.apk_package(base, packages)
	check("apk_package", "base", "state", base)
	local list = package_list("apk_package", packages)
	return base:run({ "apk", "add", "--no-cache", unpack(list) }, { user = "root" })
end

-- Tries `apk`, `apt-get` and `dnf`, where the build runs.
local function install(base, list)
	local words = quote_all(list)
	return base:run(table.concat({
		`if command -v apk >/dev/null; then {INSTALL.alpine(words)}`,
		`elif command -v apt-get >/dev/null; then {INSTALL.debian(words)}`,
		`elif command -v dnf >/dev/null; then {INSTALL.fedora(words)}`,
		`else echo 'no apk, apt-get or dnf to install packages with' >&2; exit 1; fi`,
	}, "; "), {
		env = QUIET,
		user = "root",
		description = `install {table.concat(list, " ")}`,
	})
end

---Installs packages of a distribution. It runs as root, whatever the state's user is.
---@param base State What to install them in.
---@param packages string|string[] Packages: a list, or names with spaces between.
---@param distro? "alpine"|"debian"|"fedora"|"ubuntu" Whose packages they are. Without it, the step looks for `apk`, `apt-get` or `dnf` when it runs.
---@return State state The state with the packages.
---
---```lua
---local base = prelude.install_system_deps(prelude.from_fedora(), { "gcc", "make" }, "fedora")
---```
function prelude.install_system_deps(base, packages, distro)
	check("install_system_deps", "base", "state", base, "packages", "words", packages, "distro", "text?", distro)
	local list = package_list("install_system_deps", packages)
	if distro == nil then
		return install(base, list)
	end
	check_distro("install_system_deps", 3, distro)
	return base:run(INSTALL[distro](quote_all(list)), { env = QUIET, user = "root" })
end

---Installs git, with `apk`, `apt-get` or `dnf`: what the state has.
---@param base State What to install it in.
---@return State state The state with git.
function prelude.install_git(base)
	check("install_git", "base", "state", base)
	return install(base, { "git" })
end

---Installs curl, with `apk`, `apt-get` or `dnf`: what the state has.
---@param base State What to install it in.
---@return State state The state with curl.
function prelude.install_curl(base)
	check("install_curl", "base", "state", base)
	return install(base, { "curl" })
end

---Installs the certificates of public authorities, with `apk`, `apt-get` or `dnf`: what the state has.
---@param base State What to install them in.
---@return State state The state with `ca-certificates`.
function prelude.install_ca_certs(base)
	check("install_ca_certs", "base", "state", base)
	return install(base, { "ca-certificates" })
end
