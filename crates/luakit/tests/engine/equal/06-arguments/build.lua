local image = "alpine:" .. bk.arg("VERSION", "3.18")
local name = bk.arg("NAME", "nobody")

local built = bk.image(image, { platform = bk.build_platform }):run(
    'echo "${NAME} ${UNSET:-nothing} for ${TARGETPLATFORM} (${TARGETARCH}, ${TARGETVARIANT}) on ${BUILDPLATFORM}" > /told',
    {
        env = {
            NAME = name,
            TARGETPLATFORM = bk.arg("TARGETPLATFORM"),
            TARGETARCH = bk.arg("TARGETARCH"),
            TARGETVARIANT = bk.arg("TARGETVARIANT"),
            BUILDPLATFORM = bk.arg("BUILDPLATFORM"),
        },
    }
)
local final = bk.image(image):copy(built, "/told", `/{name}/`):env({ GREETED = name })

bk.export(final, { labels = { arch = bk.target_platform.arch } })
