//! The entries of a directory tree, in the order and with the metadata that fsutil wants.
//!
//! Parents come before children and siblings by the bytes of their names, which is path order with `/`
//! lowest. User and group are sent as 0, as every client of BuildKit does, so that a context is the same on
//! each machine. Sockets and devices are left out; the latter are reported, since a build that copied one
//! would differ.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io::ErrorKind;
use std::os::fd::{AsRawFd as _, OwnedFd};

use luakit_proto::fsutil::{Stat, XattrEntry};
use luakit_proto::map::Entry as _;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, openat, statat};
use rustix::io::Errno;

use super::anchor::Anchor;
use super::filter::{Decision, DirState, Filter};
use super::{TransferError, mode};

/// Walks the tree below `anchor` and hands each entry to `emit`, until that fails.
///
/// `skipped` hears of devices; once `wanted` says no, the walk ends, even where nothing is sent.
pub(crate) fn walk(
    anchor: &mut Anchor,
    filter: &Filter,
    emit: &mut dyn FnMut(Stat) -> Result<(), TransferError>,
    skipped: &mut dyn FnMut(&str),
    wanted: &dyn Fn() -> bool,
) -> Result<(), TransferError> {
    let root = Level {
        names: list(anchor, "")?,
        prefix: String::new(),
        dir: None,
    };
    let mut walk = Walk {
        anchor,
        filter,
        emit,
        skipped,
        links: Links::default(),
        stack: vec![root],
    };
    while let Some(level) = walk.stack.last_mut() {
        if !wanted() {
            return Err(TransferError::Cut);
        }
        match level.names.pop() {
            Some(name) => walk.visit(&name)?,
            None => {
                walk.stack.pop();
            }
        }
    }
    Ok(())
}

struct Walk<'a> {
    anchor: &'a mut Anchor,
    filter: &'a Filter,
    emit: &'a mut dyn FnMut(Stat) -> Result<(), TransferError>,
    skipped: &'a mut dyn FnMut(&str),
    links: Links,
    /// The directories down to the present one, on the heap: trees may be deep.
    stack: Vec<Level>,
}

