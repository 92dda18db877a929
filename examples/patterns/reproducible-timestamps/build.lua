-- The snippet takes its base for granted: one with the source in /app.
local base = bk.image("alpine:3.19"):copy(bk.local_("context"), ".", "/app")

local result = base:run({
    "sh", "-c",
    "find /app -exec touch -t 202401010000 {} +"
})

bk.export(result)
