//! A set of units: which parts of an asset are there.

use std::ops::Range;

/// One bit a unit, the first in the highest bit of the first byte (as BEP 3 writes a bitfield).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Units {
    bits: Vec<u8>,
    count: u64,
    held: u64,
}

impl Units {
    /// None of `count` units.
    pub fn none(count: u64) -> Self {
        Self { bits: vec![0; bytes(count)], count, held: 0 }
    }

    /// All of `count` units.
    pub fn all(count: u64) -> Self {
        let mut all = Self::none(count);
        all.set(0..count);
        all
    }

    /// As it was written. `None` when there are not as many bytes as units need, or bits beyond the last.
    pub fn from_bytes(written: &[u8], count: u64) -> Option<Self> {
        if written.len() != bytes(count) {
            return None;
        }
        let held = written.iter().map(|byte| u64::from(byte.count_ones())).sum();
        let units = Self { bits: written.to_vec(), count, held };
        let beyond = (count..bytes(count) as u64 * 8).any(|unit| units.bit(unit));
        (!beyond).then_some(units)
    }

    /// How many units there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// How many are there.
    pub fn held(&self) -> u64 {
        self.held
    }

    /// Whether all are there.
    pub fn is_whole(&self) -> bool {
        self.held == self.count
    }

    /// Whether this one is there; none beyond the last is.
    pub fn has(&self, unit: u64) -> bool {
        unit < self.count && self.bit(unit)
    }

    /// Whether all of these are there.
    pub fn has_all(&self, mut units: Range<u64>) -> bool {
        self.is_whole() && units.end <= self.count || units.all(|unit| self.has(unit))
    }

    /// Adds these, as far as they exist.
    pub fn set(&mut self, units: Range<u64>) {
        for unit in units.start..units.end.min(self.count) {
            if !self.bit(unit)
                && let Some(byte) = self.bits.get_mut(index(unit))
            {
                *byte |= mask(unit);
                self.held += 1;
            }
        }
    }

    /// Takes these away.
    pub fn clear(&mut self, units: Range<u64>) {
        for unit in units.start..units.end.min(self.count) {
            if self.bit(unit)
                && let Some(byte) = self.bits.get_mut(index(unit))
            {
                *byte &= !mask(unit);
                self.held -= 1;
            }
        }
    }

    /// The bytes that hold these units, and where they begin.
    pub fn bytes_of(&self, units: &Range<u64>) -> (u64, &[u8]) {
        let first = index(units.start).min(self.bits.len());
        let last = bytes(units.end).clamp(first, self.bits.len());
        (first as u64, &self.bits[first..last])
    }

    /// All of them as bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bits
    }

    fn bit(&self, unit: u64) -> bool {
        self.bits.get(index(unit)).is_some_and(|byte| byte & mask(unit) != 0)
    }
}

fn bytes(count: u64) -> usize {
    usize::try_from(count.div_ceil(8)).unwrap_or(usize::MAX)
}

fn index(unit: u64) -> usize {
    usize::try_from(unit / 8).unwrap_or(usize::MAX)
}

fn mask(unit: u64) -> u8 {
    0x80 >> (unit % 8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn it_is_a_set(
            count in 0_u64..70,
            changes in proptest::collection::vec((any::<bool>(), 0_u64..80, 0_u64..80), 0..20),
        ) {
            let (mut units, mut model) = (Units::none(count), BTreeSet::new());
            for (add, start, end) in changes {
                for unit in start..end.min(count) {
                    if add { model.insert(unit); } else { model.remove(&unit); }
                }
                if add { units.set(start..end) } else { units.clear(start..end) }
            }
            prop_assert_eq!(units.held(), model.len() as u64);
            prop_assert_eq!(units.is_whole(), model.len() as u64 == count);
            for unit in 0..80 {
                prop_assert_eq!(units.has(unit), model.contains(&unit));
                for end in unit..80 {
                    let all = (unit..end).all(|it| model.contains(&it));
                    prop_assert_eq!(units.has_all(unit..end), all || unit == end);
                }
            }
            prop_assert_eq!(Units::from_bytes(units.as_bytes(), count), Some(units));
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert!(Units::from_bytes(&[0xff], 8).is_some_and(|units| units.is_whole()));
        assert!(Units::from_bytes(&[0xff], 7).is_none());
        assert!(Units::from_bytes(&[0xfe], 7).is_some());
        assert!(Units::from_bytes(&[], 1).is_none());
        assert!(Units::from_bytes(&[0, 0], 8).is_none());
        assert_eq!(Units::all(9).bytes_of(&(7..9)), (0, &[0xff, 0x80][..]));
    }
}
