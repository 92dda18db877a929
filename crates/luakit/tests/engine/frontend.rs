//! `luakit frontend`: `docker buildx build` builds scripts, with the binary under test as the frontend's image.
//!
//! [`Docker`] is what the modules of the frontend share: scripts that name its image in their first line, and
//! docker as it is called.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use luakit_testkit::image::{Archive, Image};
use luakit_testkit::rootfs::Rootfs;

use crate::frontend_image::frontend_image;
use crate::workbench::{Workbench, stderr_of, succeeded};

/// `docker buildx build` in a folder of the test's own.
pub(crate) struct Docker {
    pub(crate) bench: Workbench,
    pub(crate) image: &'static str,
}

impl Docker {
    pub(crate) fn new() -> Self {
        Self {
            bench: Workbench::new(),
            image: frontend_image(),
        }
    }

    /// A folder with these files and a `build.lua` that this frontend builds.
    pub(crate) fn project(&self, script: &str, files: &[(&str, &str)]) -> PathBuf {
        let script = self.script(script);
        let mut all = vec![("build.lua", script.as_str())];
        all.extend(files);
        self.bench.project(&all)
    }

    /// A script that this frontend builds.
    pub(crate) fn script(&self, script: &str) -> String {
        format!("# syntax={}\n{script}", self.image)
    }

    /// `docker buildx build ARGS` in a folder.
    pub(crate) fn command(&self, folder: &Path, args: &[&str]) -> Command {
        let mut command = Command::new(&self.bench.engine.facts().docker_cli);
        self.bench.prepare(&mut command, folder);
        command
            .args(["buildx", "build", "--progress=plain"])
            .args(args)
            .stdout(Stdio::piped());
        command
    }

    /// The same for the folder's own script.
    pub(crate) fn build(&self, folder: &Path, args: &[&str]) -> Output {
        let mut command = self.command(folder, &["-f", "build.lua"]);
        command.args(args).arg(".").output().unwrap()
    }

    /// `docker buildx bake ARGS` in a folder.
    pub(crate) fn bake(&self, folder: &Path, args: &[&str]) -> Output {
        let mut command = Command::new(&self.bench.engine.facts().docker_cli);
        self.bench.prepare(&mut command, folder);
        command
            .args(["buildx", "bake", "--progress=plain"])
            .args(args)
            .output()
            .unwrap()
    }

    /// What docker says of a build that succeeds.
    pub(crate) fn says(&self, folder: &Path, args: &[&str]) -> String {
        let output = self.build(folder, args);
        succeeded(&format!("docker buildx build {}", args.join(" ")), &output);
        stderr_of(&output)
    }

    /// The files that a build gives.
    pub(crate) fn files(&self, folder: &Path, args: &[&str]) -> Rootfs {
        let dest = self.bench.path("files");
        let _new = fs::remove_dir_all(&dest);
        let spec = format!("type=local,dest={}", dest.display());
        self.says(folder, &[args, &["-o", &spec]].concat());
        Rootfs::from_directory(&dest).unwrap()
    }
}

/// What docker prints of an error: the excerpt, and the message.
pub(crate) fn told(output: &Output) -> String {
    assert!(!output.status.success(), "the build should fail");
    let said = stderr_of(output);
    let lines: Vec<&str> = said.lines().collect();
    let steps = lines
        .iter()
        .rposition(|line| line.starts_with('#'))
        .map_or(0, |last| last + 1);
    let told = lines[steps..].join("\n");
    // Which of its two answers docker hears first is a matter of time.
    told.replace("ERROR: failed to run Build function: ", "ERROR: failed to solve: ")
        .trim()
        .to_owned()
}

