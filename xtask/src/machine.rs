//! What this machine must have to build Luakit, installed when it is missing.

use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

/// A C++ compiler for the vendored Luau, and the two components that the tests call.
pub(crate) fn provide_build_tools() -> Result<()> {
    if !runs("c++", &["--version"]) {
        install("g++")?;
    }
    for (component, args) in [("rustfmt", ["fmt", "--version"]), ("clippy", ["clippy", "--version"])] {
        if !runs(env!("CARGO"), &args) {
            let added = Command::new("rustup").args(["component", "add", component]).status();
            let added = added.with_context(|| format!("`{component}` is missing, and so is rustup to add it"))?;
            if !added.success() {
                bail!("`rustup component add {component}` failed");
            }
        }
    }
    Ok(())
}

/// Debian's C++ compiler for another architecture, and Rust's standard library for it.
pub(crate) fn provide_cross_tools(prefix: &str, triple: &str) -> Result<()> {
    if !runs(&format!("{prefix}-g++"), &["--version"]) {
        install(&format!("g++-{}", prefix.replace('_', "-")))?;
    }
    let known = Command::new("rustc")
        .args(["--print", "target-libdir", "--target", triple])
        .output();
    let folder = known.context("rustc can't be started")?.stdout;
    if !std::path::Path::new(String::from_utf8_lossy(&folder).trim_end()).is_dir() {
        let added = Command::new("rustup").args(["target", "add", triple]).status();
        let added = added.with_context(|| format!("the standard library for `{triple}` is missing"))?;
        if !added.success() {
            bail!("`rustup target add {triple}` failed: there is no standard library for that platform");
        }
    }
    Ok(())
}

fn runs(program: &str, args: &[&str]) -> bool {
    let status = Command::new(program)
        .args(args)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}

/// Installs a Debian package; elsewhere it says what is missing.
fn install(package: &str) -> Result<()> {
    let advice = || format!("`{package}` is missing: install it with your system's package manager");
    for args in [
        vec!["update"],
        vec!["install", "-y", "--no-install-recommends", package],
    ] {
        let status = Command::new("apt-get")
            .args(&args)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .status();
        if !status.with_context(advice)?.success() {
            bail!(advice());
        }
    }
    Ok(())
}
