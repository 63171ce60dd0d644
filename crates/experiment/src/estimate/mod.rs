//! The figures and their intervals.

mod adjust;
mod contrast;
mod ratio;
mod sequence;
mod whole;

pub(crate) use self::contrast::LogRatio;
pub(crate) use self::ratio::effective;
use self::ratio::{Mean, Value};
#[cfg(test)]
pub(crate) use self::sequence::multiplier;
pub(crate) use self::whole::Whole;
use crate::analysis::{Estimate, Interval, Share};
use crate::sample::{Row, Sample, index};
use crate::{Arm, Design, Observations};

/// How far the plan is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// Of what was planned to be gathered, how much is.
    pub(crate) information: f64,
    /// Whether the planned end is reached, of a period that starts where the experiment did.
    pub(crate) over: bool,
}

impl Plan {
    pub(crate) fn at(observations: &Observations, until: u64) -> Self {
        let planned = u64::from(observations.planned_days.max(1)) * 86_400;
        let from = observations.from.max(observations.began);
        let elapsed = until.saturating_sub(from);
        let over = observations.from <= observations.began
            && until >= observations.began.saturating_add(planned);
        Self { information: elapsed as f64 / planned as f64, over }
    }

    /// The interval that is the headline's.
    pub(crate) fn ends(self, ratio: &LogRatio) -> (f64, f64) {
        if self.over { ratio.fixed() } else { ratio.anytime(self.information) }
    }

    /// A figure that falls as the logarithm of the ratio rises.
    pub(crate) fn share(self, ratio: &LogRatio, figure: impl Fn(f64) -> f64) -> Share {
        Share { value: figure(ratio.point()), interval: interval(self.ends(ratio), figure) }
    }
}

pub(crate) fn interval((low, high): (f64, f64), figure: impl Fn(f64) -> f64) -> Interval {
    Interval { low: figure(high), high: figure(low) }
}

/// Units as estimators see them; with overhead where the arm bears it.
fn values(rows: &[Row], overhead: bool) -> Vec<Value> {
    let value = |row: &Row| Value {
        octets: if overhead { row.origin + row.overhead } else { row.origin },
        demand: row.demand,
        power: row.power,
        class: u64::BITS.saturating_sub(row.wanted.leading_zeros()) as usize,
    };
    rows.iter().map(value).collect()
}

/// The arm that is the world without us.
pub(crate) fn control(design: Design) -> Arm {
    match design {
        Design::Crossover { .. } => Arm::Http,
        Design::Visitors { .. } => Arm::Untouched,
    }
}

/// The headline's ratio: treated with all overhead, control without any. `None` where an arm is empty or has
/// nothing to divide by.
pub(crate) fn headline(design: Design, sample: &Sample, whole: &Whole) -> Option<LogRatio> {
    let site = site_overhead(design, sample, whole);
    let treated = Mean::new(&values(sample.rows(Arm::P2p), true), site)?;
    let control = Mean::new(&values(sample.rows(control(design)), false), 0.0)?;
    Some(LogRatio::between(&treated, &control))
}

/// Overhead octets a demanded octet that belong to no unit: scripts, tracker messages, diagnostics. All of it is
/// borne by the part of demand that is to be treated, though it would be there for the rest, too.
///
/// Among visitors all overhead of theirs is in their buckets; what remains belongs to those without a bucket.
fn site_overhead(design: Design, sample: &Sample, whole: &Whole) -> f64 {
    match design {
        Design::Crossover { .. } => {
            let weights = design.weights().map(f64::from);
            let part = weights[index(Arm::P2p)] / weights.iter().sum::<f64>();
            whole.site_overhead(sample) / (part * sample.demand()).max(1.0)
        }
        Design::Visitors { .. } => 0.0,
    }
}

/// All figures, of an arm pair that has a headline.
pub(crate) fn figures(
    observations: &Observations,
    sample: &Sample,
    whole: &Whole,
    plan: Plan,
    headline: &LogRatio,
) -> Estimate {
    let design = observations.design;
    let site = site_overhead(design, sample, whole);
    let shared = |ratio: LogRatio| plan.share(&ratio, Whole::shared);
    let treated = sample.rows(Arm::P2p);
    let control = sample.rows(control(design));
    let between = |treated: Arm, control: Arm, overhead: bool| {
        let treated = Mean::new(&values(sample.rows(treated), true), 0.0)?;
        let control = Mean::new(&values(sample.rows(control), overhead), 0.0)?;
        Some(shared(LogRatio::between(&treated, &control)))
    };
    let visitors = matches!(design, Design::Visitors { .. });
    Estimate {
        eligible: plan.share(headline, |log| whole.eligible(log)),
        shared: shared(*headline),
        egress: plan.share(headline, |log| whole.egress(log)),
        saved_bytes: plan.share(headline, |log| whole.saved(log)),
        fixed: interval(headline.fixed(), Whole::shared),
        anytime: interval(headline.anytime(plan.information), Whole::shared),
        unadjusted: adjust::unadjusted(treated, control, site, assigned(observations)).map(shared),
        adjusted: adjust::adjusted(treated, control, site).map(shared),
        winsorised: adjust::winsorised(treated, control, site).map(shared),
        net_of_loader: if visitors { between(Arm::P2p, Arm::Http, true) } else { None },
        loader: if visitors { between(Arm::Http, Arm::Untouched, false) } else { None },
    }
}

/// Assigned units of the treated and of the control.
fn assigned(observations: &Observations) -> (f64, f64) {
    let of = |arm| observations.assigned[index(arm)] as f64;
    (of(Arm::P2p), of(control(observations.design)))
}
