//! The peer wire: what two peers of a swarm say to one another, as bytes.
//!
//! BEP 3 (the protocol), BEP 6 (fast extension), BEP 10 (extension protocol), BEP 9 (metadata) and `lt_donthave`. The way there is a
//! stream of bytes, whether TCP or a WebRTC data channel carries it: no message needs to come in a chunk of its own.
//!
//! [`Decoder`] takes chunks and gives a [`Handshake`], then [`Message`]s; nothing longer than [`MAX_FRAME`] is ever waited for.
//! [`Message::encode`] is the way back.
//!
//! ```
//! use bytes::{Bytes, BytesMut};
//! use manyhands_metainfo::InfoHash;
//! use manyhands_protocol::wire::{Decoded, Decoder, Features, Handshake, Message};
//!
//! let handshake = Handshake {
//!     features: Features { fast: true, extended: true },
//!     info_hash: InfoHash::from_bytes([1; 20]),
//!     peer_id: *b"-MH0100-abcdefghijkl",
//! };
//! let mut sent = BytesMut::from(&handshake.to_bytes()[..]);
//! Message::Have(7).encode(&mut sent);
//!
//! let mut decoder = Decoder::new();
//! for byte in sent {
//!     decoder.push(Bytes::copy_from_slice(&[byte]));
//! }
//! assert_eq!(decoder.next()?, Some(Decoded::Handshake(handshake)));
//! assert_eq!(decoder.next()?, Some(Decoded::Message(Message::Have(7))));
//! assert_eq!(decoder.next()?, None);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod decoder;
mod extended;
mod handshake;
mod message;
mod metadata;
mod pieces;

pub use decoder::{Decoded, Decoder};
pub use extended::{Extended, ExtendedHandshake, ExtensionId};
pub use handshake::{Features, Handshake};
pub use message::{BLOCK, Block, MAX_BLOCK, MAX_FRAME, Message};
pub use metadata::{
    MAX_METADATA, METADATA_PIECE, Metadata, MetadataMessage, MetadataTaken, metadata_piece,
};
pub use pieces::Pieces;

/// What a peer said is not the protocol, so it is left: nothing after it can be understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// The first byte, or the name after it, are another protocol's.
    #[error("does not speak BitTorrent")]
    Protocol,
    /// A message longer than [`MAX_FRAME`].
    #[error("sent a message of {0} bytes; no message is longer than {MAX_FRAME}")]
    TooLong(u32),
    /// A message that is shorter or longer than its kind is.
    #[error("sent a message of kind {0} that is no such message")]
    Malformed(u8),
    /// A message of the extension protocol that can't be read.
    #[error("sent an extended message that can't be read: {0}")]
    Extended(&'static str),
    /// A bitfield of another length, or with pieces past the last.
    #[error("sent a bitfield that is not this torrent's")]
    Bitfield,
}
