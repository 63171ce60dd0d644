//! What comes out of an analysis: `experiment.json` is this, field by field.

use serde::Serialize;

use crate::observations::{Claims, Metric, SizeClass, Traffic};
use crate::{Arm, Design};

/// What can be said, in one word: of what the server counted alone. That visits got slower is claimed by browsers,
/// and is a [warning](Analysis::warning) beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Verdict {
    /// Too little was counted for any figure. [`Analysis::needs`] says how long it will take.
    NotEnoughData,
    /// The arms are not as they were assigned, so nothing can be said.
    SampleRatioMismatch,
    /// Origin bytes are saved: the whole interval is above what sharing is worth having for.
    Saves,
    /// The interval still holds both "saves" and "does not pay".
    Undecided,
    /// The whole interval lies below what sharing is worth having for: turn it off.
    DoesNotPay,
}

/// A 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// An estimate with its interval: the anytime-valid one until the planned end, the fixed one from then on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Share {
    /// The estimate.
    pub value: f64,
    /// Its interval.
    pub interval: Interval,
}

/// The figures. Shares are fractions: 0.6 is 60 %, and below 0 sharing costs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Estimate {
    /// The headline: share of origin bytes on eligible assets that sharing saves, overhead taken off.
    pub eligible: Share,
    /// The same of shared assets alone.
    pub shared: Share,
    /// What that is of everything the site sends.
    pub egress: Share,
    /// Octets saved in the period so far, overhead taken off.
    pub saved_bytes: Share,
    /// Intervals of `shared` of both kinds, whichever is the headline's.
    pub fixed: Interval,
    /// See `fixed`; also valid when looked at again and again.
    pub anytime: Interval,
    /// `shared` without any use of demand.
    pub unadjusted: Option<Share>,
    /// `shared` adjusted for the pre-period, where there is one.
    pub adjusted: Option<Share>,
    /// `shared` with the largest 0.1 % of units cut down to the next: a check, never the headline.
    pub winsorised: Option<Share>,
    /// Visitors design: effect of sharing net of the loader, against the arm `http`.
    pub net_of_loader: Option<Share>,
    /// Visitors design: effect of the loader alone, `http` against `untouched`.
    pub loader: Option<Share>,
}

/// What has to come before there is a figure.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Needs {
    /// One sentence: what is lacking.
    pub sentence: String,
    /// Seconds until then at the present pace; `None` where nothing has come yet to go by.
    pub seconds: Option<u64>,
}

/// A test of whether the experiment is what it says.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Check {
    /// A stable name: `units`, `demand`, `return_rate`.
    pub name: &'static str,
    /// Whether it is passed.
    pub passed: bool,
    /// The probability of such a difference by chance.
    pub p: f64,
    /// What was compared, and what it means.
    pub sentence: String,
}

/// What was counted of one arm.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ArmSummary {
    /// Which.
    pub arm: Arm,
    /// Its weight, a fraction.
    pub weight: f64,
    /// Units that were assigned to it.
    pub assigned: u64,
    /// Units that were wanted.
    pub active: u64,
    /// Sums over them.
    pub demand: u64,
    /// See [`crate::Sums`].
    pub demand_bytes: u64,
    /// See [`crate::Sums`].
    pub requests: u64,
    /// See [`crate::Sums`].
    pub origin_bytes: u64,
    /// See [`crate::Sums`].
    pub overhead_bytes: u64,
    /// See [`crate::Sums`].
    pub aborted: u64,
    /// See [`crate::Sums`].
    pub failed: u64,
    /// What its browsers claim.
    pub claimed: Claims,
    /// Reports that came, of those that could have: `None` where none could.
    pub return_rate: Option<f64>,
}

/// A quantile of one arm's times, as claimed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct LatencySummary {
    /// Which arm.
    pub arm: Arm,
    /// Times counted.
    pub count: u64,
    /// The quantile, in milliseconds; `None` below the least number of times or clusters.
    pub milliseconds: Option<Share>,
}

/// A quantile of times between the arms.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// What was timed.
    pub metric: Metric,
    /// Of which assets.
    pub class: SizeClass,
    /// Which quantile: 0.75 or 0.95.
    pub quantile: f64,
    /// Side by side.
    pub arms: Vec<LatencySummary>,
    /// Arm `p2p` over the control; 1.03 is three percent slower. `None` where a side is missing.
    pub ratio: Option<Share>,
    /// The margin that the ratio may reach: `None` where this one is shown and not judged.
    pub margin: Option<f64>,
    /// Whether the whole interval lies above the margin.
    pub hurts: bool,
}

/// What it comes to in money over the period.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Money {
    /// `EUR`
    pub currency: String,
    /// What was saved in the period; `None` where nothing is to be said yet, 0 for a flat price.
    pub saved: Option<Share>,
    /// The same for 30 days at the present pace.
    pub monthly: Option<Share>,
    /// How it was reckoned, one sentence.
    pub sentence: String,
}

/// The estimate as it stood at the end of a block or day, from the beginning on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Point {
    /// Seconds since the epoch.
    pub at: u64,
    /// `eligible`, with its anytime-valid interval.
    pub eligible: Share,
}

/// All that is known of an experiment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Analysis {
    /// Version of this document.
    pub v: u8,
    /// Name and version of the formulas.
    pub method: &'static str,
    /// What is estimated, in one sentence.
    pub estimand: &'static str,
    /// How units were assigned.
    pub design: Design,
    /// When the experiment began, in seconds since the epoch.
    pub began: u64,
    /// When it was planned to end.
    pub planned_end: u64,
    /// The period analysed.
    pub from: u64,
    /// See `from`.
    pub until: u64,
    /// In one word.
    pub verdict: Verdict,
    /// In one sentence, for a person who decides.
    pub sentence: String,
    /// That readers are hurt, where a guardrail says so: in one sentence that names it as claimed. Times come from
    /// browsers, and whoever sends them could lie: they move this and nothing else.
    pub warning: Option<String>,
    /// Only where there is too little data.
    pub needs: Option<Needs>,
    /// Only where there is enough data and the arms are as assigned.
    pub estimate: Option<Estimate>,
    /// Only where there is an estimate.
    pub money: Option<Money>,
    /// Tests of the experiment itself.
    pub checks: Vec<Check>,
    /// The arms of the design.
    pub arms: Vec<ArmSummary>,
    /// Times, as claimed.
    pub latency: Vec<Comparison>,
    /// Claimed peer bytes over bytes saved; far from 1 somebody lies, or caches.
    pub claimed_ratio: Option<f64>,
    /// All traffic of the period.
    pub traffic: Traffic,
    /// The estimate over time.
    pub series: Vec<Point>,
}
