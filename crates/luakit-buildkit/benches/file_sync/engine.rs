//! A stand-in for BuildKit that copies the local directory `context` during each build, as a build's first
//! step does: it takes the list as it comes, asks for files meanwhile, and ends once it has them all.

use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;

use hyper_util::rt::{TokioExecutor, TokioIo};
use luakit_proto::control::control_server::{Control, ControlServer};
use luakit_proto::control::{
    BytesMessage, InfoRequest, InfoResponse, ListWorkersRequest, ListWorkersResponse, SolveRequest, SolveResponse,
    StatusRequest, StatusResponse,
};
use luakit_proto::filesync::file_sync_client::FileSyncClient;
use luakit_proto::fsutil::{Packet, packet::PacketType};
use luakit_proto::gateway;
use luakit_proto::gateway::llb_bridge_server::{LlbBridge, LlbBridgeServer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::sync::{Mutex, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::{Request, Response, Status, Streaming};

type Stream<T> = ReceiverStream<Result<T, Status>>;

/// Serves builds on `socket` until it is killed. `all`: files are asked for.
pub(crate) fn serve(socket: &Path, all: bool) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let listener = tokio::net::UnixListener::bind(socket).unwrap();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (arrived, sessions) = mpsc::channel(1);
            let engine = Fake(Arc::new(Inner {
                all,
                arrived,
                sessions: Mutex::new(sessions),
            }));
            let service = hyper::service::service_fn(move |request| engine.clone().answer(request));
            tokio::spawn(
                hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                    .initial_stream_window_size(1 << 20)
                    .initial_connection_window_size(1 << 20)
                    .serve_connection(TokioIo::new(stream), service),
            );
        }
    });
}

#[derive(Clone)]
struct Fake(Arc<Inner>);

struct Inner {
    all: bool,
    arrived: mpsc::Sender<DuplexStream>,
    sessions: Mutex<mpsc::Receiver<DuplexStream>>,
}

impl Fake {
    async fn answer(self, request: http::Request<hyper::body::Incoming>) -> Result<http::Response<Body>, Infallible> {
        let request = request.map(Body::new);
        if request.uri().path().starts_with("/moby.buildkit.v1.Control/") {
            ControlServer::new(self).call(request).await
        } else {
            LlbBridgeServer::new(self).call(request).await
        }
    }
}

#[tonic::async_trait]
impl Control for Fake {
    type StatusStream = Stream<StatusResponse>;
    type SessionStream = Stream<BytesMessage>;

    async fn solve(&self, _: Request<SolveRequest>) -> Result<Response<SolveResponse>, Status> {
        let session = self.0.sessions.lock().await.recv().await.unwrap();
        copy(session, self.0.all).await?;
        Ok(Response::new(SolveResponse::default()))
    }

    async fn status(&self, _: Request<StatusRequest>) -> Result<Response<Self::StatusStream>, Status> {
        Ok(Response::new(ReceiverStream::new(mpsc::channel(1).1)))
    }

    async fn session(
        &self,
        request: Request<Streaming<BytesMessage>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        let mut incoming = request.into_inner();
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        let (mut from, mut to) = tokio::io::split(theirs);
        let (outgoing, stream) = mpsc::channel(16);
        tokio::spawn(async move {
            while let Ok(Some(message)) = incoming.message().await {
                if to.write_all(&message.data).await.is_err() {
                    return;
                }
            }
        });
        tokio::spawn(async move {
            let mut buffer = vec![0; 32 << 10];
            while let Ok(read) = from.read(&mut buffer).await
                && read > 0
            {
                let data = buffer.get(..read).unwrap_or_default().to_vec().into();
                if outgoing.send(Ok(BytesMessage { data })).await.is_err() {
                    return;
                }
            }
        });
        self.0.arrived.send(ours).await.unwrap();
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn list_workers(&self, _: Request<ListWorkersRequest>) -> Result<Response<ListWorkersResponse>, Status> {
        Ok(Response::new(ListWorkersResponse::default()))
    }

    async fn info(&self, _: Request<InfoRequest>) -> Result<Response<InfoResponse>, Status> {
        Ok(Response::new(InfoResponse::default()))
    }
}

#[tonic::async_trait]
impl LlbBridge for Fake {
    async fn resolve_image_config(
        &self,
        _: Request<gateway::ResolveImageConfigRequest>,
    ) -> Result<Response<gateway::ResolveImageConfigResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn solve(&self, _: Request<gateway::SolveRequest>) -> Result<Response<gateway::SolveResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn evaluate(
        &self,
        _: Request<gateway::EvaluateRequest>,
    ) -> Result<Response<gateway::EvaluateResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn ping(&self, _: Request<gateway::PingRequest>) -> Result<Response<gateway::PongResponse>, Status> {
        let cap = |id: &str| luakit_proto::apicaps::ApiCap {
            id: id.to_owned(),
            enabled: true,
            ..Default::default()
        };
        let caps = ["proto.refarray", "return", "returnmap", "solve.base"].map(cap);
        Ok(Response::new(gateway::PongResponse {
            frontend_api_caps: caps.to_vec(),
            ..gateway::PongResponse::default()
        }))
    }

