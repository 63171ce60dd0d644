//! What may be shared: thousands of header combinations against an oracle that was written another
//! way, as sets of strings known to be good.

#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests, too")]

use std::collections::HashSet;

use manyhands_metainfo::Validator;
use manyhands_page::{
    AssetOffer, Decision, Policy, Reason, RequestHead, ResponseHead, decide, plan, refuses_type,
};

type Line = (&'static str, &'static str);

/// Request lines that are tried beside the plain request.
const REQUEST_LINES: &[Line] = &[
    ("accept", "*/*"),
    ("accept-encoding", "gzip, br"),
    ("if-none-match", "\"v0\""),
    ("sec-fetch-dest", "video"),
    ("sec-fetch-dest", "document"),
    ("cookie", "manyhands_b=512"),
    ("cookie", "manyhands_b=512; manyhands_b=1"),
    ("cookie", "session=abc"),
    ("cookie", "manyhands_b=512; _ga=1"),
    ("cookie", ""),
    ("cookie", "manyhands_b"),
    ("authorization", "Bearer x"),
    ("authorization", ""),
    ("proxy-authorization", "Basic x"),
];

/// Response lines that are added to, or take the place of, those of a plain good response.
const RESPONSE_LINES: &[Line] = &[
    ("server", "nginx"),
    ("accept-ranges", "bytes"),
    ("cache-control", "public"),
    ("cache-control", "PUBLIC, max-age=31536000, immutable"),
    ("cache-control", "max-age=86400"),
    ("cache-control", "public, max-age=0, must-revalidate"),
    ("cache-control", "s-maxage=60"),
    ("cache-control", "no-transform"),
    ("cache-control", ""),
    ("cache-control", " , public ,, "),
    ("cache-control", "private"),
    ("cache-control", "Private"),
    ("cache-control", "max-age=60,private"),
    ("cache-control", "private=\"set-cookie\""),
    ("cache-control", "private=set-cookie"),
    ("cache-control", "no-store"),
    ("cache-control", "No-Store, max-age=0"),
    ("cache-control", "no-cache"),
    ("cache-control", "no-cache=\"x, y\""),
    ("cache-control", "max-age=60\t,\tno-cache"),
    ("cache-control", "max-age=60, max-age=120"),
    ("cache-control", "public, public"),
    ("cache-control", "public; max-age=60"),
    ("cache-control", "max-age = 60"),
    ("cache-control", "max-age=\"60"),
    ("cache-control", "'private'; x"),
    ("cache-control", "public no-store"),
    ("cdn-cache-control", "private"),
    ("cdn-cache-control", "max-age=60"),
    ("surrogate-control", "no-store"),
    ("pragma", "no-cache"),
    ("vary", "Accept-Encoding"),
    ("vary", "accept-encoding, ACCEPT-ENCODING"),
    ("vary", ""),
    ("vary", "*"),
    ("vary", "Cookie"),
    ("vary", "Accept-Encoding, Origin"),
    ("vary", "Accept-Encoding Cookie"),
    ("vary", "User-Agent"),
    ("set-cookie", "a=b"),
    ("set-cookie", ""),
    ("set-cookie2", "a=b"),
    ("www-authenticate", "Basic"),
    ("proxy-authenticate", "Basic"),
    ("authentication-info", "x"),
    ("clear-site-data", "\"cache\""),
    ("content-encoding", "identity"),
    ("content-encoding", "gzip"),
    ("content-encoding", "identity, gzip"),
    ("content-encoding", ""),
    ("content-disposition", "attachment"),
    ("content-disposition", "attachment; filename=\"big.zip\""),
    ("content-disposition", "inline"),
    ("content-disposition", "form-data; name=a"),
    ("content-disposition", "attachment; filename=\"a"),
    ("content-disposition", "attachment; a=1; a=2"),
    ("content-type", "video/mp4"),
    ("content-type", "Application/ZIP"),
    ("content-type", "video/webm; codecs=\"vp8, vorbis\""),
    ("content-type", "application/octet-stream"),
    ("content-type", "binary/octet-stream"),
    ("content-type", "application/pdf"),
    ("content-type", "image/svg+xml"),
    ("content-type", "image/png"),
    ("content-type", "text/plain"),
    ("content-type", "text/javascript"),
    ("content-type", "application/xml"),
    ("content-type", "application/json"),
    ("content-type", "multipart/byteranges; boundary=x"),
    ("content-type", "application/zip, text/html"),
    ("content-type", "application/zip; a=1; a=2"),
    ("content-type", "zip"),
    ("content-type", ""),
    ("content-length", "1048576"),
    ("content-length", "4294967296"),
    ("content-length", "1048575"),
    ("content-length", "4294967297"),
    ("content-length", "0"),
    ("content-length", "-5"),
    ("content-length", "5000000, 5000000"),
    ("content-length", "+5000000"),
    ("content-length", "99999999999999999999"),
    ("content-range", "bytes 0-4999999/5000000"),
    ("transfer-encoding", "chunked"),
    ("etag", "\"v2\""),
    ("etag", "W/\"v1\""),
    ("etag", "v1"),
    ("etag", "\"a\", \"b\""),
    ("etag", "\"\""),
    ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT"),
    ("date", "Sun, 06 Nov 1994 09:49:37 GMT"),
    ("expires", "0"),
    ("x-frame-options", "DENY"),
    ("content-security-policy", "default-src 'none'"),
    ("strict-transport-security", "max-age=1"),
];

