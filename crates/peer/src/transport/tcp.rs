//! The peer wire's own transport: plain TCP, as native BitTorrent clients speak it. No TLS: every byte is checked by its digest anyway, and nobody in
//! the swarm speaks it.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::limits::{Admission, Limits, Place};
use super::{Channel, ChannelStats, Closed, MAX_CHUNK, TransportError};

/// A write that makes no progress for this long: the peer is gone or plays dead.
const STALLED: Duration = Duration::from_secs(30);

/// How long a failed accept (out of descriptors, mostly) waits before the next.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A TCP listener that can also connect; both count against one set of limits.
#[derive(Debug)]
pub struct Tcp {
    listener: TcpListener,
    admission: Admission,
}

impl Tcp {
    /// Listens on `address`; port 0 takes a free one.
    ///
    /// # Errors
    /// [`TransportError::Io`] when the address cannot be had.
    pub async fn bind(address: SocketAddr, limits: Limits) -> Result<Self, TransportError> {
        let listener = TcpListener::bind(address)
            .await
            .map_err(|source| TransportError::Io { doing: "listen for peers by tcp", source })?;
        Ok(Self { listener, admission: Admission::new(limits) })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// [`TransportError::Io`] when the system does not say.
    pub fn local_address(&self) -> Result<SocketAddr, TransportError> {
        self.listener.local_addr().map_err(|source| TransportError::Io {
            doing: "read the tcp listener's address",
            source,
        })
    }

    /// The next peer that connects. Those over a limit are closed at once, and errors of single connections are passed over:
    /// this never ends by itself. Cancel-safe.
    pub async fn accept(&self) -> Arc<dyn Channel> {
        loop {
            match self.listener.accept().await {
                Ok((stream, remote)) => match self.admit(remote.ip()) {
                    Ok(place) => return Arc::new(TcpChannel::new(stream, remote, place)),
                    Err(error) => tracing::debug!(%remote, %error, "peer refused"),
                },
                Err(error) => {
                    tracing::warn!(%error, "accepting a peer by tcp failed");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Connects to a peer.
    ///
    /// # Errors
    /// [`TransportError::Busy`] at a limit, [`TransportError::Deadline`] after [`Limits::with_open`], [`TransportError::Io`] otherwise.
    pub async fn connect(&self, remote: SocketAddr) -> Result<Arc<dyn Channel>, TransportError> {
        let place = self.admit(remote.ip())?;
        let deadline = self.admission.limits().open();
        let stream = tokio::time::timeout(deadline, TcpStream::connect(remote))
            .await
            .map_err(|_| TransportError::Deadline(deadline))?
            .map_err(|source| TransportError::Io { doing: "connect to the peer by tcp", source })?;
        Ok(Arc::new(TcpChannel::new(stream, remote, place)))
    }

    fn admit(&self, remote: IpAddr) -> Result<Place, super::limits::Busy> {
        let mut place = self.admission.enter()?;
        place.at(remote)?;
        Ok(place)
    }
}

struct TcpChannel {
    /// Gone once closed: only a socket that is dropped tells the other side's writer.
    reader: Mutex<Option<Reader>>,
    writer: Mutex<Option<OwnedWriteHalf>>,
    remote: SocketAddr,
    closed: CancellationToken,
    received: AtomicU64,
    sent: AtomicU64,
    _place: Place,
}

struct Reader {
    half: OwnedReadHalf,
    buffer: BytesMut,
}

impl TcpChannel {
    fn new(stream: TcpStream, remote: SocketAddr, place: Place) -> Self {
        // Both only make things better: without them a small request waits for an acknowledgement, and a peer that lost its power is
        // noticed when the wire's own keep-alive fails.
        let keepalive = TcpKeepalive::new().with_time(Duration::from_secs(60));
        if let Err(error) = stream
            .set_nodelay(true)
            .and_then(|()| SockRef::from(&stream).set_tcp_keepalive(&keepalive))
        {
            tracing::debug!(%remote, %error, "tcp options refused");
        }
        let (half, writer) = stream.into_split();
        Self {
            reader: Mutex::new(Some(Reader { half, buffer: BytesMut::new() })),
            writer: Mutex::new(Some(writer)),
            remote,
            closed: CancellationToken::new(),
            received: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            _place: place,
        }
    }

    /// Writes with progress, or not at all.
    async fn write(&self, mut bytes: Bytes) -> Result<(), Closed> {
        let mut writer = self.writer.lock().await;
        let writer = writer.as_mut().ok_or(Closed)?;
        while !bytes.is_empty() {
            let written = tokio::time::timeout(STALLED, writer.write_buf(&mut bytes)).await;
            match written {
                Ok(Ok(count)) if count > 0 => {
                    self.sent.fetch_add(count as u64, Ordering::Relaxed);
                }
                _ => return Err(Closed),
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Channel for TcpChannel {
    async fn send(&self, bytes: Bytes) -> Result<(), Closed> {
        let sent = tokio::select! {
            biased;
            () = self.closed.cancelled() => Err(Closed),
            sent = self.write(bytes) => sent,
        };
        if sent.is_err() {
            self.close().await;
        }
        sent
    }

    async fn recv(&self) -> Option<Bytes> {
        let mut reader = self.reader.lock().await;
        let Reader { half, buffer } = reader.as_mut()?;
        // What is handed out keeps its part of the buffer alive, the rest is filled on.
        if buffer.capacity() < MAX_CHUNK / 4 {
            buffer.reserve(MAX_CHUNK);
        }
        let read = tokio::select! {
            biased;
            () = self.closed.cancelled() => return None,
            read = half.read_buf(buffer) => read,
        };
        match read {
            Ok(count) if count > 0 => {
                self.received.fetch_add(count as u64, Ordering::Relaxed);
                Some(buffer.split_to(count.min(MAX_CHUNK)).freeze())
            }
            _ => {
                drop(reader);
                self.close().await;
                None
            }
        }
    }

    async fn close(&self) {
        self.closed.cancel();
        // Whoever held the locks has been told: they are free at once.
        if let Some(mut writer) = self.writer.lock().await.take()
            && let Err(error) = writer.shutdown().await
        {
            tracing::trace!(remote = %self.remote, %error, "tcp was closed already");
        }
        self.reader.lock().await.take();
    }

    fn stats(&self) -> ChannelStats {
        ChannelStats {
            received: self.received.load(Ordering::Relaxed),
            sent: self.sent.load(Ordering::Relaxed),
            remote: Some(self.remote),
            ..ChannelStats::default()
        }
    }
}
