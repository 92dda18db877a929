//! The lock file: where it is, and what it pins.

use std::path::{Path, PathBuf};

use luakit_frontend::lock;
use luakit_llb::Pins;

use super::document;
use crate::failure::{Failure, Kind};
use crate::script::ScriptArgs;

/// A lock file's place.
pub(crate) struct LockFile {
    pub(crate) path: PathBuf,
}

impl LockFile {
    /// The one that was named, else `luakit.lock` beside the script.
    pub(crate) fn find(named: Option<&Path>, script: &ScriptArgs) -> Self {
        let default = || script.script().with_file_name("luakit.lock");
        Self {
            path: named.map_or_else(default, Path::to_owned),
        }
    }

    /// What it pins; `None` when it isn't there, unless it must be.
    pub(crate) fn read(&self, required: bool) -> Result<Option<Pins>, Failure> {
        match document::read(&self.path)? {
            Some(file) => lock::parse(file)
                .map(Some)
                .map_err(|e| document::failure(Kind::Script, &e)),
            None if required => Err(
                Failure::usage(format!("there is no lock file `{}`", self.path.display()))
                    .hint("`luakit lock` writes one"),
            ),
            None => Ok(None),
        }
    }
}
