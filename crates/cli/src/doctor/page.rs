//! A page: may it carry the script, does it, and will the script run there?

use http::StatusCode;
use manyhands_page::{Decision, Injector, Outcome, Policy, Reason};

use super::between;
use super::coding::decoded;
use super::fetch::{Answer, Ask, Client};
use super::gates::{self, Judged};
use super::html::{Document, Script};
use super::presence::Presence;
use super::reach::{MOST_PAGE, NAVIGATION, Visit};
use super::report::{Report, Section};
use super::target::Target;

/// Reasons that browsers hold to, whoever put the script into the page.
const BY_BROWSERS: [Reason; 9] = [
    Reason::CspUnclear,
    Reason::CspScript,
    Reason::CspNonce,
    Reason::CspConnect,
    Reason::CspWorker,
    Reason::CspSandbox,
    Reason::CspTrustedTypes,
    Reason::CspWebrtc,
    Reason::IntegrityPolicy,
];

/// The page as a browser got it, read once.
pub(crate) struct Page {
    document: Document,
    body: Vec<u8>,
}

impl Page {
    /// `None` where the body cannot be read; the report says why.
    pub(crate) fn read(visit: &Visit, report: &mut Report) -> Option<Self> {
        let Some(body) = decoded(&visit.answer, MOST_PAGE) else {
            report.refuse(
                Section::Page,
                "coding",
                "coding_broken",
                format!(
                    "the body is not what Content-Encoding ({}) says",
                    visit.answer.field("content-encoding").unwrap_or_default()
                ),
                "look at what compresses on the way: it may compress twice, or send a coding nobody \
                 asked for",
            );
            return None;
        };
        Some(Self { document: Document::read(&body), body })
    }

    /// Prefixes that script elements of this page may stand for: they load some `loader.js` from here.
    pub(crate) fn prefixes(&self, target: &Target) -> Vec<String> {
        let scripts = self.document.scripts.iter();
        scripts
            .filter_map(|script| self.resolved(target, &script.src))
            .filter_map(|source| source.path().strip_suffix("/loader.js").map(str::to_owned))
            .filter(|prefix| !prefix.is_empty())
            .collect()
    }

    /// The elements that load our script.
    fn tags(&self, target: &Target, prefix: &str) -> Vec<(&Script, Target)> {
        let path = format!("{prefix}/loader.js");
        let scripts = self.document.scripts.iter();
        scripts
            .filter_map(|script| Some((script, self.resolved(target, &script.src)?)))
            .filter(|(_, source)| source.path() == path)
            .collect()
    }

    fn resolved(&self, target: &Target, reference: &str) -> Option<Target> {
        match &self.document.base {
            Some(base) => target.join(base).ok()?.join(reference).ok(),
            None => target.join(reference).ok(),
        }
    }
}

pub(crate) async fn look(
    client: &Client,
    visit: &Visit,
    page: &Page,
    policy: &Policy,
    presence: Option<&Presence>,
    report: &mut Report,
) -> Option<Judged> {
    let (target, answer) = (&visit.target, &visit.answer);
    let coding = answer.field("content-encoding").unwrap_or_else(|| "uncompressed".to_owned());
    let status = answer.status.as_u16();
    report.ok(Section::Page, "answer", format!("{status}, {}, {coding}", answer.media_type()));
    caches(answer, report);
    secure_context(target, report);

    // The gates judge what the site sends when it is asked as Manyhands asks it: uncompressed.
    let fields = [&NAVIGATION[..], &[("accept-encoding", "identity")]].concat();
    let plain = match client.ask(Ask::get(target, &fields).reading(MOST_PAGE)).await {
        Ok(plain) => plain,
        Err(failure) => {
            report.failed(Section::Page, "uncompressed", &failure);
            return None;
        }
    };
    let tags = page.tags(target, policy.prefix());
    let pardon = |reason: Reason| {
        let tagged = presence.is_some() && !tags.is_empty() && !BY_BROWSERS.contains(&reason);
        tagged.then_some("nothing to do: the page carries the script all the same")
    };
    let judged = gates::walk("GET", target, &plain, policy, pardon, report);
    match presence {
        Some(_) => tag(page, &tags, &plain, target, policy, &judged, report),
        None => would_be_tagged(&plain, &judged, report),
    }
    meta_policies(page, target, &plain, policy, report);
    if let Some(presence) = presence {
        links(page, target, presence, report);
    }
    Some(judged)
}

