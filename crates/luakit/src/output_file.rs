//! Files of our own that results go into: begun before the work for them, and whole when it is done.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use luakit_buildkit::{OutputFile, OutputWriter};

use crate::failure::Failure;
use crate::progress::unless_interrupted;

/// A file that is begun. Dropping it leaves what was there.
#[derive(Debug)]
pub(crate) struct Begun {
    path: PathBuf,
    file: OutputFile,
}

impl Begun {
    /// Begins a file: one that can't be written starts no work.
    pub(crate) fn new(path: &Path) -> Result<Self, Failure> {
        let file = OutputFile::create(path).map_err(|e| Failure::unwritable(path, &e))?;
        let path = path.to_owned();
        Ok(Self { path, file })
    }

    /// Where it goes, and where it is until it is whole.
    pub(crate) fn places(&self) -> Vec<PathBuf> {
        self.file.places()
    }

    /// Removes the file that is there.
    pub(crate) fn remove_old(&self) -> Result<(), Failure> {
        self.file.remove_old().map_err(|e| failed(&self.path, &e))
    }

    /// Takes the bytes, and may block its thread.
    pub(crate) fn writer(&self) -> Result<OutputWriter, Failure> {
        self.file.writer().map_err(|e| failed(&self.path, &e))
    }

    /// What couldn't be written.
    pub(crate) fn failed(&self, error: &std::io::Error) -> Failure {
        failed(&self.path, error)
    }

    /// Has what was written reach the disk.
    pub(crate) async fn sync(&self) -> Result<(), Failure> {
        self.file.sync().await.map_err(|e| failed(&self.path, &e))
    }

    /// Puts the file in its place.
    pub(crate) fn commit(self) -> Result<(), Failure> {
        let Self { path, file } = self;
        file.commit().map_err(|e| failed(&path, &e))
    }

    /// Writes all of it, unless a signal comes first: who reads a pipe may never come.
    pub(crate) async fn put(self, bytes: Vec<u8>) -> Result<(), Failure> {
        let put = tokio::task::spawn_blocking(move || self.put_here(&bytes));
        unless_interrupted(async { put.await.unwrap_or_else(|e| Err(Failure::internal(e.to_string()))) }).await
    }

    /// The same in this thread, where nobody waits for a signal.
    pub(crate) fn put_here(self, bytes: &[u8]) -> Result<(), Failure> {
        let mut writer = self.writer()?;
        writer.write_all(bytes).map_err(|e| self.failed(&e))?;
        self.commit()
    }
}

/// Writes a file in one step. What was there stays until the new one is complete.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let file = OutputFile::create(path).map_err(|e| failed(path, &e))?;
    let path = path.to_owned();
    Begun { path, file }.put_here(bytes)
}

fn failed(path: &Path, error: &std::io::Error) -> Failure {
    Failure::write(&format!("`{}`", path.display()), error)
}
