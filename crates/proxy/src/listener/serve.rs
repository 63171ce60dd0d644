//! Accepting connections and serving them until told to stop.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Extensions, Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tower_service::Service;

use super::Arrival;
use super::bind::Listener;
use super::connection::call;
use super::guard::{Guarded, Patience, Shared, Socket};
use super::seats::{Seat, Seats};
use crate::BoxError;

/// Bytes that one connection may hold back, in each direction.
const BUFFER: usize = 64 * 1024;
/// Pause after a connection could not be accepted, mostly for want of descriptors.
const BACK_OFF: Duration = Duration::from_millis(250);

/// Limits of a listener.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    header_timeout: Duration,
    idle_timeout: Duration,
    write_timeout: Duration,
    handshake_timeout: Duration,
    drain_timeout: Duration,
    max_connections: usize,
    max_an_address: usize,
    max_headers: usize,
    max_streams: u32,
}

impl Default for ServeOptions {
    /// - header timeout 10 s, from the first byte of a head, and for the first byte of a connection.
    /// - idle timeout 75 s between HTTP/1.1 requests: longer than the balancers in front keep theirs, so
    ///   that they never write to a connection that is being closed. Costs a descriptor for as long.
    /// - write timeout 60 s without the client taking a byte of an answer.
    /// - handshake timeout 10 s for TLS.
    /// - drain timeout 30 s for answers under way when told to stop.
    /// - max connections 8,192; more wait in the system's queue.
    /// - max connections of one client 256 (an IPv4 address, an IPv6 /64; loopback has no bound): more
    ///   are closed at once.
    /// - max headers 128 lines, of 64 KiB together (HTTP/2: 32 KiB).
    /// - max streams 128 of one HTTP/2 connection.
    fn default() -> Self {
        Self {
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            write_timeout: Duration::from_secs(60),
            handshake_timeout: Duration::from_secs(10),
            drain_timeout: Duration::from_secs(30),
            max_connections: 8_192,
            max_an_address: 256,
            max_headers: 128,
            max_streams: 128,
        }
    }
}

impl ServeOptions {
    /// How long the head of a request may take.
    #[must_use]
    pub fn with_header_timeout(mut self, timeout: Duration) -> Self {
        self.header_timeout = timeout;
        self
    }

    /// How long a connection may rest between requests.
    #[must_use]
    pub fn with_idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = timeout;
        self
    }

    /// How long a client may take nothing of an answer.
    #[must_use]
    pub fn with_write_timeout(mut self, timeout: Duration) -> Self {
        self.write_timeout = timeout;
        self
    }

    /// How long TLS may take to be agreed.
    #[must_use]
    pub fn with_handshake_timeout(mut self, timeout: Duration) -> Self {
        self.handshake_timeout = timeout;
        self
    }

    /// How long answers under way are waited for when told to stop.
    #[must_use]
    pub fn with_drain_timeout(mut self, timeout: Duration) -> Self {
        self.drain_timeout = timeout;
        self
    }

    /// How many connections are served at a time; at least one.
    #[must_use]
    pub fn with_max_connections(mut self, count: usize) -> Self {
        self.max_connections = count.clamp(1, tokio::sync::Semaphore::MAX_PERMITS);
        self
    }

    /// How many connections one client may have; at least one.
    #[must_use]
    pub fn with_max_an_address(mut self, count: usize) -> Self {
        self.max_an_address = count.max(1);
        self
    }

    fn builder(&self) -> Builder<TokioExecutor> {
        let mut builder = Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            // The guard keeps this time itself, from the first byte of a head.
            .header_read_timeout(None)
            .max_headers(self.max_headers)
            .max_buf_size(BUFFER);
        builder
            .http2()
            .timer(TokioTimer::new())
            .keep_alive_interval(Duration::from_secs(20))
            .keep_alive_timeout(Duration::from_secs(20))
            .max_concurrent_streams(self.max_streams)
            .max_header_list_size(32 * 1024)
            .max_send_buf_size(BUFFER);
        builder
    }

    fn patience(&self) -> Patience {
        Patience { header: self.header_timeout, idle: self.idle_timeout, write: self.write_timeout }
    }
}

