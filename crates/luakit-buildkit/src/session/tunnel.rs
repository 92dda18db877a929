//! A stream of byte messages in each direction, as a connection.
//!
//! The engine's end of the session is an HTTP/2 client that talks through `Control.Session`; this makes
//! what [`super::serve`] can serve on of it. Ends are orderly both ways: dropping the writer half-closes
//! the stream, its end reads as end of file.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use luakit_proto::control::BytesMessage;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_util::sync::PollSender;

/// The most bytes put into one message.
const MOST: usize = 256 << 10;

/// The connection.
pub(crate) struct Tunnel<S> {
    incoming: S,
    pending: Bytes,
    outgoing: PollSender<BytesMessage>,
}

impl<S> Tunnel<S> {
    pub(crate) fn new(incoming: S, outgoing: mpsc::Sender<BytesMessage>) -> Self {
        Self {
            incoming,
            pending: Bytes::new(),
            outgoing: PollSender::new(outgoing),
        }
    }
}

impl<S> AsyncRead for Tunnel<S>
where
    S: Stream<Item = Result<BytesMessage, tonic::Status>> + Unpin,
{
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        while self.pending.is_empty() {
            match ready!(Pin::new(&mut self.incoming).poll_next(cx)) {
                Some(Ok(message)) => self.pending = message.data,
                Some(Err(status)) => return Poll::Ready(Err(io::Error::other(status))),
                None => return Poll::Ready(Ok(())),
            }
        }
        let length = self.pending.len().min(buf.remaining());
        buf.put_slice(self.pending.get(..length).unwrap_or_default());
        self.pending.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl<S: Unpin> AsyncWrite for Tunnel<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
        ready!(self.outgoing.poll_reserve(cx)).map_err(gone)?;
        let piece = data.get(..MOST).unwrap_or(data);
        let message = BytesMessage {
            data: Bytes::copy_from_slice(piece),
        };
        self.outgoing.send_item(message).map_err(gone)?;
        Poll::Ready(Ok(piece.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.outgoing.close();
        Poll::Ready(Ok(()))
    }
}
