//! What goes over the wire, readable and writable from both ends.
//!
//! Reading takes `action` first and the body it calls for second; a key that is not named here is
//! dropped, and a key named here that comes twice refuses the message. What is relayed is always
//! written anew from these types, never copied.

use manyhands_metainfo::InfoHash;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::id::{self, BinaryInfoHash, OfferId, PeerId};
use super::json::{self, MessageError};
use crate::sdp::SdpKind;

const ANNOUNCE: &str = "announce";
const SCRAPE: &str = "scrape";

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

/// A `RTCSessionDescriptionInit`: `{"type": "offer", "sdp": "..."}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionDescription {
    /// Offer or answer.
    #[serde(rename = "type")]
    pub kind: SdpKind,
    /// The SDP text (RFC 8866).
    pub sdp: String,
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

/// A message from the tracker to a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrackerMessage {
    /// The reply to an announce, or unasked when the swarm has reached its floor.
    Announce(AnnounceReply),
    /// Another peer's offer.
    Offer(RelayedOffer),
    /// Another peer's answer.
    Answer(RelayedAnswer),
    /// The reply to a scrape.
    Scrape(ScrapeReply),
    /// A refusal.
    Failure(Failure),
}

/// The reply to an announce.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnnounceReply {
    /// The swarm.
    #[serde(with = "id::info_hash")]
    pub info_hash: InfoHash,
    /// Seconds until the next announce.
    pub interval: u64,
    /// Seeds.
    pub complete: u64,
    /// Other peers.
    pub incomplete: u64,
    /// How many offers of this peer would be forwarded now. An addition of this tracker, absent
    /// elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offers: Option<u64>,
}

/// Another peer's offer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelayedOffer {
    /// The swarm.
    #[serde(with = "id::info_hash")]
    pub info_hash: InfoHash,
    /// The offering peer.
    pub peer_id: PeerId,
    /// Its name for the offer.
    pub offer_id: OfferId,
    /// The description.
    pub offer: SessionDescription,
}

/// Another peer's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelayedAnswer {
    /// The swarm.
    #[serde(with = "id::info_hash")]
    pub info_hash: InfoHash,
    /// The answering peer.
    pub peer_id: PeerId,
    /// The offer it answers.
    pub offer_id: OfferId,
    /// The description.
    pub answer: SessionDescription,
}

/// The size of one swarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwarmCounts {
    /// Seeds.
    pub complete: u64,
    /// Other peers.
    pub incomplete: u64,
    /// Completed downloads; the tracker knows only a lower bound, its seeds.
    pub downloaded: u64,
}

/// The reply to a scrape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScrapeReply {
    /// The swarms that exist, in the order they were asked for.
    pub files: Vec<(InfoHash, SwarmCounts)>,
    /// Seconds until the next scrape is welcome.
    pub min_request_interval: u64,
}

/// A refusal. Stock clients report the reason and go on; without `action` they drop the connection
/// and retry later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// `announce` or `scrape`, where the request could be read that far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// A sentence for a person.
    #[serde(rename = "failure reason")]
    pub reason: String,
    /// The swarm, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "optional_info_hash")]
    pub info_hash: Option<InfoHash>,
}

impl ClientMessage {
    /// Reads a message of at most [`MAX_MESSAGE_BYTES`](super::MAX_MESSAGE_BYTES).
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

impl TrackerMessage {
    /// Reads a message of at most [`MAX_MESSAGE_BYTES`](super::MAX_MESSAGE_BYTES).
    pub fn parse(text: &str) -> Result<Self, MessageError> {
        let head = Head::read(text)?;
        let malformed = match head.action.as_deref() {
            Some(SCRAPE) => MessageError::MalformedScrape,
            _ => MessageError::MalformedAnnounce,
        };
        if head.failure.is_some() {
            return body(text, malformed).map(Self::Failure);
        }
        match head.action.as_deref() {
            Some(ANNOUNCE) if head.offer.is_some() => body(text, malformed).map(Self::Offer),
            Some(ANNOUNCE) if head.answer.is_some() => body(text, malformed).map(Self::Answer),
            Some(ANNOUNCE) => body(text, malformed).map(Self::Announce),
            Some(SCRAPE) => body(text, malformed).map(Self::Scrape),
            _ => Err(MessageError::UnknownAction),
        }
    }

    /// Writes the message.
    pub fn to_json(&self) -> String {
        match self {
            Self::Announce(reply) => tagged(ANNOUNCE, reply),
            Self::Offer(offer) => tagged(ANNOUNCE, offer),
            Self::Answer(answer) => tagged(ANNOUNCE, answer),
            Self::Scrape(scrape) => tagged(SCRAPE, scrape),
            Self::Failure(failure) => write(failure),
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

impl Serialize for ScrapeReply {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct Files<'a>(&'a [(InfoHash, SwarmCounts)]);

        impl Serialize for Files<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_map(
                    self.0.iter().map(|(hash, counts)| (BinaryInfoHash(*hash), counts)),
                )
            }
        }

        let flags = Flags { min_request_interval: self.min_request_interval };
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("files", &Files(&self.files))?;
        map.serialize_entry("flags", &flags)?;
        map.end()
    }
}

impl<'de> Deserialize<'de> for ScrapeReply {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Body {
            #[serde(default)]
            files: Files,
            #[serde(default)]
            flags: Flags,
        }

        #[derive(Default)]
        struct Files(Vec<(InfoHash, SwarmCounts)>);

        struct FilesVisitor;

        impl<'de> serde::de::Visitor<'de> for FilesVisitor {
            type Value = Files;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a map of info-hashes")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut map: A,
            ) -> Result<Self::Value, A::Error> {
                let mut files = Vec::new();
                while let Some((hash, counts)) = map.next_entry::<BinaryInfoHash, SwarmCounts>()? {
                    files.push((hash.0, counts));
                }
                Ok(Files(files))
            }
        }

        impl<'de> Deserialize<'de> for Files {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_map(FilesVisitor)
            }
        }

        let body = Body::deserialize(deserializer)?;
        Ok(Self { files: body.files.0, min_request_interval: body.flags.min_request_interval })
    }
}

#[derive(Default, Serialize, Deserialize)]
struct Flags {
    min_request_interval: u64,
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

fn null_is_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

mod optional_info_hash {
    use super::{BinaryInfoHash, Deserialize, Deserializer, InfoHash, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(
        hash: &Option<InfoHash>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        hash.map(BinaryInfoHash).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<InfoHash>, D::Error> {
        Ok(Option::<BinaryInfoHash>::deserialize(deserializer)?.map(|hash| hash.0))
    }
}
