//! Whether the experiment is what it says: a figure from arms that are not as assigned means nothing.

use crate::analysis::Check;
use crate::distribution::{chi_square_p, normal_p};
use crate::sample::{Sample, index};
use crate::{Arm, Design, Observations};

/// Less probable than this, arms are not as assigned. Strict, because it is looked at again and again.
const MISMATCH: f64 = 0.000_5;
/// A chi-square of fewer expected in a cell is no chi-square.
const LEAST_EXPECTED: f64 = 5.0;

/// Every check, those that refuse a verdict first.
pub(crate) fn all(observations: &Observations, sample: &Sample) -> Vec<Check> {
    vec![units(observations, sample), demand(observations, sample), return_rate(observations)]
}

/// The check that refuses a verdict, if one does: never one of what browsers claim.
pub(crate) fn refusing(checks: &[Check]) -> Option<&Check> {
    checks.iter().find(|check| !check.passed && check.name != "return_rate")
}

/// Units that were assigned, and units that were seen, against the weights.
fn units(observations: &Observations, sample: &Sample) -> Check {
    let weights = observations.design.weights().map(f64::from);
    let assigned = observations.assigned.map(|count| count as f64);
    let active = [0, 1, 2].map(|arm| sample.sides[arm].active as f64);
    // Buckets are assigned once for all: of those that exist in an arm, as many should be seen as in another.
    let expected = match observations.design {
        Design::Crossover { .. } => weights,
        Design::Visitors { .. } => assigned,
    };
    let p =
        (2.0 * goodness_of_fit(assigned, weights).min(goodness_of_fit(active, expected))).min(1.0);
    let passed = p >= MISMATCH;
    let sentence = if passed {
        "As many units are in each arm as were assigned to it.".to_owned()
    } else {
        format!("Units in the arms are not as assigned: {}.", side_by_side(active, expected))
    };
    Check { name: "units", passed, p, sentence }
}

/// Chi-square of counts against weights; 1 where too few are expected to tell.
fn goodness_of_fit(counts: [f64; 3], weights: [f64; 3]) -> f64 {
    let total: f64 = counts.iter().sum();
    let weight: f64 = weights.iter().sum();
    let cells: Vec<(f64, f64)> = counts
        .into_iter()
        .zip(weights)
        .filter(|(count, weight)| *weight > 0.0 || *count > 0.0)
        .map(|(count, part)| (count, total * part / weight))
        .collect();
    if cells.iter().any(|(_, expected)| expected.is_nan() || *expected < LEAST_EXPECTED) {
        return 1.0;
    }
    let statistic =
        cells.iter().map(|(count, expected)| (count - expected).powi(2) / expected).sum();
    chi_square_p(statistic, cells.len().saturating_sub(1))
}

/// Demand in the arms against the weights: what is wanted must not depend on the arm.
fn demand(observations: &Observations, sample: &Sample) -> Check {
    let arms: &[Arm] = match observations.design {
        Design::Crossover { .. } => &[Arm::Http],
        Design::Visitors { .. } => &[Arm::Untouched, Arm::Http],
    };
    let p = arms
        .iter()
        .map(|arm| imbalance(observations, sample, *arm))
        .fold(1.0, |least: f64, p| least.min(p * arms.len() as f64));
    let passed = p >= MISMATCH;
    let sums =
        [0, 1, 2].map(|arm| sample.sides[arm].rows.iter().map(|row| row.demand).sum::<f64>());
    let weights = observations.design.weights().map(f64::from);
    let sentence = if passed {
        "What is wanted is as much in each arm as chance has it.".to_owned()
    } else {
        format!("What is wanted differs between the arms: {}.", side_by_side(sums, weights))
    };
    Check { name: "demand", passed, p, sentence }
}

/// The probability that an arm drew so much more or less than its part of all demand, units being drawn
/// independently: robust to any sizes, since it is their own squares that are summed.
///
/// Far out, where a normal tail knows nothing of a few large units, Chernoff's bound takes its place: it holds
/// for whatever sizes, so that one popular file held out is no alarm.
fn imbalance(observations: &Observations, sample: &Sample, arm: Arm) -> f64 {
    let weights = observations.design.weights().map(f64::from);
    let part = weights[index(arm)] / weights.iter().sum::<f64>();
    let drawn = Drawn::new(observations, sample, arm);
    if drawn.largest.is_nan() || drawn.largest <= 0.0 || part <= 0.0 {
        return 1.0;
    }
    let squares: f64 = drawn.values.iter().map(|(value, times)| value * value * times).sum();
    let z = drawn.excess(part) / (part * (1.0 - part) * squares).sqrt();
    let p = normal_p(z);
    if p >= MISMATCH { p } else { p.max(2.0 * drawn.chernoff(part)).min(1.0) }
}

