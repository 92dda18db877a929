//! The sending end of a transfer: lists a tree, and answers requests for files meanwhile.
//!
//! One thread walks, a few read files, and the driver hears the receiver; all of them write to one channel
//! of packets, whose bound is what keeps a huge file from filling memory. Whatever goes wrong is told to
//! the receiver as an error packet and to the caller as an error: a file that can't be read fails the
//! transfer by name, where upstream would send it empty.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use luakit_proto::fsutil::{Packet, packet::PacketType};
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use tokio::sync::mpsc;
use tokio_stream::{Stream, StreamExt as _};
use tonic::Status;

use super::anchor::Anchor;
use super::filter::Filter;
use super::{CHUNK, Outgoing, TransferError, data_packet, error_packet, mode, signal, stat_packet, walk};

/// Files read at the same time.
const READERS: usize = 4;

/// Files that may wait for a reader.
const QUEUE: usize = 128;

/// Sends the tree below `anchor`. `skipped` hears of devices, which are left out.
pub(crate) async fn send(
    anchor: Anchor,
    filter: Filter,
    mut incoming: impl Stream<Item = Result<Packet, Status>> + Unpin,
    outgoing: Outgoing,
    skipped: impl FnMut(&str) + Send + 'static,
) -> Result<(), TransferError> {
    let files = Arc::new(Mutex::new(HashMap::new()));
    let mut work = tokio::task::JoinSet::new();

    let (list, numbers, mut walker) = (outgoing.clone(), Arc::clone(&files), anchor.share());
    work.spawn_blocking(move || list_tree(&mut walker, &filter, &list, &numbers, skipped));

    let (queue, waiting) = async_channel::<(u32, String)>(QUEUE);
    for _ in 0..READERS {
        let (mut anchor, waiting, outgoing) = (anchor.share(), waiting.clone(), outgoing.clone());
        work.spawn_blocking(move || -> Result<(), TransferError> {
            let mut buffer = BytesMut::new();
            while let Some((id, path)) = waiting.next() {
                send_file(&mut anchor, id, &path, &outgoing, &mut buffer)?;
            }
            Ok(())
        });
    }
    drop(waiting);

    let result = loop {
        tokio::select! {
            packet = incoming.next() => match answer(packet, &files) {
                Ok(Answer::Queue(id, path)) => {
                    // With the readers gone one of them has failed, and `join_next` will say how.
                    let _ = queue.send((id, path)).await;
                }
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
    drop(queue);
    match &result {
        Ok(()) => {
            outgoing
                .send(Ok(signal(PacketType::PacketFin)))
                .await
                .map_err(|_| TransferError::Cut)?;
        }
        Err(error) => {
            // The receiver may be gone too; our caller hears of it in any case.
            let _ = outgoing.send(Ok(error_packet(error))).await;
            let _ = outgoing.send(Err(Status::unknown(error.to_string()))).await;
        }
    }
    result
}

enum Answer {
    Queue(u32, String),
    Finish,
}

/// What a packet of the receiver asks for.
fn answer(
    packet: Option<Result<Packet, Status>>,
    files: &Mutex<HashMap<u32, String>>,
) -> Result<Answer, TransferError> {
    let packet = packet.ok_or(TransferError::Cut)?.map_err(|_| TransferError::Cut)?;
    match packet.r#type() {
        PacketType::PacketReq => {
            let path = files.lock().unwrap_or_else(PoisonError::into_inner).remove(&packet.id);
            match path {
                Some(path) => Ok(Answer::Queue(packet.id, path)),
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
    outgoing: &Outgoing,
    files: &Mutex<HashMap<u32, String>>,
    mut skipped: impl FnMut(&str),
) -> Result<(), TransferError> {
    let mut number = 0u32;
    let mut emit = |stat: luakit_proto::fsutil::Stat| {
        if stat.mode & mode::TYPE == 0 {
            let mut files = files.lock().unwrap_or_else(PoisonError::into_inner);
            files.insert(number, stat.path.clone());
        }
        number = number.wrapping_add(1);
        outgoing
            .blocking_send(Ok(stat_packet(stat)))
            .map_err(|_| TransferError::Cut)
    };
    walk::walk(anchor, filter, &mut emit, &mut skipped, &|| !outgoing.is_closed())?;
    outgoing
        .blocking_send(Ok(signal(PacketType::PacketStat)))
        .map_err(|_| TransferError::Cut)
}

/// Sends one file's content and the empty packet that ends it.
fn send_file(
    anchor: &mut Anchor,
    id: u32,
    path: &str,
    outgoing: &Outgoing,
    buffer: &mut BytesMut,
) -> Result<(), TransferError> {
    let file = open_file(anchor, path)?;
    loop {
        buffer.resize(CHUNK, 0);
        let read = loop {
            match rustix::io::read(&file, buffer.as_mut()) {
                Err(Errno::INTR) => {}
                other => break other.map_err(|e| TransferError::entry("read", path, e))?,
            }
        };
        if read == 0 {
            break;
        }
        let data = buffer.split_to(read).freeze();
        outgoing
            .blocking_send(Ok(data_packet(id, data)))
            .map_err(|_| TransferError::Cut)?;
    }
    outgoing
        .blocking_send(Ok(data_packet(id, Bytes::new())))
        .map_err(|_| TransferError::Cut)
}

fn open_file(anchor: &mut Anchor, path: &str) -> Result<OwnedFd, TransferError> {
    // `NONBLOCK`: a pipe that took the file's place must not make us wait for a writer.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened = anchor.parent(path).and_then(|(dir, name)| {
        let fd = rustix::fs::openat(&dir, name, flags, Mode::empty())?;
        let kind = FileType::from_raw_mode(rustix::fs::fstat(&fd)?.st_mode);
        Ok((fd, kind))
    });
    match opened {
        Ok((fd, FileType::RegularFile)) => Ok(fd),
        Ok(_) | Err(Errno::NOENT | Errno::LOOP | Errno::NOTDIR) => Err(TransferError::Changed(path.to_owned())),
        Err(error) => Err(TransferError::entry("read", path, error)),
    }
}

/// A queue filled by async code and emptied by several threads.
fn async_channel<T>(bound: usize) -> (mpsc::Sender<T>, Waiting<T>) {
    let (sender, receiver) = mpsc::channel(bound);
    (sender, Waiting(Arc::new(Mutex::new(receiver))))
}

/// The threads' end.
struct Waiting<T>(Arc<Mutex<mpsc::Receiver<T>>>);

impl<T> Clone for Waiting<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Waiting<T> {
    /// The next item: one thread waits for it, the others for that thread.
    fn next(&self) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv()
    }
}
