//! The extension protocol (BEP 10): which extensions each side takes, under which number.

use bendy::decoding::{Decoder, Error, Object};
use bendy::encoding::Encoder;
use bytes::{Buf, Bytes};

use super::{Message, MetadataMessage, WireError};
use crate::bencode::{number, skip};

/// Longest handshake that is read. Bytes.
const MAX_HANDSHAKE: usize = 16 * 1024;
/// Levels of nesting that are followed.
const MAX_LEVELS: usize = 4;

/// An extension that is spoken here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExtensionId {
    /// `ut_metadata` (BEP 9): the info dictionary, for who came by a magnet link.
    Metadata,
    /// `lt_donthave`: a piece that was had is had no more.
    DontHave,
}

impl ExtensionId {
    /// All, in the order of their names.
    const ALL: [Self; 2] = [Self::DontHave, Self::Metadata];

    /// As handshakes name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Metadata => "ut_metadata",
            Self::DontHave => "lt_donthave",
        }
    }

    /// The number under which we take it.
    #[must_use]
    pub fn ours(self) -> u8 {
        match self {
            Self::Metadata => 1,
            Self::DontHave => 2,
        }
    }
}

/// What a side takes: message 0 of the extension protocol.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExtendedHandshake {
    /// The number to send `ut_metadata` under.
    pub metadata: Option<u8>,
    /// The number to send `lt_donthave` under.
    pub dont_have: Option<u8>,
    /// Length of the info dictionary in bytes, from who has it.
    pub metadata_size: Option<u32>,
    /// Requests that may wait at the sender.
    pub queue: Option<u32>,
    /// The sender's program, for people: what a stranger wrote.
    pub version: Option<String>,
}

/// What a message of the extension protocol is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Extended {
    /// Message 0. It may come again, and then holds what changed.
    Handshake(ExtendedHandshake),
    /// BEP 9.
    Metadata(MetadataMessage),
    /// A piece that the sender has no more.
    DontHave(u32),
    /// An extension that we did not offer.
    Unknown(u8),
}

impl Extended {
    /// Reads the two parts of [`Message::Extended`].
    ///
    /// # Errors
    /// [`WireError::Extended`] where an extension that we offered is not what it is to be.
    pub fn decode(id: u8, mut payload: Bytes) -> Result<Self, WireError> {
        const DONT_HAVE: &str = "lt_donthave names no piece";
        if id == 0 {
            return ExtendedHandshake::decode(&payload).map(Self::Handshake);
        }
        match ExtensionId::ALL.into_iter().find(|extension| extension.ours() == id) {
            Some(ExtensionId::Metadata) => MetadataMessage::decode(payload).map(Self::Metadata),
            Some(ExtensionId::DontHave) if payload.len() == 4 => {
                Ok(Self::DontHave(payload.get_u32()))
            }
            Some(ExtensionId::DontHave) => Err(WireError::Extended(DONT_HAVE)),
            None => Ok(Self::Unknown(id)),
        }
    }

    /// `lt_donthave` for a peer that takes it under this number.
    #[must_use]
    pub fn dont_have(id: u8, piece: u32) -> Message {
        Message::Extended { id, payload: Bytes::copy_from_slice(&piece.to_be_bytes()) }
    }
}

impl ExtendedHandshake {
    /// What we take, `metadata_size` being the length of the info dictionary where it is known.
    #[must_use]
    pub fn ours(metadata_size: Option<u32>, queue: u32) -> Self {
        Self {
            metadata: Some(ExtensionId::Metadata.ours()),
            dont_have: Some(ExtensionId::DontHave.ours()),
            metadata_size,
            queue: Some(queue),
            version: Some(format!("Manyhands {}", env!("CARGO_PKG_VERSION"))),
        }
    }

    /// The message.
    #[must_use]
    pub fn to_message(&self) -> Message {
        Message::Extended { id: 0, payload: self.encode().unwrap_or_default().into() }
    }

    fn encode(&self) -> Result<Vec<u8>, bendy::encoding::Error> {
        let mut encoder = Encoder::new();
        encoder.emit_dict(|mut members| {
            members.emit_pair_with(b"m", |encoder| {
                encoder.emit_dict(|mut numbers| {
                    for extension in ExtensionId::ALL {
                        let number = match extension {
                            ExtensionId::Metadata => self.metadata,
                            ExtensionId::DontHave => self.dont_have,
                        };
                        if let Some(number) = number {
                            numbers.emit_pair(extension.name().as_bytes(), number)?;
                        }
                    }
                    Ok(())
                })
            })?;
            if let Some(size) = self.metadata_size {
                members.emit_pair(b"metadata_size", size)?;
            }
            if let Some(queue) = self.queue {
                members.emit_pair(b"reqq", queue)?;
            }
            if let Some(version) = &self.version {
                members.emit_pair(b"v", version.as_str())?;
            }
            Ok(())
        })?;
        encoder.get_output()
    }