    async fn r#return(&self, _: Request<gateway::ReturnRequest>) -> Result<Response<gateway::ReturnResponse>, Status> {
        Ok(Response::new(gateway::ReturnResponse::default()))
    }

    async fn read_file(
        &self,
        _: Request<gateway::ReadFileRequest>,
    ) -> Result<Response<gateway::ReadFileResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn read_dir(
        &self,
        _: Request<gateway::ReadDirRequest>,
    ) -> Result<Response<gateway::ReadDirResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn stat_file(
        &self,
        _: Request<gateway::StatFileRequest>,
    ) -> Result<Response<gateway::StatFileResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn inputs(&self, _: Request<gateway::InputsRequest>) -> Result<Response<gateway::InputsResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn warn(&self, _: Request<gateway::WarnRequest>) -> Result<Response<gateway::WarnResponse>, Status> {
        Err(Status::unimplemented(""))
    }
}

/// Copies the directory into nothing.
async fn copy(session: DuplexStream, all: bool) -> Result<(), Status> {
    let (sender, connection) = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
        .initial_stream_window_size(1 << 20)
        .initial_connection_window_size(1 << 20)
        .handshake(TokioIo::new(session))
        .await
        .unwrap();
    tokio::spawn(connection);
    let (requests, stream) = mpsc::channel(1024);
    let mut request = Request::new(ReceiverStream::new(stream));
    request.metadata_mut().insert("dir-name", "context".parse().unwrap());
    let mut packets = FileSyncClient::new(Sender(sender))
        .diff_copy(request)
        .await?
        .into_inner();
    // As BuildKit's receiver: another task asks, so that the list never waits for a request.
    let (wanted, mut wants) = mpsc::unbounded_channel();
    let asking = requests.clone();
    tokio::spawn(async move {
        while let Some(id) = wants.recv().await {
            let packet = Packet {
                r#type: PacketType::PacketReq as i32,
                id,
                ..Packet::default()
            };
            if asking.send(packet).await.is_err() {
                return;
            }
        }
    });
    let (mut next, mut open, mut listed) = (0u32, 0usize, false);
    while let Some(packet) = packets.message().await? {
        match (packet.r#type(), packet.stat) {
            (PacketType::PacketStat, Some(stat)) => {
                // Go's type bits: a regular file has none.
                if all && stat.mode & 0x8f28_0000 == 0 && stat.linkname.is_empty() {
                    wanted.send(next).unwrap();
                    open += 1;
                }
                next += 1;
            }
            (PacketType::PacketStat, None) => listed = true,
            (PacketType::PacketData, _) if packet.data.is_empty() => open -= 1,
            (PacketType::PacketData, _) => {}
            (PacketType::PacketFin, _) => return Ok(()),
            (other, _) => return Err(Status::internal(format!("{other:?}"))),
        }
        if listed && open == 0 {
            listed = false;
            let fin = Packet {
                r#type: PacketType::PacketFin as i32,
                ..Packet::default()
            };
            requests.send(fin).await.unwrap();
        }
    }
    Err(Status::internal("the client hung up"))
}

/// A connection as tonic's clients take it.
#[derive(Clone)]
struct Sender(hyper::client::conn::http2::SendRequest<Body>);

impl Service<http::Request<Body>> for Sender {
    type Response = http::Response<hyper::body::Incoming>;
    type Error = hyper::Error;
    type Future = tonic::codegen::BoxFuture<Self::Response, Self::Error>;

    fn poll_ready(&mut self, cx: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Self::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        let path = request.uri().path().to_owned();
        *request.uri_mut() = format!("http://localhost{path}").parse().unwrap();
        Box::pin(self.0.send_request(request))
    }
}
