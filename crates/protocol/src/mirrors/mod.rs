//! What a site and its mirrors say to each other: the feed, signed requests, announces, doubts.
//!
//! A mirror is a stranger with a disk. It proves to be the same stranger as yesterday by a key
//! ([`Credentials`]), tells what it holds ([`Announce`]) and learns from the site's signed feed
//! ([`FeedPage`] in its [`Envelope`]) what it may serve. Everything here is a format: reading is strict
//! and bounded, and what was read is what was written. Who is believed, and when, is decided by the
//! server (`crates/server/src/mirrors`) and by the mirror's own program.
//!
//! All documents are JSON with a member `v`; unknown members are ignored, so that version 1 can grow.
//! Keys are Ed25519 (RFC 8032). Every signed text begins with a line that names what it is, so that a
//! signature for one purpose is worth nothing for another.

mod address;
mod announce;
mod authorization;
mod doubt;
mod envelope;
mod feed;
mod holdings;
mod json;
mod key;

pub use address::{AddressError, BaseUrl, MAX_BASE_URL, PeerAddress, SiteOrigin};
pub use announce::{
    Announce, AnnounceAnswer, MAX_ANNOUNCE_BYTES, MAX_ANSWER_BYTES, MAX_STRANGER_BYTES, MirrorState,
};
pub use authorization::{AuthorizationError, Credentials, MAX_CLOCK_SKEW, SCHEME, SignedRequest};
pub use doubt::{Doubt, MAX_DOUBT_BYTES};
pub use envelope::{Envelope, EnvelopeError, MAX_ENVELOPE_BYTES};
pub use feed::{
    FEED_LIFETIME, FeedAsset, FeedPage, MAX_FEED_ASSETS, MAX_FEED_PAGES, MAX_PURGED, Purge,
};
pub use holdings::{Holdings, HoldingsError, MAX_HOLDINGS};
pub use json::FormatError;
pub use key::{KeyError, PublicKey, SecretKey, Signature};
