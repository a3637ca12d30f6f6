//! One connection: its TLS handshake, its requests, its end.

use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

use super::ServeOptions;
use super::patient::{Answering, Patience, Patient};
use super::peer::Peer;
use crate::edge::GuardedBody;

/// Most bytes of a request's head, the request line included. Beyond: 431.
const HEAD_BYTES_MAX: usize = 32 * 1024;
/// Most bytes that are kept of what a client sends ahead.
const BUFFER_BYTES_MAX: usize = 64 * 1024;

/// What all connections of a listener share.
pub(super) struct Shared {
    pub(super) options: Arc<ServeOptions>,
    pub(super) router: Router,
    pub(super) tls: Option<TlsAcceptor>,
    /// Becomes true when the server ends.
    pub(super) ending: watch::Receiver<bool>,
}

impl Shared {
    /// Serves the connection until its client leaves, a rule ends it, or the server does. What goes
    /// wrong on the way is the client's: it has its answer, or is gone.
    pub(super) async fn serve(&self, stream: TcpStream, address: IpAddr) {
        let mut ending = self.ending.clone();
        let begun = async {
            // Whoever says nothing costs a socket and no buffers.
            let first = timeout(self.options.idle_timeout, stream.peek(&mut [0])).await;
            matches!(first, Ok(Ok(1)))
        };
        tokio::select! {
            biased;
            begun = begun => if !begun { return },
            () = ended(&mut ending) => return,
        }
        // An answer is small, and its client waits for it.
        let _ = stream.set_nodelay(true);
        // Boxed, so that whoever says nothing has no room for what is said later.
        match &self.tls {
            None => Box::pin(self.requests(stream, address, false)).await,
            Some(tls) => Box::pin(self.shaken(stream, tls, address)).await,
        }
    }

    async fn shaken(&self, stream: TcpStream, tls: &TlsAcceptor, address: IpAddr) {
        let handshake = timeout(self.options.header_timeout, tls.accept(stream)).await;
        if let Ok(Ok(stream)) = handshake {
            Box::pin(self.requests(stream, address, true)).await;
        }
    }

    async fn requests<S>(&self, stream: S, address: IpAddr, tls: bool)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let answering = Answering::default();
        let patience =
            Patience { idle: self.options.idle_timeout, header: self.options.header_timeout };
        let stream = Patient::new(stream, answering.clone(), patience);
        let service = service_fn(|mut request: Request<Incoming>| {
            answering.begins();
            let peer = Peer::of(address, tls, request.headers(), &self.options);
            request.extensions_mut().insert(peer);
            answer(self.router.clone(), request, self.options.body_timeout, answering.clone())
        });
        let mut builder = http1::Builder::new();
        // `Patient` bounds the head's time; hyper's own timer would begin anew for each request.
        builder
            .header_read_timeout(None)
            .max_header_size(HEAD_BYTES_MAX)
            .max_buf_size(BUFFER_BYTES_MAX);
        let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
        let mut ending = self.ending.clone();
        tokio::select! {
            biased;
            _ = connection.as_mut() => {}
            () = ended(&mut ending) => {
                answering.leaves();
                connection.as_mut().graceful_shutdown();
                let _ = connection.await;
            }
        }
    }
}

async fn answer(
    router: Router,
    request: Request<Incoming>,
    body_timeout: Duration,
    answering: Answering,
) -> Result<Response<Body>, Infallible> {
    let (mut parts, body) = request.into_parts();
    let (body, watch) = if body.is_end_stream() {
        (Body::empty(), None)
    } else {
        let body = GuardedBody::new(body, &parts.headers, body_timeout);
        let watch = body.watch();
        parts.extensions.insert(watch.clone());
        (Body::new(body), Some(watch))
    };
    let answer = router.oneshot(Request::from_parts(parts, body)).await;
    answering.ends(watch.is_some_and(|watch| watch.is_unread()));
    answer
}

/// Waits until the server ends, also where it is over before we ask.
pub(super) async fn ended(ending: &mut watch::Receiver<bool>) {
    // Without a sender there is no server.
    let _ = ending.wait_for(|ending| *ending).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Thousands of connections say nothing, and each of them is one of these.
    #[tokio::test]
    async fn a_connection_that_says_nothing_is_small() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stream = TcpStream::connect(address).await.unwrap();
        let (_end, ending) = watch::channel(false);
        let options = Arc::new(ServeOptions::new(address));
        let shared = Shared { options, router: Router::new(), tls: None, ending };
        let bytes = size_of_val(&shared.serve(stream, address.ip()));
        assert!(bytes < 1024, "{bytes} bytes");
    }
}
