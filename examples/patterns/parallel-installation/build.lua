local base = bk.image("alpine:3.19")

-- Parallel installation
local with_git = base:run("apk add --no-cache git")
local with_vim = base:run("apk add --no-cache vim")
local with_curl = base:run("apk add --no-cache curl")

-- Merge all
local tools = bk.merge(with_git, with_vim, with_curl)

-- What the snippet leaves to its reader: an export.
bk.export(tools)
