//! Where a build's result goes: exporters, their attributes, and files that appear only when the build has
//! succeeded.
//!
//! An output file is in place only when the build has succeeded ([`OutputFile`]). A directory is merged into as
//! entries arrive.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use luakit_proto::control;

use crate::endpoint::Endpoint;
use crate::error::BuildError;
use crate::layout::{EntryName, LATEST, Layout};
use crate::output_file::OutputFile;
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
    /// A directory, as an OCI image layout; for images only. One of a build's outputs may be one.
    Layout(PathBuf),
}

/// A build's exports, ready for it.
pub(crate) struct Prepared {
    pub(crate) exporters: Vec<control::Exporter>,
    pub(crate) targets: Targets,
    /// The layout that the engine writes to as the store `export`.
    pub(crate) layout: Option<PathBuf>,
    files: Vec<(PathBuf, OutputFile)>,
}

impl Prepared {
    /// Opens what will be written, so that what can't be fails before the build.
    pub(crate) fn new(exports: Vec<Export>, endpoint: &Endpoint) -> Result<Self, BuildError> {
        let mut prepared = Self {
            exporters: Vec::new(),
            targets: Targets::new(),
            layout: None,
            files: Vec::new(),
        };
        for (index, mut export) in exports.into_iter().enumerate() {
            let name = match export.kind {
                ExportKind::Archive(archive, FileOutput::Layout(dir)) => {
                    directory(&dir)?;
                    export.attrs.insert("tar".to_owned(), "false".to_owned());
                    let several = prepared.layout.replace(dir).is_some();
                    match archive {
                        Archive::Oci | Archive::Docker if several => {
                            return Err(BuildError::Request("only one output may be an image layout".to_owned()));
                        }
                        Archive::Oci => "oci",
                        Archive::Docker => "docker",
                        Archive::Tar => {
                            let text = "an image layout holds an image, not bare files";
                            return Err(BuildError::Request(text.to_owned()));
                        }
                    }
                }
                ExportKind::Local(dir) => {
                    directory(&dir)?;
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
            FileOutput::Path(path) | FileOutput::Layout(path) => {
                let failed = |source| BuildError::Unwritable {
                    path: path.clone(),
                    source,
                };
                let file = OutputFile::create(&path).map_err(failed)?;
                let writer = file.writer().map_err(failed)?;
                let name = path.display().to_string();
                self.files.push((path, file));
                (name, Box::new(writer))
            }
        };
        Ok(Target::File {
            name,
            sink: Arc::new(Mutex::new(Some(writer))),
        })
    }

    /// The files that are written: where, and meanwhile where.
    pub(crate) fn written(&self) -> Vec<PathBuf> {
        self.files.iter().flat_map(|(_, file)| file.places()).collect()
    }

    /// Has the files reach the disk, before [`Prepared::commit`].
    pub(crate) async fn sync(&self) -> Result<(), BuildError> {
        for (path, file) in &self.files {
            let synced = file.sync().await;
            synced.map_err(|source| BuildError::Output {
                path: path.clone(),
                source,
            })?;
        }
        Ok(())
    }

    /// Puts the files in their places, and notes in a layout's index what `response` says is there.
    pub(crate) async fn commit(self, response: &BTreeMap<String, String>) -> Result<(), BuildError> {
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
        for (path, file) in self.files {
            file.commit().map_err(|source| BuildError::Output { path, source })?;
        }
        if let Some(dir) = self.layout {
            index(&dir, response).await?;
        }
        Ok(())
    }
}

/// What is to be a directory, and is there already, must be one.
fn directory(path: &Path) -> Result<(), BuildError> {
    match path.metadata() {
        Ok(there) if !there.is_dir() => Err(BuildError::Unwritable {
            path: path.to_owned(),
            source: std::io::ErrorKind::NotADirectory.into(),
        }),
        _ => Ok(()),
    }
}

/// Notes the exported image in the index of the layout that holds its blobs.
async fn index(dir: &Path, response: &BTreeMap<String, String>) -> Result<(), BuildError> {
    let descriptor = response
        .get("containerimage.descriptor")
        .and_then(|text| base64::engine::general_purpose::STANDARD.decode(text).ok())
        .and_then(|json| String::from_utf8(json).ok())
        .ok_or_else(|| BuildError::Engine {
            code: "Internal".to_owned(),
            message: format!("the engine doesn't say what it wrote to `{}`", dir.display()),
        })?;
    let names = match response.get("image.name") {
        Some(names) => names.split(',').map(|n| EntryName::Image(n.to_owned())).collect(),
        None => vec![EntryName::Tag(LATEST.to_owned())],
    };
    Layout::new(dir).put(&descriptor, &names).await?;
    Ok(())
}
