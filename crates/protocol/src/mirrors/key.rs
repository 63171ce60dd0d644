//! Ed25519 keys (RFC 8032) and signatures, written as lower-case hexadecimal digits.

use std::{fmt, str::FromStr};

use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// Why a text is no key or signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Not as many lower-case hexadecimal digits as it has.
    #[error("expected {0} lower-case hexadecimal digits")]
    Hex(usize),
    /// The digits are no point of the curve, or one of the few that any signature fits.
    #[error("not an Ed25519 public key")]
    NoKey,
}

/// A public key, the name of a site or a mirror: 64 digits. Weak points, which some signatures fit
/// whatever was signed, are no keys.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PublicKey([u8; 32]);

/// A signature: 128 digits. Of any 64 bytes, until verified.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Signature([u8; 64]);

/// A secret key. Has no text form and shows nothing when printed.
#[derive(Clone)]
pub struct SecretKey(SigningKey);

impl PublicKey {
    /// Takes the 32 bytes of a key.
    ///
    /// # Errors
    /// [`KeyError::NoKey`] where they are none.
    pub fn from_bytes(bytes: [u8; 32]) -> Result<Self, KeyError> {
        match VerifyingKey::from_bytes(&bytes) {
            Ok(key) if !key.is_weak() => Ok(Self(bytes)),
            _ => Err(KeyError::NoKey),
        }
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether `signature` is this key's over `text`. Strict: of two ways to write a signature, one is
    /// refused (RFC 8032, section 8.4).
    pub fn verifies(&self, text: &[u8], signature: &Signature) -> bool {
        let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
        VerifyingKey::from_bytes(&self.0)
            .is_ok_and(|key| key.verify_strict(text, &signature).is_ok())
    }
}

impl Signature {
    /// Takes the 64 bytes.
    pub fn from_bytes(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    /// The 64 bytes.
    pub fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

impl SecretKey {
    /// The key of a 32-byte seed, which is what is kept on disk. The seed must come from the operating
    /// system's randomness.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// Its public half.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    /// Signs `text`. The same text gives the same signature.
    pub fn sign(&self, text: &[u8]) -> Signature {
        Signature(self.0.sign(text).to_bytes())
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey(of {})", self.public())
    }
}

impl FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        Self::from_bytes(from_hex(text)?)
    }
}

impl FromStr for Signature {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        from_hex(text).map(Self)
    }
}

macro_rules! written_as_hex {
    ($name:ident) => {
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

written_as_hex!(PublicKey);
written_as_hex!(Signature);

fn from_hex<const SIZE: usize>(text: &str) -> Result<[u8; SIZE], KeyError> {
    let nibble = |digit: u8| match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        _ => Err(KeyError::Hex(2 * SIZE)),
    };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let mut bytes = [0; SIZE];
    if !rest.is_empty() || pairs.len() != SIZE {
        return Err(KeyError::Hex(2 * SIZE));
    }
    for (byte, &[high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = nibble(high)? << 4 | nibble(low)?;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8032, section 7.1, tests 1 and 2.
    const VECTORS: [(&str, &str, &[u8], &str); 2] = [
        (
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            b"",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        ),
        (
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            b"\x72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        ),
    ];

    #[test]
    fn the_vectors_of_the_rfc_hold() {
        for (seed, public, text, signature) in VECTORS {
            let key = SecretKey::from_seed(&from_hex(seed).unwrap());
            assert_eq!(key.public().to_string(), public);
            assert_eq!(key.sign(text).to_string(), signature);
            let (public, signature): (PublicKey, Signature) =
                (public.parse().unwrap(), signature.parse().unwrap());
            assert!(public.verifies(text, &signature));
            assert!(!public.verifies(b"another", &signature));
        }
    }

    #[test]
    fn what_fits_anything_is_no_key() {
        // The neutral element, and the point of order two: small subgroup.
        let mut neutral = [0; 32];
        neutral[0] = 1;
        assert_eq!(PublicKey::from_bytes(neutral), Err(KeyError::NoKey));
        let mut two = [0xff; 32];
        (two[0], two[31]) = (0xec, 0x7f);
        assert_eq!(PublicKey::from_bytes(two), Err(KeyError::NoKey));
        assert_eq!(PublicKey::from_bytes([0; 32]), Err(KeyError::NoKey));
    }

    #[test]
    fn a_signature_has_one_spelling() {
        let (_, public, text, signature) = VECTORS[0];
        let public: PublicKey = public.parse().unwrap();
        // S + L: the same scalar, written differently.
        let order = [
            0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9,
            0xde, 0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
        ];
        let mut bytes = *signature.parse::<Signature>().unwrap().as_bytes();
        let mut carry = 0;
        for (byte, add) in bytes[32..].iter_mut().zip(order) {
            let sum = u16::from(*byte) + add + carry;
            (*byte, carry) = (u8::try_from(sum & 0xff).unwrap(), sum >> 8);
        }
        assert!(!public.verifies(text, &Signature::from_bytes(bytes)));
        assert!(signature.to_uppercase().parse::<Signature>().is_err());
    }

    #[test]
    fn a_secret_key_is_not_printed() {
        let key = SecretKey::from_seed(&[7; 32]);
        assert!(!format!("{key:?}").contains("0707"));
    }
}
