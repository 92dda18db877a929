//! What goes wrong in the middle of a build: it is named, in time, with the exit code of a failed build, and nothing
//! half done is left where the output goes.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use luakit_testkit::relay::Relay;

use crate::workbench::{Workbench, stderr_of, succeeded};

/// A script whose step runs until something ends it.
const ENDLESS: &str = r#"
local base = bk.image("alpine:3.19")
bk.export(base:run("echo begun; sleep 1000", { ignore_cache = true }))
"#;

/// Starts a command whose output is collected.
pub(crate) fn start(command: &mut Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// What came of a command, within a time.
pub(crate) fn ended_within(mut child: Child, limit: Duration) -> Output {
    let start = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if start.elapsed() > limit {
            child.kill().unwrap();
            let output = child.wait_with_output().unwrap();
            panic!("still running after {limit:?}: {}", stderr_of(&output));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    child.wait_with_output().unwrap()
}

/// Reads a running command's stderr up to a text.
fn hear(child: &mut Child, text: &str) -> String {
    let stderr = child.stderr.as_mut().unwrap();
    let mut heard = String::new();
    let mut byte = [0];
    while !heard.contains(text) {
        assert_eq!(stderr.read(&mut byte).unwrap(), 1, "ended before {text:?}: {heard}");
        heard.push(char::from(byte[0]));
    }
    heard
}

pub(crate) fn interrupt(child: &Child) {
    signal(child, "-INT");
}

fn signal(child: &Child, signal: &str) {
    let kill = Command::new("kill")
        .args([signal, &child.id().to_string()])
        .status()
        .unwrap();
    assert!(kill.success());
}

/// The names in a folder.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// Builds an endless step, over a relay to which `fault` happens; the output is an archive, and must not appear. What
/// is said last.
fn in_mid_build(limit: Duration, fault: impl FnOnce(&Relay)) -> String {
    let bench = Workbench::new();
    let relay = Relay::listen(&bench.path("buildkitd.sock"), bench.engine.docker_socket()).unwrap();
    let project = bench.project(&[("build.lua", ENDLESS)]);
    let out = bench.path("out");
    fs::create_dir(&out).unwrap();
    let spec = format!("type=oci,dest={}", out.join("image.tar").display());
    let mut command = bench.luakit(&project);
    command.args(["build", "--progress=plain", "--addr", &relay.address(), "-o", &spec]);
    let mut child = start(&mut command);
    hear(&mut child, "begun");
    fault(&relay);
    let output = ended_within(child, limit);
    let said = stderr_of(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert_eq!(names(&out), [""; 0], "{said}");
    let error = said.lines().find(|line| line.starts_with("error"));
    error.unwrap_or_else(|| panic!("no error:\n{said}")).to_owned()
}

#[test]
fn an_engine_that_is_killed() {
    let said = in_mid_build(Duration::from_secs(30), Relay::cut);
    assert!(
        said.starts_with("error[build]: the connection to the engine was lost"),
        "{said}"
    );
}

/// 15 s of silence, then 30 s in which the engine doesn't answer.
#[test]
fn an_engine_that_falls_silent() {
    let said = in_mid_build(Duration::from_secs(75), Relay::fall_silent);
    insta::assert_snapshot!(said, @"error[build]: the connection to the engine was lost: it was silent for 45 s");
}

#[test]
fn an_engine_that_talks_nonsense() {
    let said = in_mid_build(Duration::from_secs(30), |relay| {
        relay.say_and_cut(b"\xff\xff\xff\x09HTTP/1.1 500 Oops\r\n\r\n");
    });
    assert!(
        said.starts_with("error[build]: the connection to the engine was lost"),
        "{said}"
    );
}

/// A file system of 1 MiB, which is there for as long as this.
struct Small<'a>(&'a Path);

impl<'a> Small<'a> {
    fn mount(path: &'a Path) -> Self {
        fs::create_dir(path).unwrap();
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=1m", "luakit-test"])
            .arg(path)
            .output()
            .unwrap();
        succeeded("mount", &mount);
        Self(path)
    }
}

impl Drop for Small<'_> {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("--lazy").arg(self.0).status());
    }
}

