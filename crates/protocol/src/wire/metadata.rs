//! The info dictionary from peers, for who came by a magnet link (BEP 9).

use bendy::decoding::{Decoder, Error};
use bendy::encoding::Encoder;
use bytes::Bytes;
use manyhands_metainfo::InfoHash;
use sha1::{Digest as _, Sha1};

use super::{Message, WireError};
use crate::bencode::{number, skip};

/// What one message carries, but the last. Bytes.
pub const METADATA_PIECE: u32 = 16 * 1024;
/// Longest info dictionary that is fetched: that of 400,000 pieces. Bytes.
pub const MAX_METADATA: u32 = 8 << 20;

/// A message of `ut_metadata`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MetadataMessage {
    /// Asks for a piece.
    Request(u32),
    /// A piece.
    Data {
        /// Its number.
        piece: u32,
        /// Length of the whole in bytes, as the sender says.
        total: u32,
        /// Its bytes.
        data: Bytes,
    },
    /// The sender will not give this piece.
    Reject(u32),
}

impl MetadataMessage {
    /// For a peer that takes `ut_metadata` under this number.
    #[must_use]
    pub fn to_message(&self, id: u8) -> Message {
        let (kind, piece, total, data) = match self {
            Self::Request(piece) => (0, *piece, None, &Bytes::new()),
            Self::Data { piece, total, data } => (1, *piece, Some(*total), data),
            Self::Reject(piece) => (2, *piece, None, &Bytes::new()),
        };
        let mut encoder = Encoder::new();
        let written = encoder.emit_dict(|mut members| {
            members.emit_pair(b"msg_type", kind)?;
            members.emit_pair(b"piece", piece)?;
            total.map_or(Ok(()), |total| members.emit_pair(b"total_size", total))
        });
        let head = written.and_then(|()| encoder.get_output()).unwrap_or_default();
        Message::Extended { id, payload: [&head[..], data].concat().into() }
    }

    pub(super) fn decode(payload: Bytes) -> Result<Self, WireError> {
        const MALFORMED: WireError = WireError::Extended("its ut_metadata is malformed");
        let (head, kind, piece, total) = read(&payload).map_err(|_| MALFORMED)?;
        match (kind, piece, total) {
            (Some(0), Some(piece), _) => Ok(Self::Request(piece)),
            (Some(1), Some(piece), Some(total)) => {
                Ok(Self::Data { piece, total, data: payload.slice(head..) })
            }
            (Some(2), Some(piece), _) => Ok(Self::Reject(piece)),
            // Kinds that BEP 9 leaves for later are not answered: it says so.
            _ => Err(MALFORMED),
        }
    }
}

/// Length of the dictionary in front, and what it says.
type Head = (usize, Option<u8>, Option<u32>, Option<u32>);

fn read(payload: &[u8]) -> Result<Head, Error> {
    let (mut kind, mut piece, mut total) = (None, None, None);
    let mut decoder = Decoder::new(payload).with_max_depth(2);
    let first = decoder.next_object()?.ok_or_else(|| Error::missing_field("msg_type"))?;
    let mut members = first.try_into_dictionary()?;
    while let Some((key, value)) = members.next_pair()? {
        match key {
            b"msg_type" => kind = number(value)?,
            b"piece" => piece = number(value)?,
            b"total_size" => total = number(value)?,
            _ => skip(value)?,
        }
    }
    Ok((members.into_raw()?.len(), kind, piece, total))
}

/// What became of a piece.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MetadataTaken {
    /// It is none that was wanted.
    Unwanted,
    /// More are missing.
    More,
    /// The info dictionary, whole and right.
    Whole(Bytes),
    /// All pieces are there and are not what the info-hash names. What was collected is gone; whoever sent any of it may have lied.
    Wrong,
}

/// Puts an info dictionary together.
///
/// Its length is what one peer said first; if that was a lie, all that is collected turns out wrong, and another peer's word is taken
/// with [`Metadata::new`].
#[derive(Debug)]
pub struct Metadata {
    info_hash: InfoHash,
    total: u32,
    pieces: Vec<Option<Bytes>>,
}

impl Metadata {
    /// For an info dictionary of `total` bytes; `None` where no info dictionary is that long.
    #[must_use]
    pub fn new(info_hash: InfoHash, total: u32) -> Option<Self> {
        let count = total.div_ceil(METADATA_PIECE) as usize;
        (1..=MAX_METADATA).contains(&total).then(|| Self {
            info_hash,
            total,
            pieces: vec![None; count],
        })
    }

    /// Length in bytes.
    #[must_use]
    pub fn total(&self) -> u32 {
        self.total
    }

