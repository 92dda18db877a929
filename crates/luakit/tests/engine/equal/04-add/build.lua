local server = bk.arg("SERVER", { required = true })
local context = bk.local_("context")

local final = bk.image("alpine:3.19")
    :copy(bk.http(server .. "/tool.sh"), "tool.sh", "/bin/")
    :copy(bk.http(server .. "/tool.sh"), "tool.sh", "/opt/renamed.sh", { mode = "0755", owner = "7:8" })
    :copy(bk.http(server .. "/hello.txt", {
        checksum = "sha256:b449ed60967ed21ac73a86200e679b893f5af99f792cd45c813bd045c787ee6c",
    }), "hello.txt", "/srv/")
    :copy(context, "files.tar", "/unpacked/", { attempt_unpack = true })
    :copy(context, "plain.txt", "/plain/", { attempt_unpack = true })
    :run("/opt/renamed.sh > /told", { env = { SERVER = server } })

bk.export(final)
