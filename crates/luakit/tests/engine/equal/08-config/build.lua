local final = bk.image("busybox:1.36")
    :shell({ "/bin/sh", "-e", "-c" })
    :env({ B = "3" })
    :env({ A = "1" })
    :user("1000:1000")
    :mkdir("/data", { make_parents = true, owner = "1000:1000" })
    :workdir("/data")

bk.export(final, {
    author = "Someone <someone@example.org>",
    labels = { ["org.example.title"] = "A title", ["org.example.empty"] = "", version = "1" },
    expose = { 8080, "53/udp", "9000-9002/tcp" },
    volumes = { "/data", "/var/lib/other" },
    stop_signal = "SIGUSR1",
    healthcheck = {
        test = "wget -q localhost || exit 1",
        interval = "5s",
        timeout = "1m30s",
        start_period = "250ms",
        retries = 7,
    },
    onbuild = { "RUN echo later", "COPY . /later" },
    entrypoint = "exec top -b",
    cmd = { "-d", "1" },
})
