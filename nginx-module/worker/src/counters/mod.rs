//! Counters that all workers of one nginx share, in memory that outlives each of them: a worker that dies, or is
//! replaced on reload, takes nothing with it.
//!
//! The memory is words of 64 bits, zero at first. There are no pointers in it, so that it may lie at another
//! address in each process, and no locks: whatever a worker was at when it died, the next one goes on.
//!
//! | words | what |
//! |---|---|
//! | 0, 1 | layout and site, see [`Counters::attach`] |
//! | 2 | who is draining, see `drain.rs` |
//! | 3 | whether anything came since the last drain |
//! | 4 | the experiment that the units are of |
//! | 5 to 7 | not used |
//! | 8 to 16 | traffic, in the order of [`TrafficField`] |
//! | from 24 | units, see `units.rs` |

mod drain;
mod units;

pub(crate) use drain::{DrainTerms, UnitCounts};
pub(crate) use units::Unit;

use std::sync::atomic::{AtomicU64, Ordering};

use manyhands_experiment::{TrafficField, UnitField};

use self::units::Units;

/// `manyhand` in ASCII, with the number of the layout added: raised whenever that changes.
const LAYOUT: u64 = u64::from_be_bytes(*b"manyhand") + 1;

const OF_LAYOUT: usize = 0;
const OF_SITE: usize = 1;
const OF_DRAINING: usize = 2;
const OF_DIRTY: usize = 3;
const OF_EXPERIMENT: usize = 4;
const OF_TRAFFIC: usize = 8;
const OF_UNITS: usize = 24;

/// The counters of one site, in memory shared by all workers.
#[derive(Debug, Clone, Copy)]
pub struct Counters<'z> {
    header: &'z [AtomicU64],
    traffic: &'z [AtomicU64],
    units: Units<'z>,
}

impl<'z> Counters<'z> {
    /// Fewest words: with less, hardly any unit would have sums of its own.
    pub const LEAST_WORDS: usize = OF_UNITS + Units::LEAST_WORDS;

    /// The counters in `zone`, `None` when that is smaller than [`Counters::LEAST_WORDS`].
    ///
    /// What counters of the same `site` (any number that names it) in the same layout hold goes on; anything else
    /// there is cleared. Called first by the process that makes the memory, before any other sees it.
    #[must_use]
    pub fn attach(zone: &'z [AtomicU64], site: u64) -> Option<Self> {
        if zone.len() < Self::LEAST_WORDS {
            return None;
        }
        let (header, units) = zone.split_at_checked(OF_UNITS)?;
        let traffic = header.get(OF_TRAFFIC..OF_TRAFFIC + TrafficField::COUNT)?;
        let counters = Self { header, traffic, units: Units::new(units) };
        let is = |word: usize, value| counters.word(word).load(Ordering::Acquire) == value;
        if !is(OF_LAYOUT, LAYOUT) || !is(OF_SITE, site) {
            zone.iter().for_each(|word| word.store(0, Ordering::Relaxed));
            counters.word(OF_SITE).store(site, Ordering::Relaxed);
            counters.word(OF_LAYOUT).store(LAYOUT, Ordering::Release);
        }
        Some(counters)
    }

    /// Adds to all traffic.
    pub fn add_traffic(&self, field: TrafficField, more: u64) {
        if let Some(cell) = self.traffic.get(field as usize) {
            cell.fetch_add(more, Ordering::SeqCst);
            self.dirty();
        }
    }

    /// Adds to a unit in a block, such as that of now. Returns whether there was room: what has none is in traffic
    /// alone.
    pub fn add_unit(&self, unit: Unit, block: u64, field: UnitField, more: u64) -> bool {
        let mut sums = [0; UnitField::COUNT];
        sums[field as usize] = more;
        self.add_sums(unit, block, &sums)
    }

    fn add_sums(&self, unit: Unit, block: u64, sums: &[u64; UnitField::COUNT]) -> bool {
        let Some(cells) = self.units.cells(unit, block) else { return false };
        for (cell, more) in cells.iter().zip(sums).filter(|(_, more)| **more > 0) {
            cell.fetch_add(*more, Ordering::SeqCst);
        }
        self.dirty();
        true
    }

    /// Written once between two drains, by whoever is first. In one order with what it speaks of, for all who look:
    /// a drain that takes it back before it is seen here also sees the sum that was added before.
    fn dirty(&self) {
        let dirty = self.word(OF_DIRTY);
        if dirty.load(Ordering::SeqCst) == 0 {
            dirty.store(1, Ordering::SeqCst);
        }
    }

