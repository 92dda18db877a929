//! A directory of files, and the built binary run in it.

use std::path::Path;
use std::process::{Command, Output, Stdio};

/// A build's directory, gone when the test is over.
pub(crate) struct Project {
    dir: tempfile::TempDir,
}

impl Project {
    /// A directory with these files.
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let project = Self { dir };
        for (path, text) in files {
            project.write(path, text.as_bytes());
        }
        project
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Writes a file, its parents included.
    pub(crate) fn write(&self, path: &str, bytes: &[u8]) {
        let path = self.dir.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    /// The binary, in this directory, with no more of an environment than it needs.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_luakit"));
        command.current_dir(self.path()).env_clear().stdin(Stdio::null());
        command.env("HOME", self.path()).env("PATH", "/usr/bin:/bin");
        command
    }

    /// Runs the binary.
    pub(crate) fn run(&self, args: &[&str]) -> Run {
        Run::of(self.command().args(args).output().unwrap())
    }
}

/// What a run of the binary gave.
pub(crate) struct Run(Output);

impl Run {
    pub(crate) fn of(output: Output) -> Self {
        Self(output)
    }

    pub(crate) fn code(&self) -> i32 {
        self.0.status.code().unwrap_or(-1)
    }

    pub(crate) fn stdout(&self) -> &[u8] {
        &self.0.stdout
    }

    pub(crate) fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.0.stderr).into_owned()
    }

    /// What it wrote to stdout, when it succeeded.
    pub(crate) fn success(self) -> Vec<u8> {
        assert_eq!(self.code(), 0, "{}", self.stderr());
        self.0.stdout
    }
}
