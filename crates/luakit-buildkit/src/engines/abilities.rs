//! What an engine says that it can do.
//!
//! Engines answer that to a frontend only. So a build is begun with ourselves as its frontend, asked, and returned
//! from with nothing: no step runs, nothing is exported, and the build history has nothing of it. `docker buildx` asks
//! in the same way.

use std::collections::BTreeSet;

use luakit_proto::control::SolveRequest;
use luakit_proto::gateway::llb_bridge_client::LlbBridgeClient;
use luakit_proto::gateway::{self, PingRequest, ReturnRequest};
use tonic::Request;
use tonic::metadata::MetadataValue;

use crate::endpoint::ConnectError;
use crate::engine::Engine;
use crate::grpc::MESSAGE;
use crate::ids;

/// What not every engine can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own, as engines tell them"
)]
pub struct Abilities {
    /// Merging: `bk.merge`.
    pub merge: bool,
    /// Differences: `bk.diff`.
    pub diff: bool,
    /// Several exporters in one build.
    pub several_exporters: bool,
    /// Attestations in images.
    pub attestations: bool,
    /// Annotations of images.
    pub annotations: bool,
    /// Times in images set by `SOURCE_DATE_EPOCH`.
    pub source_date_epoch: bool,
    /// Source policies.
    pub source_policy: bool,
}

impl Engine {
    /// Asks what the engine can do. It takes [`Endpoint::limit`](crate::Endpoint::limit) at most.
    pub async fn abilities(&self) -> Result<Abilities, ConnectError> {
        let limit = self.endpoint.limit();
        let asked = tokio::time::timeout(limit, self.ask_abilities()).await;
        asked.unwrap_or_else(|_| Err(self.timeout(limit)))
    }

    async fn ask_abilities(&self) -> Result<Abilities, ConnectError> {
        let id = ids::random_id();
        let mut control = self.control();
        let build = SolveRequest {
            r#ref: id.clone(),
            internal: true,
            ..SolveRequest::default()
        };
        let ask = async {
            let mut bridge = LlbBridgeClient::new(self.connection.clone()).max_decoding_message_size(MESSAGE);
            let pong = bridge.ping(of_build(&id, PingRequest {})).await;
            // Without this the engine would wait for us.
            let nothing = ReturnRequest {
                result: Some(gateway::Result::default()),
                error: None,
            };
            let returned = bridge.r#return(of_build(&id, nothing)).await;
            let pong = pong?.into_inner();
            returned.map(|_| pong)
        };
        // Where one of them fails, nobody would end the other.
        let both = tokio::try_join!(ask, control.solve(build));
        let (pong, _) = both.map_err(|status| self.refused(&status))?;
        let enabled = pong.llb_caps.into_iter().filter(|cap| cap.enabled).map(|cap| cap.id);
        Ok(Abilities::of(&enabled.collect()))
    }
}

impl Abilities {
    /// The capabilities' names: <https://github.com/moby/buildkit/blob/master/solver/pb/caps.go>.
    fn of(caps: &BTreeSet<String>) -> Self {
        Self {
            merge: caps.contains("mergeop"),
            diff: caps.contains("diffop"),
            several_exporters: caps.contains("exporter.multiple"),
            attestations: caps.contains("exporter.image.attestations"),
            annotations: caps.contains("exporter.image.annotations"),
            source_date_epoch: caps.contains("exporter.sourcedateepoch"),
            source_policy: caps.contains("source.policy"),
        }
    }
}

/// A call that belongs to a build.
fn of_build<T>(id: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    // Ids are ASCII letters and digits.
    if let Ok(id) = MetadataValue::try_from(id) {
        request.metadata_mut().insert("buildkit-controlapi-buildid", id);
    }
    request
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::time::{Duration, Instant};

    use hyper_util::rt::{TokioExecutor, TokioIo};
    use tonic::Status;
    use tonic::body::Body;

    use super::*;
    use crate::endpoint::Endpoint;
    use crate::grpc::Connection;

    /// An engine that refuses what is asked of its gateway, never ends a build, and never lists its workers.
    async fn deaf() -> Engine {
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        let service = hyper::service::service_fn(|request: http::Request<hyper::body::Incoming>| async move {
            let path = request.uri().path();
            if path.ends_with("/Solve") || path.ends_with("/ListWorkers") {
                std::future::pending::<()>().await;
            }
            Ok::<http::Response<Body>, Infallible>(Status::unavailable("not today").into_http())
        });
        let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        tokio::spawn(server.serve_connection(TokioIo::new(theirs), service));
        let connection = Connection::open(ours, "localhost").await.unwrap();
        Engine::over(connection, Endpoint::Unix("/none.sock".into()))
    }

    #[tokio::test]
    async fn a_gateway_that_fails_is_heard_though_the_build_goes_on() {
        let begun = Instant::now();
        let error = deaf().await.abilities().await.unwrap_err();
        assert!(error.to_string().contains("not today"), "{error}");
        assert!(begun.elapsed() < Duration::from_secs(5));
    }

    #[tokio::test]
    async fn workers_that_are_never_listed_are_not_waited_for() {
        let limit = Duration::from_millis(20);
        let listed = tokio::time::timeout(Duration::from_secs(5), async { deaf().await.list_workers(limit).await });
        let error = listed.await.unwrap().unwrap_err();
        assert!(matches!(error, ConnectError::Timeout { .. }), "{error}");
    }
}
