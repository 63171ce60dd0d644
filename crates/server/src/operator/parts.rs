//! Parts of a page that the dashboard and the report both show.

use manyhands_experiment::{
    Analysis, Arm, Check, Comparison, Estimate, LatencySummary, Share, Traffic,
};
use maud::{Markup, html};

use super::headline::{self, Headline, Tone};
use super::numbers::{self, Spoken};
use super::{plot, words};

/// What is said first. `switch` leads to where sharing is turned off, on the page that can.
pub(super) fn headline(
    headline: &Headline,
    analysis: Option<&Analysis>,
    switch: Option<&str>,
) -> Markup {
    let estimate = analysis.and_then(|analysis| analysis.estimate.as_ref());
    html! {
        h2 #saved-title tabindex="-1" {
            @match (&headline.figure, headline.tone) {
                (Some(figure), Tone::Good) => { span.figure { (figure.value) } " " (headline.title) }
                _ => (headline.title),
            }
        }
        @if let (Some(estimate), Some(_)) = (estimate, &headline.figure) { (plot::interval(&estimate.egress)) }
        @for sentence in headline.sentences.iter().filter(|sentence| !sentence.is_empty()) { p { (sentence) } }
        @if let (Some(analysis), Some(estimate)) = (analysis, estimate) { (facts(headline, analysis, estimate)) }
        @if let Some(warning) = &headline.warning {
            p.warning {
                strong { (warning) }
                @if switch.is_some() { " " a href="#readers" { "See the times" } "." }
            }
        }
        @if let Some(trust) = &headline.trust { p { strong { "Why to believe it: " } (trust) } }
        @if let Some(advice) = &headline.advice {
            p.advice {
                (advice)
                @if let (Some(switch), Tone::Bad, Some(_)) = (switch, headline.tone, &headline.figure) {
                    " " a href=(switch) { "Go to the switch" } "."
                }
            }
        }
        @if analysis.is_none() && headline.advice.is_some() {
            pre tabindex="0" aria-label="Lines for manyhands.toml" { code { (words::TURN_ON) } }
        }
    }
}

/// What it comes to, in large type.
fn facts(headline: &Headline, analysis: &Analysis, estimate: &Estimate) -> Markup {
    let money = analysis.money.as_ref();
    let sum = |share: Option<Share>| {
        let share = share
            .filter(|share| share.value != 0.0 || share.interval.low != share.interval.high)?;
        Some(numbers::money(&money?.currency, &share))
    };
    let (saved, monthly) =
        (sum(money.and_then(|it| it.saved)), sum(money.and_then(|it| it.monthly)));
    let bytes = numbers::byte_share(&estimate.saved_bytes);
    let fact = |name: &str, spoken: &Spoken| {
        html! {
            div { dt { (name) } dd { (spoken.value) small { (spoken.range()) } } }
        }
    };
    html! {
        dl.pairs.facts {
            @if let Some(saved) = &saved { (fact("Money saved", saved)) }
            @if let Some(monthly) = &monthly { (fact("A month at this pace", monthly)) }
            (fact("Bytes not sent", &bytes))
            div { dt { "In the period" } dd.date { (numbers::day(analysis.from)) small { "to " (numbers::day(analysis.until)) } } }
        }
        @if let (None, Some(money)) = (&saved, &headline.money) { p { (money) } }
    }
}

/// A class for the colour of what is said first.
pub(super) fn tone(headline: &Headline) -> &'static str {
    match headline.tone {
        Tone::Good => "good",
        Tone::Waiting => "waiting",
        Tone::Open => "open",
        Tone::Bad => "bad",
    }
}

pub(super) fn checks(checks: &[Check]) -> Markup {
    html! {
        ul.checks {
            @for check in checks {
                li {
                    @if check.passed {
                        strong.passed { "Passed" }
                    } @else {
                        strong.failed { "Failed" }
                    }
                    " " (check.sentence)
                }
            }
        }
    }
}

/// The saving over time; nothing where there are not two points to draw.
pub(super) fn over_time(analysis: &Analysis, height: u16) -> Markup {
    let ends = analysis.series.first().zip(analysis.series.last());
    let ends = ends.filter(|_| analysis.series.len() > 1);
    html! {
        @if let Some((first, last)) = ends {
            @let now = numbers::percent(&last.eligible);
            p.legend {
                "Share of the bytes of files that can be shared which this site did not have to send, from the \
                 beginning to each day. The truth lies within the band, at 95 % confidence, however often one \
                 looks."
            }
            (plot::over_time(&analysis.series, &format!(
                "Plot of the share saved over time: {} at its beginning, {} at its end, {}.",
                numbers::percent(&first.eligible).value, now.value, now.between()
            ), height))
        }
    }
}

/// The plot for whoever can't see it.
pub(super) fn series(analysis: &Analysis) -> Markup {
    html! {
        table {
            thead { tr {
                th scope="col" { "Until" }
                th.number scope="col" { "Saved" }
                th.number scope="col" { "Interval" }
            } }
            tbody {
                @for point in plot::rows(&analysis.series) {
                    @let share = numbers::percent(&point.eligible);
                    tr data-key=(point.at) {
                        th scope="row" { (numbers::day(point.at)) }
                        td.number { (share.value) }
                        td.number { (share.range()) }
                    }
                }
            }
        }
    }
}