/// What there was to be drawn, over the largest of it.
struct Drawn {
    /// Demand of units, each so many times; among visitors less the mean, for all buckets are known.
    values: Vec<(f64, f64)>,
    /// What was drawn into the arm.
    drawn: f64,
    largest: f64,
}

impl Drawn {
    fn new(observations: &Observations, sample: &Sample, arm: Arm) -> Self {
        let all = || sample.sides.iter().flat_map(|side| &side.rows).map(|row| row.demand);
        let (middle, silent, silent_here) = match observations.design {
            Design::Crossover { .. } => (0.0, 0.0, 0.0),
            Design::Visitors { .. } => {
                let silent = Arm::ALL.map(|arm| {
                    let assigned = observations.assigned[index(arm)] as f64;
                    (assigned - sample.rows(arm).len() as f64).max(0.0)
                });
                let none: f64 = silent.iter().sum();
                (all().sum::<f64>() / (all().count() as f64 + none), none, silent[index(arm)])
            }
        };
        let largest = all().map(|demand| (demand - middle).abs()).fold(middle.abs(), f64::max);
        let scaled = |demand: f64| (demand - middle) / largest;
        let here = sample.rows(arm).iter().map(|row| scaled(row.demand)).sum::<f64>();
        let values = all().map(|demand| (scaled(demand), 1.0)).chain([(scaled(0.0), silent)]);
        Self { values: values.collect(), drawn: here + scaled(0.0) * silent_here, largest }
    }

    fn excess(&self, part: f64) -> f64 {
        self.drawn - part * self.values.iter().map(|(value, times)| value * times).sum::<f64>()
    }

    /// The bound e^(K(θ) - θ x) at the θ where it is least, K being the cumulant of all that could be drawn.
    fn chernoff(&self, part: f64) -> f64 {
        let excess = self.excess(part);
        let sign = excess.signum();
        let exponent = |theta: f64| {
            let cumulant = |(value, times): &(f64, f64)| {
                let value = value * sign;
                ((part * ((theta * value).exp() - 1.0)).ln_1p() - theta * part * value) * times
            };
            self.values.iter().map(cumulant).sum::<f64>() - theta * excess.abs()
        };
        // The exponent is convex in θ and 0 at 0: golden-section search over a range where e^θ is finite.
        let (mut low, mut high) = (0.0, 60.0);
        for _ in 0..40 {
            let [left, right] = [high - (high - low) * 0.618_034, low + (high - low) * 0.618_034];
            if exponent(left) < exponent(right) { high = right } else { low = left }
        }
        exponent((low + high) / 2.0).min(0.0).exp()
    }
}

/// Whether browsers of one arm report more often than another's: then times are of different visitors.
fn return_rate(observations: &Observations) -> Check {
    let arms: Vec<(f64, f64)> = observations
        .claims
        .iter()
        .filter(|claims| claims.tokens > 0)
        .map(|claims| (claims.reports.min(claims.tokens) as f64, claims.tokens as f64))
        .collect();
    let (reports, tokens) =
        arms.iter().fold((0.0, 0.0), |(reports, tokens), (r, t)| (reports + r, tokens + t));
    let rate: f64 = reports / tokens;
    let cell = |got: f64, expected: f64| (got - expected).powi(2) / expected;
    let few = arms.iter().any(|(_, t)| t * rate.min(1.0 - rate) < LEAST_EXPECTED);
    let p = if few || !rate.is_finite() {
        1.0
    } else {
        let statistic =
            arms.iter().map(|(r, t)| cell(*r, t * rate) + cell(t - r, t * (1.0 - rate))).sum();
        chi_square_p(statistic, arms.len().saturating_sub(1))
    };
    let passed = p >= MISMATCH;
    let sentence = if passed {
        "Browsers of each arm report their times as often as those of another."
    } else {
        "Browsers of one arm report more often than those of another: their times may be of other visitors."
    };
    Check { name: "return_rate", passed, p, sentence: sentence.to_owned() }
}

/// `120 of 1,000 in http (10.0 % are due)`
fn side_by_side(counts: [f64; 3], weights: [f64; 3]) -> String {
    let total: f64 = counts.iter().sum();
    let weight: f64 = weights.iter().sum();
    let arm = |arm: Arm| {
        let at = index(arm);
        let [got, due] = [counts[at] / total, weights[at] / weight].map(|part| 100.0 * part);
        format!("{} has {got:.1} % where {due:.1} % is due", arm.name())
    };
    let arms = Arm::ALL.into_iter().filter(|a| weights[index(*a)] > 0.0 || counts[index(*a)] > 0.0);
    arms.map(arm).collect::<Vec<_>>().join(", ")
}
