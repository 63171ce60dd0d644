//! The sums of units: a table with open addressing, in which a slot is claimed without a lock.
//!
//! A slot is eleven words: three of a key, one for the drain, the cells. The words of a key are set in their order,
//! each from zero to what the claimer wants, by compare and exchange: of two that want the same slot for different
//! keys, the one that finds the word of the other there goes on to the next slot. Every step can be repeated by
//! anybody with the same key, so that a claimer that dies half-way leaves a slot that the next of its key completes.
//!
//! A slot is emptied when its block is over and nothing came for a while. A key may then be found in an earlier slot
//! than the one it had, and for a while have two: what is drained is added up by whoever receives it.

use std::sync::atomic::{AtomicU64, Ordering};

use manyhands_experiment::{Arm, Bucket, UnitField};
use manyhands_metainfo::{AssetPath, Digest};

/// What sums are kept of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unit {
    /// An asset, by the first 16 bytes of the SHA-256 of its path.
    Asset([u8; 16]),
    /// A group of visitors.
    Bucket(Bucket),
    /// Assets for which there was no room, all in one arm.
    Rest(Arm),
}

impl Unit {
    /// That of an asset.
    #[must_use]
    pub fn of_asset(asset: &AssetPath) -> Self {
        let digest = Digest::of(asset.as_str().as_bytes());
        Self::Asset(digest.as_bytes().first_chunk().copied().unwrap_or_default())
    }
}

/// Words of a slot.
const OF_KEY: usize = 0;
const OF_IDLE: usize = 3;
const OF_CELLS: usize = 4;
const WORDS: usize = OF_CELLS + UnitField::COUNT;

/// Slots at the end that no asset gets, for the rest of each arm, in as many blocks as may go by with nobody to report
/// to.
const RESERVED: usize = 3 * 64;
/// Fewest slots for all others.
const LEAST: usize = 256;
/// How many slots are looked at for one key, past which there is no room.
const MOST_PROBES: usize = 64;

const ASSET: u64 = 1 << 60;
const BUCKET: u64 = 2 << 60;
const REST: u64 = 3 << 60;
const KIND: u64 = 3 << 60;

#[derive(Debug, Clone, Copy)]
pub(super) struct Units<'z> {
    /// A whole number of slots.
    words: &'z [AtomicU64],
}

/// A slot somebody claimed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slot<'z>(&'z [AtomicU64]);

impl<'z> Units<'z> {
    pub(super) const LEAST_WORDS: usize = (LEAST + RESERVED) * WORDS;

    pub(super) fn new(words: &'z [AtomicU64]) -> Self {
        let whole = words.len() / WORDS * WORDS;
        Self { words: words.get(..whole).unwrap_or_default() }
    }

    /// The cells of a unit in a block, claimed now if they are not yet.
    pub(super) fn cells(&self, unit: Unit, block: u64) -> Option<&'z [AtomicU64]> {
        let key = Key::new(unit, block);
        let (all, reserved) =
            self.words.split_at_checked(self.words.len().checked_sub(RESERVED * WORDS)?)?;
        let (words, most) = match unit {
            Unit::Rest(_) => (reserved, RESERVED),
            Unit::Asset(_) | Unit::Bucket(_) => (all, MOST_PROBES),
        };
        let region = Self { words };
        let slots = region.slots();
        let start = usize::try_from(mix(key.0[0]) % u64::try_from(slots).ok()?).ok()?;
        (0..slots.min(most))
            .filter_map(|probe| region.slot((start + probe) % slots))
            .find(|slot| slot.claim(&key))
            .map(|slot| slot.cells())
    }

    pub(super) fn slots(&self) -> usize {
        self.words.len() / WORDS
    }

    pub(super) fn slot(&self, number: usize) -> Option<Slot<'z>> {
        let start = number.checked_mul(WORDS)?;
        self.words.get(start..start.checked_add(WORDS)?).map(Slot)
    }
}

