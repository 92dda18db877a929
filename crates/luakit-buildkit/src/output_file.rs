//! Files that are whole or not there: written beside their place, and renamed into it at the end.
//!
//! A file that could not be finished, because what fills it failed or was interrupted, leaves what was there before.
//! Links are followed as a shell's `>` does, those to nothing included. A device or a pipe is written as it is. Without a
//! reader a pipe can't be opened: what is written to it first waits for one, in the thread of whoever writes, and not
//! before.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{Mode, OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;

/// How many links are followed, as the kernel does (`path_resolution(7)`).
const LINKS: usize = 40;

/// A file that appears when it is committed. Dropping it leaves things as they were.
#[derive(Debug)]
pub struct OutputFile {
    path: PathBuf,
    file: Pending,
    synced: AtomicBool,
}

#[derive(Debug)]
enum Pending {
    /// Under a temporary name.
    Beside(tempfile::NamedTempFile),
    /// No regular file: there is nothing to rename.
    Special(File),
    /// A pipe that had no reader.
    Unread(Unread),
}

/// A pipe that is opened by what writes first, if anything does. Readers that wait when all is over, though nothing was
/// written, see its end.
#[derive(Debug)]
struct Unread {
    path: PathBuf,
    opened: Arc<AtomicBool>,
}

impl Drop for Unread {
    fn drop(&mut self) {
        if !self.opened.load(Ordering::Relaxed) {
            // Opened and closed.
            let _nobody_waits = open_read_pipe(&self.path);
        }
    }
}

/// Takes a file's bytes. May block its thread.
#[derive(Debug)]
pub struct OutputWriter {
    file: Option<File>,
    /// The pipe that is to be opened.
    unread: Option<(PathBuf, Arc<AtomicBool>)>,
}

impl Write for OutputWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let file = match (&mut self.file, &self.unread) {
            (Some(file), _) => file,
            (None, Some((path, opened))) => {
                let file = File::options().write(true).open(path)?;
                opened.store(true, Ordering::Relaxed);
                self.file.insert(file)
            }
            (None, None) => return Err(io::ErrorKind::BrokenPipe.into()),
        };
        file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), Write::flush)
    }
}

/// A pipe that has a reader, opened for writing; none without.
fn open_read_pipe(path: &Path) -> io::Result<Option<File>> {
    let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let pipe = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(pipe) => pipe,
        Err(Errno::NXIO) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    fcntl_setfl(&pipe, fcntl_getfl(&pipe)? - OFlags::NONBLOCK)?;
    Ok(Some(pipe.into()))
}

