local base = bk.image("alpine:3.19")
    :mkdir("/out", { make_parents = true })
    :workdir("/out")
    :run("mkdir kept && echo kept > kept/file")
local left = base:run("echo left > left")
local right = base:run("echo right > right && chmod 4755 right && mkfifo pipe")

local final = bk.scratch()
    :copy(left, "/out/", "/")
    :copy(right, { "/out/right", "/out/pipe" }, "/sub/")
    :copy(bk.image("busybox:1.36"), "/bin/busybox", "/bin/busybox")
    :copy(bk.local_("context"), "greeting", "/")

bk.export(final, { entrypoint = { "/bin/busybox" }, cmd = { "cat", "/greeting", "/left", "/sub/right" } })
