//! Files: which cost most, which are shared by whom, and why others are not.

use manyhands_metainfo::AssetPath;
use manyhands_page::Reason;
use maud::{Markup, html};

use super::{Dashboard, Swarm, TopAsset, Unshared};
use crate::operator::{numbers, plot};
use crate::text::{Visible, decoded};

pub(super) fn files(dashboard: &Dashboard) -> Markup {
    html! {
        section #files data-live aria-labelledby="files-title" {
            h2 #files-title tabindex="-1" { "Files" }
            dl.pairs {
                div { dt { "Shared" } dd { (numbers::count(dashboard.counts.ready as u64)) } }
                div { dt { "Waiting or being read" } dd { (numbers::count((dashboard.counts.queued + dashboard.counts.hashing) as u64)) } }
                div { dt { "Not wanted often enough yet" } dd { (numbers::count(dashboard.counts.cold as u64)) } }
                div { dt { "Held back" } dd { (numbers::count((dashboard.counts.hidden + dashboard.counts.refused) as u64)) } }
            }
            (top(&dashboard.top))
            (swarms(&dashboard.swarms, dashboard.swarms_active))
        }
    }
}

fn top(assets: &[TopAsset]) -> Markup {
    let most = assets.iter().map(|asset| asset.sent).max().unwrap_or(0).max(1);
    html! {
        h3 { "What the site sent most of" }
        @if assets.is_empty() {
            p.none { "Counted only while the experiment runs." }
        } @else {
            table.stack {
                caption { "In the period, most first" }
                thead { tr {
                    th scope="col" { "File" }
                    th.number scope="col" { "Size" }
                    th.number scope="col" { "Wanted" }
                    th.number scope="col" { "Sent by this site" }
                } }
                tbody {
                    @for asset in assets {
                        tr data-key=(asset.path.as_str()) {
                            th scope="row" { (file(&asset.path)) (plot::bar(asset.sent as f64 / most as f64)) }
                            td.number data-label="Size" {
                                @match asset.length {
                                    Some(length) => (numbers::bytes(length as f64)),
                                    None => "unknown",
                                }
                            }
                            td.number data-label="Wanted" { (numbers::counted(asset.wanted, "time", "times")) }
                            td.number data-label="Sent" { (numbers::bytes(asset.sent as f64)) }
                        }
                    }
                }
            }
        }
    }
}

fn swarms(swarms: &[Swarm], active: usize) -> Markup {
    html! {
        h3 { "Who shares what now" }
        @if swarms.is_empty() {
            p.none { "Nobody is in any swarm at this moment." }
        } @else {
            table.stack {
                caption {
                    "Swarms with visitors, largest first"
                    @if active > swarms.len() { " (" (numbers::count(swarms.len() as u64)) " of " (numbers::count(active as u64)) ")" }
                }
                thead { tr {
                    th scope="col" { "File" }
                    th.number scope="col" { "Have it whole" }
                    th.number scope="col" { "Take it now" }
                    th scope="col" { "Introduced" }
                } }
                tbody {
                    @for swarm in swarms {
                        tr data-key=(swarm.path.as_str()) {
                            th scope="row" { (file(&swarm.path)) }
                            td.number data-label="Have it whole" { (numbers::count(swarm.seeds)) }
                            td.number data-label="Take it now" { (numbers::count(swarm.peers)) }
                            td data-label="Introduced" { @if swarm.open { "yes" } @else { "not yet: too few networks" } }
                        }
                    }
                }
            }
        }
    }
}

pub(super) fn why(dashboard: &Dashboard) -> Markup {
    html! {
        section #why data-live aria-labelledby="why-title" {
            h2 #why-title tabindex="-1" { "Why is my file not shared?" }
            p {
                "An answer of the site that is no page to tag and no file to share has a reason. For one address "
                code { "manyhands doctor URL" } " shows every gate."
            }
            (reasons(&dashboard.passed))
            (unshared(&dashboard.unshared, dashboard.unshared_more))
        }
    }
}

fn reasons(passed: &[(Reason, u64)]) -> Markup {
    html! {
        h3 { "Answers left alone" }
        @if passed.is_empty() {
            p.none { "None since the start." }
        } @else {
            table.stack.sentences {
                caption { "Since the start, most first" }
                thead { tr {
                    th scope="col" { "What is in the way" }
                    th scope="col" { "What to do" }
                    th.number scope="col" { "Answers" }
                } }
                tbody {
                    @for (reason, answers) in passed {
                        tr data-key=(reason.name()) {
                            th scope="row" { (reason.sentence()) small { code { (reason.name()) } } }
                            td data-label="What to do" { (reason.remedy()) }
                            td.number data-label="Answers" { (numbers::count(*answers)) }
                        }
                    }
                }
            }
        }
    }
}

fn unshared(files: &[Unshared], more: usize) -> Markup {
    html! {
        h3 { "Files that wait or are held back" }
        @if files.is_empty() {
            p.none { "None." }
        } @else {
            table.stack.sentences {
                caption {
                    "Eligible, and not shared now"
                    @if more > 0 { " (and " (numbers::count(more as u64)) " more in status.json)" }
                }
                thead { tr {
                    th scope="col" { "File" }
                    th scope="col" { "Why" }
                    th scope="col" { "What to do" }
                } }
                tbody {
                    @for unshared in files {
                        tr data-key=(unshared.path.as_str()) {
                            th scope="row" { (file(&unshared.path)) }
                            td data-label="Why" {
                                (unshared.why.sentence)
                                @if let Some(until) = unshared.until {
                                    small { "Tried again after " (numbers::moment(until)) "." }
                                }
                            }
                            td data-label="What to do" { (unshared.why.remedy) }
                        }
                    }
                }
            }
        }
    }
}

/// A name that a stranger may have chosen: it is text, in its own direction, and leads to the file.
pub(super) fn file(path: &AssetPath) -> Markup {
    let whole = decoded(path);
    let (folder, name) = whole.rsplit_once('/').unwrap_or(("", &whole));
    html! {
        a.file href=(path.as_str()) { bdi { (Visible(name)) } }
        @if !folder.is_empty() { small { bdi { (Visible(folder)) "/" } } }
    }
}
