//! The static binary: how it is compiled and linked, so that it runs in an empty container and has the same bytes
//! wherever it is built.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;

use anyhow::{Context as _, Result, bail};

use crate::machine;

/// An architecture that there are binaries for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arch {
    Amd64,
    Arm64,
}

impl Arch {
    pub(super) fn of_machine() -> Result<Self> {
        match std::env::consts::ARCH {
            "x86_64" => Ok(Self::Amd64),
            "aarch64" => Ok(Self::Arm64),
            other => bail!("there is no binary for {other}: name one with `--platform`"),
        }
    }

    pub(super) fn each_once(given: &[Self]) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        for arch in given {
            if !all.contains(arch) {
                all.push(*arch);
            }
        }
        all
    }

    /// Its platform, and where its files lie below `dist`.
    pub(super) fn directory(self) -> &'static str {
        match self {
            Self::Amd64 => "linux/amd64",
            Self::Arm64 => "linux/arm64",
        }
    }

    fn triple(self) -> &'static str {
        match self {
            Self::Amd64 => "x86_64-unknown-linux-gnu",
            Self::Arm64 => "aarch64-unknown-linux-gnu",
        }
    }

    /// The prefix of Debian's compilers for it, where it isn't this machine's.
    fn cross_prefix(self) -> Option<&'static str> {
        if Self::of_machine().is_ok_and(|machine| machine == self) {
            return None;
        }
        Some(match self {
            Self::Amd64 => "x86_64-linux-gnu",
            Self::Arm64 => "aarch64-linux-gnu",
        })
    }

    /// What this machine must have to build for it, installed when it is missing.
    pub(super) fn provide_tools(self) -> Result<()> {
        machine::provide_build_tools()?;
        if let Some(prefix) = self.cross_prefix() {
            machine::provide_cross_tools(prefix, self.triple())?;
        }
        Ok(())
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.directory())
    }
}

impl FromStr for Arch {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "linux/amd64" => Ok(Self::Amd64),
            "linux/arm64" => Ok(Self::Arm64),
            _ => Err("there are binaries for linux/amd64 and linux/arm64".to_owned()),
        }
    }
}

/// Builds the binary of a source folder, and returns where cargo puts it.
pub(super) fn build(sources: &Path, target: &Path, arch: Arch) -> Result<PathBuf> {
    let triple = arch.triple();
    let mapped = mapped_paths(sources, target)?;
    let mut command = Command::new(env!("CARGO"));
    command
        .current_dir(sources)
        .args(["build", "--release", "--locked", "--package", "luakit"])
        // Named even when it is the machine's own: these flags must not reach build scripts and macros.
        .args(["--target", triple, "--target-dir"])
        .arg(target)
        .env_remove("RUSTFLAGS")
        .env("CARGO_ENCODED_RUSTFLAGS", rust_flags(arch, &mapped))
        // For the vendored Luau and ring, whose flags are words of a shell.
        .env("CC_SHELL_ESCAPED_FLAGS", "1")
        .env(format!("CFLAGS_{}", triple.replace('-', "_")), c_flags(&mapped))
        .env(format!("CXXFLAGS_{}", triple.replace('-', "_")), c_flags(&mapped));
    if let Some(prefix) = arch.cross_prefix() {
        let variable = format!("CARGO_TARGET_{}_LINKER", triple.replace('-', "_").to_uppercase());
        command.env(variable, format!("{prefix}-gcc"));
    }
    println!("building for {arch}");
    let status = command.status().context("cargo can't be started")?;
    if !status.success() {
        bail!("building for {arch}: {status}");
    }
    Ok(target.join(triple).join("release/luakit"))
}

/// Paths of this machine, and what stands for each in the binary; of several that fit, compilers take the last.
fn mapped_paths(sources: &Path, target: &Path) -> Result<Vec<(String, &'static str)>> {
    let home = match std::env::var_os("CARGO_HOME") {
        Some(home) => PathBuf::from(home),
        None => std::env::home_dir()
            .context("there is no home directory")?
            .join(".cargo"),
    };
    let text = |path: &Path| {
        let text = path.to_str();
        text.map(str::to_owned)
            .with_context(|| format!("`{}` is no text", path.display()))
    };
    Ok(vec![
        (text(&home)?, "/cargo"),
        (text(sources)?, "/luakit"),
        (text(target)?, "/target"),
    ])
}

fn rust_flags(arch: Arch, mapped: &[(String, &str)]) -> String {
    let mut flags = vec![
        "-Ctarget-feature=+crt-static".to_owned(),
        // Some distributions' compilers add one: it says nothing here that a digest does not.
        "-Clink-arg=-Wl,--build-id=none".to_owned(),
    ];
    if arch == Arch::Amd64 {
        // A binary that can lie anywhere in memory lists every address in it; as DT_RELR in a thirtieth of the bytes
        // (<https://maskray.me/blog/2021-10-31-relative-relocations-and-relr>). glibc reads it since 2.36, and GNU's
        // linker, which links for the other architecture, writes it for x86 and POWER alone.
        flags.push("-Clink-arg=-Wl,-z,pack-relative-relocs".to_owned());
    }
    flags.extend(
        mapped
            .iter()
            .map(|(from, to)| format!("--remap-path-prefix={from}={to}")),
    );
    flags.join("\u{1f}")
}

fn c_flags(mapped: &[(String, &str)]) -> String {
    let flags = mapped
        .iter()
        .map(|(from, to)| shell_word(&format!("-ffile-prefix-map={from}={to}")));
    flags.collect::<Vec<_>>().join(" ")
}

/// A text as one word of a shell: a checkout may be in a path with blanks.
fn shell_word(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_may_have_blanks_and_quotes() {
        let mapped = [("/a b".to_owned(), "/luakit"), ("/it's".to_owned(), "/target")];
        assert_eq!(
            c_flags(&mapped),
            r"'-ffile-prefix-map=/a b=/luakit' '-ffile-prefix-map=/it'\''s=/target'"
        );
    }
}
