//! Reading from directories of this machine, and never outside them.
//!
//! `cap-std` opens every path beneath its directory: with `openat2` where the kernel has it, and part by
//! part where it hasn't, so a link that is swapped while a path is opened leads nowhere either.

use std::io::{self, Read};
use std::path::Path;

use cap_std::ambient_authority;
use cap_std::fs::Dir;

use super::glob::{Glob, GlobError};
use super::{LARGEST, LoadError, Root, SourceLoader, check_path, outside};

/// Directories to read from.
#[derive(Debug)]
pub struct DirLoader {
    script: Option<Dir>,
    context: Option<Dir>,
}

impl DirLoader {
    /// A loader for the script's directory and the build context. Without one of them, nothing is there.
    ///
    /// # Errors
    /// When a directory can't be opened; the path is in the message.
    pub fn open(script: Option<&Path>, context: Option<&Path>) -> io::Result<Self> {
        let open = |path: &Path| {
            let path = if path.as_os_str().is_empty() {
                Path::new(".")
            } else {
                path
            };
            Dir::open_ambient_dir(path, ambient_authority())
                .map_err(|error| io::Error::new(error.kind(), format!("can't open {}: {error}", path.display())))
        };
        Ok(Self {
            script: script.map(open).transpose()?,
            context: context.map(open).transpose()?,
        })
    }

    fn dir(&self, root: Root) -> Option<&Dir> {
        match root {
            Root::Script => self.script.as_ref(),
            Root::Context => self.context.as_ref(),
        }
    }
}

impl SourceLoader for DirLoader {
    fn read(&self, root: Root, path: &str) -> Result<Option<Vec<u8>>, LoadError> {
        let relative = relative(root, path)?;
        let Some(dir) = self.dir(root) else { return Ok(None) };
        let unreadable = |reason: String| LoadError::Unreadable {
            path: path.to_owned(),
            reason,
        };
        // Asked before it is opened: to open a pipe is to wait for its other end.
        let metadata = match dir.metadata(relative) {
            Ok(metadata) => metadata,
            Err(error) => return absent(root, path, &error).map(|()| None),
        };
        if metadata.is_dir() {
            return Err(unreadable("it is a directory".to_owned()));
        }
        if !metadata.is_file() {
            return Err(unreadable("it is no regular file".to_owned()));
        }
        let file = match dir.open(relative) {
            Ok(file) => file,
            Err(error) => return absent(root, path, &error).map(|()| None),
        };
        let mut data = Vec::new();
        let read = file.take(LARGEST + 1).read_to_end(&mut data);
        read.map_err(|error| unreadable(error.to_string()))?;
        if u64::try_from(data.len()).is_ok_and(|size| size > LARGEST) {
            return Err(unreadable(format!("it is larger than {} MiB", LARGEST >> 20)));
        }
        Ok(Some(data))
    }

    fn exists(&self, root: Root, path: &str) -> Result<bool, LoadError> {
        let relative = relative(root, path)?;
        let Some(dir) = self.dir(root) else { return Ok(false) };
        match dir.metadata(relative) {
            Ok(_) => Ok(true),
            Err(error) => absent(root, path, &error).map(|()| false),
        }
    }

    fn glob(&self, root: Root, pattern: &str) -> Result<Vec<String>, LoadError> {
        let glob = Glob::new(pattern).map_err(|error| match error {
            GlobError::Outside => outside(root, pattern),
            error => LoadError::Pattern {
                pattern: pattern.to_owned(),
                error,
            },
        })?;
        let Some(dir) = self.dir(root) else {
            return Ok(Vec::new());
        };
        let mut found = Vec::new();
        // Links are listed and not followed, so that the walk ends.
        let mut pending = vec![String::new()];
        while let Some(directory) = pending.pop() {
            let entries = match directory.as_str() {
                "" => dir.entries(),
                path => dir.read_dir(path),
            };
            // A directory that goes away, or may not be read, has nothing to list.
            let Ok(entries) = entries else { continue };
            for entry in entries.flatten() {
                // A name that is no UTF-8 can't be told to a script.
                let Ok(name) = entry.file_name().into_string() else {
                    continue;
                };
                let path = match directory.as_str() {
                    "" => name,
                    parent => format!("{parent}/{name}"),
                };
                if glob.matches(&path) {
                    found.push(path.clone());
                }
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) && glob.may_match_below(&path) {
                    pending.push(path);
                }
            }
        }
        found.sort_unstable();
        Ok(found)
    }
}

/// The path, if it reads as one below its root.
fn relative(root: Root, path: &str) -> Result<&Path, LoadError> {
    check_path(root, path)?;
    Ok(Path::new(if path.is_empty() { "." } else { path }))
}

