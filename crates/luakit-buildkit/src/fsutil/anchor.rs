//! A directory held by a handle, and the way to what is below it without following symbolic links.
//!
//! Every element of a path is opened on its own with `O_NOFOLLOW`, so that neither a link in the tree nor
//! one that appears meanwhile leads out of it. The directory used last is kept: trees are worked through in
//! order.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;

/// The root of a tree on disk.
pub(crate) struct Anchor {
    root: Arc<OwnedFd>,
    last: Option<(String, Arc<OwnedFd>)>,
}

const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

impl Anchor {
    /// Opens the root. The path itself is the user's and may go through links.
    pub(crate) fn open(path: &Path) -> Result<Self, Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open(path, flags, Mode::empty())?;
        Ok(Self {
            root: Arc::new(root),
            last: None,
        })
    }

    /// Another view of the same root, for another thread.
    pub(crate) fn share(&self) -> Self {
        Self {
            root: Arc::clone(&self.root),
            last: None,
        }
    }

    /// The root itself.
    pub(crate) fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// The directory that holds `path`, and its name there. `path` is clean, relative and not empty.
    pub(crate) fn parent<'p>(&mut self, path: &'p str) -> Result<(Arc<OwnedFd>, &'p str), Errno> {
        match path.rsplit_once('/') {
            None => Ok((Arc::clone(&self.root), path)),
            Some((dir, name)) => Ok((self.dir(dir)?, name)),
        }
    }

    /// The directory at `path`.
    pub(crate) fn dir(&mut self, path: &str) -> Result<Arc<OwnedFd>, Errno> {
        if let Some((last, fd)) = &self.last
            && last == path
        {
            return Ok(Arc::clone(fd));
        }
        // Start below the directory used last where it is on the way.
        let (mut at, rest) = match &self.last {
            Some((last, fd)) if path.strip_prefix(last.as_str()).is_some_and(|r| r.starts_with('/')) => {
                (Arc::clone(fd), path.get(last.len() + 1..).unwrap_or_default())
            }
            _ => (Arc::clone(&self.root), path),
        };
        for name in rest.split('/') {
            at = Arc::new(openat(&at, name, DIRECTORY, Mode::empty())?);
        }
        self.last = Some((path.to_owned(), Arc::clone(&at)));
        Ok(at)
    }

    /// Forgets the directory used last: it was replaced.
    pub(crate) fn forget(&mut self) {
        self.last = None;
    }
}
