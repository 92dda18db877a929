//! An engine's gateway that is made up: it answers as it is told to, and remembers what it was asked.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use hyper_util::rt::{TokioExecutor, TokioIo};
use luakit_proto::apicaps::ApiCap;
use luakit_proto::gateway::llb_bridge_server::{LlbBridge, LlbBridgeServer};
use luakit_proto::gateway::{
    self, EvaluateRequest, EvaluateResponse, InputsRequest, InputsResponse, PingRequest, PongResponse, ReadDirRequest,
    ReadDirResponse, ReadFileRequest, ReadFileResponse, Ref, ResolveImageConfigRequest, ResolveImageConfigResponse,
    ReturnRequest, ReturnResponse, SolveRequest, SolveResponse, StatFileRequest, StatFileResponse, WarnRequest,
    WarnResponse, result,
};
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::{Request, Response, Status};

use super::{Gateway, Setting};
use crate::grpc::Connection;

/// What the engine says of an image.
type Resolved = fn(&ResolveImageConfigRequest) -> ResolveImageConfigResponse;

/// What the engine was asked.
#[derive(Default)]
pub(super) struct Asked {
    pub(super) resolved: Vec<ResolveImageConfigRequest>,
    pub(super) returned: Vec<ReturnRequest>,
    pub(super) warned: Vec<WarnRequest>,
    pub(super) solved: Vec<SolveRequest>,
}

#[derive(Clone)]
struct Bridge {
    asked: Arc<Mutex<Asked>>,
    caps: Vec<ApiCap>,
    resolve: Resolved,
}

/// A gateway over a connection to an engine that has these capabilities of the frontend's interface, and of
/// definitions those that every engine has.
pub(super) async fn connect(caps: &[&str], setting: Setting, resolve: Resolved) -> (Gateway, Arc<Mutex<Asked>>) {
    let asked = Arc::<Mutex<Asked>>::default();
    let cap = |id: &&str| ApiCap {
        id: (*id).to_owned(),
        enabled: true,
        ..ApiCap::default()
    };
    let bridge = Bridge {
        asked: Arc::clone(&asked),
        caps: caps.iter().map(cap).collect(),
        resolve,
    };
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let service = hyper::service::service_fn(move |request: http::Request<hyper::body::Incoming>| {
        let mut server = LlbBridgeServer::new(bridge.clone());
        async move { Ok::<_, Infallible>(server.call(request.map(Body::new)).await.unwrap()) }
    });
    let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    tokio::spawn(server.serve_connection(TokioIo::new(theirs), service));
    let (connection, _) = Connection::open_unwatched(ours).await.unwrap();
    let gateway = Gateway::open(connection, None, Arc::new(setting)).await.unwrap();
    (gateway, asked)
}

impl Bridge {
    fn asked(&self) -> std::sync::MutexGuard<'_, Asked> {
        self.asked.lock().unwrap()
    }
}

fn unasked<T>() -> Result<Response<T>, Status> {
    Err(Status::unimplemented("nobody should ask for it"))
}

#[tonic::async_trait]
impl LlbBridge for Bridge {
    async fn ping(&self, _: Request<PingRequest>) -> Result<Response<PongResponse>, Status> {
        Ok(Response::new(PongResponse {
            frontend_api_caps: self.caps.clone(),
            ..PongResponse::default()
        }))
    }

    async fn resolve_image_config(
        &self,
        request: Request<ResolveImageConfigRequest>,
    ) -> Result<Response<ResolveImageConfigResponse>, Status> {
        let request = request.into_inner();
        let answer = (self.resolve)(&request);
        self.asked().resolved.push(request);
        Ok(Response::new(answer))
    }

    async fn solve(&self, request: Request<SolveRequest>) -> Result<Response<SolveResponse>, Status> {
        self.asked().solved.push(request.into_inner());
        Ok(Response::new(SolveResponse {
            result: Some(gateway::Result {
                result: Some(result::Result::Ref(Ref::default())),
                ..gateway::Result::default()
            }),
        }))
    }

    async fn r#return(&self, request: Request<ReturnRequest>) -> Result<Response<ReturnResponse>, Status> {
        self.asked().returned.push(request.into_inner());
        Ok(Response::new(ReturnResponse::default()))
    }

    async fn warn(&self, request: Request<WarnRequest>) -> Result<Response<WarnResponse>, Status> {
        self.asked().warned.push(request.into_inner());
        Ok(Response::new(WarnResponse::default()))
    }

    async fn read_file(&self, _: Request<ReadFileRequest>) -> Result<Response<ReadFileResponse>, Status> {
        unasked()
    }

    async fn read_dir(&self, _: Request<ReadDirRequest>) -> Result<Response<ReadDirResponse>, Status> {
        unasked()
    }

    async fn stat_file(&self, _: Request<StatFileRequest>) -> Result<Response<StatFileResponse>, Status> {
        unasked()
    }

    async fn evaluate(&self, _: Request<EvaluateRequest>) -> Result<Response<EvaluateResponse>, Status> {
        unasked()
    }

    async fn inputs(&self, _: Request<InputsRequest>) -> Result<Response<InputsResponse>, Status> {
        unasked()
    }
}
