//! `bk.git` on the engine: by branch, tag, commit and subdirectory, from a server of the test's own.
//!
//! The repository of `examples/patterns/reproducible-source-pins` does not exist, so the script beside it,
//! `local-server.lua`, builds the same from an address that it is given.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use luakit_testkit::rootfs::Rootfs;

use crate::workbench::{Workbench, stderr_of, stdout_of};

/// A repository served by `git daemon`, which ends with the test.
pub(crate) struct Server {
    daemon: Child,
    pub(crate) url: String,
    /// The commit that the tag names.
    tagged: String,
}

impl Server {
    pub(crate) fn start(bench: &Workbench) -> Self {
        let base = bench.path("git");
        let work = base.join("project");
        fs::create_dir_all(work.join("docs")).unwrap();
        git(bench, &work, &["init", "--quiet", "--initial-branch=main"]);
        fs::write(work.join("version.txt"), "1.2.3\n").unwrap();
        fs::write(work.join("docs/guide.txt"), "read me\n").unwrap();
        git(bench, &work, &["add", "."]);
        git(bench, &work, &["commit", "--quiet", "-m", "One"]);
        git(bench, &work, &["tag", "v1.2.3"]);
        let tagged = git(bench, &work, &["rev-parse", "HEAD"]).trim().to_owned();
        fs::write(work.join("version.txt"), "2.0.0\n").unwrap();
        git(bench, &work, &["commit", "--quiet", "-a", "-m", "Two"]);

        // A free port: taken, given back, and given to the daemon.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        // The daemon itself: `git daemon` would be its parent, and leave it behind when it is killed.
        let programs = git(bench, &base, &["--exec-path"]);
        let mut command = Command::new(Path::new(programs.trim()).join("git-daemon"));
        bench.prepare(&mut command, &base);
        let daemon = command
            .args(["--listen=127.0.0.1", "--export-all", "--reuseaddr"])
            .arg(format!("--port={port}"))
            .arg(format!("--base-path={}", base.display()))
            .arg(&base)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let started = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(
                started.elapsed() < Duration::from_secs(20),
                "`git daemon` does not answer"
            );
            thread::sleep(Duration::from_millis(50));
        }
        Self {
            daemon,
            url: format!("git://127.0.0.1:{port}/project"),
            tagged,
        }
    }

    /// Adds files to the branch `main` of the bench's server.
    pub(crate) fn commit(bench: &Workbench, files: &[(&str, &str)]) {
        let work = bench.path("git").join("project");
        for (path, text) in files {
            fs::write(work.join(path), text).unwrap();
        }
        git(bench, &work, &["add", "."]);
        git(bench, &work, &["commit", "--quiet", "-m", "More"]);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ended = self.daemon.kill();
        let _waited = self.daemon.wait();
    }
}

fn git(bench: &Workbench, folder: &Path, args: &[&str]) -> String {
    let mut command = Command::new("git");
    bench.prepare(&mut command, folder);
    let output = command
        .args([
            "-c",
            "user.name=Test",
            "-c",
            "user.email=test@example.com",
            "-c",
            "commit.gpgsign=false",
        ])
        .args(args)
        .output()
        .unwrap();
    stdout_of(&format!("git {}", args.join(" ")), &output)
}

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/patterns/reproducible-source-pins")
}

/// What the example's script exports under a name, and its `version.txt`.
fn version_at(bench: &Workbench, server: &Server, ref_: &str) -> String {
    let folder = bench.project(&[]);
    fs::create_dir_all(&folder).unwrap();
    fs::copy(example().join("local-server.lua"), folder.join("build.lua")).unwrap();
    let (url, pin) = (format!("url={}", server.url), format!("ref={ref_}"));
    let dest = bench.export(&folder, &["--arg", &url, "--arg", &pin], "type=local", "out");
    let root = Rootfs::from_directory(&dest).unwrap();
    assert!(
        root.get("/src/.git").is_none(),
        "the repository's own folder is left out"
    );
    assert_eq!(root.get("/guide/guide.txt").unwrap().text().unwrap(), "read me\n");
    fs::remove_dir_all(&dest).unwrap();
    root.get("/src/version.txt").unwrap().text().unwrap()
}

#[test]
fn a_tag_a_commit_and_a_branch_are_what_they_name() {
    let bench = Workbench::new();
    let server = Server::start(&bench);
    assert_eq!(version_at(&bench, &server, "v1.2.3"), "1.2.3\n");
    assert_eq!(version_at(&bench, &server, &server.tagged), "1.2.3\n");
    assert_eq!(version_at(&bench, &server, "main"), "2.0.0\n");
}

#[test]
fn a_ref_that_is_not_there_fails_the_build() {
    let bench = Workbench::new();
    let server = Server::start(&bench);
    let script = format!(
        "local repo = bk.git(\"{}\", {{ ref = \"v9\" }})\nbk.export(repo)\n",
        server.url
    );
    let project = bench.project(&[("build.lua", &script)]);
    let definition = bench.build(&project, &[]);
    let output = bench.solve(&project, &definition, &[]);
    let said = stderr_of(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for part in ["v9", "build.lua:1"] {
        assert!(said.contains(part), "no {part:?} in:\n{said}");
    }
}

#[test]
fn the_example_as_it_stands_gives_a_definition_for_each_pin() {
    let bench = Workbench::new();
    for (target, ref_) in [("commit", "a1b2c3d4e5f6..."), ("default", "v1.2.3"), ("branch", "main")] {
        let args: &[&str] = if target == "default" {
            &[]
        } else {
            &["--target", target]
        };
        let definition = bench.build(&example(), args);
        let source = format!("git://github.com/user/project.git#{ref_}");
        let found = definition
            .windows(source.len())
            .any(|window| window == source.as_bytes());
        assert!(found, "{target}: no `{source}` in the definition");
    }
}