    fn decode(payload: &[u8]) -> Result<Self, WireError> {
        if payload.len() > MAX_HANDSHAKE {
            return Err(WireError::Extended("its handshake is too long"));
        }
        Self::read(payload).map_err(|_| WireError::Extended("its handshake is malformed"))
    }

    fn read(payload: &[u8]) -> Result<Self, Error> {
        let mut handshake = Self::default();
        let mut decoder = Decoder::new(payload).with_max_depth(MAX_LEVELS);
        let first = decoder.next_object()?.ok_or_else(|| Error::missing_field("handshake"))?;
        let mut members = first.try_into_dictionary()?;
        while let Some((key, value)) = members.next_pair()? {
            match key {
                b"m" => handshake.read_numbers(value)?,
                b"metadata_size" => handshake.metadata_size = number(value)?,
                b"reqq" => handshake.queue = number(value)?,
                b"v" => {
                    let text = value.try_into_bytes()?;
                    let text = text.get(..64).unwrap_or(text);
                    handshake.version = Some(String::from_utf8_lossy(text).into_owned());
                }
                _ => skip(value)?,
            }
        }
        Ok(handshake)
    }

    fn read_numbers(&mut self, value: Object<'_, '_>) -> Result<(), Error> {
        let mut numbers = value.try_into_dictionary()?;
        while let Some((name, value)) = numbers.next_pair()? {
            let of = match ExtensionId::ALL.into_iter().find(|it| it.name().as_bytes() == name) {
                Some(ExtensionId::Metadata) => &mut self.metadata,
                Some(ExtensionId::DontHave) => &mut self.dont_have,
                None => {
                    skip(value)?;
                    continue;
                }
            };
            // 0 takes an extension back.
            *of = number(value)?.filter(|number| *number > 0);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(payload: &[u8]) -> Result<ExtendedHandshake, WireError> {
        match Extended::decode(0, Bytes::copy_from_slice(payload))? {
            Extended::Handshake(handshake) => Ok(handshake),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_handshake_is_what_other_clients_write() {
        let ours = ExtendedHandshake { version: None, ..ExtendedHandshake::ours(Some(31), 512) };
        let Message::Extended { id: 0, payload } = ours.to_message() else { panic!() };
        assert_eq!(
            payload.as_ref(),
            b"d1:md11:lt_donthavei2e11:ut_metadatai1ee13:metadata_sizei31e4:reqqi512ee"
        );
        assert_eq!(read(&payload).unwrap(), ours);
        // As libtorrent writes it.
        let theirs = b"d12:complete_agoi-1e1:md11:lt_donthavei7e10:share_modei8e11:upload_onlyi3e12:ut_holepunchi4e11:ut_metadatai2e6:ut_pexi1ee13:metadata_sizei12345e4:reqqi2000e11:upload_onlyi1e1:v18:libtorrent/2.0.8.06:yourip4:abcde";
        let read = read(theirs).unwrap();
        assert_eq!((read.metadata, read.dont_have), (Some(2), Some(7)));
        assert_eq!((read.metadata_size, read.queue), (Some(12_345), Some(2_000)));
        assert_eq!(read.version.as_deref(), Some("libtorrent/2.0.8.0"));
    }

    #[test]
    fn what_it_does_not_say_is_unsaid_and_what_is_none_is_refused() {
        assert_eq!(read(b"de").unwrap(), ExtendedHandshake::default());
        assert_eq!(read(b"d1:md11:ut_metadatai0eee").unwrap(), ExtendedHandshake::default());
        assert_eq!(read(b"d13:metadata_sizei-1ee").unwrap().metadata_size, None);
        assert_eq!(read(b"d1:md11:ut_metadatai256eee").unwrap().metadata, None);
        let long = [&b"d1:v999:"[..], &[b'x'; 999], b"e"].concat();
        assert_eq!(read(&long).unwrap().version.unwrap().len(), 64);
        for bad in [
            &b""[..],
            b"d",
            b"i1e",
            b"d1:mi1ee",
            b"d1:v4:abce",
            b"d1:m1:xe",
            b"llllllllllle",
            b"d1:pi1e1:md1:ai1eee",
        ] {
            assert!(read(bad).is_err(), "{}", String::from_utf8_lossy(bad));
        }
        assert!(read(&[b'd'; MAX_HANDSHAKE + 1]).is_err());
    }

    #[test]
    fn a_piece_is_had_no_more() {
        let Message::Extended { id, payload } = Extended::dont_have(2, 258) else { panic!() };
        assert_eq!(Extended::decode(id, payload), Ok(Extended::DontHave(258)));
        for bad in [&b""[..], b"\0\0\0", b"\0\0\0\0\0"] {
            assert!(Extended::decode(2, Bytes::copy_from_slice(bad)).is_err());
        }
        assert_eq!(Extended::decode(9, Bytes::new()), Ok(Extended::Unknown(9)));
    }
}
