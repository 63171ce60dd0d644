//! A world whose truth is known: what every unit would send held out, and what it would send shared.
//!
//! Popularity by Zipf, lengths lognormal, visitors in bursts that want the same at once and often leave together, a
//! saving that grows with concurrency, and carry-over: swarms that are still warm from the block before, and copies
//! that browsers keep and use in held-out units too. Sums of units are drawn, no events: a thousand worlds take
//! seconds.

pub(crate) mod crossover;
pub(crate) mod visitors;

use manyhands_experiment::{
    Analysis, Billing, BillingModel, Design, Observations, Slot, Traffic, Unit, analyse,
};

pub(crate) const DAY: u64 = 86_400;

/// How strongly sharing acts.
#[derive(Clone, Copy)]
pub(crate) struct Sharing {
    /// Share that is saved among very many at once.
    pub(crate) most: f64,
    /// Others at once with whom half of that is.
    pub(crate) half: f64,
    /// Whether anything is different at all: overhead, copies, warm swarms.
    pub(crate) effects: bool,
}

impl Sharing {
    /// Nothing differs between the arms.
    pub(crate) const NONE: Self = Self { most: 0.0, half: 1.0, effects: false };

    pub(crate) fn saved(self, others: f64) -> f64 {
        self.most * others / (others + self.half)
    }
}

/// Observations and their truths, as shares of shared assets.
pub(crate) struct World {
    pub(crate) observations: Observations,
    /// The stated estimand.
    pub(crate) stated: f64,
    /// Everything treated against nothing, carry-over of each world its own.
    pub(crate) full: f64,
}

/// Draws (SplitMix64): the same for ever, and cheap.
pub(crate) struct Draw(u64);

impl Draw {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0xd134_2543_de82_ef95))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Uniform in 0 to 1.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(crate) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }

    /// Of mean 1.
    pub(crate) fn lognormal(&mut self, sigma: f64) -> f64 {
        (sigma * self.normal() - sigma * sigma / 2.0).exp()
    }

    pub(crate) fn poisson(&mut self, mean: f64) -> u64 {
        if mean > 30.0 {
            return (mean + mean.sqrt() * self.normal()).round().max(0.0) as u64;
        }
        let (limit, mut product, mut count) = ((-mean).exp(), self.unit(), 0);
        while product > limit {
            product *= self.unit();
            count += 1;
        }
        count
    }

    /// 1 and up, of the mean.
    pub(crate) fn geometric(&mut self, mean: f64) -> u64 {
        1 + ((1.0 - self.unit()).ln() / (1.0 - 1.0 / mean).ln()) as u64
    }
}

/// Part of a file that each member of a burst takes: most all of it, else about as much as the others.
pub(crate) struct Views {
    whole: bool,
    middle: f64,
}

impl Views {
    pub(crate) fn new(draw: &mut Draw) -> Self {
        Self { whole: draw.unit() < 0.6, middle: draw.unit() }
    }

    pub(crate) fn of_one(&self, draw: &mut Draw) -> f64 {
        if self.whole { 1.0 } else { (self.middle + 0.3 * (draw.unit() - 0.5)).clamp(0.02, 1.0) }
    }
}

pub(crate) fn observations(
    design: Design,
    days: u32,
    units: Vec<Unit>,
    assigned: [u64; 3],
    slots: Vec<Slot>,
) -> Observations {
    Observations {
        design,
        began: 0,
        planned_days: days,
        from: 0,
        until: u64::from(days) * DAY,
        units,
        assigned,
        slots,
        latencies: Vec::new(),
        claims: Default::default(),
        billing: Billing { model: BillingModel::Flat, price: 0.0, currency: "EUR".into() },
        slack: 1.25,
    }
}

/// Traffic of a stretch beside its shared assets.
pub(crate) fn traffic(shared: f64, treated: f64, overhead: f64) -> Traffic {
    Traffic {
        other_bytes: (shared / 4.0) as u64,
        unshared_bytes: (shared / 10.0) as u64,
        shared_bytes: shared as u64,
        treated_bytes: treated as u64,
        overhead_bytes: overhead as u64,
        ..Traffic::default()
    }
}

/// What came of many worlds.
#[derive(Default, Debug)]
pub(crate) struct Tally {
    pub(crate) figures: u32,
    pub(crate) without: u32,
    pub(crate) refused: u32,
    pub(crate) fixed: u32,
    pub(crate) anytime: u32,
    /// Fixed intervals that leave out 0.
    pub(crate) alarms: u32,
    /// Fixed intervals wholly above, and wholly below the truth.
    pub(crate) sides: [u32; 2],
    /// Sums over figures: estimate less truth, width, truth, truth of full deployment.
    pub(crate) error: f64,
    pub(crate) width: f64,
    pub(crate) stated: f64,
    pub(crate) full: f64,
}

impl Tally {
    pub(crate) fn add(&mut self, world: &World, analysis: &Analysis) {
        let Some(estimate) = &analysis.estimate else {
            match &analysis.needs {
                Some(_) => self.without += 1,
                None => self.refused += 1,
            }
            return;
        };
        let truth = world.stated;
        let within = |low: f64, high: f64| u32::from(low <= truth && truth <= high);
        self.figures += 1;
        self.fixed += within(estimate.fixed.low, estimate.fixed.high);
        self.anytime += within(estimate.anytime.low, estimate.anytime.high);
        self.alarms += u32::from(estimate.fixed.low > 0.0 || estimate.fixed.high < 0.0);
        self.sides[0] += u32::from(estimate.fixed.low > truth);
        self.sides[1] += u32::from(estimate.fixed.high < truth);
        self.error += estimate.shared.value - truth;
        self.width += estimate.fixed.high - estimate.fixed.low;
        self.stated += truth;
        self.full += world.full;
    }

    pub(crate) fn coverage(&self) -> f64 {
        f64::from(self.fixed) / f64::from(self.figures)
    }

    pub(crate) fn alarm_rate(&self) -> f64 {
        f64::from(self.alarms) / f64::from(self.figures)
    }

    pub(crate) fn line(&self) -> String {
        let n = f64::from(self.figures);
        format!(
            "n {} none {} refused {} coverage {:.3} anytime {:.3} alarms {:.3} above {} below {} bias {:+.4} width {:.3} stated {:.3} full {:.3}",
            self.figures,
            self.without,
            self.refused,
            self.coverage(),
            f64::from(self.anytime) / n,
            self.alarm_rate(),
            self.sides[0],
            self.sides[1],
            self.error / n,
            self.width / n,
            self.stated / n,
            self.full / n,
        )
    }
}

/// Worlds of seeds 1 and up until so many have a figure, each seed with every way of sharing.
pub(crate) fn tallies(figures: u32, worlds: impl Fn(u64) -> Vec<World>) -> Vec<Tally> {
    let mut tallies: Vec<Tally> = Vec::new();
    for seed in 1..=4 * u64::from(figures) {
        let worlds = worlds(seed);
        tallies.resize_with(worlds.len(), Tally::default);
        for (tally, world) in tallies.iter_mut().zip(&worlds) {
            if tally.figures < figures {
                tally.add(world, &analyse(&world.observations));
            }
        }
        if tallies.iter().all(|tally| tally.figures == figures) {
            break;
        }
    }
    tallies
}
