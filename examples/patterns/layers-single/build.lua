-- The snippet takes its base for granted.
local base = bk.image("debian:bookworm-slim")

-- Good: Single layer
local result = base:run({
    "sh", "-c",
    "apt-get update && " ..
    "apt-get install -y --no-install-recommends curl git && " ..
    "rm -rf /var/lib/apt/lists/*"
})

-- Bad: Multiple layers
local layer1 = base:run("apt-get update")
local layer2 = layer1:run("apt-get install -y curl")
local layer3 = layer2:run("apt-get install -y git")

-- What the snippet leaves to its reader: exports, the better variant being the default one.
bk.export(result)
bk.export(layer3, { name = "multiple-layers" })