fn caches(answer: &Answer, report: &mut Report) {
    match between::described(answer) {
        Some(signs) => {
            report.ok(Section::Page, "in_between", format!("it came by way of others: {signs}"))
        }
        None => report.ok(Section::Page, "in_between", "no cache or proxy in between shows itself"),
    }
}

/// Service workers, WebCrypto and storage exist in secure contexts only.
fn secure_context(target: &Target, report: &mut Report) {
    if target.is_secure() || manyhands_page::is_loopback(target.host()) {
        report.ok(
            Section::Page,
            "secure_context",
            "https, or this machine: service workers may run",
        );
    } else {
        report.refuse(
            Section::Page,
            "secure_context",
            "insecure",
            "plain http: browsers run no service worker and no WebCrypto here",
            "serve the site over https",
        );
    }
}

fn tag(
    page: &Page,
    tags: &[(&Script, Target)],
    plain: &Answer,
    target: &Target,
    policy: &Policy,
    judged: &Judged,
    report: &mut Report,
) {
    let [(script, source), more @ ..] = tags else {
        return no_tag(page, plain, policy, judged, report);
    };
    let place = if script.in_head { "in the head" } else { "in the body" };
    if let Some(kind) =
        script.kind.as_deref().filter(|kind| !kind.contains("javascript") || kind.contains('-'))
    {
        report.refuse(
            Section::Page,
            "tag",
            "tag_type",
            format!("the script element has type={kind:?}, so that browsers do not run it as a script"),
            "leave the type out; if the page does not have it, something in between rewrites scripts: \
             switch that off",
        );
    } else if source.origin() != target.origin() {
        report.refuse(
            Section::Page,
            "tag",
            "tag_elsewhere",
            format!("the script comes from {}, not from the page's own site", source.origin()),
            format!("load it from {}", target.origin()),
        );
    } else if !more.is_empty() {
        report.warn(
            Section::Page,
            "tag",
            "tag_twice",
            format!("the script element is there {} times", tags.len()),
            "remove those that the page itself has, or set [page] inject = false",
        );
    } else {
        report.ok(Section::Page, "tag", format!("there once, at byte {}, {place}", script.at));
    }
    let same = decoded(plain, MOST_PAGE).is_some_and(|body| {
        let page = Page { document: Document::read(&body), body };
        !page.tags(target, policy.prefix()).is_empty()
    });
    if plain.status == StatusCode::OK && !same {
        report.warn(
            Section::Page,
            "variants",
            "untagged_variant",
            "asked without compression the same page comes without the script",
            "purge the cache in between: it holds a copy from before",
        );
    }
}

fn no_tag(page: &Page, plain: &Answer, policy: &Policy, judged: &Judged, report: &mut Report) {
    if judged.reason().is_some() {
        return report.skip(Section::Page, "tag", "not there; the gates say why");
    }
    let Decision::Page(rewrite) = &judged.decision else { return };
    match place(&page.body, &rewrite.tag) {
        Some(Outcome::NoPlace) => report.refuse(
            Section::Page,
            "tag",
            Reason::NoPlace.name(),
            Reason::NoPlace.sentence(),
            Reason::NoPlace.remedy().trim_end_matches('.'),
        ),
        _ if between::age(plain).is_some() => report.refuse(
            Section::Page,
            "tag",
            "stale_copy",
            "the script is not there, and the page comes from a cache in between",
            "purge that cache: its copy is from before Manyhands",
        ),
        _ => report.refuse(
            Section::Page,
            "tag",
            "not_injected",
            "the script is not there, although every gate is open",
            format!(
                "let pages pass through Manyhands, not its prefix alone; or [page] inject is off, and \
                 then put <script defer src=\"{}/loader.js\"></script> into the page yourself",
                policy.prefix()
            ),
        ),
    }
}

