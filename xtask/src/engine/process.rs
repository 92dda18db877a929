//! Running other programs: with their output in the error when they fail.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

/// How much of a failed program's output an error shows.
const TAIL_LINES: usize = 30;

/// A command with no standard input and a fixed locale.
pub(super) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command
        .stdin(Stdio::null())
        .env("LC_ALL", "C")
        .env("DEBIAN_FRONTEND", "noninteractive");
    command
}

/// Runs `command`, and gives its standard output.
pub(super) fn output(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let done = command.output().with_context(|| format!("cannot run `{name}`"))?;
    if done.status.success() {
        return Ok(String::from_utf8_lossy(&done.stdout).into_owned());
    }
    let mut text = String::from_utf8_lossy(&done.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&done.stderr));
    bail!("`{}` failed ({}):\n{}", shown(command), done.status, tail(&text))
}

/// Runs a `/bin/sh -eu` script with `args` as `$1`…, in `folder`.
pub(super) fn shell(script: &str, folder: &Path, args: &[&OsStr]) -> Result<String> {
    output(
        command("/bin/sh")
            .args(["-euc", script, "sh"])
            .args(args)
            .current_dir(folder),
    )
}

/// The engine needs namespaces, mounts and a bridge.
pub(super) fn require_root() -> Result<()> {
    let status = fs::read_to_string("/proc/self/status").context("cannot read `/proc/self/status`")?;
    let effective = status
        .lines()
        .find_map(|line| line.strip_prefix("Uid:"))
        .and_then(|ids| ids.split_whitespace().nth(1));
    if effective != Some("0") {
        bail!(
            "the test engine needs root, for namespaces, mounts and a bridge: run it with sudo, or in a machine of its own"
        );
    }
    Ok(())
}

/// The last lines of a text.
pub(super) fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    let from = lines.len().saturating_sub(TAIL_LINES);
    lines.get(from..).unwrap_or_default().join("\n")
}

fn shown(command: &Command) -> String {
    let mut text = command.get_program().to_string_lossy().into_owned();
    for arg in command.get_args() {
        text.push(' ');
        text.push_str(arg.to_string_lossy().lines().next().unwrap_or_default());
    }
    text
}