impl<'z> Slot<'z> {
    /// Whether this slot is that of `key`, from now on if it was nobody's.
    fn claim(&self, key: &Key) -> bool {
        let is_mine = self.key_words().iter().zip(key.0).all(|(word, wanted)| {
            let set = word.compare_exchange(0, wanted, Ordering::SeqCst, Ordering::SeqCst);
            set.is_ok() || set == Err(wanted)
        });
        // Emptied in the meantime?
        is_mine && self.0[OF_KEY].load(Ordering::SeqCst) == key.0[0]
    }

    /// Whose it is: `None` when it is free, or claimed half-way.
    pub(super) fn owner(&self) -> Option<(Unit, u64)> {
        let [a, b, c] = [0, 1, 2].map(|at| self.0[OF_KEY + at].load(Ordering::SeqCst));
        Key([a, b, c]).read()
    }

    pub(super) fn is_free(&self) -> bool {
        self.0[OF_KEY].load(Ordering::Relaxed) == 0
    }

    pub(super) fn cells(&self) -> &'z [AtomicU64] {
        &self.0[OF_CELLS..]
    }

    /// When it was first seen without anything to drain, as the drain has it.
    pub(super) fn idle(&self) -> &'z AtomicU64 {
        &self.0[OF_IDLE]
    }

    /// Makes it nobody's. Its key goes word by word, the first at last: until then nobody claims it.
    pub(super) fn empty(&self) {
        self.idle().store(0, Ordering::SeqCst);
        self.key_words().iter().rev().for_each(|word| word.store(0, Ordering::SeqCst));
    }

    #[cfg(test)]
    pub(super) fn leave_half_way(&self) {
        self.0[OF_KEY].store(77, Ordering::Relaxed);
    }

    fn key_words(&self) -> &'z [AtomicU64] {
        &self.0[OF_KEY..OF_IDLE]
    }
}

/// A unit and a block, in three words: the first half of what names the unit, mixed with the block, so that the slot
/// of a block that is over is never taken for that of the next; the second half; kind and block. None is
/// ever zero, which is what a word is before it is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Key([u64; 3]);

impl Key {
    fn new(unit: Unit, block: u64) -> Self {
        let block = block & !KIND;
        let (kind, first, second) = match unit {
            Unit::Asset(digest) => {
                let [first, second] = halves(digest);
                (ASSET, first, second)
            }
            Unit::Bucket(bucket) => {
                let number = u64::from(bucket.number());
                (BUCKET, mix(BUCKET | number), number + 1)
            }
            Unit::Rest(arm) => {
                let number = arm as u64;
                (REST, mix(REST | number), number + 1)
            }
        };
        // Two digests in 2^64 are recorded as another.
        Self([(first ^ mix(block)).max(1), second.max(1), kind | block])
    }

    fn read(&self) -> Option<(Unit, u64)> {
        let Self([first, second, last]) = *self;
        let block = last & !KIND;
        let unit = match last & KIND {
            ASSET => {
                let mut digest = [0; 16];
                let halves = [first ^ mix(block), second].map(u64::to_be_bytes);
                digest.iter_mut().zip(halves.as_flattened()).for_each(|(to, from)| *to = *from);
                Unit::Asset(digest)
            }
            BUCKET => Unit::Bucket(Bucket::new(second.checked_sub(1)?.try_into().ok()?)?),
            REST => Unit::Rest(Arm::ALL.into_iter().find(|arm| *arm as u64 + 1 == second)?),
            _ => return None,
        };
        (first != 0).then_some((unit, block))
    }
}

fn halves(digest: [u8; 16]) -> [u64; 2] {
    let number = u128::from_be_bytes(digest);
    [(number >> 64) as u64, number as u64]
}

