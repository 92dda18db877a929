//! Content stores for the engine: `containerd.services.content.v1.Content`.
//!
//! An OCI image layout on the client's disk, of which the engine reads images or a cache, or into which it
//! writes them. A header of each call says which store it means. What a call may do to a disk is
//! [`store`]'s; this file speaks the protocol. Labels are not kept, as layouts have no place for them:
//! `Update` is refused in the words of BuildKit's own client, and nothing is ever deleted. Protocol:
//! <https://github.com/containerd/containerd/blob/main/api/services/content/v1/content.proto>.

mod store;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use luakit_proto::content::content_server::Content;
use luakit_proto::content::{
    AbortRequest, DeleteContentRequest, Info, InfoRequest, InfoResponse, ListContentRequest, ListContentResponse,
    ListStatusesRequest, ListStatusesResponse, ReadContentRequest, ReadContentResponse, Status as Progress,
    StatusRequest, StatusResponse, UpdateRequest, UpdateResponse, WriteAction, WriteContentRequest,
    WriteContentResponse,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::{Failure, Failures, ServiceError};
use store::{Blob, Ingest, Store, StoreError};

/// The methods as they are announced.
pub(crate) const METHODS: [&str; 9] = [
    "/containerd.services.content.v1.Content/Info",
    "/containerd.services.content.v1.Content/Update",
    "/containerd.services.content.v1.Content/List",
    "/containerd.services.content.v1.Content/Delete",
    "/containerd.services.content.v1.Content/Read",
    "/containerd.services.content.v1.Content/Status",
    "/containerd.services.content.v1.Content/ListStatuses",
    "/containerd.services.content.v1.Content/Write",
    "/containerd.services.content.v1.Content/Abort",
];

/// The header that names a store.
const STORE: &str = "buildkit-attachable-store-id";

/// Bytes in one message of a blob that is read.
const PIECE: usize = 1 << 20;

/// Infos in one message of a list.
const PAGE: usize = 100;

/// An OCI image layout that the engine may use. Its id says what for: `oci:NAME`, `local:DIR` or `export`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentStore {
    /// The directory that holds `blobs`.
    pub dir: PathBuf,
    /// Whether the engine may add blobs. The directory is then made if it isn't there.
    pub writable: bool,
}

/// The stores of a build, opened.
pub(crate) struct Stores(BTreeMap<String, Arc<Store>>);

impl Stores {
    pub(crate) fn open(stores: BTreeMap<String, ContentStore>) -> Result<Self, ServiceError> {
        let open = |(id, ContentStore { dir, writable }): (String, ContentStore)| {
            let store = Store::open(&dir, writable).map_err(|source| ServiceError::Store {
                id: id.clone(),
                path: dir,
                source,
            })?;
            Ok((id, Arc::new(store)))
        };
        stores.into_iter().map(open).collect::<Result<_, _>>().map(Self)
    }
}

/// The service.
#[derive(Clone)]
pub(crate) struct Library {
    stores: Arc<Stores>,
    failures: Failures,
}

impl Library {
    pub(crate) fn new(stores: Stores, failures: Failures) -> Self {
        Self {
            stores: Arc::new(stores),
            failures,
        }
    }

    fn store<T>(&self, request: &Request<T>) -> Result<Arc<Store>, Status> {
        let id = request.metadata().get(STORE).and_then(|v| v.to_str().ok());
        let id = id.ok_or_else(|| Status::invalid_argument(format!("request lacks metadata {STORE:?}")))?;
        let store = self.stores.0.get(id).cloned();
        store.ok_or_else(|| Status::not_found(format!("unknown store {id}")))
    }

    /// Runs what touches the disk, and remembers what only we can tell of its failing.
    async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Status> {
        let done = tokio::task::spawn_blocking(work).await;
        done.map_err(|e| Status::internal(e.to_string()))?
            .map_err(|error| self.failed(error))
    }

