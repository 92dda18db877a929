local context = bk.local_("context")

local node = bk.image("node:20-alpine")
bk.export(node:env({ LATER = "1" }):copy(context, "file", "/srv/"), { name = "cmd-alone", cmd = { "--version" } })
bk.export(node:copy(context, "file", "/srv/"), { name = "entrypoint-alone", entrypoint = { "node" } })

local nonroot = bk.image("gcr.io/distroless/static-debian12:nonroot")
    :env({ SSL_CERT_FILE = "/srv/file" })
    :copy(context, "file", "relative/")
    :copy(context, "file", "/srv/", { owner = "nonroot" })
bk.export(nonroot, { name = "nonroot", labels = { inherited = "no" } })
