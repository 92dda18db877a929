//! The receiving end of a transfer: writes a tree into a directory, merging with what is there.
//!
//! Works on one blocking thread between two channels. Directories and links are made as they are listed,
//! files are asked for a few at a time, written under a temporary name beside their place and renamed when
//! complete. What would be changed by writing into it (a directory's mode and times) or needs its target
//! first (hard links) waits for the end. Paths must come in order, clean and relative, and every directory
//! is reached from the root's handle without following links, so nothing is written outside. Entries belong
//! to the caller, as with every client of BuildKit.

use std::collections::{HashMap, HashSet, VecDeque};
use std::ffi::{CStr, CString};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use luakit_proto::fsutil::{Packet, Stat, packet::PacketType};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawMode, Timespec, Timestamps};
use rustix::io::Errno;
use tokio::sync::mpsc;

use super::anchor::Anchor;
use super::{Outgoing, TransferError, error_packet, mode, request_packet, shown, signal};
use crate::ids::temporary_name;

/// Files asked for and not yet complete: each holds a handle.
const OPEN: usize = 32;

/// Receives a tree into `dest`, which is made if it isn't there.
pub(crate) fn receive(
    dest: &Path,
    mut incoming: mpsc::Receiver<Packet>,
    outgoing: &Outgoing,
) -> Result<(), TransferError> {
    let root = |source: std::io::Error| TransferError::Root {
        path: dest.to_owned(),
        source,
    };
    std::fs::create_dir_all(dest).map_err(root)?;
    let anchor = Anchor::open(dest).map_err(|e| root(e.into()))?;
    let mut receiver = Receiver::new(anchor, outgoing);
    let result = receiver.run(&mut incoming);
    if let Err(error) = &result {
        receiver.clean_up();
        // The sender may be gone; our caller hears of it in any case.
        let _ = outgoing.blocking_send(Ok(error_packet(error)));
        let _ = outgoing.blocking_send(Err(tonic::Status::unknown(error.to_string())));
    }
    result
}

struct Receiver<'a> {
    anchor: Anchor,
    outgoing: &'a Outgoing,
    order: Order,
    /// Number of the next entry.
    next: u32,
    /// Files listed and not asked for yet.
    waiting: VecDeque<(u32, Stat)>,
    /// Files asked for.
    open: HashMap<u32, Partial>,
    /// Paths of files, which hard links may point to.
    files: HashSet<Vec<u8>>,
    hard_links: Vec<Stat>,
    /// Directories, parents first.
    dirs: Vec<Stat>,
    listed: bool,
}

/// A file that is being written.
struct Partial {
    stat: Stat,
    dir: Arc<OwnedFd>,
    temporary: String,
    file: OwnedFd,
}

impl<'a> Receiver<'a> {
    fn new(anchor: Anchor, outgoing: &'a Outgoing) -> Self {
        Self {
            anchor,
            outgoing,
            order: Order::default(),
            next: 0,
            waiting: VecDeque::new(),
            open: HashMap::new(),
            files: HashSet::new(),
            hard_links: Vec::new(),
            dirs: Vec::new(),
            listed: false,
        }
    }

