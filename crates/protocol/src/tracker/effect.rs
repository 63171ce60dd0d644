//! What the caller of [`Swarms`](super::Swarms) must carry out.

/// One WebSocket, named by the caller. An id must never be used again for another socket: it is
/// what an answer is addressed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub u64);

/// What a connection is, as its caller has seen to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Class {
    /// Somebody whose address says who reads what.
    #[default]
    Visitor,
    /// An approved mirror: its address is public, and it holds what it holds for everybody.
    Mirror,
}

/// One thing to do, in order, after a call to [`Swarms`](super::Swarms).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Send this text message.
    Send(ConnectionId, String),
    /// Close the socket. The connection is already forgotten: whatever still arrives on it is
    /// ignored, and [`Swarms::disconnect`](super::Swarms::disconnect) for it does nothing.
    Close(ConnectionId, CloseReason),
    /// Add one to a counter.
    Count(Metric),
}

/// Why a connection is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CloseReason {
    /// More messages than the token bucket admits.
    RateLimit,
    /// A message above [`MAX_MESSAGE_BYTES`](super::MAX_MESSAGE_BYTES).
    MessageTooBig,
    /// Nothing valid was heard for too long.
    Idle,
    /// The table of connections is full.
    TooManyConnections,
}

impl CloseReason {
    /// The WebSocket close code (RFC 6455 section 7.4.1 and the IANA registry).
    pub const fn code(self) -> u16 {
        match self {
            Self::RateLimit => 1008,
            Self::MessageTooBig => 1009,
            Self::Idle => 1001,
            Self::TooManyConnections => 1013,
        }
    }

    /// A short sentence for the close frame.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::RateLimit => "too many messages",
            Self::MessageTooBig => "message too big",
            Self::Idle => "nothing heard for too long",
            Self::TooManyConnections => "too many connections, try again later",
        }
    }
}

/// One counted event. None carries an address, a peer id or an info-hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Metric {
    /// An announce was answered.
    Announce,
    /// A scrape was answered.
    Scrape,
    /// A peer joined a swarm.
    Joined,
    /// A peer left a swarm: it said so, its socket closed, or the swarm was withdrawn.
    Left,
    /// A silent peer was dropped from a swarm.
    Expired,
    /// A peer completed the asset.
    Completed,
    /// An offer went to another peer.
    OfferRelayed,
    /// An offer was dropped because the swarm, or this peer, is below the prefix floor.
    OfferHeld,
    /// An offer was dropped because no other peer could use it now.
    OfferUnplaced,
    /// An offer was refused by the SDP gate.
    OfferRefused,
    /// An answer went back to the offering peer.
    AnswerRelayed,
    /// An answer was refused: by the SDP gate, or nobody waits for it from this peer.
    AnswerRefused,
    /// A waiting peer was told that the swarm has reached its floor.
    FloorReached,
    /// A message was not what the protocol says.
    Malformed,
    /// A message had an action this tracker does not know.
    UnknownAction,
    /// An announce or scrape named an info-hash this tracker never issued.
    UnknownInfoHash,
    /// A connection used a peer id that another connection holds, or changed its own.
    PeerIdConflict,
    /// A swarm, or a connection's list of swarms, was full.
    Full,
    /// A connection was closed by the token bucket.
    RateLimited,
    /// A connection was closed for a message above the size limit.
    MessageTooBig,
    /// An idle connection was closed.
    Idle,
    /// A connection was refused because the table was full.
    ConnectionRefused,
}

impl Metric {
    /// Every metric, for a caller that sets up its counters beforehand.
    pub const ALL: [Self; 22] = [
        Self::Announce,
        Self::Scrape,
        Self::Joined,
        Self::Left,
        Self::Expired,
        Self::Completed,
        Self::OfferRelayed,
        Self::OfferHeld,
        Self::OfferUnplaced,
        Self::OfferRefused,
        Self::AnswerRelayed,
        Self::AnswerRefused,
        Self::FloorReached,
        Self::Malformed,
        Self::UnknownAction,
        Self::UnknownInfoHash,
        Self::PeerIdConflict,
        Self::Full,
        Self::RateLimited,
        Self::MessageTooBig,
        Self::Idle,
        Self::ConnectionRefused,
    ];

    /// A stable name in snake_case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Announce => "announce",
            Self::Scrape => "scrape",
            Self::Joined => "joined",
            Self::Left => "left",
            Self::Expired => "expired",
            Self::Completed => "completed",
            Self::OfferRelayed => "offer_relayed",
            Self::OfferHeld => "offer_held",
            Self::OfferUnplaced => "offer_unplaced",
            Self::OfferRefused => "offer_refused",
            Self::AnswerRelayed => "answer_relayed",
            Self::AnswerRefused => "answer_refused",
            Self::FloorReached => "floor_reached",
            Self::Malformed => "malformed",
            Self::UnknownAction => "unknown_action",
            Self::UnknownInfoHash => "unknown_info_hash",
            Self::PeerIdConflict => "peer_id_conflict",
            Self::Full => "full",
            Self::RateLimited => "rate_limited",
            Self::MessageTooBig => "message_too_big",
            Self::Idle => "idle",
            Self::ConnectionRefused => "connection_refused",
        }
    }
}
