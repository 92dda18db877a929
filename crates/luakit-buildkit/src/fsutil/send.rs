//! The sending end of a transfer: lists a tree, and answers requests for files meanwhile.
//!
//! One thread walks, a few read files, and the driver hears the receiver; all of them write to one channel
//! of batches of packets, whose bound is what keeps a huge file from filling memory. A batch shares one
//! buffer, so that thousands of small files cost neither an allocation nor a wake-up each. Whatever goes
//! wrong is told to the receiver as an error packet and to the caller as an error: a file that can't be read
//! fails the transfer by name, where upstream would send it empty, and so does one that is not the file any more that
//! was listed.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use bytes::Bytes;
use luakit_proto::fsutil::{Packet, packet::PacketType};
use rustix::buffer::spare_capacity;
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use tokio::sync::mpsc;
use tokio_stream::{Stream, StreamExt as _};
use tonic::Status;

use super::anchor::Anchor;
use super::filter::Filter;
use super::{TransferError, data_packet, error_packet, mode, signal, stat_packet, walk};

/// Batches of packets on their way out; an error ends the call.
pub(crate) type Batches = mpsc::Sender<Result<Vec<Packet>, Status>>;

/// Files read at the same time.
const READERS: usize = 4;

/// Bytes of files in one batch, and so in one packet at most. Upstream sends packets of 32 KiB; receivers
/// take any size below gRPC's limit.
const BATCH: usize = 256 << 10;

/// Room that a read should have at least, or the batch goes first.
const ROOM: usize = 32 << 10;

/// Entries in one batch of the list.
const ENTRIES: usize = 64;

/// Files that one reader takes at once, as long as they are small.
const AT_ONCE: usize = 32;

/// A file that may be asked for, as it was listed.
struct File {
    path: String,
    size: u64,
    /// In nanoseconds.
    modified: i64,
    /// A further name of a file: the list says no size with it.
    is_link: bool,
}

impl File {
    fn of(stat: &luakit_proto::fsutil::Stat) -> Self {
        Self {
            // It was made from a text.
            path: super::shown(&stat.path),
            size: u64::try_from(stat.size).unwrap_or(0),
            modified: stat.mod_time,
            is_link: !stat.linkname.is_empty(),
        }
    }

    /// Checks that what is open is still what was listed, and gives its size.
    fn check(&self, fd: &OwnedFd) -> Result<u64, TransferError> {
        let stat = rustix::fs::fstat(fd).map_err(|e| TransferError::entry("read", &self.path, e))?;
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        let same = walk::modified(&stat) == self.modified && (size == self.size || self.is_link);
        if !same || FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(TransferError::Changed(self.path.clone()));
        }
        Ok(size)
    }
}

/// Sends the tree below `anchor`. `skipped` hears of devices, which are left out.
pub(crate) async fn send(
    anchor: Anchor,
    filter: Filter,
    mut incoming: impl Stream<Item = Result<Packet, Status>> + Unpin,
    outgoing: Batches,
    skipped: impl FnMut(&str) + Send + 'static,
) -> Result<(), TransferError> {
    let files = Arc::new(Mutex::new(HashMap::new()));
    let mut work = tokio::task::JoinSet::new();

    let (list, numbers, mut walker) = (outgoing.clone(), Arc::clone(&files), anchor.share());
    work.spawn_blocking(move || list_tree(&mut walker, &filter, &list, &numbers, skipped));

    let queue = Queue::default();
    let _ends = Ends(queue.clone());
    for _ in 0..READERS {
        let (mut anchor, queue, outgoing) = (anchor.share(), queue.clone(), outgoing.clone());
        work.spawn_blocking(move || -> Result<(), TransferError> {
            let mut batch = Batch::default();
            while let Some(jobs) = queue.take() {
                for (id, file) in jobs {
                    batch.add(&mut anchor, id, &file, &outgoing)?;
                }
                batch.send(&outgoing)?;
            }
            Ok(())
        });
    }

    let result = loop {
        tokio::select! {
            packet = incoming.next() => match answer(packet, &files) {
                Ok(Answer::Queue(id, file)) => queue.push(id, file),
                Ok(Answer::Finish) => break Ok(()),
                Err(error) => break Err(error),
            },
            Some(done) = work.join_next() => match done {
                Ok(Ok(())) => {}
                Ok(Err(error)) => break Err(error),
                Err(_) => break Err(TransferError::Cut),
            },
        }
    };
    match &result {
        Ok(()) => {
            outgoing
                .send(Ok(vec![signal(PacketType::PacketFin)]))
                .await
                .map_err(|_| TransferError::Cut)?;
        }
        Err(error) => {
            // The receiver may be gone too; our caller hears of it in any case.
            let _ = outgoing.send(Ok(vec![error_packet(error)])).await;
            let _ = outgoing.send(Err(Status::unknown(error.to_string()))).await;
        }
    }
    result
}

enum Answer {
    Queue(u32, File),
    Finish,
}

/// What a packet of the receiver asks for.
fn answer(packet: Option<Result<Packet, Status>>, files: &Mutex<HashMap<u32, File>>) -> Result<Answer, TransferError> {
    let packet = packet.ok_or(TransferError::Cut)?.map_err(|_| TransferError::Cut)?;
    match packet.r#type() {
        PacketType::PacketReq => {
            let file = files.lock().unwrap_or_else(PoisonError::into_inner).remove(&packet.id);
            match file {
                Some(file) => Ok(Answer::Queue(packet.id, file)),
                None => Err(TransferError::Protocol(format!(
                    "a request for file {}, which is none or was sent already",
                    packet.id
                ))),
            }
        }
        PacketType::PacketFin => Ok(Answer::Finish),
        PacketType::PacketErr => Err(TransferError::Peer(String::from_utf8_lossy(&packet.data).into_owned())),
        other @ (PacketType::PacketStat | PacketType::PacketData) => Err(TransferError::Protocol(format!(
            "a packet of type {other:?}, which only a sender may send"
        ))),
    }
}

