//! Which pieces somebody has.

use bytes::Bytes;

use super::WireError;

/// A set of pieces, as a bitfield has it: the first piece is the highest bit of the first byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pieces {
    bits: Vec<u8>,
    total: u32,
    count: u32,
}

impl Pieces {
    /// None of `total`.
    #[must_use]
    pub fn none(total: u32) -> Self {
        Self { bits: vec![0; total.div_ceil(8) as usize], total, count: 0 }
    }

    /// All of `total`.
    #[must_use]
    pub fn all(total: u32) -> Self {
        let mut pieces = Self { bits: vec![0xff; total.div_ceil(8) as usize], total, count: total };
        if let (Some(last), spare @ 1..) = (pieces.bits.last_mut(), (8 - total % 8) % 8) {
            *last <<= spare;
        }
        pieces
    }

    /// Reads a bitfield of a torrent of `total` pieces.
    ///
    /// # Errors
    /// [`WireError::Bitfield`] where it is of another length, or has bits after the last piece.
    pub fn from_bitfield(bits: &[u8], total: u32) -> Result<Self, WireError> {
        let count = bits.iter().map(|byte| byte.count_ones()).sum();
        let spare = (8 - total % 8) % 8;
        let is_clean = bits.last().is_none_or(|last| last.trailing_zeros() >= spare);
        match bits.len() == total.div_ceil(8) as usize && is_clean {
            true => Ok(Self { bits: bits.to_vec(), total, count }),
            false => Err(WireError::Bitfield),
        }
    }

    /// As a message has it.
    #[must_use]
    pub fn to_bitfield(&self) -> Bytes {
        Bytes::copy_from_slice(&self.bits)
    }

    /// Whether a piece is among them. What is past the last is not.
    #[must_use]
    pub fn has(&self, piece: u32) -> bool {
        self.bits.get(piece as usize / 8).is_some_and(|byte| byte & (0x80 >> (piece % 8)) != 0)
    }

    /// Adds a piece; `false` when it was there already, or is past the last.
    pub fn add(&mut self, piece: u32) -> bool {
        let is_new = piece < self.total && !self.has(piece);
        if is_new {
            self.bits[piece as usize / 8] |= 0x80 >> (piece % 8);
            self.count += 1;
        }
        is_new
    }

    /// Takes a piece out; `false` when it was not there.
    pub fn remove(&mut self, piece: u32) -> bool {
        let was = self.has(piece);
        if was {
            self.bits[piece as usize / 8] &= !(0x80 >> (piece % 8));
            self.count -= 1;
        }
        was
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.count
    }

    /// How many the torrent has.
    #[must_use]
    pub fn total(&self) -> u32 {
        self.total
    }

    /// All of them are there.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.count == self.total
    }

    /// None of them is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Their numbers, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.total).filter(|piece| self.has(*piece))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_bitfield_begins_at_the_highest_bit_and_has_no_spare_ones() {
        let pieces = Pieces::from_bitfield(&[0b1010_0000, 0b1000_0000], 9).unwrap();
        assert_eq!(pieces.iter().collect::<Vec<_>>(), [0, 2, 8]);
        for (bits, total) in
            [(&[0xff, 0xc0][..], 9), (&[0xff], 9), (&[0xff, 0, 0], 9), (&[0], 0), (&[], 1)]
        {
            assert_eq!(Pieces::from_bitfield(bits, total), Err(WireError::Bitfield), "{total}");
        }
        assert!(Pieces::from_bitfield(&[], 0).unwrap().is_complete());
        for total in 0..40 {
            let all = Pieces::all(total);
            assert_eq!(Pieces::from_bitfield(&all.to_bitfield(), total).unwrap(), all);
            assert!(all.is_complete() && all.count() == total && !all.has(total));
        }
    }

    proptest! {
        /// It is the set that it looks like.
        #[test]
        fn it_is_a_set(total in 0_u32..100, steps in prop::collection::vec((0_u32..110, any::<bool>()), 0..200)) {
            let (mut pieces, mut set) = (Pieces::none(total), BTreeSet::new());
            for (piece, adds) in steps {
                match adds {
                    true => prop_assert_eq!(pieces.add(piece), piece < total && set.insert(piece)),
                    false => prop_assert_eq!(pieces.remove(piece), set.remove(&piece)),
                }
            }
            prop_assert_eq!(pieces.iter().collect::<Vec<_>>(), set.iter().copied().collect::<Vec<_>>());
            prop_assert_eq!(pieces.count() as usize, set.len());
            prop_assert_eq!(Pieces::from_bitfield(&pieces.to_bitfield(), total), Ok(pieces));
        }
    }
}
