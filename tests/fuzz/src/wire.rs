//! The peer wire.

use bytes::{Buf, Bytes, BytesMut};
use manyhands_protocol::wire::{Decoded, Decoder, Extended, Message, WireError};

/// A stream means the same however it is cut, and each message is read back as it was.
pub fn wire(data: &[u8]) {
    let whole = decoded(data, data.len());
    assert_eq!(whole, decoded(data, 1));
    for message in whole.0.iter().filter_map(|it| match it {
        Decoded::Message(message) => Some(message),
        Decoded::Handshake(_) => None,
    }) {
        let mut again = BytesMut::new();
        message.encode(&mut again);
        again.advance(4);
        assert_eq!(Message::decode(again.freeze()).as_ref(), Ok(message));
        let Message::Extended { id, payload } = message else { continue };
        let Ok(read) = Extended::decode(*id, payload.clone()) else { continue };
        let written = match &read {
            Extended::Handshake(handshake) => handshake.to_message(),
            Extended::Metadata(message) => message.to_message(*id),
            Extended::DontHave(piece) => Extended::dont_have(*id, *piece),
            Extended::Unknown(_) => continue,
        };
        let Message::Extended { id, payload } = written else { panic!("{written:?}") };
        assert_eq!(Extended::decode(id, payload), Ok(read));
    }
}

fn decoded(data: &[u8], size: usize) -> (Vec<Decoded>, Option<WireError>) {
    let (mut decoder, mut out) = (Decoder::new(), Vec::new());
    for chunk in data.chunks(size.max(1)) {
        decoder.push(Bytes::copy_from_slice(chunk));
        loop {
            match decoder.next() {
                Ok(Some(it)) => out.push(it),
                Ok(None) => break,
                Err(error) => return (out, Some(error)),
            }
        }
    }
    (out, None)
}
