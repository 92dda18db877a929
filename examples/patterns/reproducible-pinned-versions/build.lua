-- The snippet takes for granted that its bases have npm, and Alpine's image has none: here `bk.image`
-- gives each image with npm added. All else is as ever.
local luakit = bk
local bk = setmetatable({
    image = function(ref, opts)
        return luakit.image(ref, opts):run("apk add --no-cache npm")
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
