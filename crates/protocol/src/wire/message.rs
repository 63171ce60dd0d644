//! Messages, and how each is framed: a length, a kind, a body.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::WireError;

/// What a request asks for, but at a piece's end: peers refuse other lengths. Bytes.
pub const BLOCK: u32 = 16_384;
/// The longest block that is given to a peer that asks for more than [`BLOCK`]: as long as stock clients give. Bytes.
pub const MAX_BLOCK: u32 = 131_072;
/// The longest message: a [`MAX_BLOCK`] with its head. Bounds a bitfield to a million pieces. Bytes, without the length itself.
pub const MAX_FRAME: u32 = MAX_BLOCK + 9;

const CHOKE: u8 = 0;
const UNCHOKE: u8 = 1;
const INTERESTED: u8 = 2;
const NOT_INTERESTED: u8 = 3;
const HAVE: u8 = 4;
const BITFIELD: u8 = 5;
const REQUEST: u8 = 6;
const PIECE: u8 = 7;
const CANCEL: u8 = 8;
const PORT: u8 = 9;
const SUGGEST: u8 = 13;
const HAVE_ALL: u8 = 14;
const HAVE_NONE: u8 = 15;
const REJECT: u8 = 16;
const ALLOWED_FAST: u8 = 17;
const EXTENDED: u8 = 20;

/// A part of a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Block {
    /// The piece's number.
    pub piece: u32,
    /// Where in the piece it begins, in bytes.
    pub begin: u32,
    /// Bytes.
    pub length: u32,
}

/// A message of the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Nothing: the connection lives.
    KeepAlive,
    /// The sender will not answer requests.
    Choke,
    /// It will.
    Unchoke,
    /// The sender would ask if it was unchoked.
    Interested,
    /// It would not.
    NotInterested,
    /// The sender has this piece now.
    Have(u32),
    /// The pieces that the sender has, from the highest bit of the first byte on.
    Bitfield(Bytes),
    /// Asks for a block.
    Request(Block),
    /// A block.
    Piece {
        /// The piece's number.
        piece: u32,
        /// Where in the piece it begins, in bytes.
        begin: u32,
        /// Its bytes.
        data: Bytes,
    },
    /// Takes a request back.
    Cancel(Block),
    /// The UDP port of the sender's DHT node (BEP 5): there is none here.
    Port(u16),
    /// A piece that the sender would rather be asked for (BEP 6).
    Suggest(u32),
    /// The sender has every piece (BEP 6).
    HaveAll,
    /// It has none (BEP 6).
    HaveNone,
    /// It will not answer this request (BEP 6).
    Reject(Block),
    /// A piece that may be asked for even while choked (BEP 6).
    AllowedFast(u32),
    /// A message of the extension protocol (BEP 10).
    Extended {
        /// 0 is the handshake; else the number that the receiver has given to the extension.
        id: u8,
        /// What the extension makes of it.
        payload: Bytes,
    },
    /// A kind that nobody here knows. BEP 3 says nothing of it; all who extend the protocol expect it to be passed over.
    Unknown(u8),
}

impl Message {
    /// Appends the message as it is sent, its length in front.
    pub fn encode(&self, out: &mut BytesMut) {
        let head = |out: &mut BytesMut, body: usize, kind: u8| {
            out.reserve(5 + body);
            // No body is longer than a frame may be, see `MAX_FRAME`.
            out.put_u32(u32::try_from(1 + body).unwrap_or(u32::MAX));
            out.put_u8(kind);
        };
        let number = |out: &mut BytesMut, kind: u8, number: u32| {
            head(out, 4, kind);
            out.put_u32(number);
        };
        let block = |out: &mut BytesMut, kind: u8, block: &Block| {
            head(out, 12, kind);
            out.put_u32(block.piece);
            out.put_u32(block.begin);
            out.put_u32(block.length);
        };
        match self {
            Self::KeepAlive => out.put_u32(0),
            Self::Choke => head(out, 0, CHOKE),
            Self::Unchoke => head(out, 0, UNCHOKE),
            Self::Interested => head(out, 0, INTERESTED),
            Self::NotInterested => head(out, 0, NOT_INTERESTED),
            Self::Have(piece) => number(out, HAVE, *piece),
            Self::Bitfield(bits) => {
                head(out, bits.len(), BITFIELD);
                out.put_slice(bits);
            }
            Self::Request(asked) => block(out, REQUEST, asked),
            Self::Piece { piece, begin, data } => {
                head(out, 8 + data.len(), PIECE);
                out.put_u32(*piece);
                out.put_u32(*begin);
                out.put_slice(data);
            }
            Self::Cancel(asked) => block(out, CANCEL, asked),
            Self::Port(port) => {
                head(out, 2, PORT);
                out.put_u16(*port);
            }
            Self::Suggest(piece) => number(out, SUGGEST, *piece),
            Self::HaveAll => head(out, 0, HAVE_ALL),
            Self::HaveNone => head(out, 0, HAVE_NONE),
            Self::Reject(asked) => block(out, REJECT, asked),
            Self::AllowedFast(piece) => number(out, ALLOWED_FAST, *piece),
            Self::Extended { id, payload } => {
                head(out, 1 + payload.len(), EXTENDED);
                out.put_u8(*id);
                out.put_slice(payload);
            }
            Self::Unknown(kind) => head(out, 0, *kind),
        }
    }

