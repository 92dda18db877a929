//! One HTTP/2 connection to an engine, as the transport under tonic's clients.
//!
//! No pool and no reconnecting: a build lives on one connection, and its end is an error to report. So is its silence:
//! a host that lost its power or its route never closes anything. The limits are BuildKit's own.

use std::task::{Context, Poll};
use std::time::Duration;

use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;
use tonic::body::Body;

/// The largest message, both ways, as BuildKit sets it.
pub(crate) const MESSAGE: usize = 16 << 20;

/// The largest list of headers. A build error's details, with the failed op in them, are headers: the usual
/// 16 KiB would hide them.
pub(crate) const HEADERS: u32 = 16 << 20;

/// Bytes under way before the other side must say that it keeps up.
pub(crate) const WINDOW: u32 = 4 << 20;

/// How long the engine may be silent, while a call is under way, until it is asked for a sign of life: a ping of HTTP/2.
/// An engine hangs up on clients that ping often and get nothing else in between
/// (<https://github.com/grpc/grpc-go/blob/master/Documentation/keepalive.md>), but during a build it asks for our own
/// health every five seconds, so that the ping is only sent when something is wrong.
pub(crate) const SILENCE: Duration = Duration::from_secs(15);

/// How long it may take to give that sign. Generous: a context on its way up a slow line goes before the ping.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A connection; clones share it.
#[derive(Clone)]
pub(crate) struct Connection {
    sender: http2::SendRequest<Body>,
    authority: http::uri::Authority,
}

impl Connection {
    /// Greets the other side over `io`. It goes by the name `authority`, which proxies route by.
    pub(crate) async fn open<T>(io: T, authority: &str) -> Result<Self, hyper::Error>
    where
        T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let mut builder = builder();
        builder.keep_alive_interval(SILENCE).keep_alive_timeout(PATIENCE);
        let (sender, connection) = builder.handshake(TokioIo::new(io)).await?;
        // Ends when the last clone is dropped or the engine hangs up; calls under way then fail by themselves.
        tokio::spawn(connection);
        let fallback = http::uri::Authority::from_static("localhost");
        let authority = authority.parse().unwrap_or(fallback);
        Ok(Self { sender, authority })
    }

    /// Greets an engine that started us, over its pipe: no route to it can break, and it takes no pings. The token is
    /// cancelled when the connection ends.
    pub(crate) async fn open_unwatched<T>(io: T) -> Result<(Self, CancellationToken), hyper::Error>
    where
        T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (sender, connection) = builder().handshake(TokioIo::new(io)).await?;
        let closed = CancellationToken::new();
        let guard = closed.clone().drop_guard();
        tokio::spawn(async move {
            let _guard = guard;
            // Calls under way fail by themselves, and say why.
            let _end = connection.await;
        });
        let authority = http::uri::Authority::from_static("localhost");
        Ok((Self { sender, authority }, closed))
    }
}

fn builder() -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_header_list_size(HEADERS)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW);
    builder
}

impl tonic::codegen::Service<http::Request<Body>> for Connection {
    type Response = http::Response<hyper::body::Incoming>;
    type Error = hyper::Error;
    type Future = tonic::codegen::BoxFuture<Self::Response, Self::Error>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        // Whether the connection is still there is `call`'s to say: tonic keeps the cause of that error.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        // tonic leaves the authority to the transport; HTTP/2 wants one.
        let path = request.uri().path_and_query().cloned();
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(http::uri::Scheme::HTTP);
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = path;
        if let Ok(uri) = http::Uri::from_parts(parts) {
            *request.uri_mut() = uri;
        }
        Box::pin(self.sender.send_request(request))
    }
}
