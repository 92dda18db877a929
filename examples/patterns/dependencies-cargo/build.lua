local builder = bk.image("rust:1.75-alpine")

-- Copy Cargo.toml and Cargo.lock
local cargo_files = bk.local_("context", {
    include_patterns = { "Cargo.toml", "Cargo.lock" }
})
local with_cargo = builder:copy(cargo_files, ".", "/app")

-- Download dependencies
local deps = with_cargo:run("cargo fetch", {
    cwd = "/app",
    mounts = {
        bk.cache("/usr/local/cargo/registry", { id = "cargo" }),
        bk.cache("/usr/local/cargo/git", { id = "cargo" })
    }
})

-- Copy source
local src = bk.local_("context")
local with_src = deps:copy(src, ".", "/app")

-- Build
local built = with_src:run("cargo build --release", {
    cwd = "/app",
    mounts = {
        bk.cache("/usr/local/cargo/registry", { id = "cargo" }),
        bk.cache("/usr/local/cargo/git", { id = "cargo" }),
        bk.cache("/usr/local/cargo/target", { id = "build" })
    }
})

-- What the snippet leaves to its reader: an export.
bk.export(built, { entrypoint = { "/app/target/release/app" } })
