//! Taking what was counted out of the memory, to be sent: one worker at a time, and what it can't send it gives back.

use std::sync::atomic::{AtomicU64, Ordering};

use manyhands_experiment::{TrafficField, UnitField};

use super::units::{Slot, Unit};
use super::{Counters, OF_DIRTY, OF_DRAINING, OF_EXPERIMENT};

/// A drain takes a moment: whoever is at it for longer, in milliseconds, has died.
const MOST_TAKEN: u64 = 5_000;
/// How long, in seconds, a slot of another block stays before it is emptied. Longer than any worker is held up
/// between looking for a slot and adding to it.
const IDLE: u64 = 15 * 60;

/// What came to one unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnitCounts {
    /// Which.
    pub unit: Unit,
    /// In which block.
    pub block: u64,
    /// How much, in the order of [`UnitField`].
    pub sums: [u64; UnitField::COUNT],
}

/// What a drain goes by.
#[derive(Debug, Clone, Copy)]
pub struct DrainTerms {
    /// Milliseconds since the epoch.
    pub now: u64,
    /// Any number that names the experiment, zero for none. What was counted in another has nobody to go to, and is
    /// dropped.
    pub experiment: u64,
    /// The block of now: slots of others are emptied in time.
    pub block: Option<u64>,
    /// Whether to look even where nothing seems to have come, and for slots that can be emptied. To be done once in
    /// a while.
    pub thorough: bool,
}

/// The right to take counts out, until dropped.
#[derive(Debug)]
pub struct Drain<'z> {
    counters: Counters<'z>,
    terms: DrainTerms,
    next: usize,
}

impl<'z> Counters<'z> {
    /// Starts to take counts out. `None` where there are none, or another worker is at it.
    #[must_use]
    pub fn drain(&self, terms: DrainTerms) -> Option<Drain<'z>> {
        if !terms.thorough && self.word(OF_DIRTY).load(Ordering::SeqCst) == 0 {
            return None;
        }
        let draining = self.word(OF_DRAINING);
        let held = draining.load(Ordering::SeqCst);
        if held != 0 && held.abs_diff(terms.now) < MOST_TAKEN {
            return None;
        }
        let mine = terms.now.max(1);
        draining.compare_exchange(held, mine, Ordering::SeqCst, Ordering::SeqCst).ok()?;
        self.word(OF_DIRTY).store(0, Ordering::SeqCst);
        let drain = Drain { counters: *self, terms, next: 0 };
        if self.word(OF_EXPERIMENT).swap(terms.experiment, Ordering::SeqCst) != terms.experiment {
            for slot in drain.slots() {
                take::<{ UnitField::COUNT }>(slot.cells());
            }
        }
        Some(drain)
    }
}

impl Drain<'_> {
    /// All traffic that came since.
    pub fn traffic(&mut self) -> [u64; TrafficField::COUNT] {
        take(self.counters.traffic)
    }

    /// Units that something came to since, at most so many; none once all were seen.
    pub fn units(&mut self, most: usize) -> Vec<UnitCounts> {
        let mut units = Vec::new();
        while units.len() < most
            && let Some(slot) = self.counters.units.slot(self.next)
        {
            self.next += 1;
            if slot.is_free() {
                continue;
            }
            let owner = slot.owner();
            if let Some((unit, block)) = owner {
                let sums = take(slot.cells());
                if sums != [0; UnitField::COUNT] {
                    slot.idle().store(0, Ordering::SeqCst);
                    units.push(UnitCounts { unit, block, sums });
                    continue;
                }
            }
            if self.terms.thorough && owner.is_none_or(|(_, block)| Some(block) != self.terms.block)
            {
                self.empty(&slot);
            }
        }
        units
    }

    /// Puts traffic back that could not be sent.
    pub fn give_back_traffic(&self, traffic: &[u64; TrafficField::COUNT]) {
        for (cell, more) in self.counters.traffic.iter().zip(traffic) {
            cell.fetch_add(*more, Ordering::SeqCst);
        }
        self.counters.dirty();
    }

    /// Puts units back that could not be sent.
    pub fn give_back(&self, units: &[UnitCounts]) {
        for UnitCounts { unit, block, sums } in units {
            self.counters.add_sums(*unit, *block, sums);
        }
    }

    /// Empties a slot that nothing came to for long.
    fn empty(&self, slot: &Slot<'_>) {
        let now = (self.terms.now / 1_000).max(1);
        match slot.idle().load(Ordering::SeqCst) {
            0 => slot.idle().store(now, Ordering::SeqCst),
            since if since.abs_diff(now) >= IDLE => {
                take::<{ UnitField::COUNT }>(slot.cells());
                slot.empty();
            }
            _ => {}
        }
    }

    fn slots(&self) -> impl Iterator<Item = Slot<'_>> {
        (0..self.counters.units.slots()).filter_map(|at| self.counters.units.slot(at))
    }
}

impl Drop for Drain<'_> {
    fn drop(&mut self) {
        if self.next < self.counters.units.slots() {
            self.counters.dirty();
        }
        // Of a worker that was held up, another may have taken the turn.
        let mine = self.terms.now.max(1);
        let draining = self.counters.word(OF_DRAINING);
        let _ = draining.compare_exchange(mine, 0, Ordering::SeqCst, Ordering::SeqCst);
    }
}

/// What is in cells, which are zero then. Most are: those are only looked at.
fn take<const N: usize>(cells: &[AtomicU64]) -> [u64; N] {
    let mut taken = [0; N];
    for (taken, cell) in taken.iter_mut().zip(cells) {
        if cell.load(Ordering::SeqCst) != 0 {
            *taken = cell.swap(0, Ordering::SeqCst);
        }
    }
    taken
}