/// Paths, queries, and whether they may be shared.
const URLS: &[(&str, Option<&str>, bool)] = &[
    ("/big.zip", None, true),
    ("/pub/a%20b/big.tar.gz", None, true),
    ("/~user/Film.MP4", None, true),
    ("/%7Euser/film.mp4", None, true),
    ("/a/../big.iso", None, true),
    ("/big.zip", Some(""), false),
    ("/big.zip", Some("v=2"), false),
    ("/big.zip", Some("X-Amz-Signature=00"), false),
    ("/big.zip", Some("sig=x&expires=1"), false),
    ("/", None, false),
    ("/pub/", None, false),
    ("", None, false),
    ("*", None, false),
    ("big.zip", None, false),
    ("/a//big.zip", None, false),
    ("/../big.zip", None, false),
    ("/a%2Fbig.zip", None, false),
    ("/a%5Cbig.zip", None, false),
    ("/a%00.zip", None, false),
    ("/a%zz.zip", None, false),
    ("/%ff.zip", None, false),
    ("/.well-known/manyhands/a.zip", None, false),
];

const BASE: &[Line] =
    &[("content-type", "application/zip"), ("content-length", "5000000"), ("etag", "\"v1\"")];

/// A whole exchange.
#[derive(Debug)]
struct Exchange {
    method: &'static str,
    url: (&'static str, Option<&'static str>, bool),
    status: u16,
    request: Vec<Line>,
    response: Vec<Line>,
    local: bool,
}

impl Exchange {
    fn decision(&self) -> Decision {
        let (path, query, _) = self.url;
        let request = RequestHead { method: self.method, path, query, headers: &self.request[..] };
        let response = ResponseHead { status: self.status, headers: &self.response[..] };
        let planned = plan(&request, &response, &Policy::default(), self.local);
        if let Decision::Asset(_) = planned.decision {
            assert!(planned.edits.is_empty() && planned.restore.is_none(), "{self:?}");
        }
        planned.decision
    }

    fn offer(&self) -> Option<AssetOffer> {
        match self.decision() {
            Decision::Asset(offer) => Some(offer),
            Decision::Page(_) | Decision::PassThrough(_) => None,
        }
    }