#[test]
fn a_script_becomes_an_image() {
    let docker = Docker::new();
    let script = r#"
        print("printed, at", bk.target_platform)
        local out = bk.image("alpine:3.19"):run("echo built > /out.txt")
        bk.export(out:copy(bk.local_("context"), "a.txt", "/a.txt"), {
            cmd = { "cat", "/a.txt", "/out.txt" },
            labels = { kept = "script", replaced = "script" },
        })"#;
    let project = docker.project(
        script,
        &[
            ("a.txt", "from the context\n"),
            ("b.log", ""),
            (".dockerignore", "*.log\n"),
        ],
    );
    let tag = format!("luakit-frontend-test:{}", std::process::id());
    let said = docker.says(&project, &["-t", &tag, "--load", "--label", "replaced=docker"]);
    for part in [
        "[internal] load build definition from build.lua",
        "[internal] load .dockerignore",
        "[internal] load build context",
        "[internal] load metadata for docker.io/library/alpine:3.19",
        "print: printed, at linux/amd64",
    ] {
        assert!(said.contains(part), "no `{part}` in:\n{said}");
    }
    let ran = docker.bench.docker_says(&["run", "--rm", "--network=none", &tag]);
    let config = docker
        .bench
        .docker_says(&["inspect", "--format={{json .Config.Labels}}", &tag]);
    docker.bench.docker_says(&["image", "rm", "--force", &tag]);
    assert_eq!(ran, "from the context\nbuilt\n");
    assert_eq!(config.trim(), r#"{"kept":"script","replaced":"docker"}"#);
}

#[test]
fn annotations_are_those_of_each_platform() {
    let docker = Docker::new();
    let script = format!(
        "#!/usr/bin/env -S luakit build\n# syntax={}\n{}",
        docker.image,
        r#"bk.export(bk.scratch():mkfile("/x", "x"), { annotations = { ["org.example.for"] = tostring(bk.target_platform) } })"#
    );
    let project = docker.bench.project(&[("build.lua", script.as_str())]);
    let annotations = |platforms: &str| {
        let dest = docker.bench.path("image.tar");
        let output = format!("type=oci,dest={}", dest.display());
        docker.says(
            &project,
            &["--platform", platforms, "--provenance=false", "-o", &output],
        );
        let archive = Archive::open(&dest).unwrap();
        let images = archive.images().unwrap();
        let annotation = |image: &Image<'_>| image.manifest["annotations"]["org.example.for"].to_string();
        images.iter().map(annotation).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(annotations("linux/amd64"), r#""linux/amd64""#);
    assert_eq!(annotations("linux/amd64,linux/arm64"), r#""linux/amd64" "linux/arm64""#);
}

#[test]
fn what_is_wrong_with_a_script_is_shown_with_its_line() {
    let docker = Docker::new();
    let files = [(
        "libs/base.lua",
        "local M = {}\nfunction M.base()\n  return bk.image(\"Alpine:3.19\")\nend\nreturn M\n",
    )];
    let cases = [
        "local base = bk.image(\"alpine:3.19\", { plattform = \"linux/arm64\" })\nbk.export(base)",
        "bk.export(require(\"libs.base\").base())",
        "local x = = 1",
        "bk.arg(\"VERSION\", nil, { required = true })",
        "bk.export(bk.image(\"REGISTRY/none:1\"))",
        "local grown = {}\nwhile true do grown[#grown + 1] = (\"x\"):rep(1000000) .. #grown end",
    ];
    let told: Vec<String> = cases
        .iter()
        .map(|script| {
            let registry = &docker.bench.engine.facts().registry;
            let project = docker.project(&script.replace("REGISTRY", registry), &files);
            let told = told(&docker.build(&project, &[]));
            told.replace(docker.image, "IMAGE").replace(registry, "REGISTRY")
        })
        .collect();
    insta::assert_snapshot!(told.join("\n\n"));
}

#[test]
fn a_failed_step_is_shown_with_its_line() {
    let docker = Docker::new();
    let project = docker.project(
        "local base = bk.image(\"alpine:3.19\")\n\nbk.export(base:run(\"echo out; exit 7\"))",
        &[],
    );
    let told = told(&docker.build(&project, &[]));
    for part in [">>> bk.export(base:run(", "exit code: 7", "build.lua:4"] {
        assert!(told.contains(part), "no `{part}` in:\n{told}");
    }
}

#[test]
fn a_script_that_does_not_end_is_ended() {
    let docker = Docker::new();
    let project = docker.project("print(\"so far\")\nwhile true do end", &[]);
    let output = docker.build(&project, &[]);
    let said = stderr_of(&output);
    for part in [
        "print: so far",
        ">>> while true do end",
        "the script ran for more than 30 s",
    ] {
        assert!(said.contains(part), "no `{part}` in:\n{said}");
    }
}

#[test]
fn a_frontend_ends_with_whoever_asked_for_it() {
    let docker = Docker::new();
    let project = docker.project("while true do end", &[]);
    let mark = format!("build-arg:MARK=lingers-{}", std::process::id());
    let argument = mark.replace(':', "=");
    let mut command = docker.command(&project, &["-f", "build.lua", &format!("--{argument}"), "."]);
    // Docker starts buildx, which is to be killed with it.
    let command = command.process_group(0).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    wait_until("the frontend starts", Duration::from_secs(60), || runs_with(&mark));
    let group = format!("-{}", child.id());
    let killed = Command::new("kill").args(["-KILL", "--", &group]).status().unwrap();
    assert!(killed.success());
    child.wait().unwrap();
    // The script itself would be ended after 30 s.
    wait_until("the frontend ends", Duration::from_secs(15), || !runs_with(&mark));
}

fn wait_until(what: &str, most: Duration, mut done: impl FnMut() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < most, "not within {most:?}: {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Whether a process of this machine has this in its environment, where frontends have what they are asked for.
fn runs_with(mark: &str) -> bool {
    let environments = fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .map(|process| process.path().join("environ"));
    let has = |environment: Vec<u8>| environment.windows(mark.len()).any(|part| part == mark.as_bytes());
    environments.flat_map(fs::read).any(has)
}

#[test]
fn modules_and_files_are_asked_for_one_by_one() {
    let docker = Docker::new();
    let large = "x".repeat(3_000_000);
    let script = r#"
        local lib = require("libs.lib")
        -- The ignore file is for what is sent to be built on: it hides nothing here, as on the command line.
        local names = bk.glob("services/*/package.json")
        assert(table.concat(names, " ") == "services/a/package.json services/b/package.json", table.concat(names, " "))
        assert(table.concat(bk.glob("services/*"), " ") == "services/a services/b")
        assert(bk.exists("services/a") and bk.exists("services") and bk.exists(".") and not bk.exists("services/c"))
        assert(bk.read_file("link.txt") == "linked")
        local inside, why = pcall(bk.read_file, "outside.txt")
        assert(not inside and tostring(why):find("outside the build context"), why)
        bk.export(lib.state(bk.read_file("services/a/package.json")))"#;
    let files = [
        (
            "libs/lib.lua",
            "return { state = function(text) return bk.scratch():mkfile(\"/read\", text) end }",
        ),
        ("services/a/package.json", "a"),
        ("services/b/package.json", "b"),
        ("services/a/large", large.as_str()),
        ("services/b/deep/large", large.as_str()),
        ("linked.txt", "linked"),
        (".dockerignore", "services/b\n"),
    ];
    let project = docker.project(script, &files);
    for (link, to) in [("link.txt", "linked.txt"), ("outside.txt", "/etc/passwd")] {
        std::os::unix::fs::symlink(to, project.join(link)).unwrap();
    }
    let said = docker.says(&project, &[]);
    let sizes = said.lines().filter(|line| line.contains("transferring"));
    let large: Vec<&str> = sizes.filter(|line| line.contains("MB")).collect();
    assert!(large.is_empty(), "{large:?}");
    assert_eq!(docker.files(&project, &[]).get("/read").unwrap().text().unwrap(), "a");
    succeeded(
        "luakit build",
        &docker
            .bench
            .luakit(&project)
            .args(["build", "--resolve=never"])
            .output()
            .unwrap(),
    );
}

#[test]
fn a_lock_file_beside_the_script_counts() {
    let docker = Docker::new();
    let image = docker.bench.engine.image("docker.io/library/alpine:3.18").unwrap();
    let config = docker.bench.base_config("alpine:3.18", "linux/amd64");
    let lock = format!(
        "version = 1\n\n[[image]]\nref = \"docker.io/library/alpine:3.19\"\nplatform = \"linux/amd64\"\ndigest = \"{}\"\nconfig = '{config}'\n",
        image.digest
    );
    let project = docker.project("bk.export(bk.image(\"alpine:3.19\"))", &[("luakit.lock", &lock)]);
    let files = docker.files(&project, &[]);
    let release = files.get("/etc/alpine-release").unwrap().text().unwrap();
    assert!(release.starts_with("3.18"), "{release}");
}

#[test]
fn nothing_but_buildkit_starts_a_frontend() {
    let bench = Workbench::new();
    let output = bench.luakit(&std::env::temp_dir()).arg("frontend").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(stdout_of_any(&output), "");
    insta::assert_snapshot!(stderr_of(&output), @r"
    error[usage]: `luakit frontend` is started by BuildKit, as the entrypoint of a frontend image
    hint: name that image in a script's first line: `# syntax=IMAGE`; on the command line, `luakit build` builds
    ");
}

fn stdout_of_any(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}
