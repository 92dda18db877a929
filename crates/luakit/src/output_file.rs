//! Files that are whole or not there: written beside their place and renamed into it.

use std::io::Write as _;
use std::path::Path;

use crate::failure::Failure;

/// Writes a file in one step. What was there stays until the new one is complete. A device or a pipe is
/// written as it is.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let special = std::fs::metadata(path).is_ok_and(|m| !m.is_file());
    let written = if special {
        std::fs::write(path, bytes)
    } else {
        replace(path, bytes)
    };
    written.map_err(|e| Failure::write(&format!("`{}`", path.display()), &e))
}

fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    // A link is followed: what it points at is what the user means.
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let beside = path
        .parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".luakit-").tempfile_in(beside)?;
    file.write_all(bytes)?;
    set_mode(file.as_file(), &path)?;
    file.as_file().sync_all()?;
    file.persist(&path)?;
    Ok(())
}

/// A temporary file is its owner's alone; the result gets what the file before it had, or what a new file has.
#[cfg(unix)]
fn set_mode(file: &std::fs::File, path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = match std::fs::metadata(path) {
        Ok(present) => present.permissions().mode(),
        Err(_) => 0o644,
    };
    file.set_permissions(std::fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
fn set_mode(_file: &std::fs::File, _path: &Path) -> std::io::Result<()> {
    Ok(())
}
