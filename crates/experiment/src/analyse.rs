//! From sums to an analysis.

use crate::analysis::{Analysis, ArmSummary, Verdict};
use crate::estimate::{self, Plan, Whole};
use crate::sample::{self, Sample, index};
use crate::{Arm, Design, Observations, Traffic, checks, latency, minimum, money, series, verdict};

/// Version of the document that [`Analysis`] is.
const VERSION: u8 = 1;
/// Changes when a figure would.
const METHOD: &str =
    "manyhands ratio estimator 1: log ratio, linearised variance, Gaussian-mixture sequence";

const CROSSOVER: &str = "Of the octets of eligible files that the origin would have sent in this period had \
no file been shared, the share that it does not send when all are, overhead counted; each file and block \
of time compared as it would have been either way, given what was shared before it.";
const VISITORS: &str = "Of the octets of eligible files that the origin would have sent in this period to \
visitors of an untouched site, the share that it does not send when they share at the arms' weights, \
overhead counted; each group of visitors compared as it would have been either way.";

/// What observations say.
///
/// Pure, and the same whatever order units and slots come in. Never fails: what cannot be said is left out, and
/// [`Analysis::verdict`] and [`Analysis::needs`] say why. Estimate, money and verdict rest on what the server
/// counted: [`Claims`](crate::Claims) and [`Latency`](crate::Latency) cannot move them.
///
/// Takes time in proportion to the number of units, and to that times 400 at most for the series; a site with
/// 100,000 units should not ask at every request.
#[must_use]
pub fn analyse(observations: &Observations) -> Analysis {
    let design = observations.design;
    let plan = Plan::at(observations, observations.until);
    let units = sample::merged(observations);
    let sample = Sample::of(design, &units);
    let traffic = total(observations);
    let whole = Whole::new(&traffic, &sample);
    let checks = checks::all(observations, &sample);
    let refused = checks::refusing(&checks);
    let mut needs = minimum::lacking(observations, observations.until, &sample);
    let mut fitted = None;
    if refused.is_none() && needs.is_none() {
        fitted = estimate::headline(design, &sample, &whole);
        if fitted.is_none() {
            needs = Some(minimum::nothing_sent());
        }
    }
    let estimate =
        fitted.as_ref().map(|ratio| estimate::figures(observations, &sample, &whole, plan, ratio));
    let verdict = match (&refused, &estimate) {
        (Some(_), _) => Verdict::SampleRatioMismatch,
        (None, Some(estimate)) => verdict::of(estimate),
        (None, None) => Verdict::NotEnoughData,
    };
    let needs = needs.filter(|_| verdict == Verdict::NotEnoughData);
    let latency = latency::comparisons(observations);
    let claimed: u64 =
        observations.claims.iter().fold(0, |sum, claims| sum.saturating_add(claims.peer_bytes));
    Analysis {
        v: VERSION,
        method: METHOD,
        estimand: match design {
            Design::Crossover { .. } => CROSSOVER,
            Design::Visitors { .. } => VISITORS,
        },
        design,
        began: observations.began,
        planned_end: plan_end(observations),
        from: observations.from,
        until: observations.until,
        verdict,
        sentence: verdict::sentence(verdict, estimate.as_ref(), needs.as_ref(), refused),
        warning: latency::warning(&latency),
        needs,
        money: fitted.as_ref().map(|ratio| money::money(observations, &whole, plan, ratio)),
        series: if refused.is_some() { Vec::new() } else { series::series(observations, &units) },
        claimed_ratio: estimate
            .as_ref()
            .map(|estimate| claimed as f64 / estimate.saved_bytes.value)
            .filter(|ratio| ratio.is_finite() && *ratio >= 0.0),
        estimate,
        checks,
        arms: arms(observations, &sample),
        latency,
        traffic,
    }
}

fn plan_end(observations: &Observations) -> u64 {
    observations.began.saturating_add(u64::from(observations.planned_days).saturating_mul(86_400))
}

fn total(observations: &Observations) -> Traffic {
    observations.slots.iter().fold(Traffic::default(), |mut sum, slot| {
        sum.add(&slot.traffic);
        sum
    })
}