/// Sends the list and its end, and notes which number is which file.
fn list_tree(
    anchor: &mut Anchor,
    filter: &Filter,
    outgoing: &Batches,
    files: &Mutex<HashMap<u32, File>>,
    mut skipped: impl FnMut(&str),
) -> Result<(), TransferError> {
    let pass = |batch| outgoing.blocking_send(Ok(batch)).map_err(|_| TransferError::Cut);
    let mut number = 0u32;
    let mut batch = Vec::with_capacity(ENTRIES);
    let mut emit = |stat: luakit_proto::fsutil::Stat| {
        // A name of a hard link has no content of its own, but may be asked for.
        if stat.mode & mode::TYPE == 0 {
            let mut files = files.lock().unwrap_or_else(PoisonError::into_inner);
            files.insert(number, File::of(&stat));
        }
        number = number.wrapping_add(1);
        batch.push(stat_packet(stat));
        if batch.len() == ENTRIES {
            return pass(std::mem::replace(&mut batch, Vec::with_capacity(ENTRIES)));
        }
        Ok(())
    };
    walk::walk(anchor, filter, &mut emit, &mut skipped, &|| !outgoing.is_closed())?;
    batch.push(signal(PacketType::PacketStat));
    pass(batch)
}

/// Contents of files, gathered in one buffer until they are sent.
#[derive(Default)]
struct Batch {
    bytes: Vec<u8>,
    /// What the packets hold, by file; an empty piece ends one.
    pieces: Vec<(u32, Range<usize>)>,
}

impl Batch {
    /// Adds a file's content and the empty piece that ends it, and sends what gets too much.
    fn add(&mut self, anchor: &mut Anchor, id: u32, file: &File, outgoing: &Batches) -> Result<(), TransferError> {
        let fd = open_file(anchor, &file.path)?;
        let size = file.check(&fd)?;
        let mut total = 0;
        loop {
            // A small file fits into little room.
            let left = size.saturating_sub(total).saturating_add(1);
            let needed = usize::try_from(left).unwrap_or(ROOM).min(ROOM);
            if self.bytes.capacity() - self.bytes.len() < needed {
                self.send(outgoing)?;
                self.bytes.reserve_exact(BATCH);
            }
            let (start, room) = (self.bytes.len(), self.bytes.capacity() - self.bytes.len());
            let read = match rustix::io::read(&fd, spare_capacity(&mut self.bytes)) {
                Ok(read) => read,
                Err(Errno::INTR) => continue,
                Err(error) => return Err(TransferError::entry("read", &file.path, error)),
            };
            if read > 0 {
                self.pieces.push((id, start..start + read));
                total += read as u64;
            }
            // One that grows might have no end.
            if read == 0 || (read < room && total >= size) || total > size {
                if file.check(&fd)? != total {
                    return Err(TransferError::Changed(file.path.clone()));
                }
                let end = self.bytes.len();
                self.pieces.push((id, end..end));
                return Ok(());
            }
        }
    }

    /// Sends what is there.
    fn send(&mut self, outgoing: &Batches) -> Result<(), TransferError> {
        if self.pieces.is_empty() {
            return Ok(());
        }
        let bytes = Bytes::from(std::mem::take(&mut self.bytes));
        let packet = |(id, range)| data_packet(id, bytes.slice(range));
        let packets = self.pieces.drain(..).map(packet).collect();
        outgoing.blocking_send(Ok(packets)).map_err(|_| TransferError::Cut)
    }
}

/// Opens a file that was listed.
fn open_file(anchor: &mut Anchor, path: &str) -> Result<OwnedFd, TransferError> {
    // `NONBLOCK`: a pipe that took the file's place must not make us wait for a writer.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened = anchor
        .parent(path)
        .and_then(|(dir, name)| rustix::fs::openat(&dir, name, flags, Mode::empty()));
    opened.map_err(|error| match error {
        Errno::NOENT | Errno::LOOP | Errno::NOTDIR => TransferError::Changed(path.to_owned()),
        error => TransferError::entry("read", path, error),
    })
}

/// Files that wait for a reader. The list of files bounds it.
#[derive(Clone, Default)]
struct Queue(Arc<(Mutex<Waiting>, Condvar)>);

#[derive(Default)]
struct Waiting {
    files: VecDeque<(u32, File)>,
    ended: bool,
}

impl Queue {
    fn push(&self, id: u32, file: File) {
        let (waiting, change) = &*self.0;
        let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.files.push_back((id, file));
        change.notify_one();
    }

    /// The next files: several small ones, or one. Nothing once the queue has ended.
    fn take(&self) -> Option<Vec<(u32, File)>> {
        let (waiting, change) = &*self.0;
        let waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let mut waiting = change
            .wait_while(waiting, |w| w.files.is_empty() && !w.ended)
            .unwrap_or_else(PoisonError::into_inner);
        if waiting.ended {
            return None;
        }
        let mut taken = Vec::new();
        let mut size = 0u64;
        while taken.len() < AT_ONCE
            && let Some((_, next)) = waiting.files.front()
        {
            size = size.saturating_add(next.size);
            if size > BATCH as u64 && !taken.is_empty() {
                break;
            }
            taken.extend(waiting.files.pop_front());
        }
        Some(taken)
    }
}

/// Lets the readers go, however the transfer ends.
struct Ends(Queue);

impl Drop for Ends {
    fn drop(&mut self) {
        let (waiting, change) = &*self.0.0;
        waiting.lock().unwrap_or_else(PoisonError::into_inner).ended = true;
        change.notify_all();
    }
}
