//! Identifiers as they travel in the WebTorrent protocol: 20 bytes as a string of 20 characters,
//! one a byte.

use std::fmt;

use manyhands_metainfo::InfoHash;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Why a string is not an identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an identifier is a string of 20 characters between U+0000 and U+00FF")]
pub struct IdError;

/// Reads a binary string. Every character up to U+00FF is one UTF-16 unit, so 20 characters are the
/// 20 units that JavaScript counts.
fn from_binary(text: &str) -> Result<[u8; 20], IdError> {
    let mut bytes = [0; 20];
    let mut characters = text.chars();
    for byte in &mut bytes {
        let character = characters.next().ok_or(IdError)?;
        *byte = u8::try_from(u32::from(character)).map_err(|_| IdError)?;
    }
    if characters.next().is_some() { Err(IdError) } else { Ok(bytes) }
}

fn to_binary(bytes: &[u8; 20]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

struct BinaryVisitor;

impl serde::de::Visitor<'_> for BinaryVisitor {
    type Value = [u8; 20];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{IdError}")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
        from_binary(text).map_err(E::custom)
    }
}

macro_rules! binary_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name([u8; 20]);

        impl $name {
            /// Takes the bytes.
            pub const fn from_bytes(bytes: [u8; 20]) -> Self {
                Self(bytes)
            }

            /// Reads the wire form: 20 characters of U+0000 to U+00FF.
            pub fn from_binary(text: &str) -> Result<Self, IdError> {
                from_binary(text).map(Self)
            }

            /// The bytes.
            pub const fn as_bytes(&self) -> &[u8; 20] {
                &self.0
            }

            /// The wire form.
            pub fn to_binary(&self) -> String {
                to_binary(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0.escape_ascii())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.to_binary())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str(BinaryVisitor).map(Self)
            }
        }
    };
}

binary_id! {
    /// What a peer calls itself in a swarm (BEP 3 `peer_id`). Other peers see it, so it is a name,
    /// never a proof.
    PeerId
}

binary_id! {
    /// What a peer calls one of its offers.
    OfferId
}

/// `#[serde(with = "id::info_hash")]`: an info-hash as a binary string.
pub(super) mod info_hash {
    use super::{BinaryVisitor, Deserializer, InfoHash, Serializer, to_binary};

    pub(in crate::tracker) fn serialize<S: Serializer>(
        hash: &InfoHash,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&to_binary(hash.as_bytes()))
    }

    pub(in crate::tracker) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<InfoHash, D::Error> {
        deserializer.deserialize_str(BinaryVisitor).map(InfoHash::from_bytes)
    }
}

/// An info-hash as a binary string where `with` does not reach: list items, map keys.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct BinaryInfoHash(#[serde(with = "info_hash")] pub(super) InfoHash);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_survives_json() {
        for first in 0..=u8::MAX {
            let mut bytes = [0; 20];
            for (offset, byte) in (0_u8..).zip(&mut bytes) {
                *byte = first.wrapping_add(offset);
            }
            let id = PeerId::from_bytes(bytes);
            let json = serde_json::to_string(&id).unwrap();
            assert_eq!(serde_json::from_str::<PeerId>(&json).unwrap(), id);
            assert_eq!(PeerId::from_binary(&id.to_binary()), Ok(id));
        }
    }

    #[test]
    fn refuses_what_is_not_20_bytes() {
        let accepted = |json: &str| serde_json::from_str::<OfferId>(json).is_ok();
        assert!(accepted(r#""aaaaaaaaaaaaaaaaaaaa""#));
        assert!(accepted(r#""aaaaaaaaaaaaaaaaaaa\u0000""#));
        assert!(accepted(r#""aaaaaaaaaaaaaaaaaaa\u00ff""#));
        assert!(accepted("\"aaaaaaaaaaaaaaaaaaa\u{ff}\""));
        for refused in [
            r#""aaaaaaaaaaaaaaaaaaa""#,
            r#""aaaaaaaaaaaaaaaaaaaaa""#,
            r#""aaaaaaaaaaaaaaaaaaa\u0100""#,
            r#""aaaaaaaaaaaaaaaaaaa\ud800""#,
            r#""aaaaaaaaaaaaaaaaaaa\udc00""#,
            r#""aaaaaaaaaaaaaaaaaa\ud83d\ude00""#,
            r#""aaaaaaaaaaaaaaaaaaa€""#,
            r#""""#,
            "20",
            "null",
            "[97]",
            r#"["aaaaaaaaaaaaaaaaaaaa"]"#,
        ] {
            assert!(!accepted(refused), "{refused}");
        }
    }
}