    fn run(&mut self, incoming: &mut mpsc::Receiver<Packet>) -> Result<(), TransferError> {
        let mut finished = false;
        while let Some(packet) = incoming.blocking_recv() {
            match packet.r#type() {
                PacketType::PacketStat => match packet.stat {
                    Some(_) if self.listed => {
                        return Err(TransferError::Protocol("an entry after the list's end".into()));
                    }
                    Some(stat) => self.entry(stat)?,
                    None => self.listed = true,
                },
                PacketType::PacketData => self.data(packet.id, &packet.data)?,
                PacketType::PacketErr => {
                    let text = String::from_utf8_lossy(&packet.data).into_owned();
                    return Err(TransferError::Peer(text));
                }
                PacketType::PacketFin if finished => return Ok(()),
                other @ (PacketType::PacketFin | PacketType::PacketReq) => {
                    return Err(TransferError::Protocol(format!(
                        "an unexpected packet of type {other:?}"
                    )));
                }
            }
            self.request()?;
            if self.listed && !finished && self.waiting.is_empty() && self.open.is_empty() {
                self.finish()?;
                finished = true;
                self.send(signal(PacketType::PacketFin))?;
            }
        }
        Err(TransferError::Cut)
    }

    fn send(&self, packet: Packet) -> Result<(), TransferError> {
        self.outgoing.blocking_send(Ok(packet)).map_err(|_| TransferError::Cut)
    }

    /// Takes one entry of the list.
    fn entry(&mut self, stat: Stat) -> Result<(), TransferError> {
        self.order.check(&stat)?;
        let id = self.next;
        self.next = self.next.wrapping_add(1);
        let kind = stat.mode & mode::TYPE;
        let make = |e: Errno| TransferError::entry("create", &stat.path, e);
        if kind == mode::DIR {
            self.directory(&stat).map_err(make)?;
            self.dirs.push(stat);
        } else if kind == mode::SYMLINK {
            self.place(&stat, |dir, name| rustix::fs::symlinkat(&*stat.linkname, dir, name))
                .map_err(make)?;
        } else if !stat.linkname.is_empty() {
            if !self.files.contains(&stat.linkname) {
                let (link, target) = (shown(&stat.path), shown(&stat.linkname));
                let text = format!("a hard link `{link}` to the unknown path `{target}`");
                return Err(TransferError::Protocol(text));
            }
            self.hard_links.push(stat);
        } else if kind == 0 {
            self.files.insert(stat.path.clone());
            self.waiting.push_back((id, stat));
        } else {
            self.special(&stat, kind).map_err(make)?;
            self.files.insert(stat.path.clone());
        }
        Ok(())
    }

    /// Makes a directory, or takes the one that is there; anything else in its place goes.
    fn directory(&mut self, stat: &Stat) -> Result<(), Errno> {
        let (dir, name) = self.anchor.parent(&stat.path)?;
        match kind_at(&dir, name)? {
            Some(FileType::Directory) => {
                // One that we can't write to would only fail later, and its mode is set at the end anyway.
                let mode = Mode::from_raw_mode(rustix::fs::statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW)?.st_mode);
                if !mode.contains(Mode::RWXU) {
                    rustix::fs::chmodat(&dir, name, mode | Mode::RWXU, AtFlags::empty())?;
                }
                return Ok(());
            }
            Some(_) => rustix::fs::unlinkat(&dir, name, AtFlags::empty())?,
            None => {}
        }
        rustix::fs::mkdirat(&dir, name, Mode::RWXU)
    }

    fn special(&mut self, stat: &Stat, kind: u32) -> Result<(), Errno> {
        let file_type = match kind {
            mode::PIPE => FileType::Fifo,
            mode::DEVICE => FileType::BlockDevice,
            k if k == mode::DEVICE | mode::CHAR_DEVICE => FileType::CharacterDevice,
            _ => return Err(Errno::OPNOTSUPP),
        };
        let device = rustix::fs::makedev(
            u32::try_from(stat.devmajor).map_err(|_| Errno::INVAL)?,
            u32::try_from(stat.devminor).map_err(|_| Errno::INVAL)?,
        );
        let mode = mode::permissions(stat.mode);
        self.place(stat, |dir, name| {
            rustix::fs::mknodat(dir, name, file_type, mode, device)
        })
    }

    /// Makes an entry under a temporary name, then moves it to its own.
    fn place(&mut self, stat: &Stat, make: impl FnOnce(&OwnedFd, &str) -> Result<(), Errno>) -> Result<(), Errno> {
        let temporary = temporary_name();
        let (dir, name) = self.anchor.parent(&stat.path)?;
        make(&dir, &temporary)?;
        let settle = || {
            if stat.mode & mode::TYPE != mode::SYMLINK && stat.linkname.is_empty() {
                rustix::fs::chmodat(&dir, &*temporary, mode::permissions(stat.mode), AtFlags::empty())?;
            }
            if stat.linkname.is_empty() || stat.mode & mode::TYPE == mode::SYMLINK {
                rustix::fs::utimensat(&dir, &*temporary, &times(stat), AtFlags::SYMLINK_NOFOLLOW)?;
            }
            make_room(&dir, name)?;
            rustix::fs::renameat(&dir, &*temporary, &dir, name)?;
            // Renaming a link onto another name of the same file does nothing and leaves both.
            match rustix::fs::unlinkat(&dir, &*temporary, AtFlags::empty()) {
                Err(Errno::NOENT) => Ok(()),
                other => other,
            }
        };
        let placed = settle();
        if placed.is_err() {
            let _ = rustix::fs::unlinkat(&dir, &*temporary, AtFlags::empty());
        }
        self.anchor.forget();
        placed
    }

    /// Asks for files while there is room.
    fn request(&mut self) -> Result<(), TransferError> {
        while self.open.len() < OPEN {
            let Some((id, stat)) = self.waiting.pop_front() else {
                return Ok(());
            };
            let make = |e: Errno| TransferError::entry("create", &stat.path, e);
            let (dir, _) = self.anchor.parent(&stat.path).map_err(make)?;
            let temporary = temporary_name();
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let file = rustix::fs::openat(&dir, &*temporary, flags, Mode::RUSR | Mode::WUSR).map_err(make)?;
            self.open.insert(
                id,
                Partial {
                    stat,
                    dir,
                    temporary,
                    file,
                },
            );
            self.send(request_packet(id))?;
        }
        Ok(())
    }

    /// Takes a piece of a file; an empty one completes it.
    fn data(&mut self, id: u32, mut data: &[u8]) -> Result<(), TransferError> {
        let unasked = || TransferError::Protocol(format!("content of file {id}, which was not asked for"));
        if data.is_empty() {
            let partial = self.open.remove(&id).ok_or_else(unasked)?;
            return partial.complete();
        }
        let partial = self.open.get(&id).ok_or_else(unasked)?;
        while !data.is_empty() {
            match rustix::io::write(&partial.file, data) {
                Ok(written) => data = data.get(written..).unwrap_or_default(),
                Err(Errno::INTR) => {}
                Err(error) => return Err(TransferError::entry("write", &partial.stat.path, error)),
            }
        }
        Ok(())
    }

    /// What had to wait until every file is there.
    fn finish(&mut self) -> Result<(), TransferError> {
        for stat in std::mem::take(&mut self.hard_links) {
            let link = |e: Errno| TransferError::entry("create", &stat.path, e);
            let (target_dir, target) = self.anchor.parent(&stat.linkname).map_err(link)?;
            let target = target.to_owned();
            self.place(&stat, |dir, name| {
                rustix::fs::linkat(&target_dir, &*target, dir, name, AtFlags::empty())
            })
            .map_err(link)?;
        }
        // Children first: a parent's times change when they do.
        for stat in std::mem::take(&mut self.dirs).into_iter().rev() {
            let finish = |e: Errno| TransferError::entry("set the metadata of", &stat.path, e);
            let fd = self.anchor.dir(&stat.path).map_err(finish)?;
            set_xattrs(&fd, &stat);
            rustix::fs::futimens(&fd, &times(&stat)).map_err(finish)?;
            rustix::fs::fchmod(&fd, mode::permissions(stat.mode)).map_err(finish)?;
        }
        Ok(())
    }

    /// Removes what is half written.
    fn clean_up(&mut self) {
        for (_, partial) in self.open.drain() {
            let _ = rustix::fs::unlinkat(&partial.dir, &*partial.temporary, AtFlags::empty());
        }
    }
}

