//! Messages out of a stream of chunks.

use std::collections::VecDeque;

use bytes::{Buf, Bytes, BytesMut};

use super::{Handshake, MAX_FRAME, Message, WireError};

/// What came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decoded {
    /// The first thing, once.
    Handshake(Handshake),
    /// Anything after it.
    Message(Message),
}

/// Puts chunks together, and takes them apart again where messages end. Holds what its caller has pushed and not yet taken: a
/// caller that takes all there is after each push holds less than one frame.
#[derive(Debug, Default)]
pub struct Decoder {
    chunks: VecDeque<Bytes>,
    size: usize,
    greeted: bool,
    /// What was wrong: nothing comes after it.
    failed: Option<WireError>,
}

impl Decoder {
    /// One that waits for a handshake.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Bytes, as they arrive.
    pub fn push(&mut self, chunk: Bytes) {
        if self.failed.is_none() && !chunk.is_empty() {
            self.size += chunk.len();
            self.chunks.push_back(chunk);
        }
    }

    /// Bytes that are held.
    #[must_use]
    pub fn held(&self) -> usize {
        self.size
    }

    /// What is whole by now; `None` until more comes. (No iterator: after `None` there may be more.)
    ///
    /// # Errors
    /// See [`WireError`]; the same again for ever after.
    #[expect(clippy::should_implement_trait, reason = "it goes on after None")]
    pub fn next(&mut self) -> Result<Option<Decoded>, WireError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        self.step().inspect_err(|error| {
            self.failed = Some(*error);
            self.chunks.clear();
            self.size = 0;
        })
    }

    fn step(&mut self) -> Result<Option<Decoded>, WireError> {
        if !self.greeted {
            if !self.chunks.iter().next().is_none_or(|first| Handshake::may_begin(first)) {
                return Err(WireError::Protocol);
            }
            let Some(bytes) = self.take(Handshake::SIZE) else { return Ok(None) };
            self.greeted = true;
            let bytes = bytes.as_ref().try_into().map_err(|_| WireError::Protocol)?;
            return Handshake::from_bytes(bytes).map(Decoded::Handshake).map(Some);
        }
        let Some(length) = self.length() else { return Ok(None) };
        if length > MAX_FRAME {
            return Err(WireError::TooLong(length));
        }
        let Some(mut frame) = self.take(4 + length as usize) else { return Ok(None) };
        frame.advance(4);
        Message::decode(frame).map(Decoded::Message).map(Some)
    }

    /// The next message's, once its four bytes are there.
    fn length(&self) -> Option<u32> {
        let mut bytes = self.chunks.iter().flat_map(|chunk| chunk.iter());
        let mut length = [0; 4];
        for byte in &mut length {
            *byte = *bytes.next()?;
        }
        Some(u32::from_be_bytes(length))
    }

    /// So many bytes in one piece: copied only where they came in several.
    fn take(&mut self, length: usize) -> Option<Bytes> {
        if self.size < length {
            return None;
        }
        self.size -= length;
        let first = self.chunks.front_mut()?;
        let taken = if first.len() >= length {
            first.split_to(length)
        } else {
            let mut whole = BytesMut::with_capacity(length);
            while whole.len() < length {
                let chunk = self.chunks.front_mut()?;
                whole.extend_from_slice(&chunk.split_to(chunk.len().min(length - whole.len())));
                if chunk.is_empty() {
                    self.chunks.pop_front();
                }
            }
            whole.freeze()
        };
        if self.chunks.front().is_some_and(Bytes::is_empty) {
            self.chunks.pop_front();
        }
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use manyhands_metainfo::InfoHash;
    use proptest::prelude::*;

    use super::*;
    use crate::wire::{Block, Features};

    fn greeting() -> Handshake {
        Handshake {
            features: Features { fast: true, extended: true },
            info_hash: InfoHash::from_bytes([1; 20]),
            peer_id: [2; 20],
        }
    }

    /// All that comes out, however the bytes are cut.
    fn decoded(bytes: &[u8], cuts: &[usize]) -> (Vec<Decoded>, Result<(), WireError>, usize) {
        let (mut decoder, mut out, mut rest, mut most) = (Decoder::new(), Vec::new(), bytes, 0);
        let mut cuts = cuts.iter().cycle();
        while !rest.is_empty() {
            let cut = cuts.next().map_or(rest.len(), |cut| rest.len().min(1 + cut));
            let (chunk, tail) = rest.split_at(cut);
            rest = tail;
            decoder.push(Bytes::copy_from_slice(chunk));
            loop {
                match decoder.next() {
                    Ok(Some(it)) => out.push(it),
                    Ok(None) => break,
                    Err(error) => return (out, Err(error), most),
                }
            }
            most = most.max(decoder.held());
        }
        (out, Ok(()), most)
    }

    fn messages() -> impl Strategy<Value = Message> {
        let block = (any::<u32>(), any::<u32>(), any::<u32>())
            .prop_map(|(piece, begin, length)| Block { piece, begin, length });
        let bytes = prop::collection::vec(any::<u8>(), 0..300).prop_map(Bytes::from);
        prop_oneof![
            Just(Message::KeepAlive),
            Just(Message::Unchoke),
            Just(Message::HaveAll),
            any::<u32>().prop_map(Message::Have),
            bytes.clone().prop_map(Message::Bitfield),
            block.clone().prop_map(Message::Request),
            block.prop_map(Message::Reject),
            (any::<u32>(), any::<u32>(), bytes.clone())
                .prop_map(|(piece, begin, data)| Message::Piece { piece, begin, data }),
            (any::<u8>(), bytes).prop_map(|(id, payload)| Message::Extended { id, payload }),
        ]
    }

    proptest! {
        /// What is sent arrives, wherever the way cuts it, and no more than a frame is held.
        #[test]
        fn messages_arrive_however_they_are_cut(
            sent in prop::collection::vec(messages(), 0..30),
            cuts in prop::collection::vec(0_usize..500, 1..20),
        ) {
            let mut bytes = BytesMut::from(&greeting().to_bytes()[..]);
            sent.iter().for_each(|message| message.encode(&mut bytes));
            let (out, end, most) = decoded(&bytes, &cuts);
            prop_assert_eq!(end, Ok(()));
            let expected = std::iter::once(Decoded::Handshake(greeting()));
            let expected: Vec<_> = expected.chain(sent.into_iter().map(Decoded::Message)).collect();
            prop_assert_eq!(out, expected);
            prop_assert!(most < 4 + MAX_FRAME as usize);
        }

        /// Junk ends in an error or in nothing, the same however it is cut, and never in a panic.
        #[test]
        fn junk_is_junk_however_it_is_cut(
            junk in prop::collection::vec(any::<u8>(), 0..2_000),
            greets in any::<bool>(),
            cuts in prop::collection::vec(0_usize..200, 1..20),
        ) {
            let greeting = greeting().to_bytes();
            let bytes = if greets { [&greeting[..], &junk].concat() } else { junk };
            let (whole, cut) = (decoded(&bytes, &[bytes.len()]), decoded(&bytes, &cuts));
            prop_assert_eq!(&whole.0, &cut.0);
            prop_assert_eq!(whole.1, cut.1);
        }
    }

    #[test]
    fn another_protocol_is_told_by_its_first_byte() {
        assert_eq!(decoded(b"G", &[0]).1, Err(WireError::Protocol));
        assert_eq!(decoded(b"\x13BitTorrent prot", &[100]), (vec![], Ok(()), 16));
    }

    #[test]
    fn nothing_longer_than_a_frame_is_waited_for() {
        let bytes = |length: u32| [&greeting().to_bytes()[..], &length.to_be_bytes()].concat();
        let (out, end, _) = decoded(&bytes(MAX_FRAME + 1), &[1_000]);
        assert_eq!((out.len(), end), (1, Err(WireError::TooLong(MAX_FRAME + 1))));
        assert_eq!(decoded(&bytes(MAX_FRAME), &[1_000]).1, Ok(()));
        let mut decoder = Decoder::new();
        decoder.push(Bytes::from(bytes(u32::MAX)));
        assert!(decoder.next().is_ok());
        assert!(decoder.next().is_err());
        // Nothing is kept of what comes after.
        decoder.push(Bytes::from(vec![0; 1_000]));
        assert_eq!((decoder.held(), decoder.next().is_err()), (0, true));
    }
}
