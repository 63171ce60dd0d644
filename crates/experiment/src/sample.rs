//! Units as estimators see them: merged, ordered by block, in floating point.

use std::collections::HashMap;

use crate::{Arm, Design, Observations, Sums, Unit};

/// One unit.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Row {
    /// Origin octets.
    pub(crate) origin: f64,
    /// Overhead octets.
    pub(crate) overhead: f64,
    /// What origin octets are in proportion to: demanded octets, or page views.
    pub(crate) demand: f64,
    /// To which power of demand the variance of `origin` is taken to be proportional, where intervals need to know how many units
    /// say something of it. Visits that have nothing to do with each other make it proportional to demand d, and all
    /// doing the same to d². Page views of a bucket are the former; of an asset in a block, with bursts of visitors and
    /// lengths that differ a thousandfold, the middle is what holds in simulation: d^1.5.
    pub(crate) power: f64,
    /// How often it was wanted.
    pub(crate) wanted: u64,
    /// What was known of it before, where that is a number.
    pub(crate) before: Option<f64>,
}

/// The units of one arm.
#[derive(Debug, Default)]
pub(crate) struct Side {
    pub(crate) rows: Vec<Row>,
    /// Sums of all of them.
    pub(crate) sums: Sums,
    /// How many were wanted or asked for.
    pub(crate) active: u64,
    /// Blocks with such a one.
    pub(crate) blocks: u64,
}

/// Units of each arm, in the order of [`Arm::ALL`]; grows block by block.
#[derive(Debug)]
pub(crate) struct Sample {
    pub(crate) sides: [Side; 3],
    crossover: bool,
    /// Visitors: where a bucket's row is.
    buckets: HashMap<(Arm, u64), usize>,
}

/// Where an arm stands in [`Arm::ALL`].
pub(crate) fn index(arm: Arm) -> usize {
    match arm {
        Arm::Untouched => 0,
        Arm::Http => 1,
        Arm::P2p => 2,
    }
}

/// A pre-period ratio beyond this is no measurement; it only would overflow squares.
const LARGEST_BEFORE: f64 = 1e12;

/// Units in the order of their blocks, those of the same (asset, block) or (bucket, block) made one. Whatever
/// order they come in, what is reckoned from them is the same to the last bit.
pub(crate) fn merged(observations: &Observations) -> Vec<Unit> {
    let mut units = observations.units.clone();
    units.iter_mut().for_each(|unit| unit.before = unit.before.filter(usable));
    let same = |unit: &Unit| (unit.block, unit.arm, unit.key);
    units.sort_by(|a, b| {
        let before = |unit: &Unit| unit.before.unwrap_or(-1.0);
        same(a).cmp(&same(b)).then(before(b).total_cmp(&before(a)))
    });
    // The first of the same has the largest `before`, which stays.
    units.dedup_by(|more, unit| {
        let double = same(more) == same(unit);
        if double {
            unit.sums.add(&more.sums);
        }
        double
    });
    units
}

fn usable(before: &f64) -> bool {
    (0.0..=LARGEST_BEFORE).contains(before)
}

impl Sample {
    /// Of no unit yet.
    pub(crate) fn new(design: Design) -> Self {
        Self {
            sides: Default::default(),
            crossover: matches!(design, Design::Crossover { .. }),
            buckets: HashMap::new(),
        }
    }

    /// Of merged units.
    pub(crate) fn of(design: Design, units: &[Unit]) -> Self {
        let mut sample = Self::new(design);
        units.chunk_by(|a, b| a.block == b.block).for_each(|block| sample.push(block));
        sample
    }

    /// Adds the units of a block after all that were added before.
    pub(crate) fn push(&mut self, block: &[Unit]) {
        let power = if self.crossover { 1.5 } else { 1.0 };
        let mut seen = [false; 3];
        for unit in block {
            let at = index(unit.arm);
            let (sums, side) = (&unit.sums, &mut self.sides[at]);
            side.sums.add(sums);
            if *sums == Sums::default() {
                continue;
            }
            let active = sums.demand > 0 || sums.requests > 0 || sums.origin_bytes > 0;
            seen[at] |= active;
            let next = side.rows.len();
            let row = if self.crossover {
                next
            } else {
                *self.buckets.entry((unit.arm, unit.key)).or_insert(next)
            };
            if row == next {
                side.rows.push(Row { power, before: unit.before, ..Row::default() });
                side.active += u64::from(active || !self.crossover);
            }
            let row = &mut side.rows[row];
            row.origin += sums.origin_bytes as f64;
            row.overhead += sums.overhead_bytes as f64;
            row.demand += if self.crossover { sums.demand_bytes } else { sums.demand } as f64;
            row.wanted = row.wanted.saturating_add(sums.demand);
            row.before = row.before.or(unit.before);
        }
        for (side, seen) in self.sides.iter_mut().zip(seen) {
            side.blocks += u64::from(seen);
        }
    }

    pub(crate) fn side(&self, arm: Arm) -> &Side {
        &self.sides[index(arm)]
    }

    pub(crate) fn rows(&self, arm: Arm) -> &[Row] {
        &self.side(arm).rows
    }

    /// Demand of all arms.
    pub(crate) fn demand(&self) -> f64 {
        self.sides.iter().flat_map(|side| &side.rows).map(|row| row.demand).sum()
    }
}