fn would_be_tagged(plain: &Answer, judged: &Judged, report: &mut Report) {
    let (Decision::Page(rewrite), Some(body)) = (&judged.decision, decoded(plain, MOST_PAGE))
    else {
        return report.skip(Section::Page, "tag", "the gates say why it would not be there");
    };
    match place(&body, &rewrite.tag).and_then(Outcome::reason) {
        None => report.ok(Section::Page, "tag", "there is a place for the script"),
        Some(reason) => report.refuse(
            Section::Page,
            "tag",
            reason.name(),
            reason.sentence().trim_end_matches('.'),
            reason.remedy().trim_end_matches('.'),
        ),
    }
}

/// What the injector makes of this page.
fn place(body: &[u8], tag: &str) -> Option<Outcome> {
    let (mut injector, mut out) = (Injector::new(tag), Vec::new());
    injector.write(body, &mut out);
    injector.end(&mut out);
    injector.outcome()
}

/// A policy in the page itself comes after our script, but governs where that script may connect.
fn meta_policies(
    page: &Page,
    target: &Target,
    plain: &Answer,
    policy: &Policy,
    report: &mut Report,
) {
    if page.document.policies.is_empty() {
        return;
    }
    let mut headers = plain.headers.clone();
    headers.remove(http::header::CONTENT_SECURITY_POLICY);
    for policy in &page.document.policies {
        if let Ok(value) = http::HeaderValue::try_from(policy.as_str()) {
            headers.append(http::header::CONTENT_SECURITY_POLICY, value);
        }
    }
    let request = manyhands_page::RequestHead {
        method: "GET",
        path: target.path(),
        query: target.query(),
        headers: &plain.asked,
    };
    let response =
        manyhands_page::ResponseHead { status: plain.status.as_u16(), headers: &headers };
    match manyhands_page::plan(&request, &response, policy, false).decision {
        Decision::PassThrough(reason) if BY_BROWSERS.contains(&reason) => report.warn(
            Section::Page,
            "meta_policy",
            reason.name(),
            format!(
                "a policy in a meta element of the page: {}",
                reason.sentence().trim_end_matches('.')
            ),
            reason.remedy().trim_end_matches('.'),
        ),
        _ => report.ok(
            Section::Page,
            "meta_policy",
            "the policy in a meta element admits the script",
        ),
    }
}

/// The client is only loaded where a link may lead to an asset.
fn links(page: &Page, target: &Target, presence: &Presence, report: &mut Report) {
    let extensions = &presence.site.assets.extensions;
    let mut found: Vec<String> = Vec::new();
    let mut queries = 0;
    for link in page.document.links.iter().filter_map(|link| page.resolved(target, link)) {
        let extension = link.path().rsplit_once('.').map(|(_, last)| last.to_ascii_lowercase());
        let shared = extension.is_some_and(|extension| extensions.contains(&extension));
        if !shared || link.origin() != target.origin() {
            continue;
        }
        match link.query() {
            Some(_) => queries += 1,
            None if found.iter().all(|known| known != link.path()) => {
                found.push(link.path().to_owned())
            }
            None => {}
        }
    }
    match found.as_slice() {
        [] => report.warn(
            Section::Page,
            "links",
            "no_links",
            match queries {
                0 => "no link of this page leads to a file of a shared kind on this site".to_owned(),
                _ => format!("links to files of a shared kind are there, but all {queries} with a query"),
            },
            "nothing to do if the page adds them by script, or has none; else link to the files by plain \
             addresses of this site",
        ),
        [first, ..] => report.ok(
            Section::Page,
            "links",
            format!("{} may lead to assets, {first} for one", found.len()),
        ),
    }
}
