//! The WebTorrent tracker protocol: JSON over WebSocket, here as pure state.
//!
//! [`Swarms`] is the closed table of swarms; the IO layer feeds it messages and carries out the
//! [`Effect`]s. [`ClientMessage`] and [`TrackerMessage`] are what goes over the wire, readable and
//! writable from both ends.
//!
//! There is no RFC. The reference is npm `bittorrent-tracker` (server and client), whose clients
//! must work here unchanged; its server relays whatever it is given, which is what this one exists
//! to avoid.

mod bucket;
mod config;
mod effect;
mod http;
mod id;
mod json;
mod messages;
mod prefix;
mod swarm;
mod swarms;

pub use config::SwarmConfig;
pub use effect::{Class, CloseReason, ConnectionId, Effect, Metric};
pub use http::{HttpAnnounce, HttpAnswer, HttpTrackerError, MAX_HTTP_ANSWER, MAX_HTTP_PEERS};
pub use id::{IdError, OfferId, PeerId};
pub use json::{MAX_DEPTH, MAX_MESSAGE_BYTES, MessageError};
pub use messages::{
    Announce, AnnounceReply, Answer, ClientMessage, Event, Failure, Offer, RelayedAnswer,
    RelayedOffer, ScrapeReply, ScrapeRequest, SessionDescription, SwarmCounts, TrackerMessage,
};
pub use prefix::Prefix;
pub use swarms::{Scrape, Swarms};