/// Names with their estimates.
pub(super) fn figures(caption: &str, rows: &[(&str, Spoken)]) -> Markup {
    html! {
        table.figures {
            caption { (caption) }
            thead { tr {
                th scope="col" { "Share" }
                th.number scope="col" { "Estimate" }
                th.number scope="col" { "95 % interval" }
            } }
            tbody {
                @for (name, spoken) in rows {
                    tr {
                        th scope="row" { (name) }
                        td.number { (spoken.value) }
                        td.number { (spoken.range()) }
                    }
                }
            }
        }
    }
}

/// Each line is a part of the one above. Percentages only beside an estimate: who sees one looks no further.
pub(super) fn shares(traffic: &Traffic, with_percent: bool) -> Markup {
    let eligible = traffic.unshared_bytes.saturating_add(traffic.shared_bytes);
    let sent = traffic.egress();
    let lines = [
        ("Everything this site sent", sent),
        ("Files that can be shared", eligible),
        ("Files that are shared by now", traffic.shared_bytes),
        ("Shared files, to visitors who may take part", traffic.treated_bytes),
        ("Scripts, manifests and tracker: our own overhead", traffic.overhead_bytes),
    ];
    html! {
        table.shares {
            caption { "Bytes sent by this site in the period" }
            thead { tr {
                th scope="col" { "What" }
                th.number scope="col" { "Bytes" }
                @if with_percent { th.number scope="col" { "Of all" } }
            } }
            tbody {
                @for (name, bytes) in lines {
                    tr {
                        th scope="row" { (name) (plot::bar(bytes as f64 / sent.max(1) as f64)) }
                        td.number { (numbers::bytes(bytes as f64)) }
                        @if with_percent { td.number { (numbers::counted_percent(bytes, sent).unwrap_or_default()) } }
                    }
                }
            }
        }
        p.note {
            (numbers::counted(traffic.pages, "page", "pages")) ", "
            (numbers::counted(traffic.asset_requests, "request", "requests")) " for files. "
            @if traffic.bot_requests > 0 {
                "Robots are in no arm: " (numbers::counted(traffic.bot_requests, "request", "requests")) ", "
                (numbers::bytes(traffic.bot_bytes as f64)) "."
            }
        }
    }
}

/// Arms are columns, so that it fits a phone.
pub(super) fn side_by_side(analysis: &Analysis) -> Markup {
    let arms = words::arms(analysis);
    html! {
        table.arms {
            caption { "Side by side" }
            thead { tr {
                th scope="col" { "Counted by this server" }
                @for arm in &arms { th.number scope="col" { (words::arm(arm.arm)) } }
            } }
            tbody {
                @for (name, cell) in words::lines(analysis) {
                    tr {
                        th scope="row" { (name) }
                        @for arm in &arms { td.number { (cell(arm)) } }
                    }
                }
            }
        }
        p.note { "Compared " (headline::against(analysis.design)) "." }
    }
}

/// Times with sharing and without, as browsers claim them. How much longer they are is said beside an estimate
/// alone.
pub(super) fn waits(comparisons: &[&Comparison], is_estimated: bool) -> Markup {
    if comparisons.is_empty() {
        return html! { p.none { "No times were reported yet." } };
    }
    html! {
        table.stack {
            caption { "Waiting times, with sharing and without" }
            thead { tr {
                th scope="col" { "What" }
                th.number scope="col" { "Without" }
                th.number scope="col" { "With sharing" }
                th.number scope="col" { "Difference" }
                th scope="col" { "Verdict" }
            } }
            tbody { @for comparison in comparisons { (wait(comparison, is_estimated)) } }
        }
    }
}

fn wait(comparison: &Comparison, with_percent: bool) -> Markup {
    let of = |arm: Arm| comparison.arms.iter().find(|summary| summary.arm == arm);
    let control = words::control(comparison).and_then(of);
    let ratio = comparison.ratio.filter(|_| with_percent);
    html! {
        tr {
            th scope="row" {
                (words::metric(comparison.metric)) ", " (words::class(comparison.class))
                small { (words::quantile(comparison.quantile)) }
            }
            td.number data-label="Without" { (milliseconds(control)) }
            td.number data-label="With sharing" { (milliseconds(of(Arm::P2p))) }
            td.number data-label="Difference" {
                @match ratio {
                    Some(ratio) => {
                        (numbers::slower(ratio.value))
                        small { (numbers::slower(ratio.interval.low)) " to " (numbers::slower(ratio.interval.high)) }
                    }
                    None => "not yet",
                }
            }
            td data-label="Verdict" {
                @match (comparison.hurts, comparison.margin, ratio) {
                    (true, ..) => { strong.failed { "Hurts" } }
                    (false, Some(margin), Some(_)) => {
                        strong.passed { "Within bounds" }
                        small { "may be " (numbers::slower(margin)) }
                    }
                    (false, Some(_), None) => "not yet",
                    (false, None, _) => "shown, not judged",
                }
            }
        }
    }
}

fn milliseconds(summary: Option<&LatencySummary>) -> Markup {
    html! {
        @match summary {
            Some(LatencySummary { milliseconds: Some(share), count, .. }) => {
                (numbers::time(share.value))
                small { (numbers::counted(*count, "time", "times")) }
            }
            Some(LatencySummary { count, .. }) => {
                "too few"
                small { (numbers::counted(*count, "time", "times")) }
            }
            None => "none",
        }
    }
}
