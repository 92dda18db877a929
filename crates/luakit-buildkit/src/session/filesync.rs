//! Local directories, sent to the engine: `moby.filesync.v1.FileSync`.
//!
//! Which directory and which part of it come as headers of the call; values that hold more than ASCII are
//! escaped as in a URL's query. Only named directories are served. The transfer itself is
//! [`crate::fsutil::send`]'s.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use luakit_llb::percent::{self, Plus};
use luakit_proto::filesync::file_sync_server::FileSync;
use luakit_proto::fsutil::Packet;
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status, Streaming};

use super::{Failure, Failures};
use crate::fsutil::TransferError;
use crate::fsutil::anchor::Anchor;
use crate::fsutil::filter::Filter;
use crate::fsutil::send::send;

/// The method as it is announced.
pub(crate) const METHOD: &str = "/moby.filesync.v1.FileSync/DiffCopy";

/// Batches of packets under way to the engine.
const AHEAD: usize = 8;

/// The directories of one build.
#[derive(Clone)]
pub(crate) struct Locals {
    dirs: BTreeMap<String, PathBuf>,
    /// Files that this build writes, by their real paths. They are none of its input.
    written: Vec<PathBuf>,
    failures: Failures,
    skipped: mpsc::UnboundedSender<(String, String)>,
}

impl Locals {
    pub(crate) fn new(
        dirs: BTreeMap<String, PathBuf>,
        written: Vec<PathBuf>,
        failures: Failures,
        skipped: mpsc::UnboundedSender<(String, String)>,
    ) -> Self {
        Self {
            dirs,
            written,
            failures,
            skipped,
        }
    }

    /// Opens what a request asks for.
    fn open(&self, name: &str, request: &MetadataMap) -> Result<(Anchor, Filter), TransferError> {
        let path = self.dirs.get(name).cloned().unwrap_or_default();
        let mut anchor = Anchor::open(&path).map_err(|e| TransferError::Root {
            path: path.clone(),
            source: e.into(),
        })?;
        let filter = Filter::new(
            &mut anchor,
            &values(request, "include-patterns"),
            &values(request, "exclude-patterns"),
            &values(request, "followpaths"),
        )?;
        let dir = path.canonicalize().unwrap_or(path);
        let written = self
            .written
            .iter()
            .filter_map(|file| file.strip_prefix(&dir).ok()?.to_str());
        Ok((anchor, filter.without(written)))
    }
}

#[tonic::async_trait]
impl FileSync for Locals {
    type DiffCopyStream = Flat;

    async fn diff_copy(&self, request: Request<Streaming<Packet>>) -> Result<Response<Self::DiffCopyStream>, Status> {
        let (metadata, _, incoming) = request.into_parts();
        let name = values(&metadata, "dir-name").into_iter().next().unwrap_or_default();
        if !self.dirs.contains_key(&name) {
            return Err(Status::not_found(format!("no access allowed to dir {name:?}")));
        }
        let (locals, local) = (self.clone(), name.clone());
        let opened = tokio::task::spawn_blocking(move || locals.open(&local, &metadata)).await;
        let (anchor, filter) = match opened {
            Ok(Ok(opened)) => opened,
            Ok(Err(error)) => {
                let status = Status::unknown(error.to_string());
                self.failures.record(Failure::Send { local: name, error });
                return Err(status);
            }
            Err(error) => return Err(Status::internal(error.to_string())),
        };
        let (outgoing, packets) = mpsc::channel(AHEAD);
        let (failures, skipped) = (self.failures.clone(), self.skipped.clone());
        tokio::spawn(async move {
            let local = name.clone();
            let skipped = move |path: &str| {
                // Nobody listens any more once the build is over.
                let _ = skipped.send((local.clone(), path.to_owned()));
            };
            match send(anchor, filter, incoming, outgoing, skipped).await {
                // The engine's side of it is told by the engine.
                Ok(()) | Err(TransferError::Cut | TransferError::Peer(_)) => {}
                Err(error) => failures.record(Failure::Send { local: name, error }),
            }
        });
        Ok(Response::new(Flat::new(packets)))
    }
}

/// The packets of batches, one after another.
pub(crate) struct Flat {
    batches: mpsc::Receiver<Result<Vec<Packet>, Status>>,
    present: std::vec::IntoIter<Packet>,
}

impl Flat {
    pub(crate) fn new(batches: mpsc::Receiver<Result<Vec<Packet>, Status>>) -> Self {
        Self {
            batches,
            present: Vec::new().into_iter(),
        }
    }
}

impl Stream for Flat {
    type Item = Result<Packet, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(packet) = self.present.next() {
                return Poll::Ready(Some(Ok(packet)));
            }
            match ready!(self.batches.poll_recv(cx)) {
                Some(Ok(batch)) => self.present = batch.into_iter(),
                Some(Err(status)) => return Poll::Ready(Some(Err(status))),
                None => return Poll::Ready(None),
            }
        }
    }
}

/// The values of a header that may come several times, unescaped.
fn values(metadata: &MetadataMap, key: &str) -> Vec<String> {
    let escaped = metadata
        .get(format!("{key}-encoded"))
        .and_then(|v| v.to_str().ok())
        .is_some_and(|v| matches!(v, "1" | "t" | "T" | "true" | "TRUE" | "True"));
    let texts = metadata
        .get_all(key)
        .iter()
        .map(|v| String::from_utf8_lossy(v.as_bytes()));
    texts
        .map(|text| if escaped { unescape(&text) } else { text.into_owned() })
        .collect()
}

/// Go's `url.QueryUnescape`: `+` is a blank. What isn't escaped rightly stays as it is.
fn unescape(text: &str) -> String {
    String::from_utf8_lossy(&percent::decode(text, Plus::Blank)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_values() {
        let mut metadata = MetadataMap::new();
        metadata.append("followpaths", "a+b".parse().unwrap());
        metadata.append("followpaths", "c%20d".parse().unwrap());
        assert_eq!(values(&metadata, "followpaths"), ["a+b", "c%20d"]);
        metadata.insert("followpaths-encoded", "1".parse().unwrap());
        assert_eq!(values(&metadata, "followpaths"), ["a b", "c d"]);
        assert_eq!(unescape("%C3%BCber%2"), "über%2");
    }
}
