-- The frontend image: what a script's `# syntax=` line names. `cargo xtask dist` builds it; its context is a directory
-- that holds a root filesystem for each platform, `linux/amd64/luakit` and so on, each one static binary.
local platform = bk.target_platform
local directory = platform.os .. "/" .. platform.arch

-- Whoever builds it, and whenever: the same owner, mode and time, `SOURCE_DATE_EPOCH`. Exporters could rewrite times, but
-- Docker's refuses that for images in its store.
local context = bk.local_("context", { include = { directory } })
local same = { owner = "0:0", mode = "0755", created = os.time() }
local root = bk.scratch():copy(context, directory, "/", same)

bk.export(root, {
    description = "the frontend image",
    -- BuildKit starts a frontend with this, and passes no arguments; it runs it as root whatever the user is.
    entrypoint = { "/luakit", "frontend" },
    user = "65532:65532",
    labels = {
        -- All that the frontend reads comes through BuildKit.
        ["moby.buildkit.frontend.network.none"] = "true",
        ["moby.buildkit.frontend.caps"] = table.concat({
            "moby.buildkit.frontend.inputs",
            "moby.buildkit.frontend.subrequests",
            "moby.buildkit.frontend.contexts",
            "moby.buildkit.frontend.gitquerystring",
        }, ","),
        ["org.opencontainers.image.title"] = "luakit",
        ["org.opencontainers.image.description"] = "Container images described in Lua, built by BuildKit",
        ["org.opencontainers.image.licenses"] = "MIT",
        ["org.opencontainers.image.version"] = bk.arg("VERSION", nil, { description = "the binary's version" }),
    },
})
