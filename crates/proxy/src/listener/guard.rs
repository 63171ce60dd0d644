//! The connection as the HTTP library sees it: checked, timed, and reset when an answer broke off.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};
use tokio_rustls::server::TlsStream;

use super::scan::{Place, Scanner};
use super::seats::Seat;

/// What the requests of a connection tell its socket.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    /// Answers not yet at their end.
    pub(crate) in_flight: AtomicUsize,
    /// It is a tunnel now.
    pub(crate) is_tunnel: AtomicBool,
    /// An answer broke off: the end of the connection must not look like the end of the answer.
    pub(crate) is_broken: AtomicBool,
}

/// How patient a connection is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// For the head of a request, from its first byte; and for that first byte of a connection.
    pub(crate) header: Duration,
    /// Between requests.
    pub(crate) idle: Duration,
    /// For a client that takes nothing of an answer.
    pub(crate) write: Duration,
}

/// A socket that can be reset instead of closed.
pub(crate) trait Socket: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    fn tcp(&self) -> &TcpStream;
}

impl Socket for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

impl Socket for TlsStream<TcpStream> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref().0
    }
}

#[derive(Debug)]
pub(crate) struct Guarded<S: Socket> {
    socket: S,
    shared: Arc<Shared>,
    scanner: Scanner,
    patience: Patience,
    /// Since when the current wait for the client lasts.
    since: Instant,
    read_timer: Pin<Box<Sleep>>,
    write_timer: Option<Pin<Box<Sleep>>>,
    /// Its place among the connections, which it keeps as a tunnel.
    _seat: Seat,
}

impl<S: Socket> Guarded<S> {
    pub(crate) fn new(socket: S, shared: Arc<Shared>, patience: Patience, seat: Seat) -> Self {
        let read_timer = Box::pin(tokio::time::sleep(patience.header));
        Self {
            socket,
            shared,
            scanner: Scanner::new(),
            patience,
            since: Instant::now(),
            read_timer,
            write_timer: None,
            _seat: seat,
        }
    }

    /// When a client that is silent from now on is given up. Bodies and tunnels are timed elsewhere.
    fn deadline(&self) -> Option<Instant> {
        if self.shared.is_tunnel.load(Ordering::Relaxed) {
            return None;
        }
        match self.scanner.place() {
            Place::Opening | Place::Head => Some(self.since + self.patience.header),
            Place::Between if self.shared.in_flight.load(Ordering::Relaxed) > 0 => None,
            Place::Between => Some(self.since + self.patience.idle),
            Place::Body | Place::Blind => None,
        }
    }

    fn poll_silence(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        loop {
            let now = Instant::now();
            let deadline = match self.deadline() {
                Some(deadline) if deadline <= now => {
                    return Poll::Ready(io::ErrorKind::TimedOut.into());
                }
                Some(deadline) => deadline,
                // Nothing to wait for now; an answer that ends calls nobody, so look again later.
                None => now + self.patience.idle,
            };
            // An early ring is harmless: the deadline is computed anew. A late one is not.
            if deadline < self.read_timer.deadline() || self.read_timer.deadline() <= now {
                self.read_timer.as_mut().reset(deadline);
            }
            ready!(self.read_timer.as_mut().poll(context));
        }
    }

    fn note_read(&mut self, bytes: &mut [u8]) {
        if self.shared.is_tunnel.load(Ordering::Relaxed) {
            return;
        }
        let before = (self.scanner.place(), self.scanner.heads());
        self.scanner.follow(bytes);
        // The time for a head runs from its first byte, whatever trickles in after that.
        let is_same_head =
            before.0 == Place::Head && before == (self.scanner.place(), self.scanner.heads());
        if !is_same_head && before.0 != Place::Opening {
            self.since = Instant::now();
        }
    }

    fn note_write(
        &mut self,
        context: &mut Context<'_>,
        outcome: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if outcome.is_ready() || self.shared.is_tunnel.load(Ordering::Relaxed) {
            self.write_timer = None;
            if self.scanner.place() == Place::Between {
                self.since = Instant::now();
            }
            return outcome;
        }
        let limit = self.patience.write;
        let timer = self.write_timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        ready!(timer.as_mut().poll(context));
        self.shared.is_broken.store(true, Ordering::Relaxed);
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: Socket> Drop for Guarded<S> {
    /// Closing would say "this is all", to a client that reads until the end of the connection.
    fn drop(&mut self) {
        if self.shared.is_broken.load(Ordering::Relaxed) {
            let _ = self.socket.tcp().set_zero_linger();
        }
    }
}

impl<S: Socket> AsyncRead for Guarded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        match Pin::new(&mut self.socket).poll_read(context, buffer) {
            Poll::Ready(Ok(())) => {
                if let Some(bytes) = buffer.filled_mut().get_mut(before..) {
                    self.note_read(bytes);
                }
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => self.poll_silence(context).map(Err),
        }
    }
}

impl<S: Socket> AsyncWrite for Guarded<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.socket).poll_write(context, bytes);
        self.note_write(context, outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.socket).poll_write_vectored(context, slices);
        self.note_write(context, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}
