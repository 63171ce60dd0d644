//! What is saved: now, and over time.

use manyhands_experiment::{Analysis, Estimate};
use maud::{Markup, html};

use crate::operator::headline::Headline;
use crate::operator::{numbers, parts, words};

pub(super) fn headline(headline: &Headline, analysis: Option<&Analysis>) -> Markup {
    let checks = analysis.map(|analysis| analysis.checks.as_slice()).unwrap_or_default();
    let failed = checks.iter().any(|check| !check.passed);
    html! {
        section #saved .headline.(parts::tone(headline)) data-live aria-labelledby="saved-title" {
            (parts::headline(headline, analysis, Some("#controls")))
            @if let Some(money) = analysis.and_then(|analysis| analysis.money.as_ref()) {
                p.note { (money.sentence) }
            }
            @if !checks.is_empty() {
                details open[failed] {
                    summary { "The checks, one by one" }
                    (parts::checks(checks))
                }
            }
        }
    }
}

pub(super) fn over_time(analysis: Option<&Analysis>) -> Markup {
    let estimated = analysis.and_then(|analysis| Some((analysis, analysis.estimate.as_ref()?)));
    html! {
        section #time data-live aria-labelledby="time-title" {
            h2 #time-title tabindex="-1" { "Saved over time" }
            @match estimated {
                Some((analysis, estimate)) => { (drawn(analysis, estimate)) }
                None => { p.none { "Nothing is drawn before there is a figure." } }
            }
        }
    }
}

fn drawn(analysis: &Analysis, estimate: &Estimate) -> Markup {
    html! {
        (parts::over_time(analysis, 224))
        @if analysis.series.len() > 1 {
            details {
                summary { "The plot as a table" }
                div.scroll tabindex="0" role="region" aria-label="Share saved, day by day" { (parts::series(analysis)) }
            }
        }
        (parts::figures("What is saved", &words::figures(estimate)))
        details {
            summary { "How it is reckoned, and other ways to reckon it" }
            p { (analysis.estimand) }
            p { (words::measured(analysis)) }
            p { "Counted from " (numbers::moment(analysis.from)) " to " (numbers::moment(analysis.until)) "." }
            (parts::figures("Shared files, reckoned otherwise", &words::other_figures(estimate)))
        }
    }
}
