//! The build context: its directory, its ignore file, and what tells it from others.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use luakit_diagnostic::SourceFile;
use luakit_frontend::ignore;
use luakit_llb::marshal::CONTEXT;
use sha2::{Digest as _, Sha256};

use super::ScriptArgs;
use crate::failure::{Failure, Kind, reason};

impl ScriptArgs {
    /// The build context, which must be a directory.
    pub(crate) fn context_dir(&self) -> Result<&Path, Failure> {
        match std::fs::metadata(self.context()) {
            Ok(metadata) if metadata.is_dir() => Ok(self.context()),
            Ok(_) => Err(Failure::usage(format!(
                "the context `{}` is not a directory",
                self.context().display()
            ))),
            Err(e) => Err(Failure::usage(format!(
                "can't read the context `{}`: {}",
                self.context().display(),
                reason(&e)
            ))),
        }
    }

    /// What the script is called in messages and source maps: its path in the context, else its file name. It
    /// goes into definitions, so it names nothing of this machine.
    pub(crate) fn script_name(&self) -> String {
        let within = || {
            let script = self.script().canonicalize().ok()?;
            let context = self.context().canonicalize().ok()?;
            let relative = script.strip_prefix(context).ok()?.to_str()?.to_owned();
            (!relative.is_empty()).then_some(relative)
        };
        let file_name = || {
            self.script()
                .file_name()
                .map(|name| name.to_string_lossy().into_owned())
        };
        within().or_else(file_name).unwrap_or_else(|| "build.lua".to_owned())
    }

    /// The patterns of the ignore file: the script's own, else the context's.
    pub(super) fn context_excludes(&self) -> Result<Vec<String>, Failure> {
        let script = self
            .script()
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let [own, contexts] = ignore::candidates(&script);
        for path in [self.script_dir().join(own), self.context().join(contexts)] {
            match std::fs::read(&path) {
                Ok(text) => return ignore_patterns(&path, text),
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
                Err(e) => {
                    return Err(Failure::usage(format!(
                        "can't read `{}`: {}",
                        path.display(),
                        reason(&e)
                    )));
                }
            }
        }
        Ok(Vec::new())
    }
}

/// The patterns of an ignore file.
pub(crate) fn ignore_patterns(path: &Path, text: Vec<u8>) -> Result<Vec<String>, Failure> {
    let file = SourceFile::new(path.display().to_string(), text);
    ignore::read(&file).map_err(|wrong| Failure::new(Kind::Usage, *wrong))
}

/// What tells these directories from others of the same names on an engine. The context alone has the same as in a
/// definition that is written.
pub(crate) fn local_unique(locals: &BTreeMap<String, PathBuf>) -> String {
    if let (1, Some(context)) = (locals.len(), locals.get(CONTEXT)) {
        return local_unique_of(context);
    }
    let mut hash = Sha256::new();
    for (name, dir) in locals {
        let dir = dir.canonicalize().unwrap_or_else(|_| dir.clone());
        for part in [name.as_bytes(), dir.as_os_str().as_encoded_bytes()] {
            hash.update(part);
            hash.update([0]);
        }
    }
    hex::encode(hash.finalize()).chars().take(25).collect()
}

/// What tells a context from others on an engine: it stays the same for a directory, and differs between two.
pub(super) fn local_unique_of(context: &Path) -> String {
    let path = context.canonicalize().unwrap_or_else(|_| context.to_owned());
    let digest = Sha256::digest(path.as_os_str().as_encoded_bytes());
    hex::encode(digest).chars().take(25).collect()
}
