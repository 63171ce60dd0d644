//! The SDP gate: the only way for a session description from one visitor to another.

mod error;

pub use error::SdpError;
use serde::{Deserialize, Serialize};

/// Which half of the exchange a description is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SdpKind {
    /// The first.
    Offer,
    /// The second.
    Answer,
}

/// Checks session descriptions and writes them anew.
#[derive(Debug, Clone)]
pub struct Gate {
    lan: bool,
    max_bytes: usize,
    max_candidates: usize,
}

impl Default for Gate {
    fn default() -> Self {
        Self { lan: false, max_bytes: 16 * 1024, max_candidates: 16 }
    }
}

impl Gate {
    /// Lets private addresses and `.local` names pass. Default off.
    #[must_use]
    pub fn with_lan(mut self, lan: bool) -> Self {
        self.lan = lan;
        self
    }

    /// The longest description read. Default 16 KiB.
    #[must_use]
    pub fn with_max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// How many candidates are kept. Default 16.
    #[must_use]
    pub fn with_max_candidates(mut self, candidates: usize) -> Self {
        self.max_candidates = candidates;
        self
    }
}