/// Serves the connections of `listener` until `shutdown` resolves; then accepts no more, lets answers under
/// way end, and returns, at the latest after the drain timeout. Tunnels are not waited for.
///
/// HTTP/1.1 and HTTP/2, upgrades included. Every request carries an [`Arrival`] extension; `prepare` may
/// add what else the service wants to know of its peer. An answer whose body ends with an error resets the
/// connection (HTTP/2: the stream), so that no client takes it for complete.
pub async fn serve<S, B, P, F>(
    listener: Listener,
    service: S,
    options: ServeOptions,
    prepare: P,
    shutdown: F,
) where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
    P: Fn(SocketAddr, &mut Extensions) + Clone + Send + Sync + 'static,
    F: Future<Output = ()>,
{
    let graceful = GracefulShutdown::new();
    let seats = Seats::new(options.max_connections, options.max_an_address);
    let port = Port { service, prepare, builder: options.builder(), options: options.clone() };
    let Listener { tcp, tls } = listener;
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let accepting = async {
            let room = seats.room().await;
            (tcp.accept().await, room)
        };
        let (accepted, room) = tokio::select! {
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => continue,
            accepted = accepting => accepted,
        };
        let (socket, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                if !is_of_one_connection(&error) {
                    tracing::warn!(%error, "no connection can be accepted");
                    tokio::time::sleep(BACK_OFF).await;
                }
                continue;
            }
        };
        let Some(seat) = seats.seat(peer.ip(), room) else {
            tracing::debug!(%peer, "a client has all the connections it may have");
            continue;
        };
        let (port, tls, watcher) = (port.clone(), tls.clone(), graceful.watcher());
        connections.spawn(port.connection(socket, peer, tls, Place { watcher, seat }));
    }
    drop(tcp);
    let drained = tokio::time::timeout(options.drain_timeout, graceful.shutdown()).await;
    if drained.is_err() {
        tracing::warn!(connections = connections.len(), "answers under way are broken off");
    }
}

/// The client was gone before it was accepted.
fn is_of_one_connection(error: &std::io::Error) -> bool {
    use std::io::ErrorKind;
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::ConnectionRefused
    )
}

/// What a connection holds while it lives.
struct Place {
    watcher: Watcher,
    seat: Seat,
}

#[derive(Clone)]
struct Port<S, P> {
    service: S,
    prepare: P,
    builder: Builder<TokioExecutor>,
    options: ServeOptions,
}

impl<S, B, P> Port<S, P>
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
    P: Fn(SocketAddr, &mut Extensions) + Clone + Send + Sync + 'static,
{
    async fn connection(
        self,
        socket: TcpStream,
        peer: SocketAddr,
        tls: Option<TlsAcceptor>,
        place: Place,
    ) {
        let _ = socket.set_nodelay(true);
        keep_little_unsent(&socket);
        let Some(tls) = tls else {
            return self.http(socket, Arrival { peer, secure: false }, place).await;
        };
        match tokio::time::timeout(self.options.handshake_timeout, tls.accept(socket)).await {
            Ok(Ok(socket)) => self.http(socket, Arrival { peer, secure: true }, place).await,
            Ok(Err(error)) => tracing::debug!(%peer, %error, "TLS was not agreed"),
            Err(_) => tracing::debug!(%peer, "TLS was not agreed in time"),
        }
    }

    async fn http(self, socket: impl Socket, arrival: Arrival, place: Place) {
        let shared = Arc::new(Shared::default());
        let socket = Guarded::new(socket, shared.clone(), self.options.patience(), place.seat);
        let (service, prepare) = (self.service, self.prepare);
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(arrival);
            prepare(arrival.peer, request.extensions_mut());
            call(service.clone(), request, shared.clone())
        });
        let connection = self.builder.serve_connection_with_upgrades(TokioIo::new(socket), service);
        if let Err(error) = place.watcher.watch(connection.into_owned()).await {
            tracing::debug!(peer = %arrival.peer, error = %error, "connection ended with an error");
        }
    }
}

/// Octets of a connection that may wait in the kernel and not be sent yet (`TCP_NOTSENT_LOWAT`).
///
/// Without it the kernel takes megabytes ahead of a slow line: what a visitor who breaks off never gets was read,
/// and counted, all the same, and in one arm of the experiment more than in the other, because those who share
/// break off more often.
const MOST_UNSENT: u32 = 128 << 10;

#[cfg(target_os = "linux")]
fn keep_little_unsent(socket: &TcpStream) {
    let _ = socket2::SockRef::from(socket).set_tcp_notsent_lowat(MOST_UNSENT);
}

#[cfg(not(target_os = "linux"))]
fn keep_little_unsent(_: &TcpStream) {}
