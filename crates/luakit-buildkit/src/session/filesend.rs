//! Results, brought back by the engine: `moby.filesync.v1.FileSend`.
//!
//! A header of the call says which of the build's exports it carries. Files arrive as byte messages and go
//! to a temporary file beside their place, which the build renames once all of it has succeeded, or to a
//! writer; directories arrive as fsutil packets and are written as they come. The two have different
//! messages on the same method, so the call is routed here by its header instead of by a generated stub.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use luakit_proto::filesync::BytesMessage;
use luakit_proto::fsutil::Packet;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use tonic::body::Body;
use tonic::codegen::BoxFuture;
use tonic::server::{Grpc, StreamingService};
use tonic::{Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;

use super::{Failure, Failures};
use crate::fsutil::{TransferError, receive};
use crate::grpc::MESSAGE;

/// The method as it is announced.
pub(crate) const METHOD: &str = "/moby.filesync.v1.FileSend/DiffCopy";

/// Where an export that comes back goes.
#[derive(Clone)]
pub(crate) enum Target {
    /// A directory to merge into.
    Dir(PathBuf),
    /// A stream of bytes. Taken by the first call.
    File {
        name: String,
        sink: Arc<Mutex<Option<Box<dyn Write + Send>>>>,
    },
}

/// Targets by the position of their export.
pub(crate) type Targets = BTreeMap<usize, Target>;

/// How long a thread may take to remove what is half written, once nothing more comes.
const TIDYING: Duration = Duration::from_secs(5);

/// The threads that write directories. One whose session is gone ends by itself, and removes what is half written.
#[derive(Clone, Default)]
pub(crate) struct Receivers(Arc<Mutex<Vec<JoinHandle<()>>>>);

impl Receivers {
    fn add(&self, receiver: JoinHandle<()>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(receiver);
    }

    /// Waits until all have ended, after a session's end.
    pub(crate) async fn ended(&self) {
        let receivers = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let all = async {
            for receiver in receivers {
                // One that panicked has ended, too.
                let _ = receiver.await;
            }
        };
        let _late = tokio::time::timeout(TIDYING, all).await;
    }
}

/// The service.
#[derive(Clone)]
pub(crate) struct FileSend {
    targets: Targets,
    receivers: Receivers,
    failures: Failures,
}

impl FileSend {
    pub(crate) fn new(targets: Targets, receivers: Receivers, failures: Failures) -> Self {
        Self {
            targets,
            receivers,
            failures,
        }
    }

    /// Answers one call.
    pub(crate) async fn answer(self, request: http::Request<Body>) -> http::Response<Body> {
        let index = request
            .headers()
            .get("buildkit-attachable-exporter-id")
            .and_then(|v| v.to_str().ok()?.parse().ok())
            .unwrap_or(0usize);
        let (receivers, failures) = (self.receivers, self.failures);
        match self.targets.get(&index).cloned() {
            None => Status::not_found(format!("exporter {index} not found")).into_http(),
            Some(Target::Dir(dir)) => {
                let mut grpc = Grpc::new(ProstCodec::<Packet, Packet>::default()).max_decoding_message_size(MESSAGE);
                let target = DirTarget {
                    dir,
                    receivers,
                    failures,
                };
                grpc.streaming(target, request).await
            }
            Some(Target::File { name, sink }) => {
                let taken = sink.lock().unwrap_or_else(PoisonError::into_inner).take();
                let Some(sink) = taken else {
                    return Status::already_exists("target already exists").into_http();
                };
                let mut grpc =
                    Grpc::new(ProstCodec::<BytesMessage, BytesMessage>::default()).max_decoding_message_size(MESSAGE);
                let sink = Some(sink);
                grpc.streaming(FileTarget { name, sink, failures }, request).await
            }
        }
    }
}

struct DirTarget {
    dir: PathBuf,
    receivers: Receivers,
    failures: Failures,
}

impl StreamingService<Packet> for DirTarget {
    type Response = Packet;
    type ResponseStream = ReceiverStream<Result<Packet, Status>>;
    type Future = BoxFuture<Response<Self::ResponseStream>, Status>;

    fn call(&mut self, request: Request<Streaming<Packet>>) -> Self::Future {
        let (dir, receivers, failures) = (self.dir.clone(), self.receivers.clone(), self.failures.clone());
        Box::pin(async move {
            let mut incoming = request.into_inner();
            let (packets, received) = mpsc::channel(64);
            let (outgoing, answers) = mpsc::channel(64);
            let broken = Arc::new(OnceLock::new());
            let breaks = Arc::clone(&broken);
            tokio::spawn(async move {
                // An error or the end of the stream drops `packets`: the receiver then ends as cut off,
                // unless it is done.
                while let Some(packet) = incoming.next().await {
                    match packet {
                        Ok(packet) => {
                            if packets.send(packet).await.is_err() {
                                return;
                            }
                        }
                        Err(status) => {
                            let _first = breaks.set(status);
                            return;
                        }
                    }
                }
            });
            receivers.add(tokio::task::spawn_blocking(move || {
                let error = match receive::receive(&dir, received, &outgoing) {
                    Ok(()) | Err(TransferError::Peer(_)) => return,
                    Err(TransferError::Cut) => match broken.get().and_then(unreadable) {
                        Some(error) => error,
                        None => return,
                    },
                    Err(error) => error,
                };
                let target = dir.display().to_string();
                failures.record(Failure::Receive { target, error });
            }));
            Ok(Response::new(ReceiverStream::new(answers)))
        })
    }
}

/// What broke a stream, unless it is the connection, whose end has causes elsewhere: those errors have a source.
fn unreadable(status: &Status) -> Option<TransferError> {
    let ours = std::error::Error::source(status).is_none();
    ours.then(|| TransferError::Protocol(format!("a message that can't be read: {}", status.message())))
}

struct FileTarget {
    name: String,
    sink: Option<Box<dyn Write + Send>>,
    failures: Failures,
}

impl StreamingService<BytesMessage> for FileTarget {
    type Response = BytesMessage;
    type ResponseStream = tokio_stream::Empty<Result<BytesMessage, Status>>;
    type Future = BoxFuture<Response<Self::ResponseStream>, Status>;

    fn call(&mut self, request: Request<Streaming<BytesMessage>>) -> Self::Future {
        let (name, sink, failures) = (self.name.clone(), self.sink.take(), self.failures.clone());
        Box::pin(async move {
            let Some(mut sink) = sink else {
                return Err(Status::already_exists("target already exists"));
            };
            let mut incoming = request.into_inner();
            let (pieces, mut received) = mpsc::channel::<bytes::Bytes>(16);
            // Files and pipes block; they get a thread.
            let writer = tokio::task::spawn_blocking(move || -> std::io::Result<()> {
                while let Some(piece) = received.blocking_recv() {
                    sink.write_all(&piece)?;
                }
                sink.flush()
            });
            let ended: Result<(), Status> = loop {
                match incoming.message().await {
                    Ok(Some(message)) => {
                        if pieces.send(message.data).await.is_err() {
                            break Ok(());
                        }
                    }
                    Ok(None) => break Ok(()),
                    Err(status) => break Err(status),
                }
            };
            drop(pieces);
            match writer.await {
                Ok(Ok(())) => ended.map(|()| Response::new(tokio_stream::empty())),
                Ok(Err(source)) => {
                    let error = TransferError::entry("write", &name, source);
                    let status = Status::unknown(error.to_string());
                    failures.record(Failure::Receive { target: name, error });
                    Err(status)
                }
                Err(panic) => Err(Status::internal(panic.to_string())),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use tonic::client;

    use super::*;
    use crate::session::attachments::Attachments;
    use crate::session::testing::with_targets;

    #[tokio::test]
    async fn a_full_disk_is_named() {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let target = Target::File {
            name: "image.tar".to_owned(),
            sink: Arc::new(Mutex::new(Some(Box::new(full)))),
        };
        let (connection, failures) = with_targets(Attachments::default(), Targets::from([(0, target)])).await;
        let piece = BytesMessage {
            data: vec![0; 1 << 20].into(),
        };
        let request = Request::new(tokio_stream::iter(vec![piece; 40]));
        let path = http::uri::PathAndQuery::from_static(METHOD);
        let codec = ProstCodec::<BytesMessage, BytesMessage>::default();
        let sent = client::Grpc::new(connection).streaming(request, path, codec).await;
        let status = match sent {
            Ok(answers) => answers.into_inner().message().await.unwrap_err(),
            Err(status) => status,
        };
        let text = "can't write `image.tar`: No space left on device (os error 28)";
        assert_eq!(status.message(), text);
        let Some(Failure::Receive { error, .. }) = failures.take() else {
            panic!("no failure")
        };
        assert_eq!(error.to_string(), text);
    }

    #[tokio::test]
    async fn what_cant_be_read_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let targets = Targets::from([(0, Target::Dir(dir.path().to_owned()))]);
        let (connection, failures) = with_targets(Attachments::default(), targets).await;
        // Its first field is another kind than that of a packet.
        let odd = BytesMessage { data: "odd".into() };
        let request = Request::new(tokio_stream::iter(vec![odd]));
        let path = http::uri::PathAndQuery::from_static(METHOD);
        let codec = ProstCodec::<BytesMessage, Packet>::default();
        let answers = client::Grpc::new(connection).streaming(request, path, codec).await;
        let mut answers = answers.unwrap().into_inner();
        while let Ok(Some(_)) = answers.message().await {}
        let failure = async {
            loop {
                match failures.take() {
                    Some(failure) => break failure,
                    None => tokio::time::sleep(Duration::from_millis(5)).await,
                }
            }
        };
        let failure = tokio::time::timeout(Duration::from_secs(5), failure).await;
        let Ok(Failure::Receive { error, .. }) = failure else {
            panic!("no failure of that kind")
        };
        let text = error.to_string();
        assert!(
            text.starts_with("the engine sent a message that can't be read: "),
            "{text}"
        );
    }
}
