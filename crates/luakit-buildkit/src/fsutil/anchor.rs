//! A directory held by a handle, and the way to what is below it without following symbolic links.
//!
//! Every element of a path is opened on its own with `O_NOFOLLOW`, so that neither a link in the tree nor
//! one that appears meanwhile leads out of it. The directories down to the one used last are kept: trees are
//! worked through in order.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;

/// The root of a tree on disk.
pub(crate) struct Anchor {
    root: Arc<OwnedFd>,
    /// Directories used last, each in the one before it.
    trail: Vec<(Vec<u8>, Arc<OwnedFd>)>,
}

/// Directories kept open: a deep tree must not use up a process's handles.
const KEPT: usize = 32;

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
            trail: Vec::new(),
        })
    }

    /// Another view of the same root, for another thread.
    pub(crate) fn share(&self) -> Self {
        Self {
            root: Arc::clone(&self.root),
            trail: Vec::new(),
        }
    }

    /// The root itself.
    pub(crate) fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// The directory that holds `path`, and its name there. `path` is clean, relative and not empty; it need not be UTF-8.
    pub(crate) fn parent<'p, P>(&mut self, path: &'p P) -> Result<(Arc<OwnedFd>, &'p [u8]), Errno>
    where
        P: AsRef<[u8]> + ?Sized,
    {
        let path = path.as_ref();
        let mut halves = path.rsplitn(2, |byte| *byte == b'/');
        let name = halves.next().unwrap_or_default();
        match halves.next() {
            None => Ok((Arc::clone(&self.root), name)),
            Some(dir) => Ok((self.dir(dir)?, name)),
        }
    }

    /// The directory at `path`.
    pub(crate) fn dir<P: AsRef<[u8]> + ?Sized>(&mut self, path: &P) -> Result<Arc<OwnedFd>, Errno> {
        let path = path.as_ref();
        let above = |kept: &[u8]| {
            path.strip_prefix(kept)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
        };
        while self.trail.last().is_some_and(|(kept, _)| !above(kept)) {
            self.trail.pop();
        }
        let (mut at, mut end) = match self.trail.last() {
            Some((kept, fd)) => (Arc::clone(fd), kept.len()),
            None => (Arc::clone(&self.root), 0),
        };
        while end < path.len() {
            let start = if end == 0 { 0 } else { end + 1 };
            let rest = path.get(start..).unwrap_or_default();
            let name = rest.split(|byte| *byte == b'/').next().unwrap_or_default();
            at = Arc::new(openat(&at, name, DIRECTORY, Mode::empty())?);
            end = start + name.len();
            if self.trail.len() == KEPT {
                self.trail.pop();
            }
            let kept = path.get(..end).unwrap_or_default().to_owned();
            self.trail.push((kept, Arc::clone(&at)));
        }
        Ok(at)
    }

    /// Forgets the directory used last: it was replaced.
    pub(crate) fn forget(&mut self) {
        self.trail.clear();
    }
}
