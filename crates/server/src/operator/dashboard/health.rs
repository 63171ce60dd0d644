//! Whether everything runs, and what the operator can do about it.

use maud::{Markup, html};

use super::Dashboard;
use super::files::file;
use crate::engine::Sharing;
use crate::operator::numbers;

/// The first thing to know where it holds.
pub(super) fn sharing(dashboard: &Dashboard) -> Markup {
    let text = match dashboard.sharing {
        Sharing::On => None,
        Sharing::Off => Some("Sharing is switched off. Visitors get everything from this site."),
        Sharing::Disabled => Some(
            "Sharing is disabled in the configuration ([site] disabled = true). Visitors get everything from this site.",
        ),
    };
    html! {
        div #sharing data-live {
            @if let Some(text) = text { p.banner { strong { (text) } " " a href="#controls" { "Go to the switch" } "." } }
        }
    }
}

pub(super) fn health(dashboard: &Dashboard) -> Markup {
    let waiting = dashboard.counts.queued as u64;
    html! {
        section #health data-live aria-labelledby="health-title" {
            h2 #health-title tabindex="-1" { "Health" }
            dl.pairs {
                div { dt { "Running since" } dd { (numbers::moment(dashboard.since)) } }
                div { dt { "Pages with our script" } dd { (numbers::count(dashboard.pages)) } }
                div { dt { "Answers with shareable files" } dd { (numbers::count(dashboard.asset_answers)) } }
                div {
                    dt { "Tracker" }
                    dd {
                        @if dashboard.sharing.is_on() { "open" } @else { "closed" }
                        small {
                            (numbers::counted(dashboard.connections as u64, "visitor", "visitors")) " connected, "
                            (numbers::counted(dashboard.swarms_active as u64, "swarm", "swarms"))
                        }
                    }
                }
                div {
                    dt { "Hash workers" }
                    dd {
                        @if dashboard.jobs.is_empty() { "idle" } @else { (numbers::counted(dashboard.jobs.len() as u64, "file", "files")) " at work" }
                        small { (numbers::counted(waiting, "file waits", "files wait")) }
                    }
                }
            }
            @if !dashboard.jobs.is_empty() {
                table.stack {
                    caption { "Being read and hashed" }
                    thead { tr { th scope="col" { "File" } th.number scope="col" { "Done" } th.number scope="col" { "Of" } } }
                    tbody {
                        @for job in &dashboard.jobs {
                            tr data-key=(job.path.as_str()) {
                                th scope="row" { (file(&job.path)) }
                                td.number data-label="Done" { (numbers::bytes(job.position as f64)) }
                                td.number data-label="Of" { (numbers::bytes(job.length as f64)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The forms need the script: what they send no form of another site can.
pub(super) fn controls(dashboard: &Dashboard) -> Markup {
    let prefix = dashboard.prefix.as_str();
    html! {
        section #controls data-live aria-labelledby="controls-title" {
            h2 #controls-title tabindex="-1" { "Controls" }
            h3 { "Sharing" }
            @match dashboard.sharing {
                Sharing::On => {
                    p {
                        "On. Switched off, no page gets our script, the tracker closes, and browsers give up our service worker when they \
                         next look for a new one. It holds across restarts until it is switched on again. Visitors notice nothing."
                    }
                    (switch(prefix, "off", "Switch sharing off"))
                }
                Sharing::Off => {
                    p { "Off, in this process and after a restart, until it is switched on again." }
                    (switch(prefix, "on", "Switch sharing on"))
                }
                Sharing::Disabled => {
                    p {
                        "Disabled in the configuration, which no switch here can overrule: set " code { "[site] disabled = false" }
                        " and restart."
                    }
                }
            }
            h3 { "Forget a file" }
            p {
                "Its metainfo is gone at once and its swarm ends; it is hashed anew when it is wanted again. A star at the end means all \
                 that starts so: " code { "/old/*" }
            }
            form.scripted method="post" action={ (prefix) "/purge" } data-done="Files forgotten: " {
                label for="path" { "Path, as it stands in the address" }
                div.row {
                    input #path name="path" type="text" required pattern="/.*" maxlength="2000" autocomplete="off" autocapitalize="off" spellcheck="false" placeholder="/pub/big%20file.zip";
                    button { "Forget" }
                }
            }
        }
    }
}

/// The same by hand, wherever the script does not run: switched off, blocked, or broken.
pub(super) fn without_script(dashboard: &Dashboard) -> Markup {
    html! {
        div.unscripted {
            p { "Without JavaScript, in a shell, with the key in operator.key in the state directory:" }
            pre tabindex="0" {
                "curl -X POST -H \"Authorization: Bearer $(cat operator.key)\" -H 'Content-Type: application/json' \\\n  'https://"
                (dashboard.site) (dashboard.prefix) "/switch?sharing=off'"
            }
        }
    }
}

fn switch(prefix: &str, to: &str, label: &str) -> Markup {
    html! {
        form.scripted method="post" action={ (prefix) "/switch" } data-done="Sharing is now " {
            input type="hidden" name="sharing" value=(to);
            button.(to) { (label) }
        }
    }
}
