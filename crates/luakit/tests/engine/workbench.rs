//! The binary and the engine, brought together for one test.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;

use luakit_testkit::engine::Engine;
use serde_json::Value;

/// A test's own folder for what is exported, with the engine and its registry configured in it.
pub(crate) struct Workbench {
    pub(crate) engine: Engine,
    folder: tempfile::TempDir,
}

impl Workbench {
    pub(crate) fn new() -> Self {
        let engine = Engine::get();
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("config/luakit");
        fs::create_dir_all(&config).unwrap();
        fs::write(config.join("registries.toml"), engine.registries_toml()).unwrap();
        Self { engine, folder }
    }

    /// A path for something exported.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A folder with these files: a build of the test's own.
    pub(crate) fn project(&self, files: &[(&str, &str)]) -> PathBuf {
        let project = self.path("project");
        for (path, text) in files {
            let path = project.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        project
    }

    /// The binary in a folder, with the environment of someone whose Docker is the test engine.
    pub(crate) fn luakit(&self, folder: &Path) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_luakit"));
        self.prepare(&mut command, folder);
        command
    }

    /// The engine's own `docker`.
    pub(crate) fn docker(&self, args: &[&str]) -> Output {
        let mut command = Command::new(&self.engine.facts().docker_cli);
        self.prepare(&mut command, self.folder.path());
        command.args(args).output().unwrap()
    }

    /// What `docker` prints, when it succeeds.
    pub(crate) fn docker_says(&self, args: &[&str]) -> String {
        stdout_of(&format!("docker {}", args.join(" ")), &self.docker(args))
    }

    /// Sets the folder and the environment of a command, which inherits nothing else.
    pub(crate) fn prepare(&self, command: &mut Command, folder: &Path) {
        command
            .current_dir(folder)
            .stdin(Stdio::null())
            .env_clear()
            .env("HOME", self.folder.path())
            .env("PATH", "/usr/bin:/bin")
            .env("XDG_CONFIG_HOME", self.path("config"))
            .env("DOCKER_CONFIG", &self.engine.facts().docker_config)
            .env("DOCKER_HOST", self.engine.docker_host());
    }

    /// The definition of the `build.lua` in a folder.
    pub(crate) fn build(&self, folder: &Path, args: &[&str]) -> Vec<u8> {
        let mut command = self.luakit(folder);
        let output = command.args(["build", "build.lua"]).args(args).output().unwrap();
        succeeded(&format!("luakit build {}", args.join(" ")), &output);
        output.stdout
    }

    /// Solves a definition with the folder as its context.
    pub(crate) fn solve(&self, folder: &Path, definition: &[u8], args: &[&str]) -> Output {
        let mut command = self.luakit(folder);
        command.args(["solve", "--local", "context=."]).args(args);
        feed(&mut command, definition)
    }

    /// `luakit build ARGS | luakit solve -o SPEC,dest=NAME`, and where it was exported to.
    pub(crate) fn export(&self, folder: &Path, args: &[&str], spec: &str, name: &str) -> PathBuf {
        let definition = self.build(folder, args);
        let dest = self.path(name);
        let spec = format!("{spec},dest={}", dest.display());
        let output = self.solve(folder, &definition, &["-o", &spec]);
        succeeded(&format!("luakit solve -o {spec}"), &output);
        dest
    }

    /// A base image's whole config for a platform, as its registry has it.
    pub(crate) fn base_config(&self, reference: &str, platform: &str) -> Value {
        let full = match reference.split_once('/') {
            Some(_) => reference.to_owned(),
            None => format!("docker.io/library/{reference}"),
        };
        let full = if full.rsplit('/').next().unwrap().contains(':') {
            full
        } else {
            format!("{full}:latest")
        };
        let image = self
            .engine
            .image(&full)
            .unwrap_or_else(|| panic!("the engine has no `{full}`"));
        let get = |reference: &str| -> Value {
            let response = self.engine.manifest(&image.repository, reference).unwrap();
            assert_eq!(response.status, 200, "{full}: {reference}");
            serde_json::from_slice(&response.body).unwrap()
        };
        let index = get(&image.digest);
        let descriptor = index["manifests"]
            .as_array()
            .unwrap()
            .iter()
            .find(|manifest| platform_of(&manifest["platform"]) == platform)
            .unwrap_or_else(|| panic!("`{full}` has no {platform}"));
        let manifest = get(descriptor["digest"].as_str().unwrap());
        let digest = manifest["config"]["digest"].as_str().unwrap();
        let config = self.engine.blob(&image.repository, digest).unwrap();
        serde_json::from_slice(&config).unwrap()
    }
}

/// A platform of JSON, in an index or a config, as it is written: `linux/arm/v7`.
pub(crate) fn platform_of(value: &Value) -> String {
    let part = |name: &str| value.get(name).and_then(Value::as_str).filter(|part| !part.is_empty());
    let parts = [part("os"), part("architecture"), part("variant")];
    let text = parts.into_iter().flatten().collect::<Vec<_>>().join("/");
    // An index may name the variant that goes without saying.
    if text == "linux/arm64/v8" {
        "linux/arm64".to_owned()
    } else {
        text
    }
}

/// Runs a command with bytes on its stdin.
pub(crate) fn feed(command: &mut Command, input: &[u8]) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // A command that ends early, and reads nothing, says why in its output.
    let writer = thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}

/// Ends the test, with what was written to stderr, unless the command succeeded.
pub(crate) fn succeeded(what: &str, output: &Output) {
    assert!(
        output.status.success(),
        "`{what}`: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        stderr_of(output)
    );
}

pub(crate) fn stdout_of(what: &str, output: &Output) -> String {
    succeeded(what, output);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) fn stderr_of(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
