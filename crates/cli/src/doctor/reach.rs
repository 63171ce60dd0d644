//! Reaching the URL as a browser that goes there: name, address, TLS, and every redirect on the way.

use std::net::SocketAddr;

use super::connect::is_public;
use super::failure::Stage;
use super::fetch::{Answer, Ask, Client};
use super::report::{Report, Section};
use super::target::Target;

/// Browsers give up after 20; whoever needs more than this has a loop.
const MOST_REDIRECTS: usize = 8;
/// A page of which more is not read; the tag stands at its beginning.
pub(crate) const MOST_PAGE: usize = 2 * 1024 * 1024;

/// What a browser sends when a person goes somewhere, but for the codings it takes.
pub(crate) const NAVIGATION: [(&str, &str); 7] = [
    ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    ("accept-language", "en"),
    ("upgrade-insecure-requests", "1"),
    ("sec-fetch-dest", "document"),
    ("sec-fetch-mode", "navigate"),
    ("sec-fetch-site", "none"),
    ("sec-fetch-user", "?1"),
];

/// The codings this program can undo; browsers take these too.
pub(crate) const CODINGS: (&str, &str) = ("accept-encoding", "gzip, br");

/// Where the URL leads.
pub(crate) struct Visit {
    /// After all redirects.
    pub(crate) target: Target,
    pub(crate) answer: Answer,
    /// Every address of the final host.
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) redirected: bool,
}

/// Goes to the URL. `None`: the report says why there is no answer.
pub(crate) async fn visit(client: &Client, target: &Target, report: &mut Report) -> Option<Visit> {
    let mut target = target.clone();
    let mut public = None;
    for hops in 0..=MOST_REDIRECTS {
        let addresses = match client.addresses(&target).await {
            Ok(addresses) => addresses,
            Err(failure) => return fail(report, Stage::Address, &failure),
        };
        let says: Vec<_> = addresses.iter().map(described).collect();
        report.ok(Section::Reach, "address", format!("{}: {}", target.host(), says.join(", ")));
        let here = addresses.iter().any(|address| is_public(address.ip()));
        // A stranger could have this program ask what only this machine can reach.
        if public == Some(true) && !here {
            report.refuse(
                Section::Reach,
                "redirect",
                "redirect_to_private",
                format!("a public site redirects to {target}, which strangers cannot reach: not followed"),
                "redirect to a public address",
            );
            return None;
        }
        public = Some(here);
        let fields = [&NAVIGATION[..], &[CODINGS]].concat();
        let answer = match client.ask(Ask::get(&target, &fields).reading(MOST_PAGE)).await {
            Ok(answer) => answer,
            Err(failure) => return fail(report, failure.stage(), &failure),
        };
        stages(report, &target, &answer);
        let Some(next) = redirect(report, &target, &answer) else {
            return Some(Visit { target, answer, addresses, redirected: hops > 0 });
        };
        match next {
            Ok(next) => target = next,
            Err(()) => return None,
        }
    }
    report.refuse(
        Section::Reach,
        "redirect",
        "redirect_loop",
        format!("more than {MOST_REDIRECTS} redirects"),
        "redirect straight to where it leads",
    );
    None
}

fn fail<T>(report: &mut Report, stage: Stage, failure: &super::failure::Failure) -> Option<T> {
    let name = match stage {
        Stage::Address => "address",
        Stage::Connection => "connection",
        Stage::Tls => "tls",
        Stage::Answer => "answer",
    };
    report.failed(Section::Reach, name, failure);
    None
}

fn stages(report: &mut Report, target: &Target, answer: &Answer) {
    let port = target.port();
    match answer.dead.as_slice() {
        [] => report.ok(Section::Reach, "connection", format!("port {port} is open")),
        [first, ..] => report.warn(
            Section::Reach,
            "connection",
            first.name(),
            format!("{first}; {} did", answer.address),
            "let every address of the name in DNS answer, or remove it: visitors wait for it",
        ),
    }
    if target.is_secure() {
        report.ok(Section::Reach, "tls", format!("the certificate is good for {}", target.host()));
    }
}

/// Where the answer sends its visitor, if it does.
fn redirect(report: &mut Report, target: &Target, answer: &Answer) -> Option<Result<Target, ()>> {
    if !matches!(answer.status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let status = answer.status.as_u16();
    let location = answer.field("location").unwrap_or_default();
    match target.join(&location) {
        Ok(next) => {
            report.warn(
                Section::Reach,
                "redirect",
                "redirect",
                format!("{status}: {target} redirects to {next}"),
                "link to where it leads: nothing is shared under an address that redirects",
            );
            Some(Ok(next))
        }
        Err(error) => {
            report.refuse(
                Section::Reach,
                "redirect",
                "redirect_unclear",
                format!("{status} without a usable Location ({error})"),
                "send a Location that is a URL",
            );
            Some(Err(()))
        }
    }
}

fn described(address: &SocketAddr) -> String {
    let ip = address.ip();
    match (is_public(ip), ip.is_loopback()) {
        (true, _) => ip.to_string(),
        (false, true) => format!("{ip} (this machine)"),
        (false, false) => format!("{ip} (a private network)"),
    }
}
