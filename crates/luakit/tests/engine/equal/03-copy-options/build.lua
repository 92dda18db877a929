local context = bk.local_("context")
local before = bk.image("alpine:3.19")
    :run("addgroup -g 2000 staff2 && adduser -D -u 1000 app")
    :copy(context, "tree", "/named", { owner = "app:staff2" })
    :copy(context, "tree", "/numbered", { owner = { user = 12, group = 34 } })
    :copy(context, "tree/run.sh", "/bin/by-user", { owner = "app" })
    :copy(context, "tree/data.txt", "/etc/data.txt", { mode = "0640" })
    :copy(context, "tree", "/both", { mode = 750, owner = "0:2000" })
-- `--link` copies onto nothing, and lays that over.
local linked = bk.scratch():copy(context, "tree/data.txt", "/linked/data.txt", { owner = "5:6" })
local final = bk.merge(before, linked)
    :copy(bk.image("busybox:1.36"), "/bin/busybox", "/bin/other", { owner = "1:1" })

bk.export(final)
