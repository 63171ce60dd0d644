//! The first 68 bytes.

use manyhands_metainfo::InfoHash;

use super::WireError;

const NAME: &[u8; 20] = b"\x13BitTorrent protocol";
/// Byte and bit of the reserved field: the extension protocol (BEP 10).
const EXTENDED: (usize, u8) = (5, 0x10);
/// The fast extension (BEP 6).
const FAST: (usize, u8) = (7, 0x04);

/// Which extensions a peer speaks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Features {
    /// `have all`, `have none`, `reject`, `suggest`, `allowed fast` (BEP 6).
    pub fast: bool,
    /// Message 20 (BEP 10).
    pub extended: bool,
}

/// What each side says first, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Handshake {
    /// What it speaks besides BEP 3.
    pub features: Features,
    /// The swarm.
    pub info_hash: InfoHash,
    /// Names the peer within the swarm.
    pub peer_id: [u8; 20],
}

impl Handshake {
    /// Length in bytes.
    pub const SIZE: usize = 68;

    /// As it is sent.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::SIZE] {
        let mut reserved = [0; 8];
        for (is_on, (byte, bit)) in [(self.features.extended, EXTENDED), (self.features.fast, FAST)]
        {
            if is_on {
                reserved[byte] |= bit;
            }
        }
        let mut bytes = [0; Self::SIZE];
        bytes[..20].copy_from_slice(NAME);
        bytes[20..28].copy_from_slice(&reserved);
        bytes[28..48].copy_from_slice(self.info_hash.as_bytes());
        bytes[48..].copy_from_slice(&self.peer_id);
        bytes
    }

    /// Reads one.
    ///
    /// # Errors
    /// [`WireError::Protocol`] where it begins as another protocol does.
    pub fn from_bytes(bytes: &[u8; Self::SIZE]) -> Result<Self, WireError> {
        if bytes[..20] != NAME[..] {
            return Err(WireError::Protocol);
        }
        let has = |(byte, bit): (usize, u8)| bytes[20 + byte] & bit != 0;
        let (mut info_hash, mut peer_id) = ([0; 20], [0; 20]);
        info_hash.copy_from_slice(&bytes[28..48]);
        peer_id.copy_from_slice(&bytes[48..]);
        Ok(Self {
            features: Features { fast: has(FAST), extended: has(EXTENDED) },
            info_hash: InfoHash::from_bytes(info_hash),
            peer_id,
        })
    }

    /// Whether bytes can still become a handshake: another protocol is told by its first byte, before 68 of them are waited for.
    pub(super) fn may_begin(bytes: &[u8]) -> bool {
        bytes.iter().zip(NAME).all(|(byte, name)| byte == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_are_where_their_beps_put_them() {
        let mut handshake = Handshake {
            features: Features { fast: true, extended: true },
            info_hash: InfoHash::from_bytes([2; 20]),
            peer_id: [3; 20],
        };
        let bytes = handshake.to_bytes();
        assert_eq!(bytes[20..28], [0, 0, 0, 0, 0, 0x10, 0, 0x04]);
        assert_eq!(Handshake::from_bytes(&bytes), Ok(handshake));
        handshake.features = Features::default();
        assert_eq!(handshake.to_bytes()[20..28], [0; 8]);
    }

    #[test]
    fn what_others_reserve_is_nothing_to_us() {
        let mut bytes = [0xff; 68];
        bytes[..20].copy_from_slice(NAME);
        assert_eq!(
            Handshake::from_bytes(&bytes).unwrap().features,
            Features { fast: true, extended: true }
        );
        bytes[3] ^= 1;
        assert_eq!(Handshake::from_bytes(&bytes), Err(WireError::Protocol));
    }
}
