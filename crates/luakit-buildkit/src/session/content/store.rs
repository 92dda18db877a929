//! The blobs of one OCI image layout on disk.
//!
//! A blob is found by its digest alone, which is checked before it becomes a path, and every directory and
//! file is reached from the layout's handle without following links: a layout from elsewhere can't make us
//! send another file. New blobs are written beside their place under a temporary name and renamed once size
//! and digest are right; what isn't committed goes.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, openat};
use rustix::io::Errno;
use sha2::{Digest as _, Sha256, Sha512};
use tonic::Status;

use crate::fsutil::anchor::Anchor;

/// Why a store can't do what is asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error("`{0}` is no digest of a kind that is known")]
    Digest(String),
    #[error("content {0}: not found")]
    NotFound(String),
    #[error("content {0}: already exists")]
    Exists(String),
    #[error("`{0}` is being written already")]
    Locked(String),
    #[error("a write must name what it writes")]
    Unnamed,
    #[error("the store is read only")]
    ReadOnly,
    #[error("can't write at {asked}: {written} bytes are there")]
    Offset { asked: u64, written: u64 },
    #[error("can't read from {asked} on: the blob is {size} bytes long")]
    PastEnd { asked: u64, size: u64 },
    #[error("unexpected commit of {written} bytes, expected {total}")]
    Size { written: u64, total: u64 },
    #[error("unexpected commit digest {actual}, expected {expected}")]
    Mismatch { actual: String, expected: String },
    #[error("can't {action} the blob `{name}` of `{}`: {source}", path.display())]
    Io {
        action: &'static str,
        name: String,
        path: PathBuf,
        source: io::Error,
    },
}

impl StoreError {
    /// The codes that containerd's client takes apart.
    pub(super) fn status(&self) -> Status {
        let text = self.to_string();
        match self {
            Self::Digest(_) | Self::Unnamed => Status::invalid_argument(text),
            Self::NotFound(_) => Status::not_found(text),
            Self::Exists(_) => Status::already_exists(text),
            Self::Locked(_) => Status::unavailable(text),
            Self::ReadOnly => Status::permission_denied(text),
            Self::Offset { .. } | Self::PastEnd { .. } => Status::out_of_range(text),
            Self::Size { .. } | Self::Mismatch { .. } => Status::failed_precondition(text),
            Self::Io { .. } => Status::unknown(text),
        }
    }
}

/// Kinds of digest, by the name of their directory, with the length of their text.
const KINDS: [(&str, usize); 2] = [("sha256", 64), ("sha512", 128)];

/// Takes a digest apart into directory and name: both are nothing but a kind we know and hex digits.
fn parse(digest: &str) -> Result<(&'static str, &str), StoreError> {
    let unknown = || StoreError::Digest(digest.chars().take(200).collect());
    let (kind, hex) = digest.split_once(':').ok_or_else(unknown)?;
    let (kind, length) = KINDS.into_iter().find(|(name, _)| *name == kind).ok_or_else(unknown)?;
    let digits = hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if hex.len() != length || !digits {
        return Err(unknown());
    }
    Ok((kind, hex))
}

/// One store.
pub(crate) struct Store {
    path: PathBuf,
    anchor: Mutex<Anchor>,
    writable: bool,
    underway: Arc<Mutex<BTreeMap<String, Underway>>>,
}

/// A blob that is there.
#[derive(Debug)]
pub(crate) struct Blob {
    pub(crate) digest: String,
    pub(crate) size: u64,
    pub(crate) modified: SystemTime,
}

/// A blob that is being written.
#[derive(Debug, Clone)]
pub(crate) struct Underway {
    pub(crate) reference: String,
    pub(crate) written: u64,
    pub(crate) started: SystemTime,
}

