//! Results of subcommands that go into a file.

use std::io::Write as _;
use std::path::Path;

use luakit_buildkit::OutputFile;

use crate::failure::Failure;

/// Writes a file in one step. What was there stays until the new one is complete.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let write = || {
        let file = OutputFile::create(path)?;
        file.writer()?.write_all(bytes)?;
        file.commit()
    };
    write().map_err(|e| Failure::write(&format!("`{}`", path.display()), &e))
}
