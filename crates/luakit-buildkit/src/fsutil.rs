//! fsutil's transfer of directory trees: what local sources and directory exports travel in.
//!
//! The sender lists a tree in order ([`walk`], narrowed by [`filter`]); the receiver asks for the files it
//! wants by their position in that list. [`send`] and [`receive`] are the two ends, over channels of
//! packets, so that they meet in tests without an engine. All disk access is anchored in a directory handle
//! ([`anchor`]): a symbolic link planted meanwhile leads nowhere. Protocol:
//! <https://github.com/tonistiigi/fsutil/blob/master/receive.go>.

pub(crate) mod anchor;
pub(crate) mod filter;
pub(crate) mod follow;
pub(crate) mod mode;
pub(crate) mod receive;
pub(crate) mod send;
pub(crate) mod walk;

#[cfg(test)]
mod tests;

use std::path::PathBuf;

use luakit_proto::fsutil::{Packet, Stat, packet::PacketType};

/// Packets on their way out; an error ends the call.
pub(crate) type Outgoing = tokio::sync::mpsc::Sender<Result<Packet, tonic::Status>>;

/// Why a transfer ended early. Paths are relative to its root.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// The root can't be opened.
    #[error("can't open the directory `{}`: {source}", path.display())]
    Root {
        /// As the user gave it.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// An entry can't be read or written.
    #[error("can't {action} `{path}`: {source}")]
    Entry {
        /// A verb: `read`, `list`, `create`.
        action: &'static str,
        /// The entry.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file was listed and is gone, or is no file any more.
    #[error("`{0}` changed while it was being sent")]
    Changed(String),
    /// A name that the protocol can't carry.
    #[error("the name of `{0}` is not valid UTF-8")]
    Name(String),
    /// A pattern that came with the request.
    #[error(transparent)]
    Pattern(#[from] luakit_frontend::patterns::PatternError),
    /// The other side broke the protocol.
    #[error("the engine sent {0}")]
    Protocol(String),
    /// The other side failed.
    #[error("the engine reported: {0}")]
    Peer(String),
    /// The connection ended.
    #[error("the transfer was cut off")]
    Cut,
}

impl TransferError {
    pub(crate) fn entry(action: &'static str, path: impl AsRef<[u8]>, source: impl Into<std::io::Error>) -> Self {
        Self::Entry {
            action,
            path: shown(path.as_ref()),
            source: source.into(),
        }
    }
}

/// A name as messages have it: what is no UTF-8 is marked.
pub(crate) fn shown(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}

/// A packet without content.
pub(crate) fn signal(kind: PacketType) -> Packet {
    Packet {
        r#type: kind as i32,
        ..Packet::default()
    }
}

/// One entry of the list.
pub(crate) fn stat_packet(stat: Stat) -> Packet {
    Packet {
        stat: Some(stat),
        ..signal(PacketType::PacketStat)
    }
}

/// A piece of a file; an empty one ends it.
pub(crate) fn data_packet(id: u32, data: bytes::Bytes) -> Packet {
    Packet {
        id,
        data,
        ..signal(PacketType::PacketData)
    }
}

/// Asks for a file.
pub(crate) fn request_packet(id: u32) -> Packet {
    Packet {
        id,
        ..signal(PacketType::PacketReq)
    }
}

/// Says why the transfer can't go on.
pub(crate) fn error_packet(error: &TransferError) -> Packet {
    Packet {
        data: error.to_string().into(),
        ..signal(PacketType::PacketErr)
    }
}
