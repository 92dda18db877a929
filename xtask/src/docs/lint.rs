//! `cargo xtask docs --lint`: the stubs, held against the examples by a checker that editors use.
//!
//! lua-language-server is in no registry of Rust's; EmmyLua's checker is, and reads the same annotations and the
//! same `.luarc.json`. It takes minutes to compile, so no test waits for it: run this after changing the stubs.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};

const CHECKER: &str = "emmylua_check";
const VERSION: &str = "0.25.1";

/// Installs the checker, unless it is there, and runs it over the repository's scripts.
pub(super) fn run() -> anyhow::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("the workspace")?;
    let home = root.join("target/lint");
    let checker = home.join("bin").join(CHECKER);
    if !checker.exists() {
        let status = Command::new(env!("CARGO"))
            .args([
                "install",
                CHECKER,
                "--locked",
                "--debug",
                "--version",
                VERSION,
                "--root",
            ])
            .arg(&home)
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            .status()
            .context("running cargo")?;
        ensure!(status.success(), "the checker can't be installed");
    }
    // The interpreter's own Lua is Luau through and through, which the checker does not read.
    let status = Command::new(checker)
        .args([
            "--warnings-as-errors",
            "--severity",
            "warn",
            "--ignore",
            "target/**,crates/*/src/**,xtask/**",
        ])
        .arg(root)
        .status()
        .context("running the checker")?;
    ensure!(status.success(), "the scripts and the stubs disagree");
    Ok(())
}
