//! Transports: how bytes travel between two peers.
//!
//! What the peer wire needs of a peer is small: send bytes and wait while there is no room, receive bytes, close, and know who
//! the other is. [`Channel`] is that and nothing more, so that a TCP stream, a WebRTC data channel and a pair in memory are one thing
//! above. **A channel is a stream of bytes in chunks**: where one chunk ends means nothing; a message may be split or joined.
//!
//! Channels come into being in two ways that cannot honestly share a method. TCP connects and accepts ([`tcp::Tcp`]).
//! WebRTC needs a third party (the tracker) to carry an offer one way and an answer back: that is [`Transport`]. Both traits are object-safe, and
//! all that is opened is an `Arc<dyn Channel>`: one call through a table for each 16 KiB costs nothing beside the encryption of it,
//! and a swarm holds peers of all kinds in one map.
//!
//! Ownership is the rule that leaks are prevented by: dropping the last handle of a channel, or a future that would have opened one, closes the
//! connection below. Nobody has to remember to call [`Channel::close`].

pub mod limits;
pub mod memory;
pub mod tcp;
pub mod webrtc;

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use manyhands_protocol::sdp::SdpError;

/// The longest chunk that [`Channel::recv`] hands out, in bytes: 64 KiB. A WebRTC peer that sends a longer message breaks what our
/// description promised.
pub const MAX_CHUNK: usize = 64 * 1024;

/// An open connection to one peer: an ordered, reliable stream of bytes in both directions.
///
/// One task sends and another receives: both take `&self`. More than one receiver would tear the stream apart.
#[async_trait]
pub trait Channel: Send + Sync {
    /// Queues `bytes`, waiting while too much is under way: the bound on what a slow reader costs us. Bytes of any length; longer than
    /// the other side takes at once are split. Bytes are sent whole or not at all only when the future is not dropped half-way: a
    /// dropped `send` leaves the stream unusable, as with any stream, so close the channel then.
    ///
    /// # Errors
    /// [`Closed`] when the channel is closed, by whichever side and for whatever reason, also while waiting.
    async fn send(&self, bytes: Bytes) -> Result<(), Closed>;

    /// The next chunk, never empty, at most [`MAX_CHUNK`] bytes. `None`: closed, for whatever reason, for ever; then the
    /// connection below is closed too. Cancel-safe: a dropped `recv` loses nothing.
    async fn recv(&self) -> Option<Bytes>;

    /// Closes the channel and the connection below. Returns once that is under way; may be called often. What was sent but not yet
    /// acknowledged may be lost.
    async fn close(&self);

    /// What is known of the connection now. Cheap.
    fn stats(&self) -> ChannelStats;
}

/// What is known of a connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ChannelStats {
    /// Bytes handed out by `recv`.
    pub received: u64,
    /// Bytes taken by `send`.
    pub sent: u64,
    /// The round trip as last measured; `None` where it is not.
    pub rtt: Option<Duration>,
    /// Bytes taken by `send` and not yet known to have arrived, where the transport knows; 0 elsewhere.
    pub in_flight: u64,
    /// The other side's address; `None` in memory.
    pub remote: Option<SocketAddr>,
}

/// A future that opens a channel. It ends by its deadline; dropping it frees what was begun.
pub type Opening = Pin<Box<dyn Future<Output = Result<Arc<dyn Channel>, TransportError>> + Send>>;

/// Makes channels by offer and answer (RFC 8829) that somebody else carries. One a process: it owns the port, the certificate and the
/// limits.
#[async_trait]
pub trait Transport: Send + Sync {
    /// A new offer. It holds its place among the pending ones until it is completed, dropped or too old.
    ///
    /// # Errors
    /// [`TransportError::Busy`] at a limit.
    async fn offer(&self) -> Result<PendingOffer, TransportError>;

    /// Answers `offer`, a complete description: our answer, and the future that opens the channel once the other side has it.
    ///
    /// # Errors
    /// [`TransportError::Sdp`] when the offer does not pass; [`TransportError::Busy`] at a limit.
    async fn answer(&self, offer: &str) -> Result<(String, Opening), TransportError>;
}

/// An offer that waits for its answer. Dropping it frees the connection.
pub struct PendingOffer {
    sdp: String,
    complete: Box<dyn FnOnce(String) -> Opening + Send>,
}

impl PendingOffer {
    /// An offer `sdp`; `complete` takes the answer.
    pub fn new(sdp: String, complete: impl FnOnce(String) -> Opening + Send + 'static) -> Self {
        Self { sdp, complete: Box::new(complete) }
    }

    /// The description to send: complete, all candidates in it.
    pub fn sdp(&self) -> &str {
        &self.sdp
    }

    /// Takes the answer and opens the channel.
    pub fn complete(self, answer: String) -> Opening {
        (self.complete)(answer)
    }
}

impl std::fmt::Debug for PendingOffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PendingOffer").field("sdp", &self.sdp).finish_non_exhaustive()
    }
}

/// The channel is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the connection to the peer is closed")]
pub struct Closed;

/// Why there is no channel.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// A limit of ours; later it may go.
    #[error("{0}")]
    Busy(#[from] limits::Busy),
    /// The other side's description does not pass: its fault, the same again cannot help.
    #[error("the peer's session description does not pass")]
    Sdp(#[from] SdpError),
    /// Not open before the deadline: the peer is gone, or no path leads to it.
    #[error("no connection to the peer within {} s", .0.as_secs())]
    Deadline(Duration),
    /// The peer, or the network, ended it before it was open.
    #[error("the connection to the peer ended before it was open")]
    Ended,
    /// The operating system refused.
    #[error("cannot {doing}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The WebRTC stack refused.
    #[error("webrtc: {0}")]
    Stack(String),
}