impl Partial {
    fn complete(self) -> Result<(), TransferError> {
        let Self {
            stat,
            dir,
            temporary,
            file,
        } = &self;
        let name = stat.path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        let settle = || {
            set_xattrs(file, stat);
            rustix::fs::fchmod(file, mode::permissions(stat.mode))?;
            rustix::fs::futimens(file, &times(stat))?;
            make_room(dir, name)?;
            rustix::fs::renameat(dir, &**temporary, dir, name)
        };
        settle().map_err(|e| {
            let _ = rustix::fs::unlinkat(dir, &**temporary, AtFlags::empty());
            TransferError::entry("create", &stat.path, e)
        })
    }
}

/// Attributes that the system or the user's rights don't allow are left out, as upstream does.
fn set_xattrs(fd: &OwnedFd, stat: &Stat) {
    for attribute in &stat.xattrs {
        let value = attribute.value.as_deref().unwrap_or_default();
        let _ = rustix::fs::fsetxattr(fd, attribute.key(), value, rustix::fs::XattrFlags::empty());
    }
}

fn times(stat: &Stat) -> Timestamps {
    let time = Timespec {
        tv_sec: stat.mod_time.div_euclid(1_000_000_000),
        tv_nsec: stat.mod_time.rem_euclid(1_000_000_000),
    };
    Timestamps {
        last_access: time,
        last_modification: time,
    }
}