    /// The oracle. Knows nothing of grammars: joins, lower-cases, removes white space, and asks
    /// whether what is left is a string it has been told is good.
    fn may_be_shared(&self) -> bool {
        let squeezed = |value: &str| value.to_lowercase().replace([' ', '\t'], "");
        let all = |lines: &[Line], name: &str| -> Vec<String> {
            lines.iter().filter(|line| line.0 == name).map(|line| squeezed(line.1)).collect()
        };
        let response = |name: &str| all(&self.response, name);
        let members = |name: &str| -> Vec<String> {
            let joined = response(name).join(",");
            joined.split(',').filter(|part| !part.is_empty()).map(str::to_owned).collect()
        };
        let good_members = |name: &str, good: &[&str]| {
            let members = members(name);
            members.iter().all(|member| good.contains(&member.as_str()))
        };

        let banned = [
            "set-cookie",
            "set-cookie2",
            "www-authenticate",
            "proxy-authenticate",
            "authentication-info",
            "clear-site-data",
            "pragma",
            "content-range",
            "transfer-encoding",
        ];
        let once = ["content-type", "content-length", "etag", "content-disposition"];
        let directives = [
            "public",
            "immutable",
            "must-revalidate",
            "no-transform",
            "max-age=0",
            "max-age=60",
            "max-age=86400",
            "max-age=31536000",
            "s-maxage=60",
        ];
        let unspaced = |name: &str, bad: &[&str]| {
            self.response.iter().all(|line| line.0 != name || !bad.contains(&line.1))
        };
        let distinct = |name: &str| {
            let members = members(name);
            let names: HashSet<_> =
                members.iter().map(|member| member.split('=').next().unwrap()).collect();
            names.len() == members.len()
        };
        let (path, _, good_url) = self.url;
        let good_extension = ["zip", "gz", "mp4", "iso"]
            .contains(&path.rsplit('.').next().unwrap_or_default().to_lowercase().as_str());

        let request_is_anonymous = all(&self.request, "authorization").is_empty()
            && all(&self.request, "proxy-authorization").is_empty()
            && all(&self.request, "cookie").iter().all(|cookie| {
                ["manyhands_b=512", "manyhands_b=512;manyhands_b=1"].contains(&cookie.as_str())
            });
        let type_is_good = match response("content-type").first().map(String::as_str) {
            Some("application/zip" | "video/mp4" | "video/webm;codecs=\"vp8,vorbis\"") => true,
            Some("application/octet-stream" | "binary/octet-stream") => good_extension,
            _ => false,
        };
        let size_is_good = match response("content-length").first().map(String::as_str) {
            Some("1048576" | "5000000" | "4294967296") => true,
            Some("4294967297") => self.local,
            _ => false,
        };
        let validator_is_good = match response("etag").first().map(String::as_str) {
            Some("\"v1\"" | "\"v2\"" | "\"\"") => true,
            Some(_) => false,
            None => {
                response("last-modified") == ["sun,06nov199408:49:37gmt"]
                    && response("date") == ["sun,06nov199409:49:37gmt"]
            }
        };

        good_url
            && matches!(self.method, "GET" | "HEAD")
            && self.status == 200
            && request_is_anonymous
            && banned.iter().all(|name| response(name).is_empty())
            && once.iter().all(|name| response(name).len() <= 1)
            && good_members("cache-control", &directives)
            && unspaced("cache-control", &["max-age = 60"])
            && good_members("cdn-cache-control", &directives)
            && good_members("surrogate-control", &directives)
            && ["cache-control", "cdn-cache-control", "surrogate-control"].into_iter().all(distinct)
            && good_members("vary", &["accept-encoding"])
            && unspaced("vary", &["Accept-Encoding Cookie"])
            && response("content-encoding").iter().all(|value| value == "identity")
            && response("content-disposition").iter().all(|value| {
                ["attachment", "inline", "attachment;filename=\"big.zip\""]
                    .contains(&value.as_str())
            })
            && type_is_good
            && size_is_good
            && validator_is_good
    }

    fn check(&self) {
        assert_eq!(self.offer().is_some(), self.may_be_shared(), "{self:?}: {:?}", self.decision());
    }
}

fn exchange(response: Vec<Line>) -> Exchange {
    Exchange { method: "GET", url: URLS[0], status: 200, request: vec![], response, local: false }
}

/// The base with a line in place of its namesake.
fn replaced(base: &[Line], line: Line) -> Vec<Line> {
    base.iter().filter(|other| other.0 != line.0).copied().chain([line]).collect()
}

/// The base with a line added, even if there are then two.
fn added(base: &[Line], line: Line) -> Vec<Line> {
    base.iter().copied().chain([line]).collect()
}

#[test]
fn every_line_and_every_pair_of_lines_is_judged_right() {
    exchange(BASE.to_vec()).check();
    assert!(exchange(BASE.to_vec()).offer().is_some());

    let (mut cases, mut shared) = (0, 0);
    for &first in RESPONSE_LINES {
        for one in [replaced(BASE, first), added(BASE, first)] {
            exchange(one.clone()).check();
            for &second in RESPONSE_LINES {
                for two in [replaced(&one, second), added(&one, second)] {
                    for local in [false, true] {
                        let case = Exchange { local, ..exchange(two.clone()) };
                        case.check();
                        cases += 1;
                        shared += usize::from(case.offer().is_some());
                    }
                }
            }
        }
    }
    // The table is not all refusals.
    assert!(cases > 60_000 && shared > 5_000, "{shared} of {cases}");
}

