local path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
local texts = bk.scratch()
    :mkfile("/EOF", "expanded: " .. path .. "\n")
    :mkfile("/RAW", "raw: ${PATH}\n")

local s = bk.image("alpine:3.19")
    :run([[
set -e
echo first > /first
if [ -f /first ]; then
    echo "a 'quoted' $word" > /second
fi
]])
    :copy(texts, { "EOF", "RAW" }, "/etc/made/")
    :copy(bk.scratch():mkfile("/tool", "#!/bin/sh\necho tool\n"), "tool", "/bin/tool", { mode = "0755", owner = "3:4" })
    :run("tool > /third")

bk.export(s, { cmd = "tool" })