fn arms(observations: &Observations, sample: &Sample) -> Vec<ArmSummary> {
    let weights = observations.design.weights();
    let summary = |arm: Arm| {
        let at = index(arm);
        let (side, claimed) = (&sample.sides[at], observations.claims[at]);
        let sums = side.sums;
        ArmSummary {
            arm,
            weight: f64::from(weights[at]) / f64::from(weights.iter().sum::<u32>()),
            assigned: observations.assigned[at],
            active: side.active,
            demand: sums.demand,
            demand_bytes: sums.demand_bytes,
            requests: sums.requests,
            origin_bytes: sums.origin_bytes,
            overhead_bytes: sums.overhead_bytes,
            aborted: sums.aborted,
            failed: sums.failed,
            claimed,
            return_rate: (claimed.tokens > 0)
                .then(|| claimed.reports.min(claimed.tokens) as f64 / claimed.tokens as f64),
        }
    };
    Arm::ALL.into_iter().filter(|arm| weights[index(*arm)] > 0).map(summary).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Billing, BillingModel, Block, Slot, Sums, Unit};

    const DAY: u64 = 86_400;
    const MB: u64 = 1_000_000;

    /// Ten files in 40 blocks of six hours, one of them held out in each block. Each is wanted 10 times a block;
    /// held out the origin sends all of it, shared 4 parts of 10, and manifests make a hundredth.
    fn exact() -> Observations {
        let unit = |number: u64| {
            let (key, block) = (number % 10, number / 10);
            let arm = if key == block % 10 { Arm::Http } else { Arm::P2p };
            let origin_bytes = if arm == Arm::Http { 10 * MB } else { 4 * MB };
            let overhead_bytes = MB / 10;
            let sums = Sums {
                demand: 10,
                demand_bytes: 10 * MB,
                requests: 10,
                origin_bytes,
                overhead_bytes,
                ..Sums::default()
            };
            Unit { arm, block: Block(block), key, sums, before: None }
        };
        let slot = |block: u64| {
            let traffic = Traffic {
                other_bytes: 20 * MB,
                unshared_bytes: 41 * MB,
                shared_bytes: 46 * MB,
                treated_bytes: 36 * MB,
                // 0.9 MB of shared units, 0.1 of the held-out, and 0.9 of scripts.
                overhead_bytes: 19 * MB / 10,
                ..Traffic::default()
            };
            Slot { number: block * 72, traffic }
        };
        Observations {
            design: Design::DEFAULT,
            began: 0,
            planned_days: 28,
            from: 0,
            until: 10 * DAY,
            units: (0..400).map(unit).collect(),
            assigned: [0, 40, 360],
            slots: (0..40).map(slot).collect(),
            latencies: Vec::new(),
            claims: Default::default(),
            billing: Billing { model: BillingModel::PerGb, price: 0.1, currency: "EUR".into() },
            slack: 1.25,
        }
    }

    fn close(share: crate::Share, value: f64) {
        let all = [share.value, share.interval.low, share.interval.high];
        assert!(
            all.iter().all(|got| (got - value).abs() < 1e-9 * value.abs()),
            "{share:?} {value}"
        );
    }

    #[test]
    fn without_noise_every_figure_is_exact() {
        let analysis = analyse(&exact());
        assert_eq!(analysis.verdict, Verdict::Saves, "{}", analysis.sentence);
        let estimate = analysis.estimate.unwrap();
        // 4 of origin, 0.1 of manifests and 0.1 of scripts where 10 would be.
        close(estimate.shared, 0.58);
        // 90 MB a block without sharing, 10 held out, 41 eligible besides, 20 of all else.
        close(estimate.eligible, 0.58 * 100.0 / 141.0);
        close(estimate.egress, 0.58 * 100.0 / 161.0);
        close(estimate.saved_bytes, 40e6 * (90.0 - 36.0 - 1.9));
        close(estimate.unadjusted.unwrap(), 0.58);
        close(estimate.winsorised.unwrap(), 0.58);
        assert_eq!(estimate.adjusted, None);
        assert_eq!((estimate.loader, estimate.net_of_loader), (None, None));
        let money = analysis.money.unwrap();
        close(money.saved.unwrap(), 0.1 * 0.04 * (90.0 - 36.0 - 1.9));
        close(money.monthly.unwrap(), 0.3 * 0.04 * (90.0 - 36.0 - 1.9));
        close(analysis.series.last().unwrap().eligible, 0.58 * 100.0 / 141.0);
        assert_eq!(analysis.series.last().unwrap().at, 10 * DAY);
    }

    #[test]
    fn a_dozen_visits_are_not_enough() {
        let mut observations = exact();
        observations.units.truncate(12);
        observations.units.iter_mut().for_each(|unit| unit.sums.demand = 1);
        let analysis = analyse(&observations);
        assert_eq!(analysis.verdict, Verdict::NotEnoughData);
        assert_eq!((analysis.estimate, analysis.money), (None, None));
        assert!(analysis.needs.unwrap().seconds.unwrap() > 10 * DAY);
        assert!(analysis.series.is_empty());
    }
}
