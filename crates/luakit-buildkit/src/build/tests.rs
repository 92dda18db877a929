//! Engines that break their side of a build.

use std::convert::Infallible;
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo};
use luakit_llb::Definition;
use luakit_proto::Timestamp;
use luakit_proto::control::control_server::{Control, ControlServer};
use luakit_proto::control::{
    BytesMessage, InfoRequest, InfoResponse, ListWorkersRequest, ListWorkersResponse, SolveRequest, SolveResponse,
    StatusRequest, StatusResponse, Vertex,
};
use tonic::body::Body;
use tonic::codegen::Service as _;
use tonic::{Request, Response, Status, Streaming};

use super::{BuildRequest, Patience, PlatformDefinition};
use crate::endpoint::Endpoint;
use crate::engine::Engine;
use crate::error::BuildError;
use crate::grpc::Connection;
use crate::progress::Event;

/// How an engine that is made up answers.
#[derive(Clone)]
struct Stub {
    solve: Result<(), &'static str>,
    /// How long that takes.
    takes: Duration,
    /// What comes before the status stream breaks.
    status: Vec<StatusResponse>,
}

#[tonic::async_trait]
impl Control for Stub {
    async fn solve(&self, _: Request<SolveRequest>) -> Result<Response<SolveResponse>, Status> {
        tokio::time::sleep(self.takes).await;
        let solved = self.solve.map(|()| Response::new(SolveResponse::default()));
        solved.map_err(Status::unknown)
    }

    type StatusStream = tokio_stream::Iter<std::vec::IntoIter<Result<StatusResponse, Status>>>;

    async fn status(&self, _: Request<StatusRequest>) -> Result<Response<Self::StatusStream>, Status> {
        let mut told: Vec<_> = self.status.iter().cloned().map(Ok).collect();
        told.push(Err(Status::internal("no more of it")));
        Ok(Response::new(tokio_stream::iter(told)))
    }

    type SessionStream = tokio_stream::Empty<Result<BytesMessage, Status>>;

    async fn session(&self, _: Request<Streaming<BytesMessage>>) -> Result<Response<Self::SessionStream>, Status> {
        Err(Status::permission_denied("no sessions here"))
    }

    async fn list_workers(&self, _: Request<ListWorkersRequest>) -> Result<Response<ListWorkersResponse>, Status> {
        Err(Status::unimplemented("nobody should ask for it"))
    }

    async fn info(&self, _: Request<InfoRequest>) -> Result<Response<InfoResponse>, Status> {
        Err(Status::unimplemented("nobody should ask for it"))
    }
}

/// What an empty build comes to, and what was told of it besides updates.
async fn build(stub: Stub) -> (Result<(), BuildError>, Vec<String>) {
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let service = hyper::service::service_fn(move |request: http::Request<hyper::body::Incoming>| {
        let mut control = ControlServer::new(stub.clone());
        async move {
            // The gateway never answers: this engine ends the build by itself.
            if !request.uri().path().starts_with("/moby.buildkit.v1.Control/") {
                std::future::pending::<()>().await;
            }
            Ok::<_, Infallible>(control.call(request.map(Body::new)).await.unwrap())
        }
    });
    let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    tokio::spawn(server.serve_connection(TokioIo::new(theirs), service));
    let connection = Connection::open(ours, "localhost").await.unwrap();
    let engine = Engine::over(connection, Endpoint::Unix("/none.sock".into()));
    let request = BuildRequest {
        patience: Patience {
            answers: Duration::from_millis(80),
            layers: Duration::from_millis(80),
        },
        ..BuildRequest::default()
    };
    let nothing = PlatformDefinition {
        platform: None,
        definition: Definition::from_bytes(&[]).unwrap(),
        image_config: None,
    };
    let mut told = Vec::new();
    let mut observer = |event| {
        if !matches!(event, Event::Update(_)) {
            told.push(format!("{event:?}"));
        }
    };
    let built = engine.solve(request, vec![nothing], &mut observer).await;
    (built.map(|_| ()), told)
}

#[tokio::test]
async fn a_refused_session_is_told_with_what_follows_from_it() {
    let (built, _) = build(Stub {
        solve: Err("no active session"),
        takes: Duration::from_millis(100),
        status: Vec::new(),
    })
    .await;
    let said = "the engine refuses the build's session (no sessions here), and without it: no active session";
    assert_eq!(built.unwrap_err().to_string(), said);
}

#[tokio::test]
async fn a_build_that_cant_be_followed_goes_on() {
    let lookup = Vertex {
        digest: "sha256:1".to_owned(),
        name: "resolve image config for docker.io/library/x:1".to_owned(),
        started: Some(Timestamp::default()),
        ..Vertex::default()
    };
    let (built, told) = build(Stub {
        solve: Ok(()),
        takes: Duration::from_millis(400),
        status: vec![StatusResponse {
            vertexes: vec![lookup],
            ..StatusResponse::default()
        }],
    })
    .await;
    assert!(built.is_ok(), "{built:?}");
    assert_eq!(told, [r#"Unfollowed { message: "no more of it" }"#]);
}