    fn failed(&self, error: StoreError) -> Status {
        let status = error.status();
        if let StoreError::Io {
            action,
            name,
            path,
            source,
        } = error
        {
            let error = ServiceError::Blob {
                action,
                name,
                path,
                source,
            };
            self.failures.record(Failure::Service(error));
        }
        status
    }
}

#[tonic::async_trait]
impl Content for Library {
    type ListStream = ReceiverStream<Result<ListContentResponse, Status>>;
    type ReadStream = ReceiverStream<Result<ReadContentResponse, Status>>;
    type WriteStream = ReceiverStream<Result<WriteContentResponse, Status>>;

    async fn info(&self, request: Request<InfoRequest>) -> Result<Response<InfoResponse>, Status> {
        let store = self.store(&request)?;
        let digest = request.into_inner().digest;
        let blob = self.on_disk(move || store.blob(&digest)).await?;
        let info = Some(info(&blob));
        Ok(Response::new(InfoResponse { info }))
    }

    async fn update(&self, _: Request<UpdateRequest>) -> Result<Response<UpdateResponse>, Status> {
        Err(Status::failed_precondition(
            "update not supported on immutable content store",
        ))
    }

    async fn list(&self, request: Request<ListContentRequest>) -> Result<Response<Self::ListStream>, Status> {
        let store = self.store(&request)?;
        if !request.into_inner().filters.is_empty() {
            return Err(Status::unimplemented("lists can't be filtered"));
        }
        let blobs = self.on_disk(move || store.list()).await?;
        let (outgoing, stream) = mpsc::channel(4);
        tokio::spawn(async move {
            for page in blobs.chunks(PAGE) {
                let info = page.iter().map(info).collect();
                if outgoing.send(Ok(ListContentResponse { info })).await.is_err() {
                    return;
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn delete(&self, _: Request<DeleteContentRequest>) -> Result<Response<()>, Status> {
        Err(Status::permission_denied("the client's blobs stay"))
    }

    async fn read(&self, request: Request<ReadContentRequest>) -> Result<Response<Self::ReadStream>, Status> {
        let store = self.store(&request)?;
        let ReadContentRequest { digest, offset, size } = request.into_inner();
        let (outgoing, stream) = mpsc::channel(4);
        let (start, size) = (u64::try_from(offset).unwrap_or(0), u64::try_from(size).unwrap_or(0));
        let mut reader = self.on_disk(move || store.read(&digest, start, size)).await?;
        let library = self.clone();
        tokio::task::spawn_blocking(move || {
            let mut sent = 0i64;
            loop {
                let message = match reader.next(PIECE) {
                    Ok(piece) if piece.is_empty() => return,
                    Ok(piece) => {
                        let offset = sent;
                        sent = sent.saturating_add(i64::try_from(piece.len()).unwrap_or(i64::MAX));
                        let data = Bytes::from(piece);
                        Ok(ReadContentResponse { offset, data })
                    }
                    Err(error) => Err(library.failed(error)),
                };
                let last = message.is_err();
                if outgoing.blocking_send(message).is_err() || last {
                    return;
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn status(&self, request: Request<StatusRequest>) -> Result<Response<StatusResponse>, Status> {
        let store = self.store(&request)?;
        let reference = request.into_inner().r#ref;
        let found = store.ingests().into_iter().find(|i| i.reference == reference);
        let found = found.ok_or_else(|| Status::not_found(format!("no write of `{reference}` is under way")))?;
        Ok(Response::new(StatusResponse {
            status: Some(progress(found)),
        }))
    }

    async fn list_statuses(
        &self,
        request: Request<ListStatusesRequest>,
    ) -> Result<Response<ListStatusesResponse>, Status> {
        let store = self.store(&request)?;
        if !request.into_inner().filters.is_empty() {
            return Err(Status::unimplemented("lists can't be filtered"));
        }
        let statuses = store.ingests().into_iter().map(progress).collect();
        Ok(Response::new(ListStatusesResponse { statuses }))
    }

    async fn write(
        &self,
        request: Request<Streaming<WriteContentRequest>>,
    ) -> Result<Response<Self::WriteStream>, Status> {
        let store = self.store(&request)?;
        let mut incoming = request.into_inner();
        let (outgoing, stream) = mpsc::channel(1);
        let library = self.clone();
        tokio::spawn(async move {
            if let Err(status) = library.take_blob(store, &mut incoming, &outgoing).await {
                let _ = outgoing.send(Err(status)).await;
            }
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn abort(&self, request: Request<AbortRequest>) -> Result<Response<()>, Status> {
        // A write ends with its stream and leaves nothing, so there is none to abort but one under way.
        let store = self.store(&request)?;
        let reference = request.into_inner().r#ref;
        if store.ingests().iter().any(|i| i.reference == reference) {
            return Err(Status::unavailable(format!("`{reference}` is being written")));
        }
        Ok(Response::new(()))
    }
}

impl Library {
    /// Receives one blob. Dropping the ingest, when anything fails, removes what is there of it.
    async fn take_blob(
        &self,
        store: Arc<Store>,
        incoming: &mut Streaming<WriteContentRequest>,
        outgoing: &mpsc::Sender<Result<WriteContentResponse, Status>>,
    ) -> Result<(), Status> {
        let Some(mut request) = incoming.message().await? else {
            return Ok(());
        };
        let (reference, expected) = (request.r#ref.clone(), request.expected.clone());
        let mut ingest = self.on_disk(move || store.ingest(&reference, &expected)).await?;
        loop {
            let action = request.action();
            let (returned, answer) = self.on_disk(move || step(ingest, &request)).await?;
            if outgoing.send(Ok(answer)).await.is_err() {
                return Ok(());
            }
            match (returned, action) {
                (Some(next), WriteAction::Stat | WriteAction::Write) => ingest = next,
                _ => return Ok(()),
            }
            match incoming.message().await? {
                Some(next) => request = next,
                None => return Ok(()),
            }
        }
    }
}

/// Does what one request of a write asks. A commit uses the ingest up.
fn step(
    mut ingest: Ingest,
    request: &WriteContentRequest,
) -> Result<(Option<Ingest>, WriteContentResponse), StoreError> {
    let action = request.action();
    if let Ok(total) = u64::try_from(request.total)
        && total > 0
    {
        ingest.expect_size(total);
    }
    ingest.expect_digest(&request.expected)?;
    let mut answer = WriteContentResponse {
        action: action as i32,
        started_at: Some(ingest.started().into()),
        updated_at: Some(ingest.started().into()),
        ..WriteContentResponse::default()
    };
    if action == WriteAction::Stat {
        answer.offset = signed(ingest.written());
        answer.total = signed(ingest.total());
        answer.digest = ingest.digest();
        return Ok((Some(ingest), answer));
    }
    ingest.write(u64::try_from(request.offset).unwrap_or(0), &request.data)?;
    answer.offset = signed(ingest.written());
    answer.digest = ingest.digest();
    if action == WriteAction::Commit {
        answer.total = signed(ingest.total());
        ingest.commit()?;
        return Ok((None, answer));
    }
    Ok((Some(ingest), answer))
}

fn signed(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

fn info(blob: &Blob) -> Info {
    Info {
        digest: blob.digest.clone(),
        size: signed(blob.size),
        created_at: Some(blob.modified.into()),
        updated_at: Some(blob.modified.into()),
        ..Info::default()
    }
}

fn progress(ingest: store::Underway) -> Progress {
    Progress {
        started_at: Some(ingest.started.into()),
        updated_at: Some(ingest.started.into()),
        r#ref: ingest.reference,
        offset: signed(ingest.written),
        ..Progress::default()
    }
}

#[cfg(test)]
mod tests;