impl Store {
    /// Opens a layout. One to write to is made if it isn't there.
    pub(crate) fn open(dir: &Path, writable: bool) -> io::Result<Self> {
        if writable {
            std::fs::create_dir_all(dir)?;
        }
        let anchor = Anchor::open(dir)?;
        if writable {
            for name in ["blobs", "blobs/sha256"] {
                match rustix::fs::mkdirat(anchor.root(), name, Mode::from_raw_mode(0o755)) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(Self {
            path: dir.to_owned(),
            anchor: Mutex::new(anchor),
            writable,
            underway: Arc::default(),
        })
    }

    fn failed(&self, action: &'static str, name: &str, source: impl Into<io::Error>) -> StoreError {
        StoreError::Io {
            action,
            name: name.to_owned(),
            path: self.path.clone(),
            source: source.into(),
        }
    }

    fn dir(&self, kind: &str) -> Result<Arc<OwnedFd>, Errno> {
        let mut anchor = self.anchor.lock().unwrap_or_else(PoisonError::into_inner);
        anchor.dir(&format!("blobs/{kind}"))
    }

    fn open_blob(&self, digest: &str) -> Result<(OwnedFd, Blob), StoreError> {
        let (kind, name) = parse(digest)?;
        // `NONBLOCK`: a pipe there must not make us wait.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let open = || {
            let file = openat(self.dir(kind)?, name, flags, Mode::empty())?;
            let stat = rustix::fs::fstat(&file)?;
            Ok((file, stat))
        };
        let (file, stat) = open().map_err(|error| match error {
            Errno::NOENT => StoreError::NotFound(digest.to_owned()),
            error => self.failed("read", digest, error),
        })?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            let text = "it is no regular file";
            return Err(self.failed("read", digest, io::Error::other(text)));
        }
        let seconds = Duration::from_secs(u64::try_from(stat.st_mtime).unwrap_or(0));
        let blob = Blob {
            digest: digest.to_owned(),
            size: u64::try_from(stat.st_size).unwrap_or(0),
            modified: SystemTime::UNIX_EPOCH + seconds,
        };
        Ok((file, blob))
    }

    pub(crate) fn blob(&self, digest: &str) -> Result<Blob, StoreError> {
        self.open_blob(digest).map(|(_, blob)| blob)
    }

