use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use manyhands_experiment::Analysis;
use manyhands_metainfo::Digest;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::Report;
use crate::operator::headline::Headline;
use crate::operator::{numbers, parts, words};

const STYLE: &str = concat!(include_str!("../base.css"), include_str!("style.css"));

/// The page is opened from a disk or a mailbox, where no server says what it may do.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let style = STANDARD.encode(Digest::of(STYLE.as_bytes()).as_bytes());
    format!("default-src 'none'; style-src 'sha256-{style}'")
});

pub(super) fn of(report: &Report) -> Markup {
    let Report { site, made, analysis } = report;
    let analysis = analysis.as_ref();
    let headline = Headline::of(site, analysis);
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(*POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { "What sharing saves " (site) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { "What sharing saves " (site) }
                    p {
                        @if let Some(analysis) = analysis { (words::period(analysis)) "; made " } @else { "Made " }
                        (numbers::moment(*made))
                    }
                }
                main {
                    section.headline.(parts::tone(&headline)) aria-labelledby="saved-title" {
                        (parts::headline(&headline, analysis, None))
                    }
                    @if let Some(analysis) = analysis { (measured(analysis)) }
                }
            }
        }
    }
}

/// Figures and how they were made on one side, what was counted and what is not claimed on the other: it fits a
/// sheet.
fn measured(analysis: &Analysis) -> Markup {
    let judged: Vec<_> = analysis.latency.iter().filter(|one| one.margin.is_some()).collect();
    html! {
        section aria-labelledby="verdict" {
            h2 #verdict { "Verdict: " (words::verdict(analysis.verdict)) }
            p { (analysis.sentence) }
            @if analysis.estimate.is_some() { (parts::over_time(analysis, 110)) }
        }
        @if analysis.estimate.is_some() && !judged.is_empty() {
            section aria-labelledby="waits" {
                h2 #waits { "Whether it slows visitors down, as their browsers claim" }
                (parts::waits(&judged, true))
            }
        }
        div.columns {
            section aria-labelledby="how" {
                @if let Some(estimate) = &analysis.estimate {
                    (parts::figures("What is saved", &words::figures(estimate)))
                    @if let Some(money) = &analysis.money { p.note { (money.sentence) } }
                }
                h2 #how { "How it was measured" }
                p { (analysis.estimand) " " (words::measured(analysis)) }
                @if !analysis.checks.is_empty() { (parts::checks(&analysis.checks)) }
            }
            section aria-labelledby="not" {
                (parts::side_by_side(analysis))
                h2 #not { "What is not claimed" }
                ul { @for sentence in words::NOT_CLAIMED { li { (sentence) } } }
            }
        }
    }
}