    /// Reads a message out of what stands between two lengths. `data` and `payload` share its memory.
    ///
    /// # Errors
    /// [`WireError::Malformed`] where the body is not as long as that of its kind is.
    pub fn decode(mut frame: Bytes) -> Result<Self, WireError> {
        if frame.is_empty() {
            return Ok(Self::KeepAlive);
        }
        let kind = frame.get_u8();
        let nothing = |message: Self, body: &Bytes| match body.is_empty() {
            true => Ok(message),
            false => Err(WireError::Malformed(kind)),
        };
        let number = |mut body: Bytes| match body.len() {
            4 => Ok(body.get_u32()),
            _ => Err(WireError::Malformed(kind)),
        };
        let block = |mut body: Bytes| match body.len() {
            12 => {
                Ok(Block { piece: body.get_u32(), begin: body.get_u32(), length: body.get_u32() })
            }
            _ => Err(WireError::Malformed(kind)),
        };
        match kind {
            CHOKE => nothing(Self::Choke, &frame),
            UNCHOKE => nothing(Self::Unchoke, &frame),
            INTERESTED => nothing(Self::Interested, &frame),
            NOT_INTERESTED => nothing(Self::NotInterested, &frame),
            HAVE => number(frame).map(Self::Have),
            BITFIELD => Ok(Self::Bitfield(frame)),
            REQUEST => block(frame).map(Self::Request),
            PIECE if frame.len() >= 8 => {
                let (piece, begin) = (frame.get_u32(), frame.get_u32());
                Ok(Self::Piece { piece, begin, data: frame })
            }
            CANCEL => block(frame).map(Self::Cancel),
            PORT if frame.len() == 2 => Ok(Self::Port(frame.get_u16())),
            SUGGEST => number(frame).map(Self::Suggest),
            HAVE_ALL => nothing(Self::HaveAll, &frame),
            HAVE_NONE => nothing(Self::HaveNone, &frame),
            REJECT => block(frame).map(Self::Reject),
            ALLOWED_FAST => number(frame).map(Self::AllowedFast),
            EXTENDED if !frame.is_empty() => {
                let id = frame.get_u8();
                Ok(Self::Extended { id, payload: frame })
            }
            PIECE | PORT | EXTENDED => Err(WireError::Malformed(kind)),
            kind => Ok(Self::Unknown(kind)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(message: &Message) -> Vec<u8> {
        let mut out = BytesMut::new();
        message.encode(&mut out);
        out.to_vec()
    }

    #[test]
    fn messages_are_the_bytes_of_their_beps() {
        let block = Block { piece: 1, begin: 0x4000, length: 0x4000 };
        let (bits, data) = (Bytes::from_static(&[0xa0]), Bytes::from_static(b"xy"));
        let extended = Message::Extended { id: 3, payload: Bytes::from_static(b"de") };
        for (message, bytes) in [
            (Message::KeepAlive, &[0, 0, 0, 0][..]),
            (Message::Choke, &[0, 0, 0, 1, 0]),
            (Message::Unchoke, &[0, 0, 0, 1, 1]),
            (Message::Interested, &[0, 0, 0, 1, 2]),
            (Message::NotInterested, &[0, 0, 0, 1, 3]),
            (Message::Have(258), &[0, 0, 0, 5, 4, 0, 0, 1, 2]),
            (Message::Bitfield(bits), &[0, 0, 0, 2, 5, 0xa0]),
            (Message::Request(block), &[0, 0, 0, 13, 6, 0, 0, 0, 1, 0, 0, 64, 0, 0, 0, 64, 0]),
            (
                Message::Piece { piece: 1, begin: 2, data },
                &[0, 0, 0, 11, 7, 0, 0, 0, 1, 0, 0, 0, 2, b'x', b'y'],
            ),
            (Message::Cancel(block), &[0, 0, 0, 13, 8, 0, 0, 0, 1, 0, 0, 64, 0, 0, 0, 64, 0]),
            (Message::Port(6881), &[0, 0, 0, 3, 9, 0x1a, 0xe1]),
            (Message::Suggest(1), &[0, 0, 0, 5, 13, 0, 0, 0, 1]),
            (Message::HaveAll, &[0, 0, 0, 1, 14]),
            (Message::HaveNone, &[0, 0, 0, 1, 15]),
            (Message::Reject(block), &[0, 0, 0, 13, 16, 0, 0, 0, 1, 0, 0, 64, 0, 0, 0, 64, 0]),
            (Message::AllowedFast(1), &[0, 0, 0, 5, 17, 0, 0, 0, 1]),
            (extended, &[0, 0, 0, 4, 20, 3, b'd', b'e']),
        ] {
            assert_eq!(sent(&message), bytes, "{message:?}");
            let frame = Bytes::copy_from_slice(&bytes[4..]);
            assert_eq!(Message::decode(frame), Ok(message));
        }
    }

    #[test]
    fn a_body_of_another_length_is_no_message() {
        for kind in [0, 1, 2, 3, 4, 6, 7, 8, 9, 13, 14, 15, 16, 17, 20] {
            let fits = |length: usize| {
                let frame = [&[kind][..], &vec![0; length]].concat();
                Message::decode(frame.into()) != Err(WireError::Malformed(kind))
            };
            let lengths: Vec<_> = (0..20).filter(|length| fits(*length)).collect();
            match kind {
                4 | 13 | 17 => assert_eq!(lengths, [4]),
                6 | 8 | 16 => assert_eq!(lengths, [12]),
                7 => assert_eq!(lengths, (8..20).collect::<Vec<_>>()),
                9 => assert_eq!(lengths, [2]),
                20 => assert_eq!(lengths, (1..20).collect::<Vec<_>>()),
                _ => assert_eq!(lengths, [0], "{kind}"),
            }
        }
        assert_eq!(Message::decode(Bytes::from_static(&[21, 1])), Ok(Message::Unknown(21)));
    }
}
