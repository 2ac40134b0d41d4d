//! The listening socket: how many connections there may be, how large and how slow a request may be, and how
//! it all ends.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use crate::config::Limits;

/// What a connection beyond the limit is told.
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\n\
    retry-after: 1\r\nconnection: close\r\ncontent-length: 104\r\n\r\n\
    {\"error\":\"unavailable\",\"message\":\"this host has as many connections as it may\",\
    \"retry_after_seconds\":1}\n";

/// Accepts connections until `stop` is over; then those that there are finish what they are at, for as long
/// as `drain` at most. `turned_away` hears of connections beyond the limit. Gives how many had to be cut off.
pub async fn serve(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    router: Router,
    limits: &Limits,
    drain: Duration,
    turned_away: impl Fn(),
    stop: impl Future<Output = ()>,
) -> usize {
    let open = Arc::new(AtomicUsize::new(0));
    let graceful = GracefulShutdown::new();
    let http = builder(limits);
    let mut stop = std::pin::pin!(stop);
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        let stream = match stream {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Too few descriptors, as a rule: others will close theirs.
                tracing::warn!("a connection cannot be accepted: {error}");
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            }
        };
        if open.load(Ordering::Acquire) >= limits.connections as usize {
            turned_away();
            turn_away(stream);
            continue;
        }
        // Answers are small; whoever waits for one must not wait for more of it.
        let _ = stream.set_nodelay(true);
        let counted = Counted::new(&open);
        let router = router.clone();
        let service = service_fn(move |request: Request<Incoming>| answer(router.clone(), request));
        let Some(tls) = tls.clone() else {
            let connection = graceful.watch(http.serve_connection(TokioIo::new(stream), service));
            tokio::spawn(async move {
                // A client that breaks off, or is too slow, is no fault of ours.
                let _ = connection.await;
                drop(counted);
            });
            continue;
        };
        let (http, watcher) = (http.clone(), graceful.watcher());
        let header_time = Duration::from_nanos(limits.header_time.as_nanos());
        tokio::spawn(async move {
            // The same of one that does not come to terms.
            if let Ok(Ok(stream)) = tokio::time::timeout(header_time, tls.accept(stream)).await {
                let _ = watcher.watch(http.serve_connection(TokioIo::new(stream), service)).await;
            }
            drop(counted);
        });
    }
    drop(listener);
    let _ = tokio::time::timeout(drain, graceful.shutdown()).await;
    open.load(Ordering::Acquire)
}

fn builder(limits: &Limits) -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(Duration::from_nanos(limits.header_time.as_nanos()))
        .max_buf_size((limits.header_bytes as usize).max(8_192))
        .max_headers(limits.headers as usize)
        .half_close(false);
    http
}

async fn answer(router: Router, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    router.oneshot(request.map(Body::new)).await
}

fn turn_away(mut stream: TcpStream) {
    let told = async move {
        stream.write_all(FULL).await?;
        stream.shutdown().await?;
        // A connection that is closed with something unread is reset, and the answer would be lost with it.
        let mut unread = [0; 1_024];
        while stream.read(&mut unread).await? > 0 {}
        std::io::Result::Ok(())
    };
    // It may have left already, or never stop sending.
    tokio::spawn(tokio::time::timeout(Duration::from_secs(1), told));
}

/// One connection that is open.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(open: &Arc<AtomicUsize>) -> Self {
        open.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(open))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Binds the address.
///
/// # Errors
/// What the system says.
pub async fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(address).await
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_a_connection_beyond_the_limit_is_told_has_its_length() {
        let text = std::str::from_utf8(super::FULL).expect("it is text");
        let (head, body) = text.split_once("\r\n\r\n").expect("it has a body");
        assert!(
            head.contains(&format!("content-length: {}\r\n", body.len()))
                || head.ends_with(&format!("content-length: {}", body.len())),
            "{}",
            body.len()
        );
    }
}
