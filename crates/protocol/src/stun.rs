//! The STUN binding server (RFC 8489): tells a client its own public address.

use std::net::SocketAddr;

/// Why a datagram gets no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum StunError {
    /// Not a STUN message.
    #[error("not a stun message")]
    NotStun,
    /// STUN, but not a binding request.
    #[error("not a binding request")]
    NotBindingRequest,
    /// Longer than a binding request has reason to be.
    #[error("request too long")]
    TooLong,
    /// An attribute that does not fit, or a wrong FINGERPRINT.
    #[error("malformed attributes")]
    Malformed,
}

/// Writes the answer to `request`, which came from `from`, to `out` (cleared first).
pub fn binding_response(
    request: &[u8],
    from: SocketAddr,
    out: &mut Vec<u8>,
) -> Result<(), StunError> {
    let _ = (request, from);
    out.clear();
    Err(StunError::NotStun)
}
