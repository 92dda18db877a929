local context = bk.local_("context")
local tools = bk.image("alpine:3.19"):run("mkdir /tools && echo 'echo tool' > /tools/tool")

local final = bk.image("alpine:3.19")
    :mkdir("/work", { make_parents = true })
    :workdir("/work")
    :run("echo kept > /var/cache/equal/kept && cp /var/cache/equal/kept copied", {
        mounts = { bk.cache("/var/cache/equal", { sharing = "locked" }) },
    })
    :run("ls /var/cache/equal other > caches", {
        mounts = {
            bk.cache("/var/cache/equal"),
            bk.cache("/work/other", { id = "equal-other", from = tools, selector = "/tools" }),
        },
    })
    :run("sh /tools/tool > bound && cat data/one >> bound", {
        mounts = {
            bk.bind(tools, "/tools", { selector = "/tools" }),
            bk.bind(context, "/work/data", { selector = "data" }),
        },
    })
    :run("touch /mnt/thrown-away && ls /mnt/thrown-away > writable", {
        mounts = { bk.bind(tools, "/mnt", { readonly = false }) },
    })
    :run("echo x > /scratch/x && df -k /scratch | tail -1 | awk '{print $2}' > size", {
        mounts = { bk.tmpfs("/scratch", { size = "1m" }) },
    })
    :run("ls -A /run/secrets > secrets 2>&1 || true", {
        mounts = { bk.secret({ id = "absent", optional = true }) },
    })
    :run("cat /proc/net/dev | tail -n +3 | cut -d: -f1 > interfaces", { network = "none" })

bk.export(final)
