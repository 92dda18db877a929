//! Programs by which engines are reached, played by scripts: they check how they are called, note it, and run what they
//! are told to run here instead of elsewhere. So the bytes go the whole way, to the real engine.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use luakit_testkit::relay::Relay;

use crate::workbench::Workbench;

/// `ssh … -- HOST COMMAND`: a shell, as at the other end.
const SSH: &str = r#"#!/bin/sh
echo "ssh $*" >>"$CALLS"
while [ "$1" != -- ]; do shift; done
[ "$2" = unreachable ] && { echo "ssh: connect to host unreachable port 22: No route to host" >&2; exit 255; }
exec /bin/sh -c "$3"
"#;

/// `kubectl`, `podman`, `nerdctl`: what follows `buildctl` in their arguments.
const EXEC: &str = r#"#!/bin/sh
echo "$(basename "$0") $*" >>"$CALLS"
while [ "$1" != buildctl ]; do shift; done
exec "$@"
"#;

/// `buildctl [--addr unix://…] dial-stdio`.
const BUILDCTL: &str = r#"#!/usr/bin/env python3
import os, socket, sys, threading
args = sys.argv[1:]
path = os.environ["BUILDKITD"]
if args[0] == "--addr":
    path = args[1].removeprefix("unix://")
    args = args[2:]
assert args == ["dial-stdio"], args
s = socket.socket(socket.AF_UNIX)
s.connect(path)
def up():
    while data := os.read(0, 65536):
        s.sendall(data)
    s.shutdown(socket.SHUT_WR)
threading.Thread(target=up, daemon=True).start()
if seconds := os.environ.get("ENDS_AFTER"):
    def end():
        os.write(2, b"error: the pod was evicted\n")
        os._exit(1)
    threading.Timer(float(seconds), end).start()
while data := s.recv(65536):
    view = memoryview(data)
    while view:
        view = view[os.write(1, view):]
"#;

/// The scripts in a folder, and BuildKit's own socket.
pub(crate) struct StandIns {
    folder: PathBuf,
    relay: Relay,
}

impl StandIns {
    pub(crate) fn new(bench: &Workbench) -> Self {
        let folder = bench.path("stand-ins");
        fs::create_dir_all(&folder).unwrap();
        let scripts = [
            ("ssh", SSH),
            ("kubectl", EXEC),
            ("podman", EXEC),
            ("nerdctl", EXEC),
            ("buildctl", BUILDCTL),
        ];
        for (name, text) in scripts {
            fs::write(folder.join(name), text).unwrap();
            fs::set_permissions(folder.join(name), fs::Permissions::from_mode(0o755)).unwrap();
        }
        std::os::unix::fs::symlink(&bench.engine.facts().docker_cli, folder.join("docker")).unwrap();
        let relay = Relay::listen(&bench.path("a socket's.sock"), bench.engine.docker_socket()).unwrap();
        Self { folder, relay }
    }

    pub(crate) fn socket(&self) -> String {
        self.relay.address().trim_start_matches("unix://").to_owned()
    }

    /// Puts them before everything else, and takes away the other ways to an engine.
    pub(crate) fn equip(&self, command: &mut Command) {
        command
            .env("PATH", format!("{}:/usr/bin:/bin", self.folder.display()))
            .env("CALLS", self.folder.join("calls"))
            .env("BUILDKITD", self.socket())
            .env_remove("DOCKER_HOST");
    }

    /// How they were called since they were last asked.
    pub(crate) fn calls(&self) -> String {
        let file = self.folder.join("calls");
        let calls = fs::read_to_string(&file).unwrap_or_default();
        if Path::exists(&file) {
            fs::remove_file(file).unwrap();
        }
        calls
    }
}
