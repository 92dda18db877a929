
-- # Base images

---Alpine Linux.
---@param version? string The tag of `alpine` (default: `"3.19"`).
---@return State base The image.
---
---```lua
---local base = prelude.from_alpine("3.20")
---```
function prelude.from_alpine(version)
	check("from_alpine", "version", "version?", version)
	return bk.image(`alpine:{version or "3.19"}`)
end

---Ubuntu.
---@param version? string The tag of `ubuntu` (default: `"24.04"`).
---@return State base The image.
function prelude.from_ubuntu(version)
	check("from_ubuntu", "version", "version?", version)
	return bk.image(`ubuntu:{version or "24.04"}`)
end

---Debian.
---@param version? string The tag of `debian` (default: `"bookworm-slim"`).
---@return State base The image.
function prelude.from_debian(version)
	check("from_debian", "version", "version?", version)
	return bk.image(`debian:{version or "bookworm-slim"}`)
end

---Fedora.
---@param version? string The tag of `fedora` (default: `"39"`).
---@return State base The image.
function prelude.from_fedora(version)
	check("from_fedora", "version", "version?", version)
	return bk.image(`fedora:{version or "39"}`)
end

local DISTROS = {
	alpine = prelude.from_alpine,
	debian = prelude.from_debian,
	fedora = prelude.from_fedora,
	ubuntu = prelude.from_ubuntu,
}

local function check_distro(fn, argument, distro)
	if not DISTROS[distro] then
		fail(`prelude.{fn}() knows no distribution \`{distro}\`{instead(distro, sorted_keys(DISTROS), "it knows")}`, "argument", argument)
	end
end

---A distribution by its name.
---@param distro "alpine"|"debian"|"fedora"|"ubuntu" Which one.
---@param version? string The image's tag (default: that of the distribution's own function).
---@return State base The image.
---
---```lua
---local base = prelude.standard_base(bk.arg("DISTRO", "debian"))
---```
function prelude.standard_base(distro, version)
	check("standard_base", "distro", "text", distro, "version", "version?", version)
	check_distro("standard_base", 1, distro)
	return DISTROS[distro](version)
end
