//! A stream of byte messages in each direction, as a connection.
//!
//! The engine's end of the session is an HTTP/2 client that talks through `Control.Session`; this makes
//! what [`super::serve`] can serve on of it. What is written gathers until the stream is asked for its next
//! message, so that a busy session sends few long messages instead of one for each frame. Ends are orderly
//! both ways: dropping the writer half-closes the stream, its end reads as end of file.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf as _, Bytes, BytesMut};
use luakit_proto::control::BytesMessage;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_stream::Stream;

/// The most bytes put into one message. Engines take 4 MiB and more.
const MOST: usize = 256 << 10;

/// Bytes that may wait for the stream before a writer must.
const WAITING: usize = 512 << 10;

/// The connection.
pub(crate) struct Tunnel<S> {
    incoming: S,
    pending: Bytes,
    writer: Writer,
}

/// What a tunnel writes to.
pub(crate) struct Writer(Arc<Gathered>);

/// The messages that become of it.
pub(crate) struct Messages(Arc<Gathered>);

/// The two ends of what is written.
pub(crate) fn messages() -> (Writer, Messages) {
    let gathered = Arc::new(Gathered::default());
    (Writer(Arc::clone(&gathered)), Messages(gathered))
}

#[derive(Default)]
struct Gathered(Mutex<State>);

#[derive(Default)]
struct State {
    bytes: BytesMut,
    /// The writer has nothing more to say.
    ended: bool,
    /// Nobody takes messages any more.
    gone: bool,
    stream: Option<Waker>,
    writer: Option<Waker>,
}

impl Gathered {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Writer {
    fn poll_write(&self, cx: &mut Context<'_>, pieces: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let mut state = self.0.lock();
        if state.gone || state.ended {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if state.bytes.len() >= WAITING {
            state.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let length: usize = pieces.iter().map(|piece| piece.len()).sum();
        if state.bytes.is_empty() {
            state.bytes.reserve(length.max(MOST));
        }
        for piece in pieces {
            state.bytes.extend_from_slice(piece);
        }
        let stream = state.stream.take();
        drop(state);
        if let Some(stream) = stream {
            stream.wake();
        }
        Poll::Ready(Ok(length))
    }

    fn end(&self) {
        let mut state = self.0.lock();
        state.ended = true;
        if let Some(stream) = state.stream.take() {
            stream.wake();
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.end();
    }
}

impl Stream for Messages {
    type Item = BytesMessage;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<BytesMessage>> {
        let mut state = self.0.lock();
        if state.bytes.is_empty() {
            if state.ended {
                return Poll::Ready(None);
            }
            state.stream = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let length = state.bytes.len().min(MOST);
        let data = state.bytes.split_to(length).freeze();
        let writer = state.writer.take();
        drop(state);
        if let Some(writer) = writer {
            writer.wake();
        }
        Poll::Ready(Some(BytesMessage { data }))
    }
}

impl Drop for Messages {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.gone = true;
        if let Some(writer) = state.writer.take() {
            writer.wake();
        }
    }
}

impl<S> Tunnel<S> {
    pub(crate) fn new(incoming: S, writer: Writer) -> Self {
        Self {
            incoming,
            pending: Bytes::new(),
            writer,
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
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.writer.poll_write(cx, &[IoSlice::new(data)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.writer.poll_write(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writer.end();
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;
    use tokio_stream::StreamExt as _;

    use super::*;

    #[tokio::test]
    async fn writes_gather_and_ends_are_heard() {
        let (writer, mut messages) = messages();
        let mut tunnel = Tunnel::new(tokio_stream::empty::<Result<BytesMessage, tonic::Status>>(), writer);
        for piece in ["one", "two"] {
            tunnel.write_all(piece.as_bytes()).await.unwrap();
        }
        assert_eq!(messages.next().await.unwrap().data, "onetwo");
        let long = vec![b'x'; 3 << 20];
        let wanted = long.clone();
        let writing = tokio::spawn(async move {
            tunnel.write_all(&long).await.unwrap();
            tunnel.shutdown().await.unwrap();
            tunnel.write_all(b"late").await.unwrap_err().kind()
        });
        let mut heard = Vec::new();
        while let Some(message) = messages.next().await {
            assert!(message.data.len() <= MOST);
            heard.extend_from_slice(&message.data);
        }
        assert_eq!(heard, wanted);
        assert_eq!(writing.await.unwrap(), io::ErrorKind::BrokenPipe);
    }

    #[tokio::test]
    async fn a_writer_hears_that_nobody_listens() {
        let (writer, messages) = messages();
        let mut tunnel = Tunnel::new(tokio_stream::empty::<Result<BytesMessage, tonic::Status>>(), writer);
        tunnel.write_all(&vec![0; WAITING]).await.unwrap();
        let more = tokio::spawn(async move { tunnel.write_all(b"more").await.unwrap_err().kind() });
        tokio::task::yield_now().await;
        drop(messages);
        assert_eq!(more.await.unwrap(), io::ErrorKind::BrokenPipe);
    }
}
