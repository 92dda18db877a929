//! A copy of the sources: what git has, and what it would take.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

/// Copies the files of a working tree that no ignore file leaves out.
pub(super) fn sources(root: &Path, to: &Path) -> Result<()> {
    let listed = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .context("git can't be started, which lists the sources")?;
    if !listed.status.success() {
        bail!("git ls-files: {}", String::from_utf8_lossy(&listed.stderr).trim_end());
    }
    let listed = String::from_utf8(listed.stdout).context("a file's name is no text")?;
    for name in listed.split('\0').filter(|name| !name.is_empty()) {
        let (from, to) = (root.join(name), to.join(name));
        // A file that was removed and not committed is listed still.
        let Ok(kind) = from.symlink_metadata() else {
            continue;
        };
        if let Some(parent) = to.parent() {
            std::fs::create_dir_all(parent).with_context(|| format!("cannot make `{}`", parent.display()))?;
        }
        let copied = if kind.is_symlink() {
            std::fs::read_link(&from).and_then(|target| std::os::unix::fs::symlink(target, &to))
        } else {
            std::fs::copy(&from, &to).map(|_| ())
        };
        copied.with_context(|| format!("cannot write `{}`", to.display()))?;
    }
    Ok(())
}
