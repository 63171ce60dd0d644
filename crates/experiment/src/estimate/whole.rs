//! From shared assets to everything eligible, everything sent, and octets.
//!
//! All are monotone in the ratio r = treated / control, so that the ends of its interval are the ends of theirs.

use crate::Arm;
use crate::observations::Traffic;
use crate::sample::Sample;

/// Octets of a period that were not sampled but counted in full.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Whole {
    /// Shared assets to those who may share.
    treated: f64,
    /// Overhead, but for that of units in other arms.
    treated_overhead: f64,
    /// Shared assets to all others: these are already what they would be without sharing.
    held: f64,
    /// Eligible assets that are not shared.
    unshared: f64,
    /// All else.
    other: f64,
    /// All overhead.
    overhead: f64,
}

impl Whole {
    pub(crate) fn new(traffic: &Traffic, sample: &Sample) -> Self {
        let of_units = |p2p: bool| -> f64 {
            let arms =
                Arm::ALL.iter().zip(&sample.sides).filter(|(arm, _)| (**arm == Arm::P2p) == p2p);
            arms.map(|(_, side)| side.sums.overhead_bytes as f64).sum()
        };
        // Were less counted of the site than of its units, the units would be right.
        let overhead = (traffic.overhead_bytes as f64).max(of_units(true) + of_units(false));
        Self {
            treated: traffic.treated_bytes as f64,
            treated_overhead: overhead - of_units(false),
            held: traffic.shared_bytes.saturating_sub(traffic.treated_bytes) as f64,
            unshared: traffic.unshared_bytes as f64,
            other: traffic.other_bytes as f64,
            overhead,
        }
    }

    /// Overhead that is charged to those who share and belongs to none of their units.
    pub(crate) fn site_overhead(&self, sample: &Sample) -> f64 {
        let units = sample.side(Arm::P2p).sums.overhead_bytes as f64;
        (self.treated_overhead - units).max(0.0)
    }

    /// What those who share would have been sent without.
    fn unassisted(&self, log: f64) -> f64 {
        (self.treated + self.treated_overhead) * (-log).exp()
    }

    /// What treated octets are multiplied by to be what they would have been without, overhead included.
    pub(crate) fn unassisted_factor(&self, log: f64) -> f64 {
        if self.treated > 0.0 { self.unassisted(log) / self.treated } else { 1.0 }
    }

    pub(crate) fn shared(log: f64) -> f64 {
        -log.exp_m1()
    }

    /// Of eligible octets without sharing.
    pub(crate) fn eligible(&self, log: f64) -> f64 {
        self.share(log, self.unshared)
    }

    /// Of all octets without sharing.
    pub(crate) fn egress(&self, log: f64) -> f64 {
        self.share(log, self.unshared + self.other)
    }

    /// Octets that were saved so far.
    pub(crate) fn saved(&self, log: f64) -> f64 {
        self.unassisted(log) - self.treated - self.overhead
    }

    fn share(&self, log: f64, besides: f64) -> f64 {
        let shared = self.unassisted(log) + self.held;
        if shared > 0.0 { Self::shared(log) * shared / (shared + besides) } else { 0.0 }
    }
}