/// What an error says of a path: that nothing is there, or why it can't be told.
fn absent(root: Root, path: &str, error: &io::Error) -> Result<(), LoadError> {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Ok(()),
        // Not the system's refusal, which has a number, but the loader's own.
        io::ErrorKind::PermissionDenied if error.raw_os_error().is_none() => Err(outside(root, path)),
        _ => Err(LoadError::Unreadable {
            path: path.to_owned(),
            reason: error.to_string(),
        }),
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use super::DirLoader;
    use crate::loader::LARGEST;
    use crate::loader::{LoadError, Root, SourceLoader};

    /// A context beside something secret.
    fn tree() -> (tempfile::TempDir, DirLoader) {
        let temp = tempfile::tempdir().expect("a directory");
        let context = temp.path().join("context");
        let write = |path: &str, text: &str| {
            let path = temp.path().join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("directories");
            fs::write(path, text).expect("a file");
        };
        write("secret/key", "secret");
        write("context/services/b/package.json", "b");
        write("context/services/a/package.json", "a");
        write("context/services/a/node_modules/x/package.json", "x");
        write("context/top.txt", "top");
        let link = |target: &Path, name: &str| symlink(target, context.join(name)).expect("a link");
        link(Path::new("../secret"), "out");
        link(Path::new("../secret/key"), "key");
        link(&temp.path().join("secret/key"), "absolute");
        link(Path::new("services/a"), "in");
        link(Path::new("loop"), "loop");
        link(Path::new("nowhere"), "dangling");
        let loader = DirLoader::open(None, Some(&context)).expect("a loader");
        (temp, loader)
    }

    #[test]
    fn reads_what_is_inside() {
        let (_temp, loader) = tree();
        let read = |path| loader.read(Root::Context, path);
        assert_eq!(read("top.txt"), Ok(Some(b"top".to_vec())));
        assert_eq!(read("./services/../top.txt"), Ok(Some(b"top".to_vec())));
        assert_eq!(read("in/package.json"), Ok(Some(b"a".to_vec())));
        assert_eq!(read("missing"), Ok(None));
        assert_eq!(read("top.txt/below"), Ok(None));
        assert_eq!(read("dangling"), Ok(None));
        assert!(matches!(read("services"), Err(LoadError::Unreadable { reason, .. }) if reason == "it is a directory"));
        assert!(matches!(read(""), Err(LoadError::Unreadable { .. })));
        assert!(matches!(read("loop"), Err(LoadError::Unreadable { .. })));
        assert!(matches!(read("a\0b"), Err(LoadError::Unreadable { .. })));
        let exists = |path| loader.exists(Root::Context, path);
        assert_eq!(exists("services"), Ok(true));
        assert_eq!(exists("in/package.json"), Ok(true));
        assert_eq!(exists("missing/x"), Ok(false));
        assert_eq!(exists("dangling"), Ok(false));
        assert_eq!(loader.read(Root::Script, "top.txt"), Ok(None));
    }

    #[test]
    fn never_leaves_its_root() {
        let (_temp, loader) = tree();
        for path in [
            "out/key",
            "key",
            "absolute",
            "../secret/key",
            "/etc/passwd",
            "services/../../secret/key",
            "in/../../../secret/key",
        ] {
            let outside = |error: &LoadError| matches!(error, LoadError::Outside { .. });
            assert!(
                loader.read(Root::Context, path).is_err_and(|e| outside(&e)),
                "read {path}"
            );
            assert!(
                loader.exists(Root::Context, path).is_err_and(|e| outside(&e)),
                "exists {path}"
            );
        }
    }

    #[test]
    fn pipes_and_giants_are_refused() {
        let (temp, loader) = tree();
        let pipe = temp.path().join("context/pipe");
        let made = std::process::Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .expect("mkfifo");
        assert!(made.success());
        let read = |path| loader.read(Root::Context, path);
        assert!(matches!(read("pipe"), Err(LoadError::Unreadable { reason, .. }) if reason == "it is no regular file"));
        let giant = fs::File::create(temp.path().join("context/giant")).expect("a file");
        giant.set_len(LARGEST + 1).expect("a sparse file");
        assert!(
            matches!(read("giant"), Err(LoadError::Unreadable { reason, .. }) if reason == "it is larger than 64 MiB")
        );
    }

    #[test]
    fn globs_are_sorted_and_stay_inside() {
        let (_temp, loader) = tree();
        let glob = |pattern| loader.glob(Root::Context, pattern);
        let paths = |list: &[&str]| Ok(list.iter().map(|p| (*p).to_owned()).collect::<Vec<_>>());
        assert_eq!(
            glob("services/*/package.json"),
            paths(&["services/a/package.json", "services/b/package.json"])
        );
        assert_eq!(
            glob("**/package.json"),
            paths(&[
                "services/a/node_modules/x/package.json",
                "services/a/package.json",
                "services/b/package.json"
            ])
        );
        assert_eq!(glob("services/*"), paths(&["services/a", "services/b"]));
        assert_eq!(glob("out/*"), paths(&[]));
        assert_eq!(glob("nothing/**"), paths(&[]));
        assert!(matches!(glob("../*"), Err(LoadError::Outside { .. })));
        assert!(matches!(glob("[a"), Err(LoadError::Pattern { .. })));
    }

    #[test]
    fn a_directory_that_is_not_there_is_named() {
        let error = DirLoader::open(None, Some(Path::new("/no/such/dir"))).expect_err("there is none");
        assert!(error.to_string().starts_with("can't open /no/such/dir: "), "{error}");
    }
}