#[test]
fn a_full_disk() {
    let bench = Workbench::new();
    let script = r#"bk.export(bk.image("alpine:3.19"):run("head -c 4000000 /dev/urandom > /big"))"#;
    let project = bench.project(&[("build.lua", script)]);
    let path = bench.path("small");
    let _small = Small::mount(&path);
    for spec in ["type=oci", "type=tar"] {
        let spec = format!("{spec},dest={}", path.join("image.tar").display());
        let mut command = bench.luakit(&project);
        let output = ended_within(start(command.args(["build", "-o", &spec])), Duration::from_secs(60));
        let said = stderr_of(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(
            said.contains("image.tar") && said.contains("No space left on device"),
            "{said}"
        );
        assert_eq!(names(&path), [""; 0], "{said}");
    }
    // A directory is filled as files arrive; the file that didn't fit is named.
    let spec = format!("type=local,dest={}", path.join("files").display());
    let mut command = bench.luakit(&project);
    let output = ended_within(start(command.args(["build", "-o", &spec])), Duration::from_secs(60));
    let said = stderr_of(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("No space left on device"), "{said}");
}

#[test]
fn a_context_file_that_may_not_be_read() {
    let bench = Workbench::new();
    let script = r#"bk.export(bk.scratch():copy(bk.local_("context"), ".", "/"))"#;
    let project = bench.project(&[("build.lua", script), ("keys/private", "secret"), ("other", "x")]);
    fs::set_permissions(project.join("keys/private"), fs::Permissions::from_mode(0o000)).unwrap();
    // Someone who isn't root, but may ask the engine.
    let open = |path: &Path| fs::set_permissions(path, fs::Permissions::from_mode(0o777)).unwrap();
    open(&bench.path(""));
    let relay = Relay::listen(&bench.path("buildkitd.sock"), bench.engine.docker_socket()).unwrap();
    open(&bench.path("buildkitd.sock"));
    let binary = bench.path("luakit");
    fs::copy(env!("CARGO_BIN_EXE_luakit"), &binary).unwrap();
    open(&binary);
    let mut command = Command::new("setpriv");
    bench.prepare(&mut command, &project);
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"]);
    command.arg(&binary).args(["build", "--addr", &relay.address(), "-o"]);
    command.arg(format!("type=oci,dest={}", bench.path("image.tar").display()));
    let output = ended_within(start(&mut command), Duration::from_secs(60));
    let said = stderr_of(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("keys/private") && said.contains("ermission denied"),
        "{said}"
    );
    assert!(!bench.path("image.tar").exists());
}

/// Ctrl-C while an export is on its way: the pipe that it goes to isn't read.
#[test]
fn ctrl_c_during_an_export_to_a_pipe() {
    let bench = Workbench::new();
    let script = r#"bk.export(bk.image("alpine:3.19"):run("head -c 8000000 /dev/urandom > /big"))"#;
    let project = bench.project(&[("build.lua", script)]);
    let mut command = bench.luakit(&project);
    command.args(["build", "--progress=plain", "-o", "type=oci,dest=-"]);
    let mut child = start(&mut command);
    hear(&mut child, "sending tarball");
    interrupt(&child);
    // Reads nothing of the output meanwhile.
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begun.elapsed() > Duration::from_secs(30) {
            child.kill().unwrap();
            panic!("Ctrl-C doesn't end it");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", stderr_of(&output));
}

#[test]
fn ctrl_c_during_an_export_to_a_file() {
    let bench = Workbench::new();
    let script = r#"bk.export(bk.image("alpine:3.19"):run("head -c 300000000 /dev/urandom > /big"))"#;
    let project = bench.project(&[("build.lua", script)]);
    let out = bench.path("out");
    fs::create_dir(&out).unwrap();
    fs::write(out.join("image.tar"), "from before").unwrap();
    let spec = format!("type=oci,dest={}", out.join("image.tar").display());
    let mut command = bench.luakit(&project);
    command.args(["build", "--progress=quiet", "-o", &spec]);
    let mut child = start(&mut command);
    // Until what is written beside it grows.
    let half_written = || {
        let files = fs::read_dir(&out).unwrap().map(|entry| entry.unwrap());
        let mut begun = files.filter(|file| file.file_name() != "image.tar");
        begun.any(|file| file.metadata().is_ok_and(|file| file.len() > 0))
    };
    let begun = Instant::now();
    while !half_written() {
        let ended = child.try_wait().unwrap();
        assert!(
            ended.is_none() && begun.elapsed() < Duration::from_secs(120),
            "never saw it"
        );
        std::thread::sleep(Duration::from_millis(1));
    }
    interrupt(&child);
    let output = ended_within(child, Duration::from_secs(30));
    assert_eq!(output.status.code(), Some(130), "{}", stderr_of(&output));
    assert_eq!(names(&out), ["image.tar"]);
    assert_eq!(fs::read_to_string(out.join("image.tar")).unwrap(), "from before");
}

/// What a system that stops, a supervisor, or a closed terminal says.
#[test]
fn other_signals_end_a_build_as_ctrl_c_does() {
    for (name, code) in [("-TERM", 143), ("-HUP", 129)] {
        let bench = Workbench::new();
        let project = bench.project(&[("build.lua", ENDLESS)]);
        let out = bench.path("out");
        fs::create_dir(&out).unwrap();
        let spec = format!("type=oci,dest={}", out.join("image.tar").display());
        let mut command = bench.luakit(&project);
        command.args(["build", "--progress=plain", "-o", &spec, "--metadata-file"]);
        let mut child = start(command.arg(out.join("metadata.json")));
        hear(&mut child, "begun");
        assert_eq!(names(&out).len(), 2, "two files are under way");
        signal(&child, name);
        let output = ended_within(child, Duration::from_secs(30));
        assert_eq!(output.status.code(), Some(code), "{name}: {}", stderr_of(&output));
        assert_eq!(names(&out), [""; 0], "{name}");
    }
}

/// Once, and twice: no file that is half written stays.
#[test]
fn ctrl_c_during_an_export_to_a_directory() {
    for times in [1, 2] {
        let bench = Workbench::new();
        let script = r#"bk.export(bk.image("alpine:3.19"):run("head -c 300000000 /dev/urandom > /big"))"#;
        let project = bench.project(&[("build.lua", script)]);
        let out = bench.path("out");
        let spec = format!("type=local,dest={}", out.display());
        let mut command = bench.luakit(&project);
        let mut child = start(command.args(["build", "--progress=quiet", "-o", &spec]));
        let half_written = || out.is_dir() && names(&out).iter().any(|name| name.starts_with(".luakit-"));
        let begun = Instant::now();
        while !half_written() || out.join("big").exists() {
            let ended = child.try_wait().unwrap();
            assert!(
                ended.is_none() && begun.elapsed() < Duration::from_secs(60),
                "never saw it"
            );
            std::thread::sleep(Duration::from_millis(1));
        }
        for _ in 0..times {
            interrupt(&child);
            std::thread::sleep(Duration::from_millis(20));
        }
        let output = ended_within(child, Duration::from_secs(30));
        assert_eq!(output.status.code(), Some(130), "{}", stderr_of(&output));
        assert!(!half_written(), "{:?}", names(&out));
    }
}

/// What a Docker does with an image.
#[derive(Clone, Copy)]
enum Docker {
    /// Takes it, and never says that it has it.
    NeverEnds,
    /// Refuses it before anything has come.
    Refuses,
}

/// Listens as a Docker does.
fn listen_as_docker(socket: &Path, docker: Docker) {
    let listener = UnixListener::bind(socket).unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.unwrap();
            std::thread::spawn(move || {
                let mut head = Vec::new();
                let mut byte = [0];
                while !head.ends_with(b"\r\n\r\n") && client.read(&mut byte).is_ok_and(|read| read == 1) {
                    head.push(byte[0]);
                }
                if head.starts_with(b"GET /info ") {
                    let info = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
                    drop(client.write_all(info.as_bytes()));
                    return;
                }
                if matches!(docker, Docker::Refuses) {
                    let told = r#"{"message":"no room for images"}"#;
                    let length = told.len();
                    let answer = format!(
                        "HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\n\
                         Content-Length: {length}\r\nConnection: close\r\n\r\n{told}"
                    );
                    drop(client.write_all(answer.as_bytes()));
                }
                drop(std::io::copy(&mut client, &mut std::io::sink()));
            });
        }
    });
}

