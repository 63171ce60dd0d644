//! Decisions on heads, and the injector.

#[path = "../../../crates/page/tests/dom/mod.rs"]
mod dom;

use http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, RANGE, SET_COOKIE, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use manyhands_page::{
    Decision, Injector, Outcome, Plan, Policy, RequestHead, ResponseHead, plan, request_plan,
};

const TAG: &str = "<script defer src=\"/.well-known/manyhands/loader.js\"></script>";

/// Any two heads give the same plan in every host, and no plan weakens the site. See [`Heads`].
pub fn head(data: &[u8]) {
    let (heads, policy) = (Heads::parse(data), Policy::default());
    let (request, response) = (&heads.request[..], &heads.response[..]);
    let planned = heads.plan(request, response);
    let mut edited: HeaderMap = response.iter().cloned().collect();
    let sent: HeaderMap = request.iter().cloned().collect();
    assert_eq!(heads.plan(&sent, &edited), planned);
    let (pairs, map) = (heads.request_head(request), heads.request_head(&sent));
    assert_eq!(request_plan(&pairs, &policy), request_plan(&map, &policy));
    planned.edits.apply(&mut edited);
    check(&planned, &heads, &edited);
}

/// A page with any Content-Security-Policy gets at most one sound tag, and none at all when a
/// further policy forbids scripts.
pub fn csp(data: &[u8]) {
    let Ok(csp) = HeaderValue::from_bytes(data) else { return };
    let html = ("content-type", HeaderValue::from_static("text/html"));
    let lines = [html.clone(), ("content-security-policy", csp.clone())];
    check_tag(&page_plan(&lines));
    let none = ("content-security-policy", HeaderValue::from_static("script-src 'none'"));
    let forbidden = page_plan(&[html, ("content-security-policy", csp), none]);
    assert!(!matches!(forbidden.decision, Decision::Page(_)));
}

/// However a page is cut (each `|` is a cut), what comes out is the page with at most one tag, and
/// the same as for the whole page.
pub fn injector(data: &[u8]) {
    let page: Vec<u8> = data.iter().copied().filter(|byte| *byte != b'|').collect();
    let (out, outcome) = inject(data.split(|byte| *byte == b'|'));
    match outcome {
        Outcome::Injected => assert!(is_page_with_tag(&out, &page)),
        Outcome::AlreadyThere | Outcome::NoPlace => assert_eq!(out, page),
    }
    assert_eq!(inject([&page[..]]), (out, outcome));
}

/// To a browser-grade parser the rewritten page is the same document but for the one script.
pub fn injected_tree(data: &[u8]) {
    dom::assert_same_but_for_the_script(data, &inject([data]), TAG);
}

/// Two heads as text: `GET /path?query`, header lines, an empty line, the status, header lines.
/// Lines that no HTTP library would let through are left out.
struct Heads {
    method: String,
    path: String,
    query: Option<String>,
    status: u16,
    request: Vec<(HeaderName, HeaderValue)>,
    response: Vec<(HeaderName, HeaderValue)>,
}

impl Heads {
    fn parse(data: &[u8]) -> Self {
        let mut lines = data.split(|byte| *byte == b'\n');
        let first = String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned();
        let (method, target) = first.split_once(' ').unwrap_or((&first, "/"));
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (target, None),
        };
        let request =
            lines.by_ref().take_while(|line| !line.is_empty()).filter_map(field).collect();
        let status = lines.next().and_then(crate::text).and_then(|status| status.parse().ok());
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            query,
            status: status.unwrap_or(200),
            request,
            response: lines.filter_map(field).collect(),
        }
    }

    fn request_head<'a, H: ?Sized>(&'a self, headers: &'a H) -> RequestHead<'a, H> {
        RequestHead {
            method: &self.method,
            path: &self.path,
            query: self.query.as_deref(),
            headers,
        }
    }

    fn plan<H: manyhands_page::Headers + ?Sized>(&self, request: &H, response: &H) -> Plan {
        let policy = Policy::default().with_origin("https://example.org").expect("a constant");
        let response = ResponseHead { status: self.status, headers: response };
        plan(&self.request_head(request), &response, &policy, false)
    }
}