    fn word(&self, at: usize) -> &'z AtomicU64 {
        &self.header[at]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::atomic::AtomicBool;
    use std::thread;

    use manyhands_experiment::{Arm, Bucket};
    use proptest::prelude::*;

    use super::drain::Drain;
    use super::*;

    fn zone(words: usize) -> Vec<AtomicU64> {
        (0..words).map(|_| AtomicU64::new(0)).collect()
    }

    fn terms(now: u64) -> DrainTerms {
        DrainTerms { now, experiment: 1, block: Some(1), thorough: true }
    }

    /// What was drained, by unit.
    type Sums = HashMap<(Unit, u64), [u64; UnitField::COUNT]>;

    fn drained(drain: &mut Drain<'_>, sums: &mut Sums) {
        loop {
            let units = drain.units(7);
            if units.is_empty() {
                return;
            }
            for UnitCounts { unit, block, sums: more } in units {
                let sum = sums.entry((unit, block)).or_default();
                sum.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
            }
        }
    }

    fn any_unit() -> impl Strategy<Value = Unit> {
        prop_oneof![
            (1_u8..40).prop_map(|number| Unit::Asset([number.wrapping_mul(37); 16])),
            (0..4_u16).prop_map(|number| Unit::Bucket(Bucket::new(number).unwrap())),
            (0..3_usize).prop_map(|arm| Unit::Rest(Arm::ALL[arm])),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        /// Three workers add, a fourth drains all the while and gives half of it back: nothing is lost or doubled.
        #[test]
        fn all_that_workers_add_is_drained_once(
            work in prop::collection::vec(
                prop::collection::vec((any_unit(), 0_u64..3, 0_usize..7, 1_u64..1 << 40), 0..300), 3..4
            ),
        ) {
            let zone = zone(Counters::LEAST_WORDS);
            let counters = Counters::attach(&zone, 9).unwrap();
            // Names the experiment, so that nothing is dropped afterwards.
            drop(counters.drain(terms(1)));
            const FIELDS: [UnitField; 7] = [
                UnitField::Demand, UnitField::DemandBytes, UnitField::Requests, UnitField::OriginBytes,
                UnitField::OverheadBytes, UnitField::Aborted, UnitField::Failed,
            ];
            let done = AtomicBool::new(false);
            let (mut sums, mut traffic) = (Sums::new(), 0);
            thread::scope(|scope| {
                let workers: Vec<_> = work.iter().map(|work| {
                    let zone = &zone;
                    scope.spawn(move || {
                        let counters = Counters::attach(zone, 9).unwrap();
                        for (unit, block, field, more) in work {
                            assert!(counters.add_unit(*unit, *block, FIELDS[*field], *more));
                            counters.add_traffic(TrafficField::Shared, *more);
                        }
                    })
                }).collect();
                let drainer = scope.spawn(|| {
                    let (mut sums, mut traffic, mut now) = (Sums::new(), 0, 10);
                    while !done.load(Ordering::Relaxed) {
                        now += 1;
                        let Some(mut drain) = counters.drain(DrainTerms { thorough: false, ..terms(now) })
                        else { continue };
                        let all = drain.traffic();
                        match now % 2 {
                            0 => {
                                traffic += all[TrafficField::Shared as usize];
                                drained(&mut drain, &mut sums);
                            }
                            _ => {
                                drain.give_back_traffic(&all);
                                let units = drain.units(3);
                                drain.give_back(&units);
                            }
                        }
                    }
                    (sums, traffic)
                });
                workers.into_iter().for_each(|worker| worker.join().unwrap());
                done.store(true, Ordering::Relaxed);
                (sums, traffic) = drainer.join().unwrap();
            });
            // What nobody has drained yet is noted as such, and is the rest.
            if let Some(mut drain) = counters.drain(DrainTerms { thorough: false, ..terms(1 << 20) }) {
                traffic += drain.traffic()[TrafficField::Shared as usize];
                drained(&mut drain, &mut sums);
            }
            let mut expected = Sums::new();
            for (unit, block, field, more) in work.iter().flatten() {
                expected.entry((*unit, *block)).or_default()[*field] += more;
            }
            prop_assert_eq!(sums, expected);
            prop_assert_eq!(traffic, work.iter().flatten().map(|(.., more)| more).sum::<u64>());
        }
    }

    #[test]
    fn what_was_counted_outlives_whoever_counted_it_but_not_its_site() {
        let zone = zone(Counters::LEAST_WORDS);
        Counters::attach(&zone, 9).unwrap().add_traffic(TrafficField::Other, 5);
        let again = Counters::attach(&zone, 9).unwrap();
        let drain = again.drain(terms(1)).unwrap();
        assert_eq!({ drain }.traffic()[0], 5);
        again.add_traffic(TrafficField::Other, 6);
        let other = Counters::attach(&zone, 10).unwrap();
        assert_eq!(other.drain(terms(1)).unwrap().traffic(), [0; 9]);
        assert!(Counters::attach(&zone[1..], 9).is_none());
    }

    #[test]
    fn one_worker_drains_until_it_is_done_or_dead() {
        let zone = zone(Counters::LEAST_WORDS);
        let counters = Counters::attach(&zone, 9).unwrap();
        assert!(
            counters.drain(DrainTerms { thorough: false, ..terms(1) }).is_none(),
            "nothing came"
        );
        counters.add_traffic(TrafficField::Other, 5);
        let first = counters.drain(terms(1_000)).unwrap();
        assert!(counters.drain(terms(1_000)).is_none());
        assert!(counters.drain(terms(5_999)).is_none());
        let second = counters.drain(terms(6_000)).unwrap();
        // Whoever comes back late takes no turn away.
        drop(first);
        assert!(counters.drain(terms(6_001)).is_none());
        drop(second);
        let third = counters.drain(DrainTerms { thorough: false, ..terms(6_002) });
        assert_eq!(third.expect("neither was at its end").traffic()[0], 5);
        // A clock that steps back ends no turn sooner and none later.
        std::mem::forget(counters.drain(terms(60_000)).unwrap());
        assert!(counters.drain(terms(59_000)).is_none());
        assert!(counters.drain(terms(30_000)).is_some());
    }

    #[test]
    fn units_of_another_experiment_have_nobody_to_go_to() {
        let zone = zone(Counters::LEAST_WORDS);
        let counters = Counters::attach(&zone, 9).unwrap();
        drop(counters.drain(terms(1)));
        let unit = Unit::Asset([7; 16]);
        counters.add_unit(unit, 1, UnitField::OriginBytes, 3);
        counters.add_traffic(TrafficField::Shared, 3);
        let mut other = counters.drain(DrainTerms { experiment: 2, ..terms(2) }).unwrap();
        assert_eq!((other.units(9), other.traffic()[2]), (vec![], 3));
        counters.add_unit(unit, 1, UnitField::OriginBytes, 4);
        assert_eq!(other.units(9), [], "it had passed that one");
        drop(other);
        let units = counters.drain(DrainTerms { experiment: 2, ..terms(3) }).unwrap().units(9);
        assert_eq!(units, [UnitCounts { unit, block: 1, sums: [0, 0, 0, 4, 0, 0, 0] }]);
    }

    #[test]
    fn slots_of_blocks_that_are_over_are_emptied_in_time() {
        let zone = zone(Counters::LEAST_WORDS);
        let counters = Counters::attach(&zone, 9).unwrap();
        drop(counters.drain(terms(1)));
        let slots = || (0..counters.units.slots()).filter_map(|at| counters.units.slot(at));
        let taken = || slots().filter(|slot| !slot.is_free()).count();
        let look =
            |seconds: u64| counters.drain(terms(seconds * 1_000)).unwrap().units(usize::MAX).len();
        for block in 0..2 {
            counters.add_unit(Unit::Asset([7; 16]), block, UnitField::Requests, 1);
        }
        // One that was left half-way.
        slots().find(|slot| slot.is_free()).unwrap().leave_half_way();
        assert_eq!((look(10), taken()), (2, 3));
        assert_eq!((look(20), taken()), (0, 3));
        assert_eq!((look(909), taken()), (0, 3));
        assert_eq!((look(919), taken()), (0, 2), "that of no unit was idle from the first");
        // Something late, and the time starts anew.
        counters.add_unit(Unit::Asset([7; 16]), 0, UnitField::Requests, 1);
        assert_eq!((look(920), taken()), (1, 2));
        assert_eq!((look(930), look(1_829), taken()), (0, 0, 2));
        assert_eq!((look(1_830), taken()), (0, 1), "that of the block of now stays");
    }
}