/// What is at `name` in `dir`, if anything.
fn kind_at(dir: &OwnedFd, name: &[u8]) -> Result<Option<FileType>, Errno> {
    match rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(FileType::from_raw_mode(stat.st_mode as RawMode))),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Removes a directory, with all it holds, that is where something else must go.
fn make_room(dir: &OwnedFd, name: &[u8]) -> Result<(), Errno> {
    if kind_at(dir, name)? == Some(FileType::Directory) {
        remove_dir(dir, name)?;
    }
    Ok(())
}

/// Removes a directory and all below it. What lies deeper is moved up on the way, so that neither the stack nor the
/// number of handles grows with the depth.
fn remove_dir(dir: &OwnedFd, name: &[u8]) -> Result<(), Errno> {
    let top = open_dir(dir, name)?;
    let mut names = list_dir(&top)?;
    while let Some(name) = names.pop() {
        if remove_entry(&top, &name)? {
            continue;
        }
        let inner = open_dir(&top, &*name)?;
        for child in list_dir(&inner)? {
            if !remove_entry(&inner, &child)? {
                let moved = CString::new(temporary_name()).map_err(|_| Errno::INVAL)?;
                rustix::fs::renameat(&inner, &*child, &top, &*moved)?;
                names.push(moved);
            }
        }
        rustix::fs::unlinkat(&top, &*name, AtFlags::REMOVEDIR)?;
    }
    rustix::fs::unlinkat(dir, name, AtFlags::REMOVEDIR)
}

fn open_dir(dir: &OwnedFd, name: impl rustix::path::Arg) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(dir, name, flags, Mode::empty())
}

fn list_dir(dir: &OwnedFd) -> Result<Vec<CString>, Errno> {
    let mut names = Vec::new();
    for entry in rustix::fs::Dir::read_from(dir)? {
        let name = entry?.file_name().to_owned();
        if *name != *c"." && *name != *c".." {
            names.push(name);
        }
    }
    Ok(names)
}

/// Removes what is no directory, and a directory that is empty; says whether it did.
fn remove_entry(dir: &OwnedFd, name: &CStr) -> Result<bool, Errno> {
    match rustix::fs::unlinkat(dir, name, AtFlags::empty()) {
        Err(Errno::ISDIR | Errno::PERM) => {}
        other => return other.map(|()| true),
    }
    match rustix::fs::unlinkat(dir, name, AtFlags::REMOVEDIR) {
        Err(Errno::NOTEMPTY | Errno::EXIST) => Ok(false),
        other => other.map(|()| true),
    }
}

/// Checks that entries come as the protocol promises: parents first, siblings in order, inside the root.
#[derive(Default)]
struct Order {
    /// The directories open at this point of the list.
    parents: Vec<Vec<u8>>,
    last: Vec<u8>,
}

impl Order {
    fn check(&mut self, stat: &Stat) -> Result<(), TransferError> {
        let path = stat.path.as_slice();
        let refuse = |what: &str| Err(TransferError::Protocol(format!("{what}: `{}`", shown(path))));
        if path.contains(&0) || !is_clean(path) {
            return refuse("a path that is not clean and relative");
        }
        if path == b"." || path == b".." || path.starts_with(b"../") {
            return refuse("a path that leaves the directory");
        }
        if !self.last.is_empty() && elements(&self.last).cmp(elements(path)).is_ge() {
            return refuse("a path out of order");
        }
        let parent = path.rsplitn(2, |byte| *byte == b'/').nth(1).unwrap_or_default();
        while self.parents.last().is_some_and(|open| open != parent) {
            self.parents.pop();
        }
        if self.parents.is_empty() && !parent.is_empty() {
            return refuse("a path whose directory was not listed");
        }
        if stat.mode & mode::TYPE == mode::DIR {
            self.parents.push(path.to_owned());
        }
        path.clone_into(&mut self.last);
        Ok(())
    }
}

/// What stands between the slashes; paths are ordered by it, so that `/` is lower than any other byte.
fn elements(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|byte| *byte == b'/')
}

/// Whether a path is relative and as Go's `path.Clean` leaves it.
fn is_clean(path: &[u8]) -> bool {
    let mut below = false;
    let mut clean = elements(path).map(|element| match element {
        b"" | b"." => false,
        b".." => !below,
        _ => {
            below = true;
            true
        }
    });
    path == b"." || clean.all(|clean| clean)
}