fn field(line: &[u8]) -> Option<(HeaderName, HeaderValue)> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let name = HeaderName::from_bytes(&line[..colon]).ok()?;
    let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?;
    Some((name, value))
}

/// What holds for every plan: a page's tag is sound, its policies stay, and it loses the length and
/// the strong validator of other bytes; a shared file was for everybody.
fn check(plan: &Plan, heads: &Heads, edited: &HeaderMap) {
    let before = values(&heads.response, CONTENT_SECURITY_POLICY);
    assert!(before.eq(edited.get_all(CONTENT_SECURITY_POLICY)));
    match &plan.decision {
        Decision::Page(_) => {
            check_tag(plan);
            assert!(!edited.contains_key("content-length"));
            let mut tags = edited.get_all("etag").iter();
            assert!(tags.all(|tag| tag.as_bytes().starts_with(b"W/")));
        }
        Decision::Asset(offer) => {
            assert_eq!(values(&heads.response, SET_COOKIE).count(), 0);
            assert!(!has_word(&heads.response, CACHE_CONTROL, &["private", "no-store"]));
            assert!(!has_word(&heads.response, VARY, &["*", "cookie", "authorization"]));
            assert!(offer.version.length >= Policy::default().min_size());
            let personal = [AUTHORIZATION, RANGE].map(|name| values(&heads.request, name).count());
            assert!(!offer.teeable || personal == [0, 0]);
        }
        Decision::PassThrough(_) => {}
    }
}

fn values(
    fields: &[(HeaderName, HeaderValue)],
    name: HeaderName,
) -> impl Iterator<Item = &HeaderValue> {
    fields.iter().filter(move |(field, _)| *field == name).map(|(_, value)| value)
}

/// Whether one of these words stands in the list, read by cutting at commas; a list with quotes may
/// have it as part of a string.
fn has_word(fields: &[(HeaderName, HeaderValue)], name: HeaderName, words: &[&str]) -> bool {
    values(fields, name).filter_map(|value| value.to_str().ok()).any(|list| {
        let mut found = list.split(',').map(|word| word.trim().to_ascii_lowercase());
        !list.contains('"') && found.any(|word| words.contains(&&*word))
    })
}

/// One element, whose attributes nothing can leave.
fn check_tag(plan: &Plan) {
    let Decision::Page(rewrite) = &plan.decision else { return };
    let tag = rewrite.tag.as_str();
    assert!(tag.starts_with(TAG.strip_suffix("></script>").expect("a constant")), "{tag}");
    assert!(tag.ends_with("></script>"), "{tag}");
    assert_eq!(tag.matches(['<', '>']).count(), 4, "{tag}");
    assert!(matches!(tag.matches('"').count(), 2 | 4), "{tag}");
}

fn page_plan(lines: &[(&str, HeaderValue)]) -> Plan {
    let request = [("sec-fetch-dest", "document")];
    let request = RequestHead { method: "GET", path: "/", query: None, headers: &request[..] };
    let policy = Policy::default().with_origin("https://example.org").expect("a constant");
    plan(&request, &ResponseHead { status: 200, headers: lines }, &policy, false)
}

fn inject<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> (Vec<u8>, Outcome) {
    let (mut injector, mut out) = (Injector::new(TAG), Vec::new());
    for chunk in chunks {
        injector.write(chunk, &mut out);
    }
    injector.end(&mut out);
    (out, injector.outcome().expect("decided at the end"))
}

fn is_page_with_tag(out: &[u8], page: &[u8]) -> bool {
    let tag = TAG.as_bytes();
    out.windows(tag.len())
        .enumerate()
        .any(|(at, window)| window == tag && [&out[..at], &out[at + tag.len()..]].concat() == page)
}
