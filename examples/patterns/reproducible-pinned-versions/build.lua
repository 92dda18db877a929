-- The snippet takes for granted that its bases have npm and a folder to install into, and Alpine's image
-- has neither: here `bk.image` gives each image with both added. All else is as ever.
local luakit = bk
local bk = setmetatable({
    image = function(ref, opts)
        return luakit.image(ref, opts):run("apk add --no-cache npm"):workdir("/app")
    end,
}, { __index = luakit })

-- Good: Pinned
local base = bk.image("alpine:3.19.1")
local result = base:run("npm install express@4.18.2")

bk.export(result)

-- Bad: Floating
local base = bk.image("alpine:latest")
local result = base:run("npm install express")

bk.export(result, { name = "floating" })
