//! Is Manyhands there at all? Its reserved prefix, asked as a page of the site would ask it.

use http::StatusCode;
use serde::Deserialize;

use super::between;
use super::coding::decoded;
use super::fetch::{Answer, Ask, Client};
use super::reach::CODINGS;
use super::report::{Report, Section};
use super::target::Target;

const MOST_SCRIPT: usize = 256 * 1024;
const MOST_SITE: usize = 256 * 1024;
/// What the client understands of `site.json`.
const FORMAT: u64 = 1;

/// What `site.json` says, as far as it matters here. What is not there has its default.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Site {
    pub(crate) v: u64,
    pub(crate) origin: String,
    pub(crate) disabled: bool,
    pub(crate) consent: String,
    pub(crate) assets: Assets,
    pub(crate) tracker: String,
    pub(crate) stun: Vec<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Assets {
    pub(crate) extensions: Vec<String>,
    pub(crate) min_size: Option<u64>,
    /// Query parameters that may stand in the URL of an asset.
    pub(crate) queries: Vec<String>,
}

/// Manyhands, as it answers at this site.
#[derive(Clone, Debug)]
pub(crate) struct Presence {
    /// Without its trailing slash.
    pub(crate) prefix: String,
    pub(crate) site: Site,
}

/// Looks below each prefix in turn; the first whose `site.json` answers is it.
pub(crate) async fn look(
    client: &Client,
    target: &Target,
    prefixes: &[String],
    report: &mut Report,
) -> Option<Presence> {
    let mut first = None;
    for prefix in prefixes {
        match site(client, target, prefix, report).await {
            Ok(found) => {
                let presence = Presence { prefix: prefix.clone(), site: found };
                describe(&presence, target, report);
                scripts(client, target, &presence, report).await;
                return Some(presence);
            }
            Err(why) => first = first.or(Some((prefix, why))),
        }
    }
    let (prefix, why) = first?;
    report.refuse(
        Section::Manyhands,
        "site_json",
        "no_manyhands",
        format!("{}{prefix}/site.json is not answered by Manyhands: {why}", target.origin()),
        "put Manyhands in front of the site (the layer, or `manyhands proxy`), and let whatever \
         stands before it pass the prefix on",
    );
    None
}

/// The document, or one line of what came instead.
async fn site(
    client: &Client,
    target: &Target,
    prefix: &str,
    report: &mut Report,
) -> Result<Site, String> {
    let target = target.at(&format!("{prefix}/site.json"))?;
    let fields = [("accept", "*/*"), CODINGS];
    let asked = client.ask(Ask::get(&target, &fields).reading(MOST_SITE)).await;
    let answer = asked.map_err(|failure| failure.to_string())?;
    if answer.status != StatusCode::OK {
        return Err(format!("status {}", answer.status.as_u16()));
    }
    let body = decoded(&answer, MOST_SITE).ok_or("it cannot be decompressed")?;
    let site: Site = serde_json::from_slice(&body)
        .map_err(|_| format!("it is {}, not JSON", described(&answer.media_type())))?;
    if site.v == 0 {
        return Err("it is some other JSON".to_owned());
    }
    if let Some(age) = between::age(&answer) {
        report.warn(
            Section::Manyhands,
            "site_json_cached",
            "cached",
            format!("a cache in between kept site.json for {age} s, although it says no-cache"),
            "tell the cache to leave the reserved prefix alone: announce tokens in it run out",
        );
    }
    Ok(site)
}

fn described(media_type: &str) -> &str {
    if media_type.is_empty() { "of no stated type" } else { media_type }
}

fn describe(presence: &Presence, target: &Target, report: &mut Report) {
    let Presence { prefix, site } = presence;
    if site.v != FORMAT {
        report.warn(
            Section::Manyhands,
            "site_json",
            "unknown_version",
            format!("site.json has version {}, this program knows {FORMAT}", site.v),
            "ask with the program of the same version as the site's",
        );
    } else {
        report.ok(
            Section::Manyhands,
            "site_json",
            format!("answers below {prefix}/ for {}, consent: {}", site.origin, site.consent),
        );
    }
    if site.disabled {
        report.refuse(
            Section::Manyhands,
            "switched_on",
            "disabled",
            "the kill switch is on: no page gets the script, browsers drop what they have",
            "set [site] disabled = false and restart",
        );
    } else {
        report.ok(Section::Manyhands, "switched_on", "not disabled");
    }
    origin(site, target, report);
}