/// The engine has done its part by then.
#[test]
fn ctrl_c_while_docker_loads_an_image() {
    let bench = Workbench::new();
    let relay = Relay::listen(&bench.path("buildkitd.sock"), bench.engine.docker_socket()).unwrap();
    let docker = bench.path("docker.sock");
    listen_as_docker(&docker, Docker::NeverEnds);
    let project = bench.project(&[("build.lua", r#"bk.export(bk.image("alpine:3.19"))"#)]);
    let mut command = bench.luakit(&project);
    command.env("DOCKER_HOST", format!("unix://{}", docker.display()));
    command.args([
        "build",
        "--progress=plain",
        "--addr",
        &relay.address(),
        "-t",
        "never-loaded:1",
        "--load",
    ]);
    let mut child = start(&mut command);
    hear(&mut child, "importing to docker");
    std::thread::sleep(Duration::from_millis(200));
    interrupt(&child);
    let output = ended_within(child, Duration::from_secs(10));
    assert_eq!(output.status.code(), Some(130), "{}", stderr_of(&output));
}

#[test]
fn a_context_file_that_grows_while_it_is_sent() {
    let bench = Workbench::new();
    let script = r#"bk.export(bk.scratch():copy(bk.local_("context"), ".", "/"))"#;
    let project = bench.project(&[("build.lua", script), ("growing", "")]);
    let growing = fs::OpenOptions::new()
        .append(true)
        .open(project.join("growing"))
        .unwrap();
    growing.set_len(300 << 20).unwrap();
    let out = bench.path("out");
    fs::create_dir(&out).unwrap();
    let spec = format!("type=tar,dest={}", out.join("files.tar").display());
    let mut command = bench.luakit(&project);
    let mut child = start(command.args(["build", "--progress=quiet", "-o", &spec]));
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() && begun.elapsed() < Duration::from_secs(60) {
        (&growing).write_all(b"more").unwrap();
        std::thread::sleep(Duration::from_millis(2));
    }
    let output = ended_within(child, Duration::from_secs(1));
    assert_eq!(output.status.code(), Some(1), "{}", stderr_of(&output));
    insta::assert_snapshot!(stderr_of(&output), @"error[build]: can't send the local directory `context`: `growing` changed while it was being sent");
    assert_eq!(names(&out), [""; 0]);
}

/// Nothing is built for a Docker that has refused the image.
#[test]
fn a_docker_that_refuses_an_image_ends_its_build() {
    let bench = Workbench::new();
    let relay = Relay::listen(&bench.path("buildkitd.sock"), bench.engine.docker_socket()).unwrap();
    let docker = bench.path("docker.sock");
    listen_as_docker(&docker, Docker::Refuses);
    let project = bench.project(&[("build.lua", ENDLESS)]);
    let mut command = bench.luakit(&project);
    command.env("DOCKER_HOST", format!("unix://{}", docker.display()));
    command.args(["build", "--progress=plain", "--addr", &relay.address()]);
    command.args(["-t", "never-loaded:1", "--load"]);
    let output = ended_within(start(&mut command), Duration::from_secs(30));
    let said = stderr_of(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let errors: Vec<&str> = said.lines().filter(|line| line.starts_with("error")).collect();
    assert!(
        errors.len() == 1 && errors[0].starts_with("error[load]: ") && errors[0].contains("no room for images"),
        "{said}"
    );
}
