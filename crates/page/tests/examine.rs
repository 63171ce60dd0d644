//! `examine` never disagrees with `plan`.

#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests, too")]

use std::collections::HashSet;

use manyhands_page::{Decision, Policy, Reason, RequestHead, ResponseHead, Verdict, examine, plan};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

type Line = (&'static str, &'static str);

const PATHS: &[&str] = &[
    "/big.zip",
    "/pub/film.mp4",
    "/",
    "/a//b.zip",
    "/a;x=1.zip",
    "/a.bin",
    "/.well-known/manyhands/manifest/a.zip",
    "/index.html",
];

const ASKED: &[Line] = &[
    ("sec-fetch-dest", "document"),
    ("sec-fetch-dest", "video"),
    ("accept", "text/html"),
    ("accept-encoding", "gzip"),
    ("range", "bytes=0-99"),
    ("cookie", "session=1"),
    ("cookie", "manyhands_b=1"),
    ("authorization", "Basic eA=="),
    ("x-api-key", "k"),
    ("if-none-match", "W/\"v1\""),
    ("x-requested-with", "XMLHttpRequest"),
];

/// Any of these may be there, more than once.
const ANSWERED: &[Line] = &[
    ("set-cookie", "a=b"),
    ("cache-control", "public, max-age=60"),
    ("cache-control", "private"),
    ("cache-control", "no-store"),
    ("cache-control", "no-transform"),
    ("cache-control", "max-age = 1"),
    ("cdn-cache-control", "no-cache"),
    ("pragma", "no-cache"),
    ("vary", "Accept-Encoding"),
    ("vary", "Cookie"),
    ("www-authenticate", "Basic"),
    ("clear-site-data", "\"*\""),
    ("content-encoding", "gzip"),
    ("content-disposition", "attachment"),
    ("content-disposition", "form-data"),
    ("content-range", "bytes 0-99/5000000"),
    ("etag", "W/\"v1\""),
    ("etag", "v1"),
    ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT"),
    ("last-modified", "yesterday"),
    ("date", "Sun, 06 Nov 1994 09:49:37 GMT"),
    ("date", "Sun, 06 Nov 1994 08:49:38 GMT"),
    ("signature", "x"),
    ("integrity-policy", "blocked-destinations=(script)"),
    ("content-security-policy", "default-src 'self'"),
    ("content-security-policy", "script-src 'none'; worker-src 'self'"),
    ("content-security-policy", "script-src 'nonce-a'; worker-src 'self'"),
    ("content-security-policy", "connect-src 'none'; worker-src 'none'"),
    ("content-security-policy", "sandbox"),
    ("content-security-policy", "require-trusted-types-for 'script'"),
    ("content-security-policy", "webrtc 'block'"),
    ("content-security-policy", "default-src \u{e9}"),
];

/// At most one of each, mostly: else next to nothing would get far.
fn basics() -> impl Strategy<Value = Vec<Line>> {
    let content_type = select(vec![
        Some("application/zip"),
        Some("application/zip"),
        Some("video/mp4"),
        Some("application/octet-stream"),
        Some("text/css"),
        Some("text/html; charset=utf-8"),
        Some("text/html"),
        Some("text/html; charset=utf-16"),
        Some("text"),
        None,
    ]);
    let length = select(vec![
        Some("5000000"),
        Some("5000000"),
        Some("100"),
        Some("99999999999"),
        Some("1, 1"),
        None,
    ]);
    let etag = select(vec![Some("\"v1\""), Some("\"v1\""), None]);
    (content_type, length, etag).prop_map(|(content_type, length, etag)| {
        [("content-type", content_type), ("content-length", length), ("etag", etag)]
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .collect()
    })
}

