//! Words for what an analysis names.

use manyhands_experiment::{
    Analysis, Arm, ArmSummary, Comparison, Estimate, Interval, Metric, Share, SizeClass, Verdict,
};

use super::headline::against;
use super::numbers::{self, Spoken};

/// What to write into the configuration to have anything measured.
pub(super) const TURN_ON: &str = "[experiment]\ndesign = \"crossover\"";

/// What a reader must not take from the figures.
pub(super) const NOT_CLAIMED: [&str; 5] = [
    "That what browsers report is true. It is shown apart, and no figure is made from it.",
    "That the same share would be saved with other files, in another season, or with another crowd.",
    "Anything about bytes that never reached this server: those of a cache or CDN in front are in no figure.",
    "TLS and packet headers: counted are bodies of answers, those that broke off included.",
    "That it costs visitors nothing: they gave bandwidth, within bounds, and as much as they claim.",
];

/// A verdict in a word or two.
pub(super) fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::NotEnoughData => "not enough data",
        Verdict::SampleRatioMismatch => "not valid",
        Verdict::Saves => "it saves",
        Verdict::DoesNotPay => "it does not pay",
        _ => "undecided",
    }
}

/// An arm, as a heading of a column.
pub(super) fn arm(arm: Arm) -> &'static str {
    match arm {
        Arm::Untouched => "Site as it was",
        Arm::Http => "Held out",
        Arm::P2p => "With sharing",
    }
}

/// What a time is of: `the first byte of small files`.
pub(super) fn metric(metric: Metric) -> &'static str {
    match metric {
        Metric::FirstByte => "First byte",
        Metric::Completion => "Whole file",
        Metric::Lcp => "Largest part of a page shown",
        Metric::Inp => "Answer to a click",
        Metric::Stall => "Standing still",
    }
}

pub(super) fn class(class: SizeClass) -> &'static str {
    match class {
        SizeClass::Page => "pages",
        SizeClass::Small => "files below 8 MiB",
        SizeClass::Medium => "files of 8 to 64 MiB",
        SizeClass::Large => "files of 64 MiB to 1 GiB",
        SizeClass::Huge => "files above 1 GiB",
    }
}

/// Which visits a quantile stands for.
pub(super) fn quantile(quantile: f64) -> String {
    match quantile {
        0.5 => "half of them wait less".to_owned(),
        0.75 => "three of four wait less".to_owned(),
        0.95 => "19 of 20 wait less".to_owned(),
        other => format!("quantile {other}"),
    }
}

/// Which arm a comparison is against: the site as it was, where there is such an arm and enough of it.
pub(super) fn control(comparison: &Comparison) -> Option<Arm> {
    let of = |arm: Arm| comparison.arms.iter().find(|summary| summary.arm == arm);
    let untouched = of(Arm::Untouched).filter(|summary| summary.milliseconds.is_some());
    untouched.or(of(Arm::Http)).map(|summary| summary.arm)
}

/// `2 Nov 2026 to 30 Nov 2026 (28 days)`
pub(super) fn period(analysis: &Analysis) -> String {
    let Analysis { from, until, .. } = *analysis;
    let length = numbers::days(until.saturating_sub(from));
    format!("{} to {} ({length})", numbers::day(from), numbers::day(until))
}

/// How it was measured, in sentences.
pub(super) fn measured(analysis: &Analysis) -> String {
    format!(
        "Measured {}. Every byte was counted by the server that sent it. The experiment began on {} and was planned until \
         {}; until then the interval is one that holds however often anybody looks. Method: {}.",
        against(analysis.design),
        numbers::day(analysis.began),
        numbers::day(analysis.planned_end),
        analysis.method
    )
}

