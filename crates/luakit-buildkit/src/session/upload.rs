//! Streams that the engine fetches from the client by a URL: `moby.upload.v1.Upload`.
//!
//! A context on the standard input is one: the build names it `http://buildkit-session/ID`, and the engine
//! pulls it through the session instead of the network. Each is there once. Protocol:
//! <https://github.com/moby/buildkit/blob/master/session/upload/upload.go>.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use luakit_proto::upload::BytesMessage;
use luakit_proto::upload::upload_server::Upload as UploadService;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::{Failure, Failures, ServiceError};

/// The method as it is announced.
pub(crate) const METHOD: &str = "/moby.upload.v1.Upload/Pull";

/// What a source's URL begins with; the stream's id follows.
pub const UPLOAD_URL: &str = "http://buildkit-session/";

/// Bytes in one message. Engines take up to 3 MiB from older clients.
const PIECE: usize = 1 << 20;

/// A stream that the engine may fetch.
pub struct Upload {
    /// What to call it in an error.
    pub name: String,
    /// Gives the bytes.
    pub reader: Box<dyn Read + Send>,
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upload")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// The service.
#[derive(Clone)]
pub(crate) struct Uploads {
    waiting: Arc<Mutex<BTreeMap<String, Upload>>>,
    failures: Failures,
}

impl Uploads {
    pub(crate) fn new(uploads: BTreeMap<String, Upload>, failures: Failures) -> Self {
        Self {
            waiting: Arc::new(Mutex::new(uploads)),
            failures,
        }
    }
}

#[tonic::async_trait]
impl UploadService for Uploads {
    type PullStream = ReceiverStream<Result<BytesMessage, Status>>;

    async fn pull(&self, request: Request<Streaming<BytesMessage>>) -> Result<Response<Self::PullStream>, Status> {
        let path = request.metadata().get("urlpath").and_then(|v| v.to_str().ok());
        let id = path
            .unwrap_or_default()
            .rsplit('/')
            .next()
            .unwrap_or_default()
            .to_owned();
        let upload = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        let Some(mut upload) = upload else {
            return Err(Status::not_found(format!("no http response from session for {id}")));
        };
        let (pieces, stream) = mpsc::channel(4);
        let failures = self.failures.clone();
        tokio::task::spawn_blocking(move || {
            loop {
                let mut piece = Vec::with_capacity(PIECE);
                let read = upload.reader.by_ref().take(PIECE as u64).read_to_end(&mut piece);
                let message = match read {
                    Ok(0) => return,
                    Ok(_) => Ok(BytesMessage {
                        data: Bytes::from(piece),
                    }),
                    Err(source) => {
                        let name = upload.name.clone();
                        let error = ServiceError::Upload { name, source };
                        let status = Status::unknown(error.to_string());
                        failures.record(Failure::Service(error));
                        Err(status)
                    }
                };
                let last = message.is_err();
                if pieces.blocking_send(message).is_err() || last {
                    return;
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }
}

#[cfg(test)]
mod tests {
    use luakit_proto::upload::upload_client::UploadClient;

    use super::*;
    use crate::session::attachments::Attachments;
    use crate::session::testing::engine_side;

    /// Fails after the first bytes.
    struct Broken(bool);

    impl Read for Broken {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            if std::mem::replace(&mut self.0, true) {
                return Err(std::io::Error::other("it broke"));
            }
            Ok(buffer.len().min(5))
        }
    }

    #[tokio::test]
    async fn each_once() {
        let upload = |reader: Box<dyn Read + Send>| Upload {
            name: "the standard input".to_owned(),
            reader,
        };
        let big = vec![3u8; (5 << 20) + 1];
        let attachments = Attachments {
            uploads: BTreeMap::from([
                ("big".to_owned(), upload(Box::new(std::io::Cursor::new(big.clone())))),
                ("empty".to_owned(), upload(Box::new(std::io::empty()))),
                ("broken".to_owned(), upload(Box::new(Broken(false)))),
            ]),
            ..Attachments::default()
        };
        let (connection, failures) = engine_side(attachments).await;
        let pull = async |id: &str| {
            let mut request = Request::new(tokio_stream::empty());
            request
                .metadata_mut()
                .insert("urlpath", format!("/{id}").parse().unwrap());
            let mut stream = UploadClient::new(connection.clone()).pull(request).await?.into_inner();
            let mut data = Vec::new();
            while let Some(piece) = stream.message().await? {
                assert!(piece.data.len() <= 3 << 20);
                data.extend_from_slice(&piece.data);
            }
            Ok::<_, Status>(data)
        };
        assert_eq!(pull("big").await.unwrap(), big);
        assert_eq!(pull("big").await.unwrap_err().code(), tonic::Code::NotFound);
        assert_eq!(pull("empty").await.unwrap(), b"");
        let broken = pull("broken").await.unwrap_err();
        assert_eq!(broken.message(), "can't read the standard input: it broke");
        assert!(matches!(
            failures.take(),
            Some(Failure::Service(ServiceError::Upload { .. }))
        ));
    }
}
