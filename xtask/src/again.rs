//! Chores whose dependencies are heavy sit behind a feature of this crate, so that the others start at once. Without
//! it, such a chore runs itself again with the feature on.

use anyhow::Context as _;

/// Runs `cargo xtask ARGS` with a feature.
#[allow(dead_code, reason = "with all features on, nothing runs again")]
pub(crate) fn with_feature(feature: &str, args: &[&str]) -> anyhow::Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = std::process::Command::new(cargo)
        .args(["run", "--quiet", "--package", "xtask", "--features", feature, "--"])
        .args(args)
        .status()
        .context("running cargo")?;
    anyhow::ensure!(status.success(), "the generator failed");
    Ok(())
}
