//! Files that are read with a script, and what is wrong in them.

use std::path::Path;
use std::sync::Arc;

use luakit_diagnostic::SourceFile;
use luakit_frontend::DocumentError;

use crate::failure::{Failure, Kind, reason};

/// A file as a diagnostic shows it; `None` when it isn't there.
pub(super) fn read(path: &Path) -> Result<Option<Arc<SourceFile>>, Failure> {
    match std::fs::read(path) {
        Ok(data) => Ok(Some(SourceFile::new(path.display().to_string(), data))),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Failure::usage(format!(
            "can't read `{}`: {}",
            path.display(),
            reason(&e)
        ))),
    }
}

pub(super) fn failure(kind: Kind, error: &DocumentError) -> Failure {
    Failure::several(kind, error.diagnostics())
}
