//! A pipe from a build to a Docker: an archive that an engine sends is loaded while it arrives.
//!
//! The writing end is an export's [`crate::FileOutput::Stream`], and may block its thread; the reading end is for
//! [`super::DockerHost::load`]. When the reader is gone, writing fails.

use std::io::{self, Write};

use bytes::Bytes;
use tokio::io::AsyncRead;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::io::StreamReader;

/// How many pieces wait in the pipe at most.
const PIECES: usize = 16;

/// The ends of a new pipe.
pub fn pipe() -> (impl Write + Send + 'static, impl AsyncRead + Send + Unpin + 'static) {
    let (sender, pieces) = mpsc::channel(PIECES);
    (Writer(sender), StreamReader::new(ReceiverStream::new(pieces)))
}

struct Writer(mpsc::Sender<io::Result<Bytes>>);

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let gone = |_| io::Error::new(io::ErrorKind::BrokenPipe, "nobody reads it any more");
        self.0.blocking_send(Ok(Bytes::copy_from_slice(bytes))).map_err(gone)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use super::*;

    #[tokio::test]
    async fn what_goes_in_comes_out_and_a_closed_end_is_an_error() {
        let (mut writer, mut reader) = pipe();
        let written = tokio::task::spawn_blocking(move || {
            for _ in 0..100 {
                writer.write_all(b"piece").unwrap();
            }
        });
        let mut text = String::new();
        reader.read_to_string(&mut text).await.unwrap();
        written.await.unwrap();
        assert_eq!(text, "piece".repeat(100));

        let (mut writer, reader) = pipe();
        drop(reader);
        let refused = tokio::task::spawn_blocking(move || writer.write_all(b"x"));
        assert_eq!(refused.await.unwrap().unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
}
