//! Why a description does not pass.

/// Why the gate refused a description. Always the sender's fault; sending the same again cannot
/// help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum SdpError {
    /// Longer than the limit.
    #[error("description too long")]
    TooLong,
    /// A character outside printable ASCII, or a bare carriage return.
    #[error("description holds a control or non-ascii character")]
    NotText,
    /// A line that is not `x=value`, or a required line in the wrong place or twice.
    #[error("malformed session description")]
    Malformed,
    /// Not exactly one `m=application ... webrtc-datachannel` section.
    #[error("not exactly one data channel section")]
    Section,
    /// No usable `fingerprint`.
    #[error("missing or malformed fingerprint")]
    Fingerprint,
    /// No usable `ice-ufrag` and `ice-pwd`.
    #[error("missing or malformed ice credentials")]
    Credentials,
    /// No `setup` role, or one that this half of the exchange cannot have.
    #[error("missing or wrong setup role")]
    Setup,
}
