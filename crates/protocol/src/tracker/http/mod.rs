//! The tracker over HTTP, for clients that know no WebSocket: BEP 3, with compact peers (BEP 23) and IPv6 (BEP 7).
//!
//! [`HttpAnnounce`] is the query of a GET, [`HttpAnswer`] the bencoded body of its answer: each side is read and written here, since
//! a site answers stock clients and a mirror asks stock trackers.

mod announce;
mod answer;

pub use announce::HttpAnnounce;
pub use answer::{HttpAnswer, MAX_HTTP_ANSWER, MAX_HTTP_PEERS};

/// Why a query or an answer is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HttpTrackerError {
    /// Longer than any is.
    #[error("longer than {0} bytes")]
    TooLong(usize),
    /// A parameter is not there.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A parameter is there twice, or is not what it is to be.
    #[error("{0} is not what it is to be")]
    Bad(&'static str),
    /// The answer is no bencoded dictionary.
    #[error("is no bencoded dictionary")]
    Malformed,
    /// The tracker says why not: a stranger's words.
    #[error("the tracker refused: {0}")]
    Refused(String),
}
