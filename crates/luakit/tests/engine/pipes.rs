//! Results that go into named pipes, whose readers come, come late, or never come.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use luakit_testkit::rootfs::Rootfs;

use crate::faults::{ended_within, interrupt, names, start};
use crate::workbench::{Workbench, stderr_of, succeeded};

const SCRIPT: &str = "bk.export(bk.scratch():mkfile(\"/f\", \"text\"))";

/// A directory for what comes out, with a pipe in it.
fn with_pipe(bench: &Workbench) -> (PathBuf, PathBuf) {
    let out = bench.path("out");
    fs::create_dir(&out).unwrap();
    let pipe = out.join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    (out, pipe)
}

fn build(bench: &Workbench, script: &str, args: &[&str]) -> Child {
    let project = bench.project(&[("build.lua", script)]);
    let mut command = bench.luakit(&project);
    start(command.args(["build", "--progress=plain"]).args(args))
}

fn read(pipe: &PathBuf) -> Child {
    Command::new("cat").arg(pipe).stdout(Stdio::piped()).spawn().unwrap()
}

/// What comes of a build without a reader when it is interrupted.
fn interrupted(child: Child) -> Output {
    std::thread::sleep(Duration::from_secs(5));
    interrupt(&child);
    ended_within(child, Duration::from_secs(15))
}

#[test]
fn ctrl_c_while_nobody_reads() {
    for flag in ["-o", "--metadata-file", "--iidfile"] {
        let bench = Workbench::new();
        let (out, pipe) = with_pipe(&bench);
        let (pipe, file) = (pipe.display().to_string(), out.join("file").display().to_string());
        let tar = format!("type=tar,dest={pipe}");
        let args = match flag {
            "-o" => ["-o", &tar, "--metadata-file", &file],
            "--iidfile" => [flag, &pipe, "--metadata-file", &file],
            _ => [flag, &pipe, "--iidfile", &file],
        };
        let image = if flag == "-o" {
            &[][..]
        } else {
            &["-t", "luakit-test/pipes:1"]
        };
        let output = interrupted(build(&bench, SCRIPT, &[&args[..], image].concat()));
        let said = stderr_of(&output);
        assert_eq!(output.status.code(), Some(130), "{flag}: {said}");
        let names = names(&out);
        assert!(
            !names.iter().any(|name| name.starts_with(".luakit-")),
            "{flag}: {names:?}"
        );
    }
}

#[test]
fn a_reader_may_come_late() {
    let bench = Workbench::new();
    let (_, pipe) = with_pipe(&bench);
    let child = build(&bench, SCRIPT, &["-o", &format!("type=tar,dest={}", pipe.display())]);
    std::thread::sleep(Duration::from_secs(5));
    let reader = read(&pipe);
    succeeded("luakit build", &ended_within(child, Duration::from_secs(30)));
    let tarball = ended_within(reader, Duration::from_secs(10)).stdout;
    let root = Rootfs::from_tar(tarball.as_slice()).unwrap();
    assert_eq!(root.get("/f").unwrap().text().unwrap(), "text");
}

/// A reader learns that nothing comes, whether it came before the build or in the middle of it.
#[test]
fn a_failed_build_ends_its_reader() {
    for before in [true, false] {
        let bench = Workbench::new();
        let (_, pipe) = with_pipe(&bench);
        let early = before.then(|| read(&pipe));
        std::thread::sleep(Duration::from_millis(200));
        let script = "bk.export(bk.image(\"alpine:3.19\"):run(\"sleep 4; exit 7\", { ignore_cache = true }))";
        let child = build(&bench, script, &["-o", &format!("type=tar,dest={}", pipe.display())]);
        std::thread::sleep(Duration::from_secs(2));
        let reader = early.unwrap_or_else(|| read(&pipe));
        let output = ended_within(child, Duration::from_secs(30));
        assert_eq!(output.status.code(), Some(1), "{}", stderr_of(&output));
        assert_eq!(ended_within(reader, Duration::from_secs(10)).stdout, b"");
    }
}