fn policies() -> impl Strategy<Value = Policy> {
    (any::<bool>(), any::<bool>(), any::<bool>()).prop_map(|(pages, nonce, public)| {
        let policy = Policy::default().with_pages(pages).with_nonce(nonce);
        match public {
            true => policy.with_public(["/pub/"]).unwrap(),
            false => policy,
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn the_first_gate_that_failed_is_the_plans_reason(
        method in select(vec!["GET", "GET", "GET", "HEAD", "POST"]),
        path in select(PATHS),
        query in select(vec![None, None, None, Some("v=1"), Some("")]),
        status in select(vec![200, 200, 200, 206, 304, 404]),
        asked in subsequence(ASKED, 0..3),
        basics in basics(),
        more in subsequence(ANSWERED, 0..4),
        policy in policies(),
        local in any::<bool>(),
    ) {
        let answered = [basics, more].concat();
        let request = RequestHead { method, path, query, headers: &asked[..] };
        let response = ResponseHead { status, headers: &answered[..] };
        let examination = examine(&request, &response, &policy, local);

        prop_assert_eq!(&examination.plan, &plan(&request, &response, &policy, local));
        let first = examination.gates.iter().find_map(|gate| match gate.verdict {
            Verdict::Failed(reason) => Some(reason),
            Verdict::Passed | Verdict::NotReached => None,
        });
        let reason = match examination.plan.decision {
            Decision::PassThrough(reason) => Some(reason),
            Decision::Page(_) | Decision::Asset(_) => None,
        };
        prop_assert_eq!(first, reason);

        let names: HashSet<_> = examination.gates.iter().map(|gate| gate.name).collect();
        prop_assert_eq!(names.len(), examination.gates.len());
        if first.is_none() {
            prop_assert!(examination.gates.iter().all(|gate| gate.verdict == Verdict::Passed));
        }
    }
}

fn verdicts(request: &[Line], status: u16, response: &[Line]) -> Vec<(&'static str, Verdict)> {
    let request = RequestHead { method: "GET", path: "/film.mp4", query: None, headers: request };
    let response = ResponseHead { status, headers: response };
    let examination = examine(&request, &response, &Policy::default(), false);
    examination.gates.into_iter().map(|gate| (gate.name, gate.verdict)).collect()
}

#[test]
fn everything_in_the_way_of_a_page_shows_at_once() {
    let csp = "script-src 'none'; connect-src 'none'; worker-src 'none'; sandbox; webrtc 'block'";
    let response =
        [("content-type", "text/html; charset=utf-16"), ("content-security-policy", csp)];
    let failed: Vec<_> = verdicts(&[("sec-fetch-dest", "document")], 200, &response)
        .into_iter()
        .filter_map(|(_, verdict)| match verdict {
            Verdict::Failed(reason) => Some(reason),
            Verdict::Passed | Verdict::NotReached => None,
        })
        .collect();
    assert_eq!(
        failed,
        [
            Reason::Charset,
            Reason::CspSandbox,
            Reason::CspWebrtc,
            Reason::CspConnect,
            Reason::CspWorker,
            Reason::CspScript
        ]
    );
}

#[test]
fn what_depends_on_a_failed_gate_is_not_reached() {
    let find = |verdicts: &[(&str, Verdict)], name: &str| {
        verdicts.iter().find(|(gate, _)| *gate == name).unwrap().1
    };

    // The body is an error page: its fields say nothing of the file. The URL and the request still do.
    let missing = verdicts(&[("cookie", "a=b")], 404, &[("content-type", "text/html")]);
    assert_eq!(find(&missing, "status"), Verdict::Failed(Reason::Status));
    assert_eq!(find(&missing, "content_type"), Verdict::NotReached);
    for name in ["type", "cache_control", "length", "size", "validator"] {
        assert_eq!(find(&missing, name), Verdict::NotReached, "{name}");
    }
    assert_eq!(find(&missing, "path"), Verdict::Passed);
    assert_eq!(find(&missing, "request"), Verdict::Failed(Reason::RequestCookie));

    let untyped = verdicts(&[], 200, &[("content-length", "5000000"), ("etag", "\"v1\"")]);
    assert_eq!(find(&untyped, "content_type"), Verdict::Failed(Reason::ContentTypeMissing));
    assert_eq!(find(&untyped, "type"), Verdict::NotReached);
    assert_eq!(find(&untyped, "size"), Verdict::Passed);
    assert_eq!(find(&untyped, "validator"), Verdict::Passed);
    let page = verdicts(&[("sec-fetch-dest", "document")], 200, &[]);
    assert_eq!(find(&page, "charset"), Verdict::NotReached);
    assert_eq!(find(&page, "csp_script"), Verdict::Passed);
}
