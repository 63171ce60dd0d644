//! What goes over the wire, readable and writable from both ends.
//!
//! Reading takes `action` first and the body it calls for second; a key that is not named here is
//! dropped, and a key named here that comes twice refuses the message. What is relayed is always
//! written anew from these types, never copied.

mod client;
mod tracker;

pub use client::{Announce, Answer, ClientMessage, Event, Offer, ScrapeRequest};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};
pub use tracker::{
    AnnounceReply, Failure, RelayedAnswer, RelayedOffer, ScrapeReply, SwarmCounts, TrackerMessage,
};

use super::json::{self, MessageError};
use crate::sdp::SdpKind;

const ANNOUNCE: &str = "announce";
const SCRAPE: &str = "scrape";

/// A `RTCSessionDescriptionInit`: `{"type": "offer", "sdp": "..."}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionDescription {
    /// Offer or answer.
    #[serde(rename = "type")]
    pub kind: SdpKind,
    /// The SDP text (RFC 8866).
    pub sdp: String,
}

/// What decides which body is read.
#[derive(Deserialize)]
struct Head {
    #[serde(default)]
    action: Option<String>,
    #[serde(default)]
    offer: Option<IgnoredAny>,
    #[serde(default)]
    answer: Option<IgnoredAny>,
    #[serde(default, rename = "failure reason")]
    failure: Option<IgnoredAny>,
}

impl Head {
    fn read(text: &str) -> Result<Self, MessageError> {
        json::check_limits(text)?;
        // serde would take a list for an object, field by field.
        if !text.trim_ascii_start().starts_with('{') {
            return Err(MessageError::NotJson);
        }
        serde_json::from_str(text).map_err(|_| MessageError::NotJson)
    }
}

fn body<T: DeserializeOwned>(text: &str, malformed: MessageError) -> Result<T, MessageError> {
    serde_json::from_str(text).map_err(|_| malformed)
}

fn tagged<T: Serialize>(action: &'static str, body: &T) -> String {
    #[derive(Serialize)]
    struct Tagged<'a, T> {
        action: &'static str,
        #[serde(flatten)]
        body: &'a T,
    }

    write(&Tagged { action, body })
}

fn write<T: Serialize>(message: &T) -> String {
    serde_json::to_string(message)
        .expect("maps with string keys and no foreign values always serialise")
}