    /// Every blob, sorted by digest. What has no blob's name isn't one.
    pub(crate) fn list(&self) -> Result<Vec<Blob>, StoreError> {
        let mut blobs = Vec::new();
        for (kind, _) in KINDS {
            let dir = match self.dir(kind) {
                Ok(dir) => dir,
                Err(Errno::NOENT) => continue,
                Err(error) => return Err(self.failed("list", kind, error)),
            };
            let entries = rustix::fs::Dir::read_from(&dir).map_err(|e| self.failed("list", kind, e))?;
            for entry in entries {
                let entry = entry.map_err(|e| self.failed("list", kind, e))?;
                let digest = format!("{kind}:{}", entry.file_name().to_string_lossy());
                match self.blob(&digest) {
                    Ok(blob) => blobs.push(blob),
                    Err(StoreError::Digest(_) | StoreError::NotFound(_)) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        blobs.sort_by(|a, b| a.digest.cmp(&b.digest));
        Ok(blobs)
    }

    /// Reads a blob from `offset` on; a `size` of 0 is all of it.
    pub(crate) fn read(&self, digest: &str, offset: u64, size: u64) -> Result<Reader, StoreError> {
        let (file, blob) = self.open_blob(digest)?;
        let Some(rest) = blob.size.checked_sub(offset) else {
            let size = blob.size;
            return Err(StoreError::PastEnd { asked: offset, size });
        };
        let left = if size == 0 { rest } else { size.min(rest) };
        Ok(Reader {
            file,
            path: self.path.clone(),
            digest: blob.digest,
            at: offset,
            left,
        })
    }

    pub(crate) fn ingests(&self) -> Vec<Underway> {
        let underway = self.underway.lock().unwrap_or_else(PoisonError::into_inner);
        underway.values().cloned().collect()
    }

    /// Begins to write a blob.
    pub(crate) fn ingest(self: &Arc<Self>, reference: &str, expected: &str) -> Result<Ingest, StoreError> {
        if !self.writable {
            return Err(StoreError::ReadOnly);
        }
        if reference.is_empty() {
            return Err(StoreError::Unnamed);
        }
        if !expected.is_empty() && self.blob(expected).is_ok() {
            return Err(StoreError::Exists(expected.to_owned()));
        }
        let started = SystemTime::now();
        {
            let mut underway = self.underway.lock().unwrap_or_else(PoisonError::into_inner);
            let std::collections::btree_map::Entry::Vacant(slot) = underway.entry(reference.to_owned()) else {
                return Err(StoreError::Locked(reference.to_owned()));
            };
            slot.insert(Underway {
                reference: reference.to_owned(),
                written: 0,
                started,
            });
        }
        let registered = Registered {
            store: Arc::clone(self),
            reference: reference.to_owned(),
        };
        let temporary = crate::ids::temporary_name();
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let open = || {
            let dir = self.dir("sha256")?;
            let file = openat(&dir, &*temporary, flags, Mode::from_raw_mode(0o644))?;
            Ok((dir, file))
        };
        let (dir, file) = open().map_err(|e: Errno| self.failed("write", reference, e))?;
        Ok(Ingest {
            file: Temporary {
                dir,
                name: temporary,
                file,
            },
            registered,
            hash: Hash::Sha256(Sha256::new()),
            expected: None,
            total: 0,
            written: 0,
            started,
        })
    }
}

/// What is left to read of a blob.
pub(crate) struct Reader {
    file: OwnedFd,
    path: PathBuf,
    digest: String,
    at: u64,
    left: u64,
}

impl Reader {
    /// The next piece, at most `most` bytes; an empty one is the end. A blob that shrank ends early, and the
    /// engine's digest tells.
    pub(crate) fn next(&mut self, most: usize) -> Result<Vec<u8>, StoreError> {
        let want = usize::try_from(self.left).unwrap_or(most).min(most);
        let mut piece = Vec::with_capacity(want);
        while piece.len() < want {
            let mut rest = vec![0; want - piece.len()];
            match rustix::io::pread(&self.file, rest.as_mut_slice(), self.at) {
                Ok(0) => break,
                Ok(read) => {
                    piece.extend_from_slice(rest.get(..read).unwrap_or_default());
                    self.at += read as u64;
                    self.left = self.left.saturating_sub(read as u64);
                }
                Err(Errno::INTR) => {}
                Err(error) => {
                    return Err(StoreError::Io {
                        action: "read",
                        name: self.digest.clone(),
                        path: self.path.clone(),
                        source: error.into(),
                    });
                }
            }
        }
        Ok(piece)
    }
}

#[derive(Clone)]
enum Hash {
    Sha256(Sha256),
    Sha512(Box<Sha512>),
}

impl Hash {
    fn update(&mut self, data: &[u8]) {
        match self {
            Self::Sha256(hash) => hash.update(data),
            Self::Sha512(hash) => hash.update(data),
        }
    }

    fn digest(self) -> String {
        match self {
            Self::Sha256(hash) => format!("sha256:{}", hex::encode(hash.finalize())),
            Self::Sha512(hash) => format!("sha512:{}", hex::encode(hash.finalize())),
        }
    }
}

/// A blob on its way in. Dropping it removes what was written.
pub(crate) struct Ingest {
    file: Temporary,
    registered: Registered,
    hash: Hash,
    expected: Option<String>,
    total: u64,
    written: u64,
    started: SystemTime,
}

impl Ingest {
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    /// The size promised, 0 if none was.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    pub(crate) fn started(&self) -> SystemTime {
        self.started
    }

    /// The digest of what is there.
    pub(crate) fn digest(&self) -> String {
        self.hash.clone().digest()
    }

    pub(crate) fn expect_size(&mut self, total: u64) {
        self.total = total;
    }

    /// Notes the digest promised; an empty one says nothing.
    pub(crate) fn expect_digest(&mut self, digest: &str) -> Result<(), StoreError> {
        if digest.is_empty() || self.expected.as_deref() == Some(digest) {
            return Ok(());
        }
        let (kind, _) = parse(digest)?;
        if self.registered.store.blob(digest).is_ok() {
            return Err(StoreError::Exists(digest.to_owned()));
        }
        if kind == "sha512" && self.written == 0 {
            self.hash = Hash::Sha512(Box::default());
        }
        self.expected = Some(digest.to_owned());
        Ok(())
    }

    /// Adds data at the end; at 0 it begins anew.
    pub(crate) fn write(&mut self, offset: u64, mut data: &[u8]) -> Result<(), StoreError> {
        if offset == 0 && self.written > 0 && !data.is_empty() {
            self.restart().map_err(|e| self.failed(e))?;
        } else if offset > 0 && offset != self.written {
            let (asked, written) = (offset, self.written);
            return Err(StoreError::Offset { asked, written });
        }
        self.hash.update(data);
        while !data.is_empty() {
            match rustix::io::write(&self.file.file, data) {
                Ok(written) => {
                    data = data.get(written..).unwrap_or_default();
                    self.written += written as u64;
                }
                Err(Errno::INTR) => {}
                Err(error) => return Err(self.failed(error)),
            }
        }
        self.registered.note(self.written);
        Ok(())
    }

    fn restart(&mut self) -> Result<(), Errno> {
        rustix::fs::ftruncate(&self.file.file, 0)?;
        rustix::fs::seek(&self.file.file, rustix::fs::SeekFrom::Start(0))?;
        self.written = 0;
        self.hash = match self.hash {
            Hash::Sha256(_) => Hash::Sha256(Sha256::new()),
            Hash::Sha512(_) => Hash::Sha512(Box::default()),
        };
        Ok(())
    }

    fn failed(&self, error: Errno) -> StoreError {
        self.registered.store.failed("write", &self.registered.reference, error)
    }

    /// Checks the blob and gives it its name.
    pub(crate) fn commit(self) -> Result<(), StoreError> {
        if self.total > 0 && self.total != self.written {
            let (written, total) = (self.written, self.total);
            return Err(StoreError::Size { written, total });
        }
        let actual = self.digest();
        if let Some(expected) = &self.expected
            && *expected != actual
        {
            let expected = expected.clone();
            return Err(StoreError::Mismatch { actual, expected });
        }
        let (kind, name) = parse(&actual)?;
        if self.registered.store.blob(&actual).is_ok() {
            return Err(StoreError::Exists(actual));
        }
        let settle = || {
            if kind != "sha256" {
                let anchor = self
                    .registered
                    .store
                    .anchor
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner);
                match rustix::fs::mkdirat(anchor.root(), format!("blobs/{kind}"), Mode::from_raw_mode(0o755)) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(error) => return Err(error),
                }
            }
            rustix::fs::fdatasync(&self.file.file)?;
            let dir = self.registered.store.dir(kind)?;
            rustix::fs::renameat(&self.file.dir, &*self.file.name, &dir, name)
        };
        settle().map_err(|e| self.failed(e))
    }
}

struct Temporary {
    dir: Arc<OwnedFd>,
    name: String,
    file: OwnedFd,
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // After a commit nothing has that name any more.
        let _ = rustix::fs::unlinkat(&self.dir, &*self.name, AtFlags::empty());
    }
}

/// A reference's place in the list of those under way.
struct Registered {
    store: Arc<Store>,
    reference: String,
}

impl Registered {
    fn note(&self, written: u64) {
        let mut underway = self.store.underway.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(underway) = underway.get_mut(&self.reference) {
            underway.written = written;
        }
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        let mut underway = self.store.underway.lock().unwrap_or_else(PoisonError::into_inner);
        underway.remove(&self.reference);
    }
}