/// The loader does nothing on a page of another host than the configured one.
fn origin(site: &Site, target: &Target, report: &mut Report) {
    let Ok(configured) = site.origin.parse::<Target>() else {
        report.warn(
            Section::Manyhands,
            "origin",
            "origin_unclear",
            format!("site.json names the origin {:?}, which is none", site.origin),
            "set [site] origin to what visitors see, like https://example.org",
        );
        return;
    };
    let same_host = comparable(&configured) == comparable(target);
    if !same_host {
        report.refuse(
            Section::Manyhands,
            "origin",
            "origin_host",
            format!(
                "[site] origin is {}, but this is {}: visitors here get plain HTTP",
                configured.origin(),
                target.origin()
            ),
            format!(
                "redirect visitors to {}, or set [site] origin to {}",
                configured.origin(),
                target.origin()
            ),
        );
    } else if configured.is_secure() && !target.is_secure() {
        report.warn(
            Section::Manyhands,
            "origin",
            "origin_scheme",
            format!("[site] origin is {}, but this was asked over http", configured.origin()),
            "redirect http to https",
        );
    } else if !configured.is_secure() && target.is_secure() {
        report.refuse(
            Section::Manyhands,
            "origin",
            "origin_scheme",
            format!(
                "[site] origin is {}, but visitors come over https: torrents name addresses they may \
                 not use",
                configured.origin()
            ),
            format!("set [site] origin to {}", target.origin()),
        );
    } else {
        report.ok(
            Section::Manyhands,
            "origin",
            format!("[site] origin is {}", configured.origin()),
        );
    }
}

/// As the loader compares: the port counts, and this machine's names are one.
fn comparable(target: &Target) -> String {
    let authority = target.authority();
    match manyhands_page::is_loopback(target.host()) {
        true => authority.strip_prefix(target.host()).unwrap_or_default().to_owned(),
        false => authority,
    }
}

/// The three scripts, as a browser would get them.
async fn scripts(client: &Client, target: &Target, presence: &Presence, report: &mut Report) {
    let worker = match presence.site.disabled {
        true => manyhands_client::WORKER_OFF,
        false => manyhands_client::WORKER,
    };
    for (check, name, own) in [
        ("loader", "loader.js", manyhands_client::LOADER),
        ("client", "client.js", manyhands_client::CLIENT),
        ("worker", "sw.js", worker),
    ] {
        let Ok(target) = target.at(&format!("{}/{name}", presence.prefix)) else { continue };
        let fields = [("accept", "*/*"), ("sec-fetch-dest", "script"), CODINGS];
        match client.ask(Ask::get(&target, &fields).reading(MOST_SCRIPT)).await {
            Ok(answer) => script(check, name, own, &answer, report),
            Err(failure) => report.failed(Section::Manyhands, check, &failure),
        }
    }
}

fn script(check: &'static str, name: &str, own: &str, answer: &Answer, report: &mut Report) {
    let mut refuse = |reason, says: String, remedy: &str| {
        report.refuse(Section::Manyhands, check, reason, says, remedy);
    };
    let passed_on = "let whatever stands in front pass the reserved prefix on as it is";
    if answer.status != StatusCode::OK {
        let status = answer.status.as_u16();
        return refuse(
            "script_status",
            format!("{name} is answered with status {status}"),
            passed_on,
        );
    }
    let media_type = answer.media_type();
    if !media_type.ends_with("javascript") {
        let media_type = described(&media_type);
        let says = format!("{name} comes as {media_type}: browsers will not run it");
        return refuse("script_type", says, passed_on);
    }
    if check == "worker" && answer.field("service-worker-allowed").as_deref() != Some("/") {
        return refuse(
            "service_worker_allowed",
            format!(
                "{name} comes without Service-Worker-Allowed: /, so that no browser registers it"
            ),
            "let the proxy or cache in front pass that field on",
        );
    }
    let Some(body) = decoded(answer, MOST_SCRIPT) else {
        return refuse("script_coding", format!("{name} cannot be decompressed"), passed_on);
    };
    if let Some(age) = between::age(answer) {
        report.warn(
            Section::Manyhands,
            check,
            "cached",
            format!("a cache in between kept {name} for {age} s, although it says no-cache"),
            "tell the cache to leave the reserved prefix alone: the kill switch must reach visitors",
        );
    } else if body == own.as_bytes() {
        let version = env!("CARGO_PKG_VERSION");
        report.ok(Section::Manyhands, check, format!("{name} is that of version {version}"));
    } else {
        report.warn(
            Section::Manyhands,
            check,
            "script_differs",
            format!("{name} is not that of this program ({})", env!("CARGO_PKG_VERSION")),
            "if the site runs the same version, something in between rewrites scripts: switch that off \
             for the reserved prefix",
        );
    }
}