    /// Pieces that are missing, ascending.
    pub fn missing(&self) -> impl Iterator<Item = u32> + '_ {
        let numbered = (0_u32..).zip(&self.pieces);
        numbered.filter(|(_, piece)| piece.is_none()).map(|(number, _)| number)
    }

    /// Takes a piece.
    pub fn take(&mut self, piece: u32, total: u32, data: Bytes) -> MetadataTaken {
        let begin = u64::from(piece) * u64::from(METADATA_PIECE);
        let length = u64::from(self.total).saturating_sub(begin).min(METADATA_PIECE.into());
        let place = self.pieces.get_mut(piece as usize).filter(|place| place.is_none());
        let (Some(place), true) = (place, total == self.total && data.len() as u64 == length)
        else {
            return MetadataTaken::Unwanted;
        };
        *place = Some(data);
        if self.pieces.iter().any(Option::is_none) {
            return MetadataTaken::More;
        }
        let whole: Vec<u8> = self.pieces.iter_mut().filter_map(Option::take).flatten().collect();
        match Sha1::digest(&whole)[..] == self.info_hash.as_bytes()[..] {
            true => MetadataTaken::Whole(whole.into()),
            false => MetadataTaken::Wrong,
        }
    }
}

/// The piece of an info dictionary that a peer asked for; `None` past its end.
#[must_use]
pub fn metadata_piece(info: &Bytes, piece: u32) -> Option<MetadataMessage> {
    let begin = (piece as usize).checked_mul(METADATA_PIECE as usize)?;
    let end = info.len().min(begin.checked_add(METADATA_PIECE as usize)?);
    let total = u32::try_from(info.len()).ok()?;
    (begin < end).then(|| MetadataMessage::Data { piece, total, data: info.slice(begin..end) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Extended;

    fn hash_of(info: &[u8]) -> InfoHash {
        InfoHash::from_bytes(Sha1::digest(info).into())
    }

    fn info() -> Bytes {
        (0..40_000_u32).map(|at| (at % 251) as u8).collect::<Vec<_>>().into()
    }

    #[test]
    fn messages_are_those_of_the_bep() {
        let data = Bytes::from_static(b"xxxx");
        for (message, bytes) in [
            (MetadataMessage::Request(0), &b"d8:msg_typei0e5:piecei0ee"[..]),
            (
                MetadataMessage::Data { piece: 0, total: 34_256, data },
                b"d8:msg_typei1e5:piecei0e10:total_sizei34256eexxxx",
            ),
            (MetadataMessage::Reject(0), b"d8:msg_typei2e5:piecei0ee"),
        ] {
            let Message::Extended { id: 3, payload } = message.to_message(3) else { panic!() };
            assert_eq!(payload.as_ref(), bytes);
            assert_eq!(Extended::decode(1, payload), Ok(Extended::Metadata(message)));
        }
        for bad in [
            &b""[..],
            b"de",
            b"d8:msg_typei3e5:piecei0ee",
            b"d8:msg_typei0e5:piecei-1ee",
            b"d8:msg_typei1e5:piecei0ee",
            b"d8:msg_typei0e",
            b"d8:msg_type1:05:piecei0ee",
            b"d1:ad1:ad1:adeeee",
        ] {
            assert!(Extended::decode(1, Bytes::copy_from_slice(bad)).is_err());
        }
    }

    #[test]
    fn pieces_in_any_order_make_the_whole() {
        let info = info();
        let mut metadata = Metadata::new(hash_of(&info), 40_000).unwrap();
        for piece in [2, 0, 1] {
            assert!(metadata.missing().any(|missing| missing == piece));
            let Some(MetadataMessage::Data { piece, total, data }) = metadata_piece(&info, piece)
            else {
                panic!()
            };
            let cut = data.slice(1..);
            assert_eq!(metadata.take(piece, total, cut), MetadataTaken::Unwanted);
            assert_eq!(metadata.take(piece, total + 1, data.clone()), MetadataTaken::Unwanted);
            let taken = metadata.take(piece, total, data.clone());
            match piece {
                1 => assert_eq!(taken, MetadataTaken::Whole(info.clone())),
                _ => {
                    assert_eq!(taken, MetadataTaken::More);
                    assert_eq!(metadata.take(piece, total, data), MetadataTaken::Unwanted);
                }
            }
        }
        assert_eq!(metadata_piece(&info, 3), None);
        assert_eq!(metadata_piece(&info, u32::MAX), None);
        assert_eq!(metadata.take(3, 40_000, Bytes::new()), MetadataTaken::Unwanted);
    }

    #[test]
    fn what_the_info_hash_does_not_name_is_thrown_away() {
        let mut metadata = Metadata::new(hash_of(b"another"), 5).unwrap();
        for _ in 0..2 {
            let taken = metadata.take(0, 5, Bytes::from_static(b"wrong"));
            assert_eq!(taken, MetadataTaken::Wrong);
            assert_eq!(metadata.missing().collect::<Vec<_>>(), [0]);
        }
        for total in [0, MAX_METADATA + 1, u32::MAX] {
            assert!(Metadata::new(hash_of(b""), total).is_none(), "{total}");
        }
    }
}
