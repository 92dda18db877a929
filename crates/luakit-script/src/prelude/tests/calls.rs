//! What each function describes.

use super::described;

/// The images alone, for functions that do nothing else.
fn images(expressions: &[&str]) -> String {
    let described = expressions.iter().map(|expression| {
        let text = described(expression);
        let first = text.lines().next().unwrap_or_default().to_owned();
        format!(
            "{expression}: {}",
            first.trim_start_matches("0: docker-image://docker.io/library/")
        )
    });
    described.collect::<Vec<_>>().join("\n")
}

#[test]
fn base_images() {
    insta::assert_snapshot!(images(&[
        "prelude.from_alpine()",
        "prelude.from_alpine('3.20')",
        "prelude.from_ubuntu()",
        "prelude.from_debian()",
        "prelude.from_fedora()",
        "prelude.standard_base('ubuntu', '22.04')",
        "prelude.go_base()",
        "prelude.go_runtime()",
        "prelude.node_base()",
        "prelude.node_runtime('22')",
        "prelude.python_base()",
        "prelude.python_base('3.12', 'bookworm')",
        "prelude.python_base('3.12', '')",
        "prelude.python_base('3.12-alpine')",
        "prelude.python_runtime()",
    ]), @"
    prelude.from_alpine(): alpine:3.19
    prelude.from_alpine('3.20'): alpine:3.20
    prelude.from_ubuntu(): ubuntu:24.04
    prelude.from_debian(): debian:bookworm-slim
    prelude.from_fedora(): fedora:39
    prelude.standard_base('ubuntu', '22.04'): ubuntu:22.04
    prelude.go_base(): golang:1.22-alpine
    prelude.go_runtime(): alpine:3.19
    prelude.node_base(): node:20-alpine
    prelude.node_runtime('22'): node:22
    prelude.python_base(): python:3.11-slim
    prelude.python_base('3.12', 'bookworm'): python:3.12-bookworm
    prelude.python_base('3.12', ''): python:3.12
    prelude.python_base('3.12-alpine'): python:3.12-alpine
    prelude.python_runtime(): python:3.11-slim
    ");
}

#[test]
fn go_build() {
    insta::assert_snapshot!(described("prelude.go_build(base, src)"), @r#"
    0: docker-image://docker.io/library/base:latest
    1: local://context
    2: 0 copy 1:/ /app
         include ["go.work", "go.work.sum", "**/go.mod", "**/go.sum"]
    3: 2 run ["go", "mod", "download"]
         cwd /app
         cache /go/pkg/mod /gomod
    4: 3 copy 1:/ /app
    5: 4 run ["/bin/sh", "-c", "CGO_ENABLED=\"${CGO_ENABLED:-0}\" go build -o /out/app ."]
         cwd /app
         cache /go/pkg/mod /gomod
         cache /root/.cache/go-build /gobuild
    config: {"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],"WorkingDir":"/"}
    "#);
    insta::assert_snapshot!(described(r#"prelude.go_build(base, src, { cwd = "/src", flags = "-trimpath -tags netgo", ldflags = "-s -w -X 'main.V=1'", output = "/out/my server", main = "./cmd/server" })"#), @r#"
    0: docker-image://docker.io/library/base:latest
    1: local://context
    2: 0 copy 1:/ /src
         include ["go.work", "go.work.sum", "**/go.mod", "**/go.sum"]
    3: 2 run ["go", "mod", "download"]
         cwd /src
         cache /go/pkg/mod /gomod
    4: 3 copy 1:/ /src
    5: 4 run ["/bin/sh", "-c", "CGO_ENABLED=\"${CGO_ENABLED:-0}\" go build -trimpath -tags netgo '-ldflags=-s -w -X '\\''main.V=1'\\''' -o '/out/my server' ./cmd/server"]
         cwd /src
         cache /go/pkg/mod /gomod
         cache /root/.cache/go-build /gobuild
    config: {"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],"WorkingDir":"/"}
    "#);
}

#[test]
fn go_binary_app() {
    insta::assert_snapshot!(described(r#"prelude.go_binary_app("1.22-alpine", src, { output = "/out/server", user = "app" })"#), @r#"
    0: docker-image://docker.io/library/alpine:3.19
    1: 0 run ["/bin/sh", "-c", "set -eu\nappend() { if [ -s \"$1\" ] && [ -n \"$(tail -c 1 \"$1\")\" ]; then echo >> \"$1\"; fi; printf '%s\\n' \"$2\" >> \"$1\"; }\ntouch /etc/passwd /etc/group\nif old=$(grep '^app:' /etc/passwd); then\n  old=$(printf '%s\\n' \"$old\" | cut -d : -f 3,4)\n  : a user of that name is there already, and no other number was asked for\n  exit 0\nfi\nif ! grep -q '^app:' /etc/group; then\n  append /etc/group 'app:x:1000:'\n  if [ -f /etc/gshadow ]; then append /etc/gshadow 'app:!::'; fi\nfi\nappend /etc/passwd 'app:x:1000:1000::/home/app:/bin/sh'\nif [ -f /etc/shadow ]; then append /etc/shadow 'app:!::0:99999:7:::'; fi\nmkdir -p /home/app\nchown 1000:1000 /home/app"]
         user root
    2: docker-image://docker.io/library/golang:1.22-alpine
    3: local://context
    4: 2 copy 3:/ /app
         include ["go.work", "go.work.sum", "**/go.mod", "**/go.sum"]
    5: 4 run ["go", "mod", "download"]
         cwd /app
         cache /go/pkg/mod /gomod
    6: 5 copy 3:/ /app
    7: 6 run ["/bin/sh", "-c", "CGO_ENABLED=\"${CGO_ENABLED:-0}\" go build -o /out/server ."]
         cwd /app
         cache /go/pkg/mod /gomod
         cache /root/.cache/go-build /gobuild
    8: 1 copy 7:/out/server /app/server
         mode 755
    config: {"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],"User":"app","WorkingDir":"/"}
    "#);
    insta::assert_snapshot!(described(r#"prelude.go_binary_app(base, src, { runtime_version = "3.20", final_path = "/server" })"#), @r#"
    0: docker-image://docker.io/library/alpine:3.20
    1: docker-image://docker.io/library/base:latest
    2: local://context
    3: 1 copy 2:/ /app
         include ["go.work", "go.work.sum", "**/go.mod", "**/go.sum"]
    4: 3 run ["go", "mod", "download"]
         cwd /app
         cache /go/pkg/mod /gomod
    5: 4 copy 2:/ /app
    6: 5 run ["/bin/sh", "-c", "CGO_ENABLED=\"${CGO_ENABLED:-0}\" go build -o /out/app ."]
         cwd /app
         cache /go/pkg/mod /gomod
         cache /root/.cache/go-build /gobuild
    7: 0 copy 6:/out/app /server
         mode 755
    config: {"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],"WorkingDir":"/"}
    "#);
}

#[test]
fn node_build() {
    insta::assert_snapshot!(described("prelude.node_build(base, src)"), @r#"
    0: docker-image://docker.io/library/base:latest
    1: local://context
    2: 0 copy 1:/ /app
         include ["package.json", "package-lock.json", "npm-shrinkwrap.json", ".npmrc", "yarn.lock", ".yarnrc", ".yarnrc.yml", "pnpm-lock.yaml", "pnpm-workspace.yaml", "bun.lock", "bun.lockb"]
    3: 2 run ["/bin/sh", "-c", "if [ -f package-lock.json ] || [ -f npm-shrinkwrap.json ]; then npm ci --include=dev; else npm install --include=dev; fi"]
         cwd /app
         cache /root/.npm /npm
    4: 3 copy 1:/ /app
    5: 4 run ["/bin/sh", "-c", "npm run build --if-present"]
         cwd /app
         cache /root/.npm /npm
    config: {"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],"WorkingDir":"/"}
    "#);
    insta::assert_snapshot!(described(r#"prelude.node_build(base, src, { cwd = "/web", deps_only = true, install_cmd = "yarn install --immutable" })"#), @r#"
    0: docker-image://docker.io/library/base:latest
    1: local://context
    2: 0 copy 1:/ /web
         include ["package.json", "package-lock.json", "npm-shrinkwrap.json", ".npmrc", "yarn.lock", ".yarnrc", ".yarnrc.yml", "pnpm-lock.yaml", "pnpm-workspace.yaml", "bun.lock", "bun.lockb"]
    3: 2 run ["/bin/sh", "-c", "yarn install --immutable"]
         cwd /web
         cache /root/.npm /npm
    config: {"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],"WorkingDir":"/"}
    "#);
}

#[test]
fn node_app() {
    insta::assert_snapshot!(described(r#"prelude.node_app("20-alpine", src, { user = "nodejs", uid = 1001 })"#), @r#"
    0: docker-image://docker.io/library/node:20-alpine
    1: 0 run ["/bin/sh", "-c", "set -eu\nappend() { if [ -s \"$1\" ] && [ -n \"$(tail -c 1 \"$1\")\" ]; then echo >> \"$1\"; fi; printf '%s\\n' \"$2\" >> \"$1\"; }\ntouch /etc/passwd /etc/group\nif old=$(grep '^nodejs:' /etc/passwd); then\n  old=$(printf '%s\\n' \"$old\" | cut -d : -f 3,4)\n  case \"$old\" in 1001:*) ;; *) echo \"there is a user nodejs already: $old, not 1001:*\" >&2; exit 1 ;; esac\n  exit 0\nfi\nif ! grep -q '^nodejs:' /etc/group; then\n  append /etc/group 'nodejs:x:1001:'\n  if [ -f /etc/gshadow ]; then append /etc/gshadow 'nodejs:!::'; fi\nfi\nappend /etc/passwd 'nodejs:x:1001:1001::/home/nodejs:/bin/sh'\nif [ -f /etc/shadow ]; then append /etc/shadow 'nodejs:!::0:99999:7:::'; fi\nmkdir -p /home/nodejs\nchown 1001:1001 /home/nodejs"]
         NODE_ENV=production
         user root
    2: local://context
    3: 0 copy 2:/ /app
         include ["package.json", "package-lock.json", "npm-shrinkwrap.json", ".npmrc", "yarn.lock", ".yarnrc", ".yarnrc.yml", "pnpm-lock.yaml", "pnpm-workspace.yaml", "bun.lock", "bun.lockb"]
    4: 3 run ["/bin/sh", "-c", "if [ -f package-lock.json ] || [ -f npm-shrinkwrap.json ]; then npm ci --include=dev; else npm install --include=dev; fi"]
         cwd /app
         cache /root/.npm /npm
    5: 4 copy 2:/ /app
    6: 5 run ["/bin/sh", "-c", "npm run build --if-present"]
         cwd /app
         cache /root/.npm /npm
    7: 6 run ["/bin/sh", "-c", "npm prune --omit=dev --no-audit --no-fund"]
         cwd /app
         cache /root/.npm /npm
    8: 1 copy 7:/app /app
         owner Some(ByName(NamedUserOpt { name: "nodejs", input: 0 }))
    config: {"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin","NODE_ENV=production"],"User":"nodejs","WorkingDir":"/app"}
    "#);
    insta::assert_snapshot!(described(r#"prelude.node_app("registry.example.com/node:20", src, { cwd = "/web", install_cmd = "yarn", runtime_version = "20-slim" })"#), @r#"
    0: docker-image://docker.io/library/node:20-slim
    1: docker-image://registry.example.com/node:20
    2: local://context
    3: 1 copy 2:/ /web
         include ["package.json", "package-lock.json", "npm-shrinkwrap.json", ".npmrc", "yarn.lock", ".yarnrc", ".yarnrc.yml", "pnpm-lock.yaml", "pnpm-workspace.yaml", "bun.lock", "bun.lockb"]
    4: 3 run ["/bin/sh", "-c", "yarn"]
         cwd /web
         cache /root/.npm /npm
    5: 4 copy 2:/ /web
    6: 5 run ["/bin/sh", "-c", "npm run build --if-present"]
         cwd /web
         cache /root/.npm /npm
    7: 0 copy 6:/web /web
    config: {"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin","NODE_ENV=production"],"WorkingDir":"/web"}
    "#);
}

#[test]
fn python_build() {
    insta::assert_snapshot!(described("prelude.python_build(base, src)"), @r#"
    0: docker-image://docker.io/library/base:latest
    1: 0 run ["python", "-m", "venv", "/opt/venv"]
    2: local://context
    3: 1 copy 2:/ /app
         include ["requirements.txt", "requirements*.txt", "constraints*.txt"]
    4: 3 run ["pip", "install", "-r", "requirements.txt"]
         PATH=/opt/venv/bin:/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin
         VIRTUAL_ENV=/opt/venv
         cwd /app
         cache /root/.cache/pip /pip
    5: 4 copy 2:/ /app
    config: {"Env":["PATH=/opt/venv/bin:/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin","VIRTUAL_ENV=/opt/venv"],"WorkingDir":"/"}
    "#);
    insta::assert_snapshot!(described(r#"prelude.python_build(base, src, { cwd = "/workspace", requirements = "requirements/prod.txt", install_cmd = "pip install ." })"#), @r#"
    0: docker-image://docker.io/library/base:latest
    1: 0 run ["python", "-m", "venv", "/opt/venv"]
    2: local://context
    3: 1 copy 2:/ /workspace
         include ["requirements/prod.txt", "requirements*.txt", "constraints*.txt", "requirements/*.txt"]
    4: 3 run ["pip", "install", "-r", "requirements/prod.txt"]
         PATH=/opt/venv/bin:/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin
         VIRTUAL_ENV=/opt/venv
         cwd /workspace
         cache /root/.cache/pip /pip
    5: 4 copy 2:/ /workspace
    6: 5 run ["/bin/sh", "-c", "pip install ."]
         PATH=/opt/venv/bin:/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin
         VIRTUAL_ENV=/opt/venv
         cwd /workspace
         cache /root/.cache/pip /pip
    config: {"Env":["PATH=/opt/venv/bin:/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin","VIRTUAL_ENV=/opt/venv"],"WorkingDir":"/"}
    "#);
    insta::assert_snapshot!(described(r#"prelude.python_build(base, src, { install_cmd = "pip install ." })"#), @r#"
    0: docker-image://docker.io/library/base:latest
    1: 0 run ["python", "-m", "venv", "/opt/venv"]
    2: local://context
    3: 1 copy 2:/ /app
    4: 3 run ["/bin/sh", "-c", "pip install ."]
         PATH=/opt/venv/bin:/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin
         VIRTUAL_ENV=/opt/venv
         cwd /app
         cache /root/.cache/pip /pip
    config: {"Env":["PATH=/opt/venv/bin:/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin","VIRTUAL_ENV=/opt/venv"],"WorkingDir":"/"}
    "#);
}

#[test]
fn python_app() {
    insta::assert_snapshot!(described(r#"prelude.python_app("3.11", src, { user = "appuser" })"#), @r#"
    0: docker-image://docker.io/library/python:3.11-slim
    1: 0 run ["python", "-m", "venv", "/opt/venv"]
    2: local://context
    3: 1 copy 2:/ /app
         include ["requirements.txt", "requirements*.txt", "constraints*.txt"]
    4: 3 run ["pip", "install", "-r", "requirements.txt"]
         PATH=/opt/venv/bin:/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin
         VIRTUAL_ENV=/opt/venv
         cwd /app
         cache /root/.cache/pip /pip
    5: 4 copy 2:/ /app
    6: 0 copy 5:/opt/venv /opt/venv
    7: 6 run ["/bin/sh", "-c", "set -eu\nappend() { if [ -s \"$1\" ] && [ -n \"$(tail -c 1 \"$1\")\" ]; then echo >> \"$1\"; fi; printf '%s\\n' \"$2\" >> \"$1\"; }\ntouch /etc/passwd /etc/group\nif old=$(grep '^appuser:' /etc/passwd); then\n  old=$(printf '%s\\n' \"$old\" | cut -d : -f 3,4)\n  : a user of that name is there already, and no other number was asked for\n  exit 0\nfi\nif ! grep -q '^appuser:' /etc/group; then\n  append /etc/group 'appuser:x:1000:'\n  if [ -f /etc/gshadow ]; then append /etc/gshadow 'appuser:!::'; fi\nfi\nappend /etc/passwd 'appuser:x:1000:1000::/home/appuser:/bin/sh'\nif [ -f /etc/shadow ]; then append /etc/shadow 'appuser:!::0:99999:7:::'; fi\nmkdir -p /home/appuser\nchown 1000:1000 /home/appuser"]
         PATH=/opt/venv/bin:/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin
         VIRTUAL_ENV=/opt/venv
         user root
    8: 7 copy 5:/app /app
         owner Some(ByName(NamedUserOpt { name: "appuser", input: 0 }))
    config: {"Env":["PATH=/opt/venv/bin:/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin","VIRTUAL_ENV=/opt/venv"],"User":"appuser","WorkingDir":"/app"}
    "#);
}

#[test]
fn packages() {
    insta::assert_snapshot!(described(r#"prelude.deb_package(base, { "git", "curl=7.88*", "it's; rm -rf /" })"#), @r#"
    0: docker-image://docker.io/library/base:latest
    1: 0 run ["/bin/sh", "-c", "apt-get update && apt-get install -y --no-install-recommends git 'curl=7.88*' 'it'\\''s; rm -rf /' && rm -rf /var/lib/apt/lists/*"]
         DEBIAN_FRONTEND=noninteractive
         user root
    config: {"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],"WorkingDir":"/"}
    "#);
    insta::assert_snapshot!(described(r#"prelude.apk_package(base, "git  openssh-client")"#), @r#"
    0: docker-image://docker.io/library/base:latest
    1: 0 run ["apk", "add", "--no-cache", "git", "openssh-client"]
         user root
    config: {"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],"WorkingDir":"/"}
    "#);
    insta::assert_snapshot!(described(r#"prelude.install_system_deps(base, { "gcc", "make" }, "fedora")"#), @r#"
    0: docker-image://docker.io/library/base:latest
    1: 0 run ["/bin/sh", "-c", "dnf install -y --setopt=install_weak_deps=False gcc make && dnf clean all"]
         DEBIAN_FRONTEND=noninteractive
         user root
    config: {"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],"WorkingDir":"/"}
    "#);
    insta::assert_snapshot!(described(r#"prelude.install_system_deps(base, "gcc")"#), @r#"
    0: docker-image://docker.io/library/base:latest
    1: 0 run ["/bin/sh", "-c", "if command -v apk >/dev/null; then apk add --no-cache gcc; elif command -v apt-get >/dev/null; then apt-get update && apt-get install -y --no-install-recommends gcc && rm -rf /var/lib/apt/lists/*; elif command -v dnf >/dev/null; then dnf install -y --setopt=install_weak_deps=False gcc && dnf clean all; else echo 'no apk, apt-get or dnf to install packages with' >&2; exit 1; fi"]
         DEBIAN_FRONTEND=noninteractive
         user root
    config: {"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],"WorkingDir":"/"}
    "#);
    insta::assert_snapshot!(described("prelude.install_git(base)"), @r#"
    0: docker-image://docker.io/library/base:latest
    1: 0 run ["/bin/sh", "-c", "if command -v apk >/dev/null; then apk add --no-cache git; elif command -v apt-get >/dev/null; then apt-get update && apt-get install -y --no-install-recommends git && rm -rf /var/lib/apt/lists/*; elif command -v dnf >/dev/null; then dnf install -y --setopt=install_weak_deps=False git && dnf clean all; else echo 'no apk, apt-get or dnf to install packages with' >&2; exit 1; fi"]
         DEBIAN_FRONTEND=noninteractive
         user root
    config: {"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],"WorkingDir":"/"}
    "#);
    insta::assert_snapshot!(described("prelude.install_curl(base)"), @r#"
    0: docker-image://docker.io/library/base:latest
    1: 0 run ["/bin/sh", "-c", "if command -v apk >/dev/null; then apk add --no-cache curl; elif command -v apt-get >/dev/null; then apt-get update && apt-get install -y --no-install-recommends curl && rm -rf /var/lib/apt/lists/*; elif command -v dnf >/dev/null; then dnf install -y --setopt=install_weak_deps=False curl && dnf clean all; else echo 'no apk, apt-get or dnf to install packages with' >&2; exit 1; fi"]
         DEBIAN_FRONTEND=noninteractive
         user root
    config: {"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],"WorkingDir":"/"}
    "#);
    insta::assert_snapshot!(described("prelude.install_ca_certs(base)"), @r#"
    0: docker-image://docker.io/library/base:latest
    1: 0 run ["/bin/sh", "-c", "if command -v apk >/dev/null; then apk add --no-cache ca-certificates; elif command -v apt-get >/dev/null; then apt-get update && apt-get install -y --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/*; elif command -v dnf >/dev/null; then dnf install -y --setopt=install_weak_deps=False ca-certificates && dnf clean all; else echo 'no apk, apt-get or dnf to install packages with' >&2; exit 1; fi"]
         DEBIAN_FRONTEND=noninteractive
         user root
    config: {"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],"WorkingDir":"/"}
    "#);
}

#[test]
fn directories_and_owners() {
    insta::assert_snapshot!(described(r#"prelude.with_workdir(base, "/app")"#), @r#"
    0: docker-image://docker.io/library/base:latest
    1: 0 mkdir /app parents true
    config: {"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],"WorkingDir":"/app"}
    "#);
    insta::assert_snapshot!(described(r#"prelude.chown_path(base, "/a b", "app", 1000)"#), @r#"
    0: docker-image://docker.io/library/base:latest
    1: 0 run ["chown", "-R", "app:1000", "--", "/a b"]
         user root
    config: {"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],"WorkingDir":"/"}
    "#);
    insta::assert_snapshot!(described(r#"prelude.chown_path(base, "x", 1000)"#), @r#"
    0: docker-image://docker.io/library/base:latest
    1: 0 run ["chown", "-R", "1000", "--", "x"]
         user root
    config: {"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],"WorkingDir":"/"}
    "#);
}

#[test]
fn users() {
    insta::assert_snapshot!(described(r#"prelude.as_non_root(base, "app", 2000)"#), @r#"
    0: docker-image://docker.io/library/base:latest
    1: 0 run ["/bin/sh", "-c", "set -eu\nappend() { if [ -s \"$1\" ] && [ -n \"$(tail -c 1 \"$1\")\" ]; then echo >> \"$1\"; fi; printf '%s\\n' \"$2\" >> \"$1\"; }\ntouch /etc/passwd /etc/group\nif old=$(grep '^app:' /etc/passwd); then\n  old=$(printf '%s\\n' \"$old\" | cut -d : -f 3,4)\n  case \"$old\" in 2000:*) ;; *) echo \"there is a user app already: $old, not 2000:*\" >&2; exit 1 ;; esac\n  exit 0\nfi\nif ! grep -q '^app:' /etc/group; then\n  append /etc/group 'app:x:2000:'\n  if [ -f /etc/gshadow ]; then append /etc/gshadow 'app:!::'; fi\nfi\nappend /etc/passwd 'app:x:2000:2000::/home/app:/bin/sh'\nif [ -f /etc/shadow ]; then append /etc/shadow 'app:!::0:99999:7:::'; fi\nmkdir -p /home/app\nchown 2000:2000 /home/app"]
         user root
    config: {"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],"User":"app","WorkingDir":"/"}
    "#);
}

#[test]
fn with_user_and_with_alpine_user_are_the_same_step() {
    assert_eq!(
        described("prelude.with_user(base, 'app', 1000, 1001)"),
        described("prelude.with_alpine_user(base, 'app', 1000, 1001)"),
    );
}

#[test]
fn stages() {
    insta::assert_snapshot!(described(r#"prelude.container("alpine:3.19", function(s) return s:run("make") end)"#), @r#"
    0: docker-image://docker.io/library/alpine:3.19
    1: 0 run ["/bin/sh", "-c", "make"]
    config: {"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],"WorkingDir":"/"}
    "#);
    insta::assert_snapshot!(described(r#"(function() local runtime, built = prelude.multi_stage("golang", "alpine", function(builder, runtime) return builder:run("make") end) return runtime:copy(built, "/out", "/app") end)()"#), @r#"
    0: docker-image://docker.io/library/alpine:latest
    1: docker-image://docker.io/library/golang:latest
    2: 1 run ["/bin/sh", "-c", "make"]
    3: 0 copy 2:/out /app
    config: {"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],"WorkingDir":"/"}
    "#);
}

#[test]
fn copies() {
    insta::assert_snapshot!(described("prelude.copy_all(base, src)"), @r#"
    0: local://context
    1: docker-image://docker.io/library/base:latest
    2: 0 copy 1:/ /
    config: {"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],"WorkingDir":"/"}
    "#);
    insta::assert_snapshot!(described(r#"prelude.copy_all(base, src, "/out", "/app")"#), @r#"
    0: local://context
    1: docker-image://docker.io/library/base:latest
    2: 0 copy 1:/out /app
    config: {"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],"WorkingDir":"/"}
    "#);
    insta::assert_snapshot!(described(r#"prelude.layered_copy(bk.scratch(), { base = base, src }, { { from = "base", from_path = "/a", to_path = "/b" }, { from = 1, from_path = "/c" }, { base, "/d" } })"#), @r#"
    0: docker-image://docker.io/library/base:latest
    1: scratch copy 0:/a /b
    2: local://context
    3: 1 copy 2:/c /c
    4: 3 copy 0:/d /d
    config: {"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],"WorkingDir":"/"}
    "#);
    insta::assert_snapshot!(described("prelude.layered_copy(base, {}, {})"), @r#"
    0: docker-image://docker.io/library/base:latest
    config: {"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],"WorkingDir":"/"}
    "#);
}

#[test]
fn merges() {
    insta::assert_snapshot!(described("prelude.merge_multiple({ base, src })"), @r#"
    0: docker-image://docker.io/library/base:latest
    1: local://context
    2: merge [0, 1]
    config: {"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],"WorkingDir":"/"}
    "#);
    insta::assert_snapshot!(described("prelude.merge_multiple({ base })"), @r#"
    0: docker-image://docker.io/library/base:latest
    config: {"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],"WorkingDir":"/"}
    "#);
    insta::assert_snapshot!(described(r#"prelude.parallel_build(base:run("a"), base:run("b"), base:run("c"))"#), @r#"
    0: docker-image://docker.io/library/base:latest
    1: 0 run ["/bin/sh", "-c", "a"]
    2: 0 run ["/bin/sh", "-c", "b"]
    3: 0 run ["/bin/sh", "-c", "c"]
    4: merge [1, 2, 3]
    config: {"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],"WorkingDir":"/"}
    "#);
    insta::assert_snapshot!(described(r#"prelude.parallel_build(base, prelude.install_git, function(s) return s:run("b") end)"#), @r#"
    0: docker-image://docker.io/library/base:latest
    1: 0 run ["/bin/sh", "-c", "if command -v apk >/dev/null; then apk add --no-cache git; elif command -v apt-get >/dev/null; then apt-get update && apt-get install -y --no-install-recommends git && rm -rf /var/lib/apt/lists/*; elif command -v dnf >/dev/null; then dnf install -y --setopt=install_weak_deps=False git && dnf clean all; else echo 'no apk, apt-get or dnf to install packages with' >&2; exit 1; fi"]
         DEBIAN_FRONTEND=noninteractive
         user root
    2: diff [0, 1]
    3: 0 run ["/bin/sh", "-c", "b"]
    4: diff [0, 3]
    5: merge [0, 2, 4]
    config: {"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],"WorkingDir":"/"}
    "#);
    insta::assert_snapshot!(described(r#"prelude.parallel_build(base, { function(s) return s:run("a") end, function(s) return s:run("b") end })"#), @r#"
    0: docker-image://docker.io/library/base:latest
    1: 0 run ["/bin/sh", "-c", "a"]
    2: diff [0, 1]
    3: 0 run ["/bin/sh", "-c", "b"]
    4: diff [0, 3]
    5: merge [0, 2, 4]
    config: {"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],"WorkingDir":"/"}
    "#);
}
