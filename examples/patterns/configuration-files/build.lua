local base = bk.image("alpine:3.19")

-- The snippet takes the owner for granted.
base = base:run("addgroup -S app && adduser -S -G app app")

-- Create config file
local with_config = base:mkfile("/etc/myapp/config.json", [[
{
    "server": {
        "port": 8080,
        "host": "0.0.0.0"
    },
    "database": {
        "host": "localhost",
        "port": 5432,
        "name": "mydb"
    }
}
]], {
    mode = "0644",
    owner = { user = "app", group = "app" }
})

bk.export(with_config)