/// The finaliser of splitmix64: every bit of the result depends on every bit of the number.
fn mix(number: u64) -> u64 {
    let a = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let b = (a ^ (a >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let c = (b ^ (b >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    c ^ (c >> 31)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words(slots: usize) -> Vec<AtomicU64> {
        (0..slots * WORDS).map(|_| AtomicU64::new(0)).collect()
    }

    fn any_unit() -> impl Strategy<Value = Unit> {
        prop_oneof![
            any::<[u8; 16]>().prop_map(Unit::Asset),
            (0..Bucket::COUNT).prop_map(|number| Unit::Bucket(Bucket::new(number).unwrap())),
            (0..3_usize).prop_map(|arm| Unit::Rest(Arm::ALL[arm])),
        ]
    }

    proptest! {
        #[test]
        fn a_key_says_what_it_was_made_of(unit in any_unit(), block in 0_u64..1 << 40) {
            prop_assert_eq!(Key::new(unit, block).read(), Some((unit, block)));
        }

        #[test]
        fn a_unit_is_found_where_it_was_put(units in prop::collection::vec((any_unit(), 0_u64..4), 1..200)) {
            let words = words(1_000);
            let table = Units::new(&words);
            for (unit, block) in &units {
                let cells = table.cells(*unit, *block).unwrap();
                prop_assert!(std::ptr::eq(cells, table.cells(*unit, *block).unwrap()));
                cells[0].fetch_add(1, Ordering::Relaxed);
            }
            for number in 0..table.slots() {
                let slot = table.slot(number).unwrap();
                let counted = slot.cells()[0].load(Ordering::Relaxed);
                match slot.owner() {
                    Some(owner) => {
                        let put = units.iter().filter(|unit| **unit == owner).count();
                        prop_assert_eq!(counted, put as u64);
                    }
                    None => prop_assert_eq!(counted, 0),
                }
            }
        }
    }

    #[test]
    fn a_claim_that_was_left_half_way_is_completed_by_the_next_of_its_key_and_hinders_no_other() {
        let key = Key::new(Unit::Asset([7; 16]), 3);
        for done in 0..3 {
            let words = words(LEAST + RESERVED);
            let table = Units::new(&words);
            let start = usize::try_from(mix(key.0[0]) % LEAST as u64).unwrap();
            let slot = table.slot(start).unwrap();
            for (word, wanted) in slot.key_words().iter().zip(key.0).take(done) {
                word.store(wanted, Ordering::Relaxed);
            }
            assert_eq!(slot.owner(), None);
            // Another one that has the same first word, and so starts there.
            let other = Key([key.0[0], key.0[1] ^ 1, key.0[2]]);
            let others: Vec<_> =
                (0..2).map(|at| table.slot(start + at).unwrap().claim(&other)).collect();
            assert_eq!(others, [done < 2, true], "claimed the first, or left it");
            let cells = table.cells(Unit::Asset([7; 16]), 3).unwrap();
            let mine = (0..table.slots()).filter_map(|at| table.slot(at));
            let mine: Vec<_> = mine.filter(|slot| slot.owner() == key.read()).collect();
            assert_eq!(mine.len(), 1);
            assert!(std::ptr::eq(mine[0].cells(), cells));
        }
    }

    #[test]
    fn a_full_table_says_so_and_the_rest_has_room_still() {
        let words = words(LEAST + RESERVED);
        let table = Units::new(&words);
        let asset = |number: u64| {
            let halves = [mix(number), number].map(u64::to_be_bytes);
            Unit::Asset(halves.as_flattened().try_into().unwrap())
        };
        let placed = (0..2_000).filter(|number| table.cells(asset(*number), 1).is_some()).count();
        assert_eq!(placed, LEAST);
        for block in 0..64 {
            for arm in Arm::ALL {
                assert!(table.cells(Unit::Rest(arm), block).is_some(), "{block} {arm:?}");
            }
        }
        assert!(table.cells(Unit::Rest(Arm::P2p), 64).is_none());
    }

    #[test]
    fn a_slot_that_was_emptied_is_anybodys() {
        let words = words(LEAST + RESERVED);
        let table = Units::new(&words);
        let cells = table.cells(Unit::Asset([7; 16]), 3).unwrap();
        let slots = || (0..table.slots()).filter_map(|at| table.slot(at));
        let slot = slots().find(|slot| slot.owner().is_some()).unwrap();
        slot.empty();
        assert!(slots().all(|slot| slot.is_free() && slot.owner().is_none()));
        assert!(std::ptr::eq(cells, table.cells(Unit::Asset([7; 16]), 3).unwrap()));
    }
}
