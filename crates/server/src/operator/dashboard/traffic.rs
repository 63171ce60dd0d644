//! What went over the line, arm by arm, and what browsers say of it.

use manyhands_experiment::{Analysis, Claims};
use maud::{Markup, html};

use super::Dashboard;
use crate::operator::{numbers, parts, words};

pub(super) fn bytes(analysis: Option<&Analysis>) -> Markup {
    html! {
        section #bytes data-live aria-labelledby="bytes-title" {
            h2 #bytes-title tabindex="-1" { "Where the bytes go" }
            @match analysis {
                Some(analysis) => {
                    (parts::shares(&analysis.traffic, analysis.estimate.is_some()))
                    (parts::side_by_side(analysis))
                }
                None => { p.none { "Counted only while the experiment runs." } }
            }
        }
    }
}

pub(super) fn readers(dashboard: &Dashboard) -> Markup {
    let analysis = dashboard.analysis.as_ref();
    html! {
        section #readers data-live aria-labelledby="readers-title" {
            h2 #readers-title tabindex="-1" { "Visitors: does it hurt, and what do they give?" }
            p.claimed {
                "Claimed by browsers, which can say anything. Nothing here moves a figure above."
            }
            @match analysis {
                Some(analysis) => { (parts::waits(&analysis.latency.iter().collect::<Vec<_>>(), analysis.estimate.is_some())) (given(analysis, &dashboard.fallbacks)) }
                None => { p.none { "Browsers report only while the experiment runs." } }
            }
            p.note {
                "A visitor gives at most " (numbers::bits(dashboard.upload.rate)) ", "
                (numbers::bytes(dashboard.upload.monthly as f64)) " a month, and twice what they received; nothing on metered \
                 lines ([upload] rate, monthly)."
            }
        }
    }
}

/// What browsers say they gave and got.
fn given(analysis: &Analysis, fallbacks: &[(String, u64)]) -> Markup {
    let mut all = Claims::default();
    analysis.arms.iter().for_each(|arm| all.add(&arm.claimed));
    let bytes = |number: u64| numbers::bytes(number as f64);
    let trust = match analysis.claimed_ratio {
        Some(ratio) if (0.7..=1.3).contains(&ratio) => ("They agree", "passed"),
        Some(_) => ("They disagree: somebody lies, or a cache stands in between", "failed"),
        None => ("Nothing to compare yet", "waiting"),
    };
    html! {
        dl.pairs {
            div { dt { "Given to others by visitors" } dd { (bytes(all.uploaded_bytes)) } }
            div { dt { "Got from other visitors" } dd { (bytes(all.peer_bytes)) } }
            div { dt { "Got from mirrors" } dd { (bytes(all.mirror_bytes)) } }
            div { dt { "Got twice or thrown away" } dd { (bytes(all.wasted_bytes)) } }
            div { dt { "Stood still" } dd { (numbers::counted(all.stalls, "time", "times")) } }
            div {
                dt { "Fell back to the site" }
                dd {
                    (numbers::counted(all.fallbacks, "time", "times"))
                    @for (reason, count) in fallbacks {
                        " " small { (words::fallback(reason)) ": " (numbers::count(*count)) }
                    }
                }
            }
            div {
                dt { "Claimed over counted" }
                dd {
                    @if let Some(ratio) = analysis.claimed_ratio { (format!("{ratio:.2}")) " " }
                    small.(trust.1) { (trust.0) }
                }
            }
            @for arm in analysis.arms.iter().filter(|arm| arm.claimed.tokens > 0) {
                div {
                    dt { "Reports, \u{201c}" (words::arm(arm.arm).to_lowercase()) "\u{201d}" }
                    dd { (numbers::count(arm.claimed.reports)) " of " (numbers::count(arm.claimed.tokens)) }
                }
            }
        }
    }
}
