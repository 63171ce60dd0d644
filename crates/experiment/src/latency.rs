//! Times, as browsers claim them: quantiles of each arm, and how the arms compare.

use std::collections::BTreeMap;

use crate::analysis::{Comparison, Interval, LatencySummary, Share};
use crate::distribution::t_quantile;
use crate::{Arm, Histogram, Metric, Observations, SizeClass};

/// Three percent slower is borne.
const MARGIN: f64 = 1.03;
/// Clusters an arm below which its quantile has no interval.
const LEAST_CLUSTERS: usize = 20;
/// Times that have to lie beyond a quantile.
const LEAST_BEYOND: f64 = 20.0;

/// What is shown: metric, quantile, whether it is a guardrail.
const SHOWN: [(Metric, f64, bool); 5] = [
    (Metric::Lcp, 0.75, true),
    (Metric::Completion, 0.95, true),
    (Metric::FirstByte, 0.75, false),
    (Metric::Inp, 0.75, false),
    (Metric::Stall, 0.95, false),
];

/// Every metric and class that something was claimed of.
pub(crate) fn comparisons(observations: &Observations) -> Vec<Comparison> {
    let mut groups: BTreeMap<(Metric, SizeClass), BTreeMap<Arm, Times>> = BTreeMap::new();
    for latency in &observations.latencies {
        let arms = groups.entry((latency.metric, latency.class)).or_default();
        arms.entry(latency.arm).or_default().add(latency.cluster, &latency.times);
    }
    let mut comparisons = Vec::new();
    for (metric, quantile, guardrail) in SHOWN {
        for class in SizeClass::ALL {
            if let Some(arms) = groups.get(&(metric, class)) {
                // A download may take so much longer by the operator's own word.
                let allowed = match metric {
                    Metric::Completion => observations.slack.max(MARGIN),
                    Metric::FirstByte | Metric::Lcp | Metric::Inp | Metric::Stall => MARGIN,
                };
                let margin = guardrail.then_some(allowed);
                comparisons.push(comparison(observations, metric, class, quantile, margin, arms));
            }
        }
    }
    comparisons
}

/// The guardrails that are broken, in a sentence.
pub(crate) fn warning(comparisons: &[Comparison]) -> Option<String> {
    let slower = |comparison: &Comparison| {
        let ratio = comparison.ratio.filter(|_| comparison.hurts)?;
        let what = match comparison.metric {
            Metric::Lcp => "pages show their largest part".to_owned(),
            _ => format!("files{} are complete", described(comparison.class)),
        };
        Some(format!("{what} {:.0} % later", 100.0 * (ratio.value - 1.0)))
    };
    let all: Vec<String> = comparisons.iter().filter_map(slower).collect();
    (!all.is_empty()).then(|| {
        format!(
            "Browsers claim that sharing hurts readers: {}. They could lie, so look for yourself; if it is so, turn it off.",
            all.join(", ")
        )
    })
}

fn described(class: SizeClass) -> &'static str {
    match class {
        SizeClass::Page => "",
        SizeClass::Small => " below 8 MiB",
        SizeClass::Medium => " of 8 to 64 MiB",
        SizeClass::Large => " of 64 MiB to 1 GiB",
        SizeClass::Huge => " above 1 GiB",
    }
}

fn comparison(
    observations: &Observations,
    metric: Metric,
    class: SizeClass,
    quantile: f64,
    margin: Option<f64>,
    arms: &BTreeMap<Arm, Times>,
) -> Comparison {
    let weights = observations.design.weights();
    let summary = |(arm, weight): (Arm, u32)| {
        let times = arms.get(&arm);
        (weight > 0 || times.is_some()).then(|| LatencySummary {
            arm,
            count: times.map_or(0, |times| times.pooled.count()),
            milliseconds: times.and_then(|times| times.quantile(quantile)),
        })
    };
    let arms: Vec<LatencySummary> = Arm::ALL.into_iter().zip(weights).filter_map(summary).collect();
    let of = |wanted: Arm| arms.iter().find(|arm| arm.arm == wanted)?.milliseconds;
    // Nothing of ours runs on an untouched page, so nobody times it: the control is the loader without sharing.
    let ratio = of(Arm::P2p).zip(of(Arm::Http)).map(|(treated, control)| over(treated, control));
    let hurts = ratio.zip(margin).is_some_and(|(ratio, margin)| ratio.interval.low > margin);
    Comparison { metric, class, quantile, arms, ratio, margin, hurts }
}

/// The ratio of two estimates, from the intervals of both: each side's distance to its end, on the log scale,
/// squared and added (method of variance estimates recovery, Zou & Donner 2008).
fn over(treated: Share, control: Share) -> Share {
    let [t, c] = [treated, control]
        .map(|share| [share.value.ln(), share.interval.low.ln(), share.interval.high.ln()]);
    let middle = t[0] - c[0];
    let low = middle - (t[0] - t[1]).hypot(c[2] - c[0]);
    let high = middle + (t[2] - t[0]).hypot(c[0] - c[1]);
    Share { value: middle.exp(), interval: Interval { low: low.exp(), high: high.exp() } }
}

/// Times of one arm.
#[derive(Debug, Default)]
struct Times {
    pooled: Histogram,
    clusters: BTreeMap<u64, Histogram>,
}

impl Times {
    fn add(&mut self, cluster: u64, times: &Histogram) {
        self.pooled.add(times);
        self.clusters.entry(cluster).or_default().add(times);
    }

    /// A quantile with its interval: how many of each cluster lie above the estimate gives the standard error of
    /// that part, clusters being what varies independently; the interval's ends are the quantiles that far off.
    ///
    /// `None` below the least number of clusters or times, and where the estimate or an end is in the last bin,
    /// which has no upper edge.
    fn quantile(&self, p: f64) -> Option<Share> {
        let count = self.pooled.count() as f64;
        let clusters = self.clusters.values().filter(|times| times.count() > 0).count();
        if clusters < LEAST_CLUSTERS || count * (1.0 - p) < LEAST_BEYOND {
            return None;
        }
        let value = position(&self.pooled, p)?;
        let squares: f64 = self
            .clusters
            .values()
            .map(|times| (above(times, value) - (1.0 - p) * times.count() as f64).powi(2))
            .sum();
        let number = clusters as f64;
        let error = (number / (number - 1.0) * squares).sqrt() / count;
        let half = error * t_quantile(number - 1.0);
        let low = position(&self.pooled, (p - half).max(0.0))?;
        let high = position(&self.pooled, p + half)?;
        let [value, low, high] = [value, low, high].map(|position| (position / 4.0).exp2());
        Some(Share { value, interval: Interval { low, high } })
    }
}

/// Where a quantile lies, in bins from the first one's start; `None` in the last bin and beyond.
fn position(times: &Histogram, p: f64) -> Option<f64> {
    let mut below = p * times.count() as f64;
    for (bin, count) in times.0[..Histogram::BINS - 1].iter().enumerate() {
        let count = *count as f64;
        if below <= count && count > 0.0 {
            return Some(bin as f64 + below / count);
        }
        below -= count;
    }
    None
}

/// How many times lie above a position.
fn above(times: &Histogram, position: f64) -> f64 {
    let part =
        |(bin, count): (usize, &u64)| (bin as f64 + 1.0 - position).clamp(0.0, 1.0) * *count as f64;
    times.0.iter().enumerate().map(part).sum()
}