#[test]
fn every_url_method_status_and_request_line_is_judged_right() {
    for &url in URLS {
        for &line in RESPONSE_LINES {
            for method in ["GET", "HEAD", "POST", "PUT", "OPTIONS", "get"] {
                Exchange { url, method, ..exchange(replaced(BASE, line)) }.check();
            }
            for &asked in REQUEST_LINES {
                Exchange { url, request: vec![asked], ..exchange(replaced(BASE, line)) }.check();
            }
        }
        for &first in REQUEST_LINES {
            for &second in REQUEST_LINES {
                Exchange { url, request: vec![first, second], ..exchange(BASE.to_vec()) }.check();
            }
        }
    }
    for status in 100..600 {
        Exchange { status, ..exchange(BASE.to_vec()) }.check();
    }
}

#[test]
fn a_missing_line_is_a_refusal() {
    for (name, reason) in [
        ("content-type", Reason::ContentTypeMissing),
        ("content-length", Reason::NoLength),
        ("etag", Reason::NoValidator),
    ] {
        let response: Vec<_> = BASE.iter().filter(|line| line.0 != name).copied().collect();
        let case = exchange(response);
        case.check();
        assert_eq!(case.decision(), Decision::PassThrough(reason));
    }
}

#[test]
fn a_settled_date_stands_in_for_a_tag() {
    let base: Vec<_> = BASE.iter().filter(|line| line.0 != "etag").copied().collect();
    let dated = |modified: &'static str, sent: Option<&'static str>| {
        let mut response = added(&base, ("last-modified", modified));
        response.extend(sent.map(|sent| ("date", sent)));
        exchange(response).decision()
    };
    let modified = "Sun, 06 Nov 1994 08:49:37 GMT";

    match dated(modified, Some("Sun, 06 Nov 1994 08:50:37 GMT")) {
        Decision::Asset(offer) => {
            assert_eq!(offer.version.validator, Validator::LastModified(modified.to_owned()));
        }
        other => panic!("{other:?}"),
    }
    for (modified, sent, reason) in [
        (modified, Some("Sun, 06 Nov 1994 08:50:36 GMT"), Reason::Unsettled),
        (modified, None, Reason::NoValidator),
        ("yesterday", Some("Sun, 06 Nov 1994 08:50:36 GMT"), Reason::DateUnclear),
    ] {
        assert_eq!(dated(modified, sent), Decision::PassThrough(reason));
    }
}

#[test]
fn a_part_tells_the_length_of_the_whole() {
    let part = |range: &'static str, length: &'static str, asked: bool, method| {
        let mut case = exchange(vec![
            ("content-type", "video/mp4"),
            ("content-length", length),
            ("content-range", range),
            ("etag", "\"v1\""),
        ]);
        case.status = 206;
        case.method = method;
        case.request.extend(asked.then_some(("range", "bytes=0-99")));
        case.decision()
    };

    match part("bytes 0-99/5000000", "100", true, "GET") {
        Decision::Asset(offer) => {
            assert_eq!((offer.version.length, offer.teeable), (5_000_000, false));
        }
        other => panic!("{other:?}"),
    }
    for (range, length, asked, method, reason) in [
        ("bytes 0-99/*", "100", true, "GET", Reason::RangeUnclear),
        ("bytes 0-99/99", "100", true, "GET", Reason::RangeUnclear),
        ("bytes 0-99/5000000", "101", true, "GET", Reason::LengthUnclear),
        ("bytes 0-99/5000000", "100", false, "GET", Reason::RangeUnclear),
        ("bytes 0-99/5000000", "100", true, "HEAD", Reason::RangeUnclear),
        ("bytes 0-99/1048575", "100", true, "GET", Reason::TooSmall),
        ("bytes 0-0/18446744073709551615", "1", true, "GET", Reason::TooLarge),
    ] {
        let decision = part(range, length, asked, method);
        assert_eq!(decision, Decision::PassThrough(reason), "{range} {length} {asked} {method}");
    }
}