impl Walk<'_> {
    /// Looks at one name of the present directory.
    fn visit(&mut self, name: &OsStr) -> Result<(), TransferError> {
        let Some(level) = self.stack.last() else { return Ok(()) };
        let path = format!("{}{}", level.prefix, name.to_string_lossy());
        let above = level.dir.as_ref().map(|dir| &dir.state);
        if name.to_str().is_none() {
            // A name that isn't UTF-8 can be excluded by what stands above it, or by a wildcard.
            return match self.filter.decide(&path, false, above).0 {
                Decision::Send => Err(TransferError::Name(path)),
                Decision::Look | Decision::Skip => Ok(()),
            };
        }
        let stat = match stat(self.anchor, &path) {
            // Vanished since its directory was listed: as if it had never been there.
            Err(Errno::NOENT) => return Ok(()),
            other => other.map_err(|e| TransferError::entry("read", &path, e))?,
        };
        let kind = FileType::from_raw_mode(stat.st_mode);
        let is_dir = kind == FileType::Directory;
        let (decision, state) = self.filter.decide(&path, is_dir, above);
        let send = match decision {
            Decision::Skip => return Ok(()),
            Decision::Look => false,
            Decision::Send => true,
        };
        match kind {
            FileType::Socket => return Ok(()),
            FileType::BlockDevice | FileType::CharacterDevice | FileType::Unknown => {
                if send {
                    (self.skipped)(&path);
                }
                return Ok(());
            }
            _ => {}
        }
        if send {
            self.announce_parents()?;
        }
        let entry = entry(self.anchor, &path, &stat, &mut self.links, send)?;
        if is_dir {
            self.descend(&path, state, entry, send)
        } else {
            (self.emit)(entry)
        }
    }

    /// Directories that are only on the way go first, once something below them is sent.
    fn announce_parents(&mut self) -> Result<(), TransferError> {
        for level in &mut self.stack {
            if let Some(stat) = level.dir.as_mut().and_then(|dir| dir.pending.take()) {
                (self.emit)(*stat)?;
            }
        }
        Ok(())
    }

    /// Makes a directory the present one.
    fn descend(&mut self, path: &str, state: DirState, entry: Stat, send: bool) -> Result<(), TransferError> {
        let names = match list(self.anchor, path) {
            Ok(names) => names,
            Err(TransferError::Entry { source, .. }) if source.kind() == ErrorKind::NotFound => {
                return Ok(());
            }
            // What isn't sent needn't be readable.
            Err(TransferError::Entry { source, .. }) if !send && source.kind() == ErrorKind::PermissionDenied => {
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let pending = if send {
            (self.emit)(entry)?;
            None
        } else {
            Some(Box::new(entry))
        };
        let prefix = format!("{path}/");
        self.stack.push(Level {
            names,
            prefix,
            dir: Some(Dir { state, pending }),
        });
        Ok(())
    }
}

struct Level {
    /// What is left of the directory, last name first.
    names: Vec<std::ffi::OsString>,
    prefix: String,
    /// Nothing for the root.
    dir: Option<Dir>,
}

struct Dir {
    state: DirState,
    /// Its own entry, while nothing below it was sent.
    pending: Option<Box<Stat>>,
}

/// The first path of each file with several.
#[derive(Default)]
struct Links(HashMap<(u64, u64), String>);

/// The names in a directory, in reverse.
pub(crate) fn list(anchor: &mut Anchor, path: &str) -> Result<Vec<std::ffi::OsString>, TransferError> {
    use std::os::unix::ffi::OsStrExt as _;
    let read = |anchor: &mut Anchor| -> Result<Vec<std::ffi::OsString>, Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        // A handle of its own: reading moves its position.
        let fd = if path.is_empty() {
            openat(anchor.root(), ".", flags, Mode::empty())?
        } else {
            openat(anchor.dir(path)?, ".", flags, Mode::empty())?
        };
        read_names(fd).map(|names| {
            names
                .into_iter()
                .map(|n| OsStr::from_bytes(n.to_bytes()).to_owned())
                .collect()
        })
    };
    let shown = if path.is_empty() { "." } else { path };
    read(anchor).map_err(|e| TransferError::entry("list", shown, e))
}

fn read_names(fd: OwnedFd) -> Result<Vec<std::ffi::CString>, Errno> {
    let mut names = Vec::new();
    let dir = rustix::fs::Dir::new(fd)?;
    for entry in dir {
        let entry = entry?;
        let name = entry.file_name();
        if name != c"." && name != c".." {
            names.push(name.to_owned());
        }
    }
    names.sort_unstable_by(|a, b| b.to_bytes().cmp(a.to_bytes()));
    Ok(names)
}

fn stat(anchor: &mut Anchor, path: &str) -> Result<rustix::fs::Stat, Errno> {
    let (dir, name) = anchor.parent(path)?;
    statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW)
}

/// What is said of one entry.
fn entry(
    anchor: &mut Anchor,
    path: &str,
    stat: &rustix::fs::Stat,
    links: &mut Links,
    send: bool,
) -> Result<Stat, TransferError> {
    let read = |e: Errno| TransferError::entry("read", path, e);
    let kind = FileType::from_raw_mode(stat.st_mode);
    let mut out = Stat {
        path: path.into(),
        mode: mode::to_go(stat.st_mode),
        mod_time: modified(stat),
        ..Stat::default()
    };
    match kind {
        FileType::Directory => {}
        FileType::Symlink => {
            out.size = stat.st_size;
            let (dir, name) = anchor.parent(path).map_err(read)?;
            let target = rustix::fs::readlinkat(&dir, name, Vec::new()).map_err(read)?;
            let target = target.into_string().map_err(|_| TransferError::Name(path.to_owned()))?;
            out.linkname = target.into();
        }
        _ => {
            out.size = stat.st_size;
            if send && stat.st_nlink > 1 {
                match links.0.entry((stat.st_dev, stat.st_ino)) {
                    std::collections::hash_map::Entry::Occupied(first) => {
                        out.linkname = first.get().clone().into();
                        out.size = 0;
                    }
                    std::collections::hash_map::Entry::Vacant(slot) => {
                        slot.insert(path.to_owned());
                    }
                }
            }
        }
    }
    if kind == FileType::RegularFile || kind == FileType::Directory {
        out.xattrs = xattrs(anchor, path, kind).map_err(read)?;
    }
    Ok(out)
}

