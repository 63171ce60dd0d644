use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use manyhands_metainfo::Digest;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{Dashboard, files, health, mirrors, saved, traffic};
use crate::operator::headline::{Headline, Tone};

const STYLE: &str = concat!(include_str!("../base.css"), include_str!("style.css"));
const SCRIPT: &str = include_str!("script.js");
/// An arrow out of many; in the page itself, so that nothing is fetched for it.
const ICON: &str = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Crect \
                    width='16' height='16' rx='4' fill='%230b6b58'/%3E%3Cpath d='M4 11V6m4 5V4m4 7V8' \
                    stroke='white' stroke-width='2' stroke-linecap='round'/%3E%3C/svg%3E";

/// This page's own style sheet and script, and requests to its own site: whatever a file is called, no part of
/// its name can act.
pub(super) static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let digest = |text: &str| STANDARD.encode(Digest::of(text.as_bytes()).as_bytes());
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; img-src data:; connect-src 'self'; \
         form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        digest(STYLE),
        digest(SCRIPT)
    );
    HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
});

/// The sections, by the names of their elements.
const SECTIONS: [(&str, &str); 9] = [
    ("saved", "Saved"),
    ("time", "Over time"),
    ("bytes", "Bytes"),
    ("readers", "Visitors"),
    ("files", "Files"),
    ("mirrors", "Mirrors"),
    ("why", "Why not?"),
    ("health", "Health"),
    ("controls", "Controls"),
];

/// Elements marked `data-live` are what the script brings up to date, one by one.
pub(in crate::operator) fn html(dashboard: &Dashboard) -> Markup {
    let site = dashboard.site.as_str();
    let headline = match &dashboard.unseen {
        Some(why) => Headline::unseen(why),
        None => Headline::of(site, dashboard.analysis.as_ref()),
    };
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="robots" content="noindex";
                title { (title(&headline)) " \u{b7} " (site) }
                link rel="icon" href=(PreEscaped(ICON));
                style { (PreEscaped(STYLE)) }
            }
            body {
                a.skip href="#main" { "Skip to the figures" }
                header.top {
                    p.brand { "Manyhands" }
                    h1 { (site) }
                    div.live {
                        span #updated { "As of this page\u{2019}s loading" }
                        button.quiet.scripted type="button" #pause aria-pressed="false" { "Pause" }
                    }
                    p #said .said role="status" {}
                }
                nav.sections aria-label="Sections" {
                    ul {
                        @for (id, name) in SECTIONS {
                            li { a href={ "#" (id) } { (name) } }
                        }
                    }
                }
                main #main tabindex="-1" {
                    (health::sharing(dashboard))
                    (saved::headline(&headline, dashboard.analysis.as_ref()))
                    (saved::over_time(dashboard.analysis.as_ref()))
                    (traffic::bytes(dashboard.analysis.as_ref()))
                    (traffic::readers(dashboard))
                    (files::files(dashboard))
                    (mirrors::mirrors(dashboard))
                    (files::why(dashboard))
                    (health::health(dashboard))
                    (health::controls(dashboard))
                    (health::without_script(dashboard))
                }
                footer {
                    p {
                        "For programs: "
                        a href={ (dashboard.prefix) "/status.json" } { "status.json" } ", "
                        a href={ (dashboard.prefix) "/experiment.json" } { "experiment.json" } ", "
                        a href={ (dashboard.prefix) "/experiment.csv" } { "experiment.csv" } " (raw sums), "
                        a href={ (dashboard.prefix) "/assets" } { "the list of shared files" } "."
                    }
                }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    }
}

fn title(headline: &Headline) -> String {
    match (&headline.figure, headline.tone) {
        (Some(figure), Tone::Good) => format!("{} saved", figure.value),
        _ => headline.title.clone(),
    }
}