#[test]
fn only_a_whole_anonymous_body_may_be_hashed_in_passing() {
    let policy = Policy::default().with_public(["/pub/"]).unwrap();
    let teeable = |method: &str, path: &str, lines: &[Line]| {
        let request = RequestHead { method, path, query: None, headers: lines };
        let response = ResponseHead { status: 200, headers: BASE };
        match plan(&request, &response, &policy, false).decision {
            Decision::Asset(offer) => Ok(offer.teeable),
            Decision::PassThrough(reason) => Err(reason),
            Decision::Page(_) => unreachable!(),
        }
    };

    assert_eq!(teeable("GET", "/a.zip", &[]), Ok(true));
    assert_eq!(teeable("GET", "/a.zip", &[("cookie", "manyhands_b=1")]), Ok(true));
    assert_eq!(teeable("HEAD", "/a.zip", &[]), Ok(false));
    assert_eq!(teeable("GET", "/a.zip", &[("range", "bytes=0-")]), Ok(false));

    // What the operator called public counts, but its body is not trusted to be everybody's.
    let login = [("cookie", "session=1")];
    assert_eq!(teeable("GET", "/a.zip", &login), Err(Reason::RequestCookie));
    assert_eq!(teeable("GET", "/pub/a.zip", &login), Ok(false));
    assert_eq!(teeable("GET", "/pub/../a.zip", &login), Err(Reason::RequestCookie));
    let credentials = [("authorization", "Bearer x")];
    assert_eq!(teeable("GET", "/pub/a.zip", &credentials), Err(Reason::Authorization));
}

#[test]
fn the_offer_names_the_file_and_its_version() {
    let case = Exchange {
        url: ("/%7euser/./a%20b.zip", None, true),
        ..exchange(replaced(BASE, ("content-type", "Application/Zip; x=y")))
    };
    let offer = case.offer().unwrap();

    assert_eq!(offer.path.as_str(), "/~user/a%20b.zip");
    assert_eq!(offer.version.validator, Validator::Etag("\"v1\"".to_owned()));
    assert_eq!((offer.version.length, offer.version.file), (5_000_000, None));
    assert_eq!(offer.content_type, "Application/Zip; x=y");
}

#[test]
fn an_operators_types_take_the_place_of_the_defaults() {
    let policy = Policy::default().with_types(["application/pdf", "audio/*"]).unwrap();
    let decision = |path: &str, content_type: &'static str| {
        let response = replaced(BASE, ("content-type", content_type));
        let none: [Line; 0] = [];
        let request = RequestHead { method: "GET", path, query: None, headers: &none[..] };
        let response = ResponseHead { status: 200, headers: &response[..] };
        match plan(&request, &response, &policy, false).decision {
            Decision::Asset(_) => None,
            Decision::PassThrough(reason) => Some(reason),
            Decision::Page(_) => unreachable!(),
        }
    };

    assert_eq!(decision("/a.pdf", "application/pdf"), None);
    assert_eq!(decision("/a", "audio/x-anything"), None);
    assert_eq!(decision("/a.flac", "application/octet-stream"), None);
    assert_eq!(decision("/a.zip", "application/octet-stream"), Some(Reason::Extension));
    assert_eq!(decision("/a.zip", "application/zip"), Some(Reason::Type));
    assert_eq!(decision("/a", "audio/x-evil+xml"), Some(Reason::Type));
}

/// A host may ask for the type alone: nothing else that an exchange can say makes anything of what is refused by it.
#[test]
fn what_is_refused_by_its_type_is_left_alone_whatever_else_is_said() {
    let policies =
        [Policy::default(), Policy::default().with_types(["audio/*", "application/pdf"]).unwrap()];
    let types = [
        "text/css",
        "Text/CSS; charset=utf-8",
        "image/png",
        "text/html",
        "application/zip",
        "audio/x",
        "a/b",
        "",
        "application/octet-stream",
        "application/pdf",
        "video/mp4",
        "text/css, text/html",
        "audio/x+xml",
    ];
    let mut refused = 0;
    for policy in &policies {
        for content_type in types {
            let refuses = refuses_type(policy, content_type.as_bytes());
            refused += usize::from(refuses);
            for response in RESPONSE_LINES.iter().filter(|(name, _)| *name != "content-type") {
                for request in REQUEST_LINES {
                    for (method, path) in
                        [("GET", "/a.zip"), ("HEAD", "/"), ("GET", "/a?X-Amz-Signature=1")]
                    {
                        let (path, query) =
                            path.split_once('?').map_or((path, None), |(p, q)| (p, Some(q)));
                        let (asked, answered) =
                            ([*request], [("content-type", content_type), *response]);
                        let head = RequestHead { method, path, query, headers: &asked[..] };
                        let response = ResponseHead { status: 200, headers: &answered[..] };
                        let (edits, decision) = decide(&head, &response, policy, false);
                        let by_type = decision == Decision::PassThrough(Reason::Type);
                        assert_eq!(by_type, refuses, "{content_type}: {head:?} {response:?}");
                        assert!(!refuses || edits.is_empty());
                    }
                }
            }
        }
    }
    assert_eq!(refused, 14);
}