impl OutputFile {
    /// Makes sure that the file can be written. What is there stays until [`OutputFile::commit`], which keeps its
    /// permissions; a new file gets those that the umask leaves.
    pub fn create(path: &Path) -> io::Result<Self> {
        // The links of `/proc/self/fd`, as `/dev/stdout` is one, lead on only for the system.
        let permissions = match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
            Ok(metadata) if !metadata.is_file() => {
                let opened = if metadata.file_type().is_fifo() {
                    open_read_pipe(path)?
                } else {
                    Some(File::options().write(true).open(path)?)
                };
                let unread = || Unread {
                    path: path.to_owned(),
                    opened: Arc::default(),
                };
                return Ok(Self {
                    path: path.to_owned(),
                    file: opened.map_or_else(|| Pending::Unread(unread()), Pending::Special),
                    synced: AtomicBool::new(true),
                });
            }
            Ok(metadata) => Some(metadata.permissions()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let path = follow(path)?;
        let mut failed = None;
        let open = |path: &Path| {
            let opened = File::options().read(true).write(true).create_new(true).open(path);
            opened.inspect_err(|error| failed = error.raw_os_error())
        };
        let file = tempfile::Builder::new().prefix(".luakit-").make_in(parent(&path), open);
        // What `tempfile` says names the temporary file, which is nothing to anybody.
        let file = file.map_err(|error| failed.map_or(error, io::Error::from_raw_os_error))?;
        if let Some(permissions) = permissions {
            file.as_file().set_permissions(permissions)?;
        }
        Ok(Self {
            path,
            file: Pending::Beside(file),
            synced: AtomicBool::new(false),
        })
    }

    /// Takes the bytes.
    pub fn writer(&self) -> io::Result<OutputWriter> {
        let file = match &self.file {
            Pending::Beside(file) => Some(file.as_file().try_clone()?),
            Pending::Special(file) => Some(file.try_clone()?),
            Pending::Unread(_) => None,
        };
        let unread = match &self.file {
            Pending::Unread(pipe) => Some((pipe.path.clone(), Arc::clone(&pipe.opened))),
            _ => None,
        };
        Ok(OutputWriter { file, unread })
    }

    /// Where the file goes and where it is written meanwhile, as [`real_path`]. None for what is written as it is.
    pub fn places(&self) -> Vec<PathBuf> {
        match &self.file {
            Pending::Beside(file) => [self.path.as_path(), file.path()].map(real_path).into(),
            Pending::Special(_) | Pending::Unread(_) => Vec::new(),
        }
    }

    /// Removes what is in its place, where links lead to it. A device or a pipe stays, and so do links.
    pub fn remove_old(&self) -> io::Result<()> {
        match &self.file {
            Pending::Beside(_) => match fs::remove_file(&self.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            },
            Pending::Special(_) | Pending::Unread(_) => Ok(()),
        }
    }

    /// Has what was written reach the disk. Of much that takes its time, which the task has for other things; who gives
    /// up waiting may drop the file.
    pub async fn sync(&self) -> io::Result<()> {
        if let Pending::Beside(file) = &self.file {
            let file = file.as_file().try_clone()?;
            let synced = tokio::task::spawn_blocking(move || file.sync_all());
            synced.await.map_err(io::Error::other)??;
            self.synced.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Puts the file in its place, synced.
    pub fn commit(self) -> io::Result<()> {
        if let Pending::Beside(file) = self.file {
            if !self.synced.into_inner() {
                file.as_file().sync_all()?;
            }
            file.persist(&self.path).map_err(|e| e.error)?;
        }
        Ok(())
    }
}

/// Where what is written to a path goes: an absolute path without links in it, whether or not something is there. Of
/// what isn't there only the directory counts, if that is.
pub fn real_path(path: &Path) -> PathBuf {
    let path = follow(path).unwrap_or_else(|_| path.to_owned());
    match (parent(&path).canonicalize(), path.file_name()) {
        (Ok(dir), Some(name)) => dir.join(name),
        _ => path
            .canonicalize()
            .or_else(|_| std::path::absolute(&path))
            .unwrap_or(path),
    }
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(dir) if dir != Path::new("") => dir,
        _ => Path::new("."),
    }
}

/// The file that links lead to, whether or not it is there.
fn follow(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..LINKS {
        match fs::read_link(&path) {
            // A relative target begins where the link is; an absolute one replaces all.
            Ok(target) => path = path.parent().unwrap_or(Path::new("")).join(target),
            Err(_) => return Ok(path),
        }
    }
    Err(io::Error::other("too many levels of symbolic links"))
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn write(path: &Path, text: &str) -> io::Result<()> {
        let file = OutputFile::create(path)?;
        file.writer()?.write_all(text.as_bytes())?;
        file.commit()
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn links_are_followed_to_what_is_there_and_to_what_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir(at("sub")).unwrap();
        std::os::unix::fs::symlink("sub/b", at("a")).unwrap();
        std::os::unix::fs::symlink("../c", at("sub/b")).unwrap();
        write(&at("a"), "new").unwrap();
        assert_eq!(fs::read(at("c")).unwrap(), b"new");
        write(&at("a"), "again").unwrap();
        assert_eq!(fs::read(at("c")).unwrap(), b"again");
        assert!(fs::symlink_metadata(at("a")).unwrap().is_symlink());
        assert!(fs::symlink_metadata(at("sub/b")).unwrap().is_symlink());

        std::os::unix::fs::symlink("loop", at("loop")).unwrap();
        assert!(write(&at("loop"), "x").is_err());
    }

    #[test]
    fn a_new_file_has_the_permissions_of_one_and_an_old_one_keeps_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        File::create(at("plain")).unwrap();
        write(&at("new"), "x").unwrap();
        assert_eq!(mode(&at("new")), mode(&at("plain")));
        fs::set_permissions(at("new"), Permissions::from_mode(0o640)).unwrap();
        write(&at("new"), "y").unwrap();
        assert_eq!(mode(&at("new")), 0o640);
    }

    #[test]
    fn what_is_dropped_leaves_nothing_and_a_device_is_written_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        fs::write(&path, "old").unwrap();
        drop(OutputFile::create(&path).unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        assert!(OutputFile::create(dir.path()).is_err());
        write(Path::new("/dev/null"), "x").unwrap();
    }

    #[test]
    fn a_pipe_is_written_to_through_its_link() {
        let (mut reader, writer) = io::pipe().unwrap();
        let link = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&writer));
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out");
        std::os::unix::fs::symlink(link, &path).unwrap();
        write(&path, "through").unwrap();
        drop(writer);
        let mut text = String::new();
        io::Read::read_to_string(&mut reader, &mut text).unwrap();
        assert_eq!(text, "through");
    }

    #[test]
    fn a_pipe_without_a_reader_waits_for_one_when_it_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&path).status();
        assert!(made.unwrap().success());
        let file = OutputFile::create(&path).unwrap();
        let mut writer = file.writer().unwrap();
        let reader = std::thread::spawn(move || fs::read_to_string(path).unwrap());
        writer.write_all(b"text").unwrap();
        drop(writer);
        file.commit().unwrap();
        assert_eq!(reader.join().unwrap(), "text");
    }

    #[test]
    fn an_error_does_not_name_the_temporary_file() {
        let dir = tempfile::tempdir().unwrap();
        let error = OutputFile::create(&dir.path().join("no/f")).unwrap_err();
        assert_eq!(error.to_string(), "No such file or directory (os error 2)");
    }

    #[test]
    fn both_places_are_real() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("sub")).unwrap();
        std::os::unix::fs::symlink("sub", dir.path().join("link")).unwrap();
        let file = OutputFile::create(&dir.path().join("link/../link/f")).unwrap();
        let real = dir.path().canonicalize().unwrap().join("sub");
        let [whole, partial] = file.places().try_into().unwrap();
        assert_eq!(whole, real.join("f"));
        assert_eq!(partial.parent(), Some(real.as_path()));
        assert!(partial.exists());
        std::os::unix::fs::symlink("sub/f", dir.path().join("last")).unwrap();
        assert_eq!(real_path(&dir.path().join("last")), real.join("f"));
        assert_eq!(
            real_path(&dir.path().join("sub/..")),
            dir.path().canonicalize().unwrap()
        );
    }
}
