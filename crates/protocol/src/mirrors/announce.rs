//! A mirror tells the site that it is there, and what the site makes of it.

use serde::{Deserialize, Serialize};

use super::address::{BaseUrl, PeerAddress};
use super::holdings::Holdings;
use super::json::{self, FormatError, MAX_INTEGER, VERSION};

/// The longest announce of a mirror that the operator has approved: room for all its holdings.
pub const MAX_ANNOUNCE_BYTES: usize = 2 * 1024 * 1024;

/// The longest announce of anybody else.
pub const MAX_STRANGER_BYTES: usize = 4 * 1024;

/// The longest answer to an announce.
pub const MAX_ANSWER_BYTES: usize = 16 * 1024;

/// Presence of a mirror, the body of its `POST mirrors/announce`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announce {
    v: u32,
    /// Its name, for people: at most 80 characters.
    pub name: String,
    /// How to reach who runs it, for people: at most 200 characters.
    pub contact: Option<String>,
    /// Where it serves over HTTP.
    pub http: Option<BaseUrl>,
    /// Where it takes TCP peers.
    pub tcp: Option<PeerAddress>,
    /// Whether it takes WebRTC peers.
    pub webrtc: bool,
    /// Bytes of disk it gives.
    pub budget: u64,
    /// What it holds whole.
    pub holdings: Holdings,
}

/// What the operator has decided about a mirror.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MirrorState {
    /// Nothing yet: it is neither listed nor given the feed.
    Pending,
    /// It may carry the site.
    Approved,
    /// It is out.
    Banned,
}

/// The site's answer to an announce.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnnounceAnswer {
    v: u32,
    /// What the operator has decided.
    pub state: MirrorState,
    /// Why it is not listed now, a sentence for people: at most 500 characters.
    pub reason: Option<String>,
    /// What admits it to the tracker, as mirror.
    pub token: Option<String>,
    /// The tracker's URL.
    pub tracker: Option<String>,
    /// Seconds until it should announce again, from 1.
    pub next: u64,
}

impl Announce {
    /// A mirror with a name and a budget, that serves nothing yet.
    pub fn new(name: impl Into<String>, budget: u64) -> Self {
        Self {
            v: VERSION,
            name: name.into(),
            contact: None,
            http: None,
            tcp: None,
            webrtc: false,
            budget,
            holdings: Holdings::default(),
        }
    }

    /// The JSON text.
    pub fn to_json(&self) -> String {
        json::write(self)
    }

    /// Reads an announce. `limit` is what this sender may say: [`MAX_STRANGER_BYTES`] or
    /// [`MAX_ANNOUNCE_BYTES`].
    ///
    /// # Errors
    /// See [`FormatError`].
    pub fn from_json(bytes: &[u8], limit: usize) -> Result<Self, FormatError> {
        let announce: Self = json::read(bytes, limit)?;
        announce.check()?;
        Ok(announce)
    }

    fn check(&self) -> Result<(), FormatError> {
        if self.name.trim().is_empty() || !json::is_text(&self.name, 80) {
            return Err(FormatError::Refused("the name is not one line of 1 to 80 characters"));
        }
        if self.contact.as_deref().is_some_and(|contact| !json::is_text(contact, 200)) {
            return Err(FormatError::Refused("the contact is not one line of 200 characters"));
        }
        if self.budget > MAX_INTEGER {
            return Err(FormatError::Refused("the budget is beyond 2^53 bytes"));
        }
        Ok(())
    }
}

impl AnnounceAnswer {
    /// An answer without reason, token and tracker.
    pub fn new(state: MirrorState, next: u64) -> Self {
        Self { v: VERSION, state, reason: None, token: None, tracker: None, next }
    }

    /// The JSON text.
    pub fn to_json(&self) -> String {
        json::write(self)
    }

    /// Reads an answer of at most [`MAX_ANSWER_BYTES`].
    ///
    /// # Errors
    /// See [`FormatError`].
    pub fn from_json(bytes: &[u8]) -> Result<Self, FormatError> {
        let answer: Self = json::read(bytes, MAX_ANSWER_BYTES)?;
        if answer.reason.as_deref().is_some_and(|reason| !json::is_text(reason, 500)) {
            return Err(FormatError::Refused("the reason is not one line of 500 characters"));
        }
        if answer.token.as_deref().is_some_and(|token| !json::is_token(token, 512)) {
            return Err(FormatError::Refused("the token is not one of plain characters"));
        }
        let is_tracker = |url: &str| {
            json::is_token(url, 512) && ["wss://", "ws://"].iter().any(|it| url.starts_with(it))
        };
        if answer.tracker.as_deref().is_some_and(|url| !is_tracker(url)) {
            return Err(FormatError::Refused("the tracker is no WebSocket URL"));
        }
        if !(1..=MAX_INTEGER).contains(&answer.next) {
            return Err(FormatError::Refused("the next announce is not in the future"));
        }
        Ok(answer)
    }
}
