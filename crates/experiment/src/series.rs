//! The estimate as it stood at the end of each block.

use std::collections::BTreeSet;

use crate::analysis::Point;
use crate::estimate::{self, Plan, Whole};
use crate::sample::Sample;
use crate::{Block, Design, Observations, Slot, Traffic, Unit, minimum};

/// Points at most: a plot shows no more.
const MOST: usize = 400;
/// Points times units at most: what it costs is bounded.
const WORK: usize = 20_000_000;

/// The estimate over time, where there was one; of merged units.
pub(crate) fn series(observations: &Observations, units: &[Unit]) -> Vec<Point> {
    let design = observations.design;
    // Buckets summed over the period have no history.
    if matches!(design, Design::Visitors { .. }) && !has_history(units) {
        return Vec::new();
    }
    let blocks: Vec<&[Unit]> = units.chunk_by(|a, b| a.block == b.block).collect();
    let most = MOST.min(WORK / units.len().max(1)).max(1);
    let step = blocks.len().div_ceil(most).max(1);
    let mut slots: Vec<&Slot> = observations.slots.iter().collect();
    slots.sort_by_key(|slot| slot.number);
    let mut slots = slots.into_iter().peekable();
    let (mut sample, mut traffic) = (Sample::new(design), Traffic::default());
    let mut points = Vec::new();
    for (number, block) in blocks.iter().enumerate() {
        sample.push(block);
        // Counted from the end, so that the last point is the present.
        if !(blocks.len() - 1 - number).is_multiple_of(step) {
            continue;
        }
        let Some(Unit { block, .. }) = block.first() else { continue };
        let ends = design.starts(Block(block.0.saturating_add(1)));
        let at = ends.min(observations.until).max(observations.from);
        while let Some(slot) = slots.next_if(|slot| slot.number.saturating_mul(300) < at) {
            traffic.add(&slot.traffic);
        }
        points.extend(point(observations, at, &sample, &traffic));
    }
    points
}

/// Whether some bucket has more than one block.
fn has_history(units: &[Unit]) -> bool {
    let mut seen = BTreeSet::new();
    units.iter().any(|unit| !seen.insert((unit.arm, unit.key)))
}

fn point(
    observations: &Observations,
    at: u64,
    sample: &Sample,
    traffic: &Traffic,
) -> Option<Point> {
    if minimum::lacking(observations, at, sample).is_some() {
        return None;
    }
    let whole = Whole::new(traffic, sample);
    let ratio = estimate::headline(observations.design, sample, &whole)?;
    let plan = Plan { over: false, ..Plan::at(observations, at) };
    Some(Point { at, eligible: plan.share(&ratio, |log| whole.eligible(log)) })
}
