//! Mirrors: who carries the site, how well, why not, and what the operator can do about it.

use manyhands_protocol::mirrors::MirrorState;
use maud::{Markup, html};

use super::{Dashboard, MirrorRow};
use crate::operator::numbers;
use crate::text::Visible;

pub(super) fn mirrors(dashboard: &Dashboard) -> Markup {
    let prefix = dashboard.prefix.as_str();
    let all = &dashboard.mirrors;
    let listed = all.iter().filter(|mirror| mirror.listed).count();
    html! {
        section #mirrors data-live aria-labelledby="mirrors-title" {
            h2 #mirrors-title tabindex="-1" { "Mirrors" }
            p {
                "Volunteers who carry this site\u{2019}s files. None is trusted: what comes from one is verified by whoever takes it, "
                "and this site looks at random pieces itself."
            }
            @if all.is_empty() {
                p.none { "Nobody has asked yet. Whoever runs " code { "manyhands mirror" } " with this site\u{2019}s address is shown here." }
            } @else {
                table.stack.sentences {
                    caption { "Readers are sent to " (numbers::count(listed as u64)) " of " (numbers::count(all.len() as u64)) }
                    thead { tr {
                        th scope="col" { "Mirror" }
                        th scope="col" { "State" }
                        th.number scope="col" { "Answers within" }
                        th.number scope="col" { "Holds" }
                        th scope="col" { "Decide" }
                    } }
                    tbody { @for mirror in all { (row(prefix, mirror)) } }
                }
            }
        }
    }
}

fn row(prefix: &str, mirror: &MirrorRow) -> Markup {
    html! {
        tr data-key=(mirror.id) {
            th scope="row" {
                (Visible(&mirror.name))
                @if let Some(contact) = &mirror.contact { small { (Visible(contact)) } }
                small { code { (mirror.place.as_deref().unwrap_or(&mirror.id)) } }
            }
            td data-label="State" {
                (state(mirror))
                @if let Some(reason) = &mirror.reason { small { (Visible(reason)) } }
                @if mirror.readable == Some(false) {
                    small { "Browsers can\u{2019}t use it: it sends no Access-Control-Allow-Origin." }
                }
            }
            td.number data-label="Answers within" {
                @match mirror.latency {
                    Some(milliseconds) => { (numbers::count(milliseconds)) " ms" }
                    None => "unknown",
                }
            }
            td.number data-label="Holds" {
                @match mirror.holdings {
                    Some(files) => (numbers::counted(files, "file", "files")),
                    None => "unknown",
                }
            }
            td data-label="Decide" {
                @if mirror.state != MirrorState::Approved { (decide(prefix, mirror, "approved", "Approve")) }
                @if mirror.state != MirrorState::Banned { (decide(prefix, mirror, "banned", "Ban")) }
            }
        }
    }
}

fn state(mirror: &MirrorRow) -> &'static str {
    match (mirror.state, mirror.listed) {
        (MirrorState::Pending, _) => "waits for you",
        (MirrorState::Banned, _) => "out",
        (MirrorState::Approved, true) => "healthy",
        (MirrorState::Approved, false) => "approved, not listed now",
    }
}

/// Needs the script: what it sends no form of another site can.
fn decide(prefix: &str, mirror: &MirrorRow, to: &str, label: &str) -> Markup {
    html! {
        form.scripted method="post" action={ (prefix) "/mirrors/decide" } data-done={ (label) ": " } {
            input type="hidden" name="mirror" value=(mirror.id);
            input type="hidden" name="state" value=(to);
            button.quiet aria-label={ (label) " " (Visible(&mirror.name)) } { (label) }
        }
    }
}
