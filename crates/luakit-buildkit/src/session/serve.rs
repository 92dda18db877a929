//! Answers gRPC calls on one HTTP/2 connection.
//!
//! A request's path picks the service; what isn't offered is unimplemented, as with any gRPC server. A
//! router of our own rather than tonic's: there is one connection and no listener, and one method's message
//! type depends on the request ([`super::filesend`]).

use std::convert::Infallible;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use luakit_proto::content::content_server::ContentServer;
use luakit_proto::filesync::auth_server::AuthServer;
use luakit_proto::filesync::file_sync_server::FileSyncServer;
use luakit_proto::health::health_check_response::ServingStatus;
use luakit_proto::health::health_server::{Health, HealthServer};
use luakit_proto::health::{HealthCheckRequest, HealthCheckResponse};
use luakit_proto::secrets::secrets_server::SecretsServer;
use luakit_proto::sshforward::ssh_server::SshServer;
use luakit_proto::upload::upload_server::UploadServer;
use tokio::io::{AsyncRead, AsyncWrite};
use tonic::body::Body;
use tonic::codegen::Service as _;
use tonic::{Request, Response, Status};

use super::{Offer, auth, content, filesend, filesync, secrets, ssh, upload};
use crate::grpc::{HEADERS, MESSAGE, WINDOW};

/// The method by which the engine finds out that we are alive.
pub(crate) const HEALTH: &str = "/grpc.health.v1.Health/Check";

/// What a session serves.
#[derive(Clone)]
pub(crate) struct Services(Arc<Inner>);

struct Inner {
    health: HealthServer<Alive>,
    file_sync: FileSyncServer<filesync::Locals>,
    file_send: filesend::FileSend,
    auth: Option<AuthServer<auth::Login>>,
    secrets: Option<SecretsServer<secrets::Store>>,
    ssh: Option<SshServer<ssh::Forwarder>>,
    content: Option<ContentServer<content::Library>>,
    upload: Option<UploadServer<upload::Uploads>>,
}

impl Services {
    pub(crate) fn new(offer: Offer) -> Self {
        let locals = filesync::Locals::new(offer.locals, offer.written, offer.failures.clone(), offer.skipped);
        let login = offer
            .registries
            .map(|access| auth::Login::new(access, offer.failures.clone()));
        let attached = offer.attached;
        let failures = || offer.failures.clone();
        let secrets = (!attached.secrets.is_empty()).then(|| secrets::Store::new(attached.secrets, failures()));
        let agents = attached.ssh.map(|agents| ssh::Forwarder::new(agents, failures()));
        let content = attached.stores.map(|stores| {
            ContentServer::new(content::Library::new(stores, failures()))
                .max_decoding_message_size(MESSAGE)
                .max_encoding_message_size(MESSAGE)
        });
        let upload = (!attached.uploads.is_empty()).then(|| upload::Uploads::new(attached.uploads, failures()));
        Self(Arc::new(Inner {
            health: HealthServer::new(Alive),
            file_sync: FileSyncServer::new(locals)
                .max_decoding_message_size(MESSAGE)
                .max_encoding_message_size(MESSAGE),
            file_send: filesend::FileSend::new(offer.targets, offer.receivers, offer.failures),
            auth: login.map(AuthServer::new),
            secrets: secrets.map(SecretsServer::new),
            ssh: agents.map(SshServer::new),
            content,
            upload: upload.map(UploadServer::new),
        }))
    }

