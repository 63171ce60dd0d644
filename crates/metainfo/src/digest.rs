//! The two fixed-size hashes that name things: SHA-1 for BEP 3, SHA-256 for all that is verified.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use sha2::Digest as _;

/// A string that is not the lower-case hexadecimal form of a hash of this size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected} lower-case hexadecimal digits")]
pub struct HexError {
    expected: usize,
}

macro_rules! hash_newtype {
    ($(#[$doc:meta])* $name:ident, $size:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name([u8; $size]);

        impl $name {
            /// Length in bytes.
            pub const SIZE: usize = $size;

            /// Takes the raw hash.
            pub const fn from_bytes(bytes: [u8; $size]) -> Self {
                Self(bytes)
            }

            /// The raw hash.
            pub const fn as_bytes(&self) -> &[u8; $size] {
                &self.0
            }
        }

        impl AsRef<[u8]> for $name {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = HexError;

            /// Upper case is refused: one hash has one spelling, in URLs as in logs.
            fn from_str(text: &str) -> Result<Self, HexError> {
                let mut bytes = [0; $size];
                decode_hex(text, &mut bytes).ok_or(HexError { expected: 2 * $size })?;
                Ok(Self(bytes))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                text.parse().map_err(D::Error::custom)
            }
        }
    };
}

hash_newtype! {
    /// The BEP 3 info-hash: SHA-1 of the bencoded info dictionary; the name of a swarm.
    ///
    /// Shown, parsed and (de)serialised as 40 lower-case hexadecimal digits.
    InfoHash, 20
}

hash_newtype! {
    /// A SHA-256 digest: of a file, or a node of its BEP 52 Merkle tree.
    ///
    /// Shown, parsed and (de)serialised as 64 lower-case hexadecimal digits.
    Digest, 32
}

impl InfoHash {
    /// SHA-1 of a bencoded info dictionary.
    pub(crate) fn of_info(info: &[u8]) -> Self {
        Self(sha1::Sha1::digest(info).into())
    }
}

impl Digest {
    /// All zero: what BEP 52 puts in place of the leaves beyond the end of a file.
    pub const ZERO: Self = Self([0; 32]);

    /// SHA-256 of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(sha2::Sha256::digest(bytes).into())
    }
}

fn decode_hex(text: &str, out: &mut [u8]) -> Option<()> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() || pairs.len() != out.len() {
        return None;
    }
    for (byte, &[high, low]) in out.iter_mut().zip(pairs) {
        *byte = nibble(high)? << 4 | nibble(low)?;
    }
    Some(())
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn hex_round_trips_and_is_the_serde_form() {
        let digest = Digest::of(b"abc");
        assert_eq!(digest.to_string(), ABC);
        assert_eq!(ABC.parse(), Ok(digest));
        let json = serde_json::to_string(&digest).unwrap();
        assert_eq!(json, format!("\"{ABC}\""));
        assert_eq!(serde_json::from_str::<Digest>(&json).unwrap(), digest);
    }

    #[test]
    fn other_spellings_are_refused() {
        let good = "00112233445566778899aabbccddeeff00112233";
        assert_eq!(good.parse::<InfoHash>().unwrap().to_string(), good);
        for bad in [
            "",
            "0",
            &good[..39],
            &good[..38],
            &format!("{good}0"),
            &format!("{good}00"),
            &good.to_uppercase(),
            &format!("+{}", &good[1..]),
            &format!(" {}", &good[1..]),
            &format!("é{}", &good[2..]),
        ] {
            assert!(bad.parse::<InfoHash>().is_err(), "{bad:?}");
        }
    }
}
