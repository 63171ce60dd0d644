//! What it comes to in money, by the operator's prices.

use crate::analysis::{Money, Share};
use crate::estimate::{LogRatio, Plan, Whole};
use crate::{BillingModel, Observations, Traffic};

/// What is billed as a month.
const MONTH: f64 = 30.0 * 86_400.0;
/// Seconds a slot.
const SLOT: u64 = 300;
/// Below this there is no saying what a month will bring.
const DAY: f64 = 86_400.0;

/// The money of a period that has an estimate.
pub(crate) fn money(
    observations: &Observations,
    whole: &Whole,
    plan: Plan,
    ratio: &LogRatio,
) -> Money {
    let billing = &observations.billing;
    let seconds = observations.until.saturating_sub(observations.from) as f64;
    let price = billing.price;
    let (period, sentence) = match billing.model {
        BillingModel::Flat => (
            zero(),
            "Traffic costs the same whatever is sent: what is saved is room on the line."
                .to_owned(),
        ),
        BillingModel::PerGb => (
            plan.share(ratio, |log| whole.saved(log) / 1e9 * price),
            format!(
                "Reckoned at {} {price} for each gigabyte that was not sent, the price in the configuration.",
                billing.currency
            ),
        ),
        BillingModel::P95 => {
            let line = Line::new(observations);
            let now = line.now();
            let price = price * seconds / MONTH;
            let saved = |log: f64| (line.without(whole.unassisted_factor(log)) - now) * price;
            (
                plan.share(ratio, saved),
                format!(
                    "Reckoned at {} {} a Mbit/s and month at the 95th percentile of five-minute means, the price in the configuration.",
                    billing.currency, billing.price,
                ),
            )
        }
    };
    let usable = |share: Share| {
        let all = [share.value, share.interval.low, share.interval.high];
        all.iter().all(|value| value.is_finite()).then_some(share)
    };
    let month = MONTH / seconds;
    Money {
        currency: billing.currency.clone(),
        saved: usable(period),
        monthly: if seconds < DAY { None } else { usable(times(period, month)) },
        sentence,
    }
}

fn zero() -> Share {
    times(Share { value: 0.0, interval: crate::Interval { low: 0.0, high: 0.0 } }, 1.0)
}

fn times(share: Share, factor: f64) -> Share {
    let interval =
        crate::Interval { low: share.interval.low * factor, high: share.interval.high * factor };
    Share { value: share.value * factor, interval }
}

/// The line's five-minute means.
struct Line {
    slots: Vec<Load>,
    /// Slots of the period, the silent ones too: a bill counts them.
    count: u64,
}

/// Octets of one slot.
struct Load {
    /// To those who may share.
    treated: f64,
    overhead: f64,
    rest: f64,
}

impl Load {
    fn of(traffic: &Traffic) -> Self {
        let held = traffic.shared_bytes.saturating_sub(traffic.treated_bytes) as f64;
        Self {
            treated: traffic.treated_bytes as f64,
            overhead: traffic.overhead_bytes as f64,
            rest: traffic.other_bytes as f64 + traffic.unshared_bytes as f64 + held,
        }
    }
}

impl Line {
    fn new(observations: &Observations) -> Self {
        let slots: Vec<Load> =
            observations.slots.iter().map(|slot| Load::of(&slot.traffic)).collect();
        let period = observations.until.saturating_sub(observations.from).div_ceil(SLOT);
        Self { count: period.max(slots.len() as u64), slots }
    }

    fn now(&self) -> f64 {
        self.p95(|load| load.treated + load.overhead + load.rest)
    }

    /// Without sharing: `factor` times the treated octets, and no overhead.
    fn without(&self, factor: f64) -> f64 {
        self.p95(|load| load.treated * factor + load.rest)
    }

    /// Mbit/s that 95 % of all slots do not exceed.
    fn p95(&self, octets: impl Fn(&Load) -> f64) -> f64 {
        let mut sums: Vec<f64> = self.slots.iter().map(octets).collect();
        let above = self.count - (self.count as f64 * 0.95).ceil() as u64;
        sums.sort_by(|a, b| b.total_cmp(a));
        let octets = usize::try_from(above).ok().and_then(|above| sums.get(above)).copied();
        octets.unwrap_or(0.0) * 8.0 / SLOT as f64 / 1e6
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A day in which nine slots of ten are silent, and in the tenth 600 MB go to those who share, 150 MB beside.
    fn line() -> Line {
        let load = |_| Load { treated: 540e6, overhead: 60e6, rest: 150e6 };
        Line { slots: (0..29).map(load).collect(), count: 288 }
    }

    #[test]
    fn the_95th_percentile_is_of_all_slots_the_silent_ones_too() {
        let line = line();
        // 14 slots of 288 are above; the 15th counts.
        assert_eq!(line.now(), 20.0);
        assert_eq!(line.without(2.0), (1_080.0 + 150.0) * 8.0 / 300.0);
        let few = Line { slots: line.slots.into_iter().take(14).collect(), count: 288 };
        assert_eq!((few.now(), few.without(2.0)), (0.0, 0.0));
    }

    #[test]
    fn slots_left_out_are_silent_and_overhead_is_none_without_sharing() {
        let traffic = Traffic {
            other_bytes: 1,
            unshared_bytes: 2,
            shared_bytes: 9,
            treated_bytes: 4,
            overhead_bytes: 100,
            ..Traffic::default()
        };
        let load = Load::of(&traffic);
        assert_eq!((load.treated, load.overhead, load.rest), (4.0, 100.0, 8.0));
    }
}