    async fn answer(self, request: http::Request<Incoming>) -> http::Response<Body> {
        let request = request.map(Body::new);
        let path = request.uri().path();
        let answered: Result<_, Infallible> = if path.starts_with("/grpc.health.v1.Health/") {
            self.0.health.clone().call(request).await
        } else if path.starts_with("/moby.filesync.v1.FileSync/") {
            self.0.file_sync.clone().call(request).await
        } else if path == filesend::METHOD {
            Ok(self.0.file_send.clone().answer(request).await)
        } else if path.starts_with("/moby.filesync.v1.Auth/")
            && let Some(auth) = &self.0.auth
        {
            auth.clone().call(request).await
        } else if path.starts_with("/moby.buildkit.secrets.v1.Secrets/")
            && let Some(secrets) = &self.0.secrets
        {
            secrets.clone().call(request).await
        } else if path.starts_with("/moby.sshforward.v1.SSH/")
            && let Some(ssh) = &self.0.ssh
        {
            ssh.clone().call(request).await
        } else if path.starts_with("/containerd.services.content.v1.Content/")
            && let Some(content) = &self.0.content
        {
            content.clone().call(request).await
        } else if path.starts_with("/moby.upload.v1.Upload/")
            && let Some(upload) = &self.0.upload
        {
            upload.clone().call(request).await
        } else {
            let text = format!("`{path}` is not offered in this session");
            Ok(Status::unimplemented(text).into_http())
        };
        match answered {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}

/// Serves `io` until it ends. How it ends says nothing: the engine just drops the connection.
pub(crate) async fn serve<T>(io: T, services: Services)
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = hyper::service::service_fn(move |request| {
        let services = services.clone();
        async move { Ok::<_, Infallible>(services.answer(request).await) }
    });
    let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
        // Patterns of a local source travel in headers.
        .max_header_list_size(HEADERS)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .serve_connection(TokioIo::new(io), service)
        .await;
}

/// Always alive.
#[derive(Clone)]
struct Alive;

#[tonic::async_trait]
impl Health for Alive {
    async fn check(&self, _: Request<HealthCheckRequest>) -> Result<Response<HealthCheckResponse>, Status> {
        Ok(Response::new(HealthCheckResponse {
            status: ServingStatus::Serving as i32,
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use luakit_proto::filesync::CredentialsRequest;
    use luakit_proto::filesync::auth_client::AuthClient;
    use luakit_proto::filesync::file_sync_client::FileSyncClient;
    use luakit_proto::health::health_client::HealthClient;

    use super::*;
    use crate::grpc::Connection;
    use crate::session::Failures;
    use crate::session::attachments::Opened;

    /// A connection to a session that offers one directory and nothing else, as the engine has it.
    async fn engine_side() -> (Connection, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let (skipped, _) = tokio::sync::mpsc::unbounded_channel();
        let offer = Offer {
            locals: BTreeMap::from([("context".to_owned(), dir.path().to_owned())]),
            written: Vec::new(),
            targets: BTreeMap::new(),
            receivers: filesend::Receivers::default(),
            registries: None,
            failures: Failures::default(),
            skipped,
            attached: Opened::default(),
        };
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        tokio::spawn(serve(ours, Services::new(offer)));
        (Connection::open(theirs, "localhost").await.unwrap(), dir)
    }

    #[tokio::test]
    async fn only_what_was_asked_for_is_offered() {
        let (connection, _dir) = engine_side().await;
        let health = HealthClient::new(connection.clone())
            .check(HealthCheckRequest::default())
            .await;
        assert_eq!(health.unwrap().into_inner().status(), ServingStatus::Serving);

        let mut request = Request::new(tokio_stream::empty());
        request.metadata_mut().insert("dir-name", "home".parse().unwrap());
        let other = FileSyncClient::new(connection.clone())
            .diff_copy(request)
            .await
            .unwrap_err();
        assert_eq!(
            (other.code(), other.message()),
            (tonic::Code::NotFound, r#"no access allowed to dir "home""#)
        );

        let host = CredentialsRequest {
            host: "docker.io".into(),
        };
        let auth = AuthClient::new(connection.clone()).credentials(host).await.unwrap_err();
        assert_eq!(auth.code(), tonic::Code::Unimplemented);

        let mut raw = connection;
        let request = http::Request::post(filesend::METHOD)
            .header("content-type", "application/grpc")
            .body(Body::empty())
            .unwrap();
        let export = raw.call(request).await.unwrap();
        assert_eq!(export.headers().get("grpc-status").unwrap(), "5");
    }

    #[tokio::test]
    async fn long_lists_of_patterns_fit() {
        let (connection, dir) = engine_side().await;
        std::fs::write(dir.path().join("f500"), "x").unwrap();
        let mut request = Request::new(tokio_stream::pending());
        let metadata = request.metadata_mut();
        metadata.insert("dir-name", "context".parse().unwrap());
        for n in 0..2000 {
            metadata.append("include-patterns", format!("f{n}").parse().unwrap());
        }
        let mut packets = FileSyncClient::new(connection)
            .diff_copy(request)
            .await
            .unwrap()
            .into_inner();
        let first = packets.message().await.unwrap().unwrap();
        assert_eq!(first.stat.unwrap().path, b"f500");
        assert_eq!(packets.message().await.unwrap().unwrap().stat, None);
    }
}