/// The figures that matter.
pub(super) fn figures(estimate: &Estimate) -> [(&'static str, Spoken); 4] {
    [
        ("Of all that would have to be sent", numbers::percent(&estimate.egress)),
        ("Of files that can be shared", numbers::percent(&estimate.eligible)),
        ("Of files that are shared by now", numbers::percent(&estimate.shared)),
        ("Not sent, after our own overhead", numbers::byte_share(&estimate.saved_bytes)),
    ]
}

/// The same reckoned in other ways: for whoever doubts one of them.
pub(super) fn other_figures(estimate: &Estimate) -> Vec<(&'static str, Spoken)> {
    let of = |interval: Interval| Share { value: estimate.shared.value, interval };
    [
        ("For one look at the planned end", Some(of(estimate.fixed))),
        ("For any number of looks", Some(of(estimate.anytime))),
        ("Without the use of demand", estimate.unadjusted),
        ("Adjusted for the time before", estimate.adjusted),
        ("With the largest units cut down", estimate.winsorised),
        ("Sharing alone, net of the script", estimate.net_of_loader),
        ("The script alone", estimate.loader),
    ]
    .into_iter()
    .filter_map(|(name, share)| Some((name, numbers::percent(&share?))))
    .collect()
}

/// The arms that anything was assigned to.
pub(super) fn arms(analysis: &Analysis) -> Vec<&ArmSummary> {
    analysis.arms.iter().filter(|arm| arm.weight > 0.0).collect()
}

/// What the server counted, arm by arm. Before there is an estimate the arms are not divided by what was wanted:
/// whoever sees both quotients has made one.
pub(super) fn lines(analysis: &Analysis) -> impl Iterator<Item = Line> {
    let is_estimated = analysis.estimate.is_some();
    LINES.into_iter().filter(move |(name, _)| is_estimated || *name != PER_WANTED)
}

const PER_WANTED: &str = "Sent per byte wanted";

/// One line of the arms side by side.
pub(super) type Line = (&'static str, fn(&ArmSummary) -> String);

/// No percentage among it.
const LINES: [Line; 9] = [
    ("Part of all units", |arm| one_in(arm.weight)),
    ("Units wanted", |arm| {
        format!("{} of {}", numbers::count(arm.active), numbers::count(arm.assigned))
    }),
    ("Times wanted", |arm| numbers::count(arm.demand)),
    ("Requests", |arm| numbers::count(arm.requests)),
    ("Sent by this site", |arm| numbers::bytes(arm.origin_bytes as f64)),
    (PER_WANTED, per_wanted),
    ("Our own overhead", |arm| numbers::bytes(arm.overhead_bytes as f64)),
    ("Broken off", |arm| numbers::count(arm.aborted)),
    ("Failed (status 5xx)", |arm| numbers::count(arm.failed)),
];

/// Bytes of the site for each byte that visitors wanted; where pages are counted instead, for each page.
fn per_wanted(arm: &ArmSummary) -> String {
    let sent = arm.origin_bytes as f64;
    match (arm.demand_bytes, arm.demand) {
        (0, 0) => "none wanted".to_owned(),
        (0, pages) => format!("{} a page", numbers::bytes(sent / pages as f64)),
        (wanted, _) => format!("{:.2}", sent / wanted as f64),
    }
}

fn one_in(weight: f64) -> String {
    match (weight * 10_000.0).round() as u64 {
        0 => "none".to_owned(),
        parts if 10_000_u64.is_multiple_of(parts) => format!("1 in {}", 10_000 / parts),
        parts if parts.is_multiple_of(1_000) => format!("{} in 10", parts / 1_000),
        parts if parts.is_multiple_of(100) => format!("{} in 100", parts / 100),
        parts => format!("{} in 10,000", numbers::count(parts)),
    }
}

/// A comparison within a sentence: `the whole file (files below 8 MiB, three of four wait less)`.
pub(super) fn timed(comparison: &Comparison) -> String {
    format!(
        "\u{201c}{}\u{201d} ({}, {})",
        metric(comparison.metric),
        class(comparison.class),
        quantile(comparison.quantile)
    )
}
/// Why a transfer fell back to plain HTTP.
pub(super) fn fallback(reason: &str) -> &str {
    match reason {
        "changed" => "the file had changed",
        "network" => "the site did not answer as it should",
        _ => "another reason",
    }
}
