//! Reading a document: its size, its version, its members, in this order.

use serde::Deserialize;
use serde::de::DeserializeOwned;

/// The only version of these documents there is.
pub(super) const VERSION: u32 = 1;

/// The greatest integer that every JSON reader keeps exact (RFC 8259, section 6).
pub(super) const MAX_INTEGER: u64 = (1 << 53) - 1;

/// Why a document is refused. The text goes back to the sender, so it quotes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// Longer than such a document may be.
    #[error("longer than {0} bytes")]
    TooLong(usize),
    /// Not JSON, or a member is missing, repeated or of the wrong kind.
    #[error("malformed")]
    Malformed,
    /// A version this code does not know.
    #[error("of version {0}, which is not known here")]
    UnknownVersion(u64),
    /// A member has a value that it may not have.
    #[error("{0}")]
    Refused(&'static str),
}

/// Reads a document of version 1 and at most `limit` bytes.
pub(super) fn read<T: DeserializeOwned>(bytes: &[u8], limit: usize) -> Result<T, FormatError> {
    #[derive(Deserialize)]
    struct Head {
        v: u64,
    }
    if bytes.len() > limit {
        return Err(FormatError::TooLong(limit));
    }
    // The version decides what the other members mean, so it is looked at alone, first.
    let Head { v } = serde_json::from_slice(bytes).map_err(|_| FormatError::Malformed)?;
    if v != u64::from(VERSION) {
        return Err(FormatError::UnknownVersion(v));
    }
    serde_json::from_slice(bytes).map_err(|_| FormatError::Malformed)
}

/// Writes a document.
pub(super) fn write<T: serde::Serialize>(document: &T) -> String {
    serde_json::to_string(document).expect("strings, lists and integers always have a JSON form")
}

/// Whether a text for people is at most so long and has no control character.
pub(super) fn is_text(text: &str, most: usize) -> bool {
    text.chars().count() <= most && !text.chars().any(char::is_control)
}

/// Whether a text may stand in a URL or in a header as it is: visible ASCII, no quote or space.
pub(super) fn is_token(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"\\<>".contains(&byte))
}
