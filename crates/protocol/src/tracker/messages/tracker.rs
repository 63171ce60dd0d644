//! From the tracker to a peer.

use manyhands_metainfo::InfoHash;
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{ANNOUNCE, Head, SCRAPE, SessionDescription, body, tagged, write};
use crate::tracker::id::{self, BinaryInfoHash, OfferId, PeerId};
use crate::tracker::json::MessageError;

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

impl TrackerMessage {
    /// Reads a message of at most [`MAX_MESSAGE_BYTES`](crate::tracker::MAX_MESSAGE_BYTES).
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
