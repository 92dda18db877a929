//! Where a build's result goes: exporters, their attributes, and files that appear only when the build has
//! succeeded.
//!
//! An output file is written beside its place under a temporary name and renamed at the very end, so that a
//! build that fails or is interrupted leaves what was there before. A directory is merged into as entries
//! arrive.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use luakit_proto::control;

use crate::endpoint::Endpoint;
use crate::error::BuildError;
use crate::session::filesend::{Target, Targets};

/// One destination of a build.
pub struct Export {
    /// What and where.
    pub kind: ExportKind,
    /// BuildKit's attributes of the exporter: `name`, `compression`, `annotation.…`.
    pub attrs: BTreeMap<String, String>,
}

/// What a result becomes.
pub enum ExportKind {
    /// Its files, merged into a directory. Several platforms go into a directory each.
    Local(PathBuf),
    /// An archive.
    Archive(Archive, FileOutput),
    /// An image in the engine's own store.
    Image,
}

/// Kinds of archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Archive {
    /// The bare files.
    Tar,
    /// An OCI image layout.
    Oci,
    /// What `docker load` reads.
    Docker,
}

/// Where an archive goes.
pub enum FileOutput {
    /// A file, replaced when the build has succeeded. What is no regular file, such as a pipe, is written
    /// to as it is.
    Path(PathBuf),
    /// A stream, such as the standard output.
    Stream {
        /// What to call it in an error.
        name: String,
        /// Takes the bytes as they come.
        writer: Box<dyn Write + Send>,
    },
}

/// A build's exports, ready for it.
pub(crate) struct Prepared {
    pub(crate) exporters: Vec<control::Exporter>,
    pub(crate) targets: Targets,
    files: Vec<PendingFile>,
}

/// An output file under its temporary name. Dropping it removes that.
struct PendingFile {
    path: PathBuf,
    file: tempfile::NamedTempFile,
}

impl Prepared {
    /// Opens what will be written, so that what can't be fails before the build.
    pub(crate) fn new(exports: Vec<Export>, endpoint: &Endpoint) -> Result<Self, BuildError> {
        let mut prepared = Self {
            exporters: Vec::new(),
            targets: Targets::new(),
            files: Vec::new(),
        };
        for (index, export) in exports.into_iter().enumerate() {
            let name = match export.kind {
                ExportKind::Local(dir) => {
                    prepared.targets.insert(index, Target::Dir(dir));
                    "local"
                }
                ExportKind::Archive(archive, output) => {
                    let target = prepared.file(output)?;
                    prepared.targets.insert(index, target);
                    match archive {
                        Archive::Tar => "tar",
                        Archive::Oci => "oci",
                        Archive::Docker => "docker",
                    }
                }
                // Docker's own store, whichever of its two kinds it is, has a name of its own.
                ExportKind::Image if endpoint.is_docker() => "moby",
                ExportKind::Image => "image",
            };
            let attrs = export.attrs.into_iter().collect();
            prepared.exporters.push(control::Exporter {
                r#type: name.to_owned(),
                attrs,
            });
        }
        Ok(prepared)
    }

    fn file(&mut self, output: FileOutput) -> Result<Target, BuildError> {
        let (name, writer): (_, Box<dyn Write + Send>) = match output {
            FileOutput::Stream { name, writer } => (name, writer),
            FileOutput::Path(path) => {
                let failed = |source| BuildError::Output {
                    path: path.clone(),
                    source,
                };
                let writer = self.open(&path).map_err(failed)?;
                (path.display().to_string(), writer)
            }
        };
        Ok(Target::File {
            name,
            sink: Arc::new(Mutex::new(Some(writer))),
        })
    }

    fn open(&mut self, path: &Path) -> io::Result<Box<dyn Write + Send>> {
        // Renaming must replace what a link points to, not the link.
        let path = match fs::canonicalize(path) {
            Ok(real) => real,
            Err(error) if error.kind() == io::ErrorKind::NotFound => path.to_owned(),
            Err(error) => return Err(error),
        };
        match fs::metadata(&path) {
            Ok(metadata) if metadata.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
            Ok(metadata) if !metadata.is_file() => {
                return Ok(Box::new(fs::OpenOptions::new().write(true).open(&path)?));
            }
            _ => {}
        }
        let dir = match path.parent() {
            Some(dir) if dir != Path::new("") => dir,
            _ => Path::new("."),
        };
        // Permissions as a file that is simply created would get: the umask applies.
        let file = tempfile::Builder::new()
            .prefix(".luakit-")
            .permissions(fs::Permissions::from_mode(0o666))
            .tempfile_in(dir)?;
        let writer = file.as_file().try_clone()?;
        self.files.push(PendingFile { path, file });
        Ok(Box::new(writer))
    }

    /// Puts the files in their places.
    pub(crate) fn commit(self) -> Result<(), BuildError> {
        for target in self.targets.values() {
            if let Target::File { name, sink } = target
                && sink.lock().unwrap_or_else(PoisonError::into_inner).is_some()
            {
                let message = format!("the engine sent nothing for `{name}`");
                return Err(BuildError::Engine {
                    code: "Internal".to_owned(),
                    message,
                });
            }
        }
        for PendingFile { path, file } in self.files {
            file.persist(&path)
                .map_err(|e| BuildError::Output { path, source: e.error })?;
        }
        Ok(())
    }
}