/// When a file was modified, in nanoseconds.
pub(crate) fn modified(stat: &rustix::fs::Stat) -> i64 {
    let nanos = i64::try_from(stat.st_mtime_nsec).unwrap_or(0);
    stat.st_mtime.saturating_mul(1_000_000_000).saturating_add(nanos)
}

/// The extended attributes of a file or directory, sorted.
///
/// Asked for by a path through `/proc`, which needs no right to open the entry and no handle; without `/proc`
/// by opening it, where what may not be opened has none that we may read.
fn xattrs(anchor: &mut Anchor, path: &str, kind: FileType) -> Result<Vec<XattrEntry>, Errno> {
    let (dir, name) = match anchor.parent(path) {
        Err(Errno::ACCESS | Errno::PERM | Errno::NOENT | Errno::LOOP) => return Ok(Vec::new()),
        other => other?,
    };
    let by_path = [format!("/proc/self/fd/{}/", dir.as_raw_fd()).as_bytes(), name].concat();
    match collect(
        |list| rustix::fs::llistxattr(&*by_path, list),
        |name, value| rustix::fs::lgetxattr(&*by_path, name, value),
    ) {
        Err(Errno::NOENT) => {}
        other => return other,
    }
    let directory = if kind == FileType::Directory {
        OFlags::DIRECTORY
    } else {
        OFlags::empty()
    };
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC | directory;
    match openat(&dir, name, flags, Mode::empty()) {
        Ok(fd) => collect(
            |list| rustix::fs::flistxattr(&fd, list),
            |name, value| rustix::fs::fgetxattr(&fd, name, value),
        ),
        Err(Errno::ACCESS | Errno::PERM | Errno::NOENT | Errno::LOOP) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Reads the attributes that `list` names, each by `get`.
fn collect(
    list: impl Fn(&mut [u8]) -> Result<usize, Errno>,
    get: impl Fn(&str, &mut [u8]) -> Result<usize, Errno>,
) -> Result<Vec<XattrEntry>, Errno> {
    let mut small = [0u8; 256];
    let mut large = Vec::new();
    let names = loop {
        let names = if large.is_empty() { &mut small[..] } else { &mut large };
        match list(names) {
            Ok(length) => break names.get(..length).unwrap_or_default(),
            Err(Errno::RANGE) if names.len() < 1 << 20 => {
                let longer = names.len() * 4;
                large.resize(longer, 0);
            }
            Err(Errno::NOTSUP) => return Ok(Vec::new()),
            Err(error) => return Err(error),
        }
    };
    let mut found = Vec::new();
    for name in names.split(|b| *b == 0) {
        let Ok(name) = std::str::from_utf8(name) else { continue };
        if name.is_empty() || name.starts_with("com.apple.") {
            continue;
        }
        let mut value = vec![0u8; 64 << 10];
        // One that may not be read is left out, as upstream does.
        if let Ok(length) = get(name, &mut value) {
            value.truncate(length);
            found.push((name.to_owned(), value));
        }
    }
    found.sort();
    Ok(found
        .into_iter()
        .map(|(name, value)| XattrEntry::new(name, value.into()))
        .collect())
}
