//! The SDP gate: the only way for a session description from one visitor to another.
//!
//! A browser that is handed an offer sends packets to every address in it, and shows its own in the
//! answer. So nothing is copied: [`Gate::check`] reads a description into the few facts that a data
//! channel needs (`read`), judges every candidate by itself (`candidate`, `address`), and writes a
//! new description from those facts (`write`). What is not understood is not passed on.
//!
//! Out of scope: whether an address belongs to the sender. A public victim's address passes here;
//! how often an offer travels is limited by [`Swarms`](crate::tracker::Swarms).

mod address;
mod candidate;
mod error;
mod read;
mod write;

#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;

pub use address::{Scope, scope};
pub use error::SdpError;
use serde::{Deserialize, Serialize};

use self::address::Reach;
use self::read::Description;

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
///
/// What passes: exactly one `m=application … webrtc-datachannel` section with ICE credentials, a
/// `sha-256`, `sha-384` or `sha-512` fingerprint and a `setup` role; from it `mid`, `ice-options`,
/// `sctp-port`, `max-message-size`, `end-of-candidates`, `sendrecv` and the candidates that follow.
/// Everything else is dropped; the addresses in `o=` and `c=` become `0.0.0.0`.
///
/// A candidate passes (RFC 8839 section 5.1; at most [`max_candidates`](Self::with_max_candidates),
/// the rest is dropped) when
/// - its component is 1; data channels have no other, `webrtc-rs` lists each candidate for
///   component 2 too;
/// - its transport is UDP, or TCP with `tcptype passive` or `so` (RFC 6544). Active TCP candidates
///   are dropped: nobody connects to one, so they only give away an address;
/// - its port is at least 1024, or 443 for UDP. Lower ports are services (DNS, NTP) that a
///   stranger's browser would be sent to;
/// - its address is one the other side may be sent to: see [`with_lan`](Self::with_lan). Loopback,
///   link-local, multicast, unspecified and reserved addresses never pass.
///
/// Related addresses (`raddr`, `rport`: a host's private address beside its public one) become
/// `0.0.0.0` and 0, and extensions (`network-cost` tells Wi-Fi from cellular) are dropped. A
/// description whose candidates were all dropped still passes: one side with an address is enough
/// for ICE.
///
/// ```
/// use manyhands_protocol::sdp::{Gate, SdpError, SdpKind};
///
/// let gate = Gate::default();
/// assert_eq!(gate.check("hello", SdpKind::Offer), Err(SdpError::Malformed));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gate {
    lan: bool,
    max_bytes: usize,
    max_candidates: usize,
}

impl Default for Gate {
    /// No private addresses, 16 KiB, 16 candidates.
    fn default() -> Self {
        Self { lan: false, max_bytes: 16 * 1024, max_candidates: 16 }
    }
}

impl Gate {
    /// Lets private addresses (RFC 1918, RFC 4193, 100.64.0.0/10) and mDNS names (`<uuid>.local`,
    /// what browsers show instead of a private address) pass. Default off: an offer must not be
    /// able to probe a visitor's home network, and names do not resolve outside it. On where
    /// visitors share a network.
    #[must_use]
    pub fn with_lan(mut self, lan: bool) -> Self {
        self.lan = lan;
        self
    }

    /// The longest description read. Default 16 KiB; browsers need less than 4.
    #[must_use]
    pub fn with_max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// How many candidates are kept, in the order given. Default 16.
    #[must_use]
    pub fn with_max_candidates(mut self, candidates: usize) -> Self {
        self.max_candidates = candidates;
        self
    }

    /// Reads `sdp` and writes it anew, with CRLF line ends. An error means that nothing may be
    /// passed on.
    pub fn check(&self, sdp: &str, kind: SdpKind) -> Result<String, SdpError> {
        if sdp.len() > self.max_bytes {
            return Err(SdpError::TooLong);
        }
        let reach = if self.lan { Reach::Lan } else { Reach::Public };
        let description = Description::read(sdp, kind, reach, self.max_candidates)?;
        Ok(write::write(&description))
    }
}
