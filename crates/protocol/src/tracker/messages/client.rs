//! From a peer to the tracker.

use manyhands_metainfo::InfoHash;
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{ANNOUNCE, Head, SCRAPE, SessionDescription, body, tagged};
use crate::tracker::id::{self, BinaryInfoHash, OfferId, PeerId};
use crate::tracker::json::{self, MessageError};

/// A message from a peer to the tracker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientMessage {
    /// "I am here", with offers for others or without.
    Announce(Announce),
    /// The answer to an offer. On the wire an announce with an `answer`.
    Answer(Answer),
    /// A question for the size of swarms.
    Scrape(ScrapeRequest),
}

/// Presence in a swarm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announce {
    /// The swarm.
    #[serde(with = "id::info_hash")]
    pub info_hash: InfoHash,
    /// The sender.
    pub peer_id: PeerId,
    /// What happened.
    #[serde(default, skip_serializing_if = "Event::is_update")]
    pub event: Event,
    /// Bytes still missing; 0 is a seed, `None` (JSON `null`) is unknown.
    #[serde(default, deserialize_with = "json::count")]
    pub left: Option<u64>,
    /// Bytes given so far.
    #[serde(default, deserialize_with = "json::count_or_zero")]
    pub uploaded: u64,
    /// Bytes received so far.
    #[serde(default, deserialize_with = "json::count_or_zero")]
    pub downloaded: u64,
    /// Offers for peers that the tracker picks.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub offers: Vec<Offer>,
}

/// What an announce reports (BEP 3, `paused` of BEP 21). An unknown or absent event is an
/// [`Update`](Self::Update).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Event {
    /// The first announce.
    Started,
    /// The peer leaves.
    Stopped,
    /// The peer has just become a seed.
    Completed,
    /// The peer is incomplete and does not want more.
    Paused,
    /// Still here.
    #[default]
    Update,
}

/// One offer in an announce.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// The sender's name for it.
    pub offer_id: OfferId,
    /// The description.
    pub offer: SessionDescription,
}

/// The answer to an offer that the tracker had relayed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The swarm.
    #[serde(with = "id::info_hash")]
    pub info_hash: InfoHash,
    /// The answering peer.
    pub peer_id: PeerId,
    /// The offering peer.
    pub to_peer_id: PeerId,
    /// The offer.
    pub offer_id: OfferId,
    /// The description.
    pub answer: SessionDescription,
}

/// A question for the size of swarms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScrapeRequest {
    /// The swarms. On the wire one binary string or a list of them.
    pub info_hashes: Vec<InfoHash>,
}

impl ClientMessage {
    /// Reads a message of at most [`MAX_MESSAGE_BYTES`](crate::tracker::MAX_MESSAGE_BYTES).
    pub fn parse(text: &str) -> Result<Self, MessageError> {
        let head = Head::read(text)?;
        match head.action.as_deref() {
            Some(ANNOUNCE) if head.answer.is_some() => {
                body(text, MessageError::MalformedAnnounce).map(Self::Answer)
            }
            Some(ANNOUNCE) => body(text, MessageError::MalformedAnnounce).map(Self::Announce),
            Some(SCRAPE) => body(text, MessageError::MalformedScrape).map(Self::Scrape),
            _ => Err(MessageError::UnknownAction),
        }
    }

    /// Writes the message.
    pub fn to_json(&self) -> String {
        match self {
            Self::Announce(announce) => tagged(ANNOUNCE, announce),
            Self::Answer(answer) => tagged(ANNOUNCE, answer),
            Self::Scrape(scrape) => tagged(SCRAPE, scrape),
        }
    }
}

impl Event {
    const fn is_update(&self) -> bool {
        matches!(self, Self::Update)
    }
}

impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(match self {
            Self::Started => "started",
            Self::Stopped => "stopped",
            Self::Completed => "completed",
            Self::Paused => "paused",
            Self::Update => "update",
        })
    }
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Option::<String>::deserialize(deserializer)?.as_deref() {
            Some("started") => Self::Started,
            Some("stopped") => Self::Stopped,
            Some("completed") => Self::Completed,
            Some("paused") => Self::Paused,
            _ => Self::Update,
        })
    }
}

impl Serialize for ScrapeRequest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let hashes: Vec<_> = self.info_hashes.iter().copied().map(BinaryInfoHash).collect();
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry("info_hash", &hashes)?;
        map.end()
    }
}

impl<'de> Deserialize<'de> for ScrapeRequest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Body {
            #[serde(default)]
            info_hash: Option<OneOrMany>,
        }

        #[derive(Deserialize)]
        #[serde(untagged)]
        enum OneOrMany {
            One(BinaryInfoHash),
            Many(Vec<BinaryInfoHash>),
        }

        let hashes = match Body::deserialize(deserializer)?.info_hash {
            None => Vec::new(),
            Some(OneOrMany::One(hash)) => vec![hash],
            Some(OneOrMany::Many(hashes)) => hashes,
        };
        Ok(Self { info_hashes: hashes.into_iter().map(|hash| hash.0).collect() })
    }
}

fn null_is_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}
