//! Who asks: whether a request could have come from anybody, and whether it came to this site.

use std::cmp::Ordering;

use manyhands_metainfo::AssetPath;

use crate::fields::{self, CacheControl, has_foreign_cookie};
use crate::{Headers, Policy, Reason, RequestHead};

/// Fields that say nothing of who asks: what browsers, download programs, players, proxies and content
/// delivery networks send of their own accord. Any other may be a key (`X-Api-Key`, `Private-Token`,
/// `X-Forwarded-User`, …), and then the answer may be for its holder alone.
const OF_ANYBODY: [&str; 65] = [
    "te",
    "dnt",
    "dpr",
    "ect",
    "rtt",
    "via",
    "host",
    "range",
    "width",
    "accept",
    "cf-ray",
    "cookie",
    "origin",
    "pragma",
    "purpose",
    "referer",
    "sec-gpc",
    "alt-used",
    "cdn-loop",
    "downlink",
    "if-match",
    "if-range",
    "priority",
    "forwarded",
    "save-data",
    "x-real-ip",
    "cf-visitor",
    "connection",
    "early-data",
    "keep-alive",
    "tracestate",
    "user-agent",
    "sec-purpose",
    "traceparent",
    "want-digest",
    "cf-ipcountry",
    "icy-metadata",
    "max-forwards",
    "x-request-id",
    "cache-control",
    "device-memory",
    "if-none-match",
    "accept-charset",
    "content-length",
    "true-client-ip",
    "viewport-width",
    "accept-datetime",
    "accept-encoding",
    "accept-language",
    "x-amzn-trace-id",
    "x-forwarded-for",
    "cf-connecting-ip",
    "proxy-connection",
    "want-repr-digest",
    "x-correlation-id",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-requested-with",
    "if-modified-since",
    "x-forwarded-proto",
    "if-unmodified-since",
    "want-content-digest",
    "sec-speculation-tags",
    "x-cloud-trace-context",
    "upgrade-insecure-requests",
];

/// The value of our own cookie ([`Policy::with_cookie`]) in a request; `None` where there is none, or more
/// than one.
#[must_use]
pub fn own_cookie<'h, H: Headers + ?Sized>(headers: &'h H, policy: &Policy) -> Option<&'h [u8]> {
    fields::own_cookie(headers, policy.cookie())
}

/// The order of the list: short names first. Most of a search then compares numbers.
fn by_length(one: &[u8], other: &[u8]) -> Ordering {
    one.len().cmp(&other.len()).then_with(|| one.cmp(other))
}

/// Whether a field, in any case, is listed. Asked of every field of every request: nothing is copied to the heap.
fn is_of_anybody(name: &str) -> bool {
    /// No listed name is longer.
    const LONGEST: usize = 32;
    let mut lower = [0; LONGEST];
    lower.get_mut(..name.len()).is_some_and(|lower| {
        lower.copy_from_slice(name.as_bytes());
        lower.make_ascii_lowercase();
        OF_ANYBODY.binary_search_by(|listed| by_length(listed.as_bytes(), lower)).is_ok()
    })
}

/// Whether nothing in the request speaks for a particular visitor. A foreign cookie is let by where
/// the operator called the path public, and only there: `Cache-Control: public` is often set for
/// whole sites, logins included, and demand counted from logged-in visitors would make us fetch,
/// list and announce files that only they should know of. Returns whether there was one.
pub(crate) fn is_anonymous<Q: Headers + ?Sized>(
    request: &RequestHead<'_, Q>,
    path: Option<&AssetPath>,
    policy: &Policy,
) -> Result<bool, Reason> {
    if request.has("authorization") || request.has("proxy-authorization") {
        return Err(Reason::Authorization);
    }
    let known = |name: &str| {
        let begins = |with: &str| {
            name.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with))
        };
        // Not all of `sec-`: `Sec-Session-Response` and `Sec-Token-Binding` prove who asks.
        is_of_anybody(name) || begins("sec-fetch-") || begins("sec-ch-")
    };
    // A GET with a body: what is in it may choose the answer.
    let body = request.headers.values("content-length").any(|length| length != b"0");
    if body || !request.headers.names().all(known) {
        return Err(Reason::RequestField);
    }
    let asked = CacheControl::read(request.headers, "cache-control");
    if asked.map_or(true, |asked| asked.no_store) {
        return Err(Reason::RequestNoStore);
    }
    let cookie = has_foreign_cookie(request.headers, policy.cookie());
    if cookie && !path.is_some_and(|path| policy.is_public(path)) {
        return Err(Reason::RequestCookie);
    }
    Ok(cookie)
}

/// Whether the request names the site, or nobody. Another virtual host behind the same port may have
/// another file under the same path; and where a site believes in forwarded hosts, whoever forges one
/// may get an answer made for it, which nobody else is to be given.
pub(crate) fn names_site<Q: Headers + ?Sized>(
    request: &RequestHead<'_, Q>,
    policy: &Policy,
) -> bool {
    let headers = request.headers;
    headers.values("host").all(|host| policy.is_site(host))
        && headers
            .values("x-forwarded-host")
            .flat_map(|value| value.split(|&byte| byte == b','))
            .all(|host| policy.is_site(host.trim_ascii()))
        && headers.values("forwarded").all(|value| {
            // RFC 7239: `for=…;host=example.org, for=…`; a quoted host has a port.
            value.split(|byte| b",;".contains(byte)).all(|pair| {
                pair.trim_ascii().split_at_checked(5).is_none_or(|(name, host)| {
                    let host = match host {
                        [b'"', inner @ .., b'"'] => inner,
                        plain => plain,
                    };
                    !name.eq_ignore_ascii_case(b"host=") || policy.is_site(host)
                })
            })
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(headers: &[(&str, &str)]) -> Result<bool, Reason> {
        let request = RequestHead { method: "GET", path: "/a.zip", query: None, headers };
        is_anonymous(&request, None, &Policy::default())
    }

    #[test]
    fn the_list_can_be_searched() {
        let order = |one: &&str, other: &&str| by_length(one.as_bytes(), other.as_bytes()).is_le();
        assert!(OF_ANYBODY.is_sorted_by(order));
        assert!(OF_ANYBODY.iter().all(|name| is_of_anybody(name)));
        assert!(is_of_anybody("Accept") && !is_of_anybody(&"accept".repeat(9)));
    }

    #[test]
    fn what_programs_send_by_themselves_is_anonymous() {
        let chromium = [
            ("Host", "example.org"),
            ("Connection", "keep-alive"),
            ("sec-ch-ua-platform", "Linux"),
            ("Upgrade-Insecure-Requests", "1"),
            ("User-Agent", "x"),
            ("Accept", "*/*"),
            ("Sec-Fetch-Site", "none"),
            ("Accept-Encoding", "gzip, deflate, br, zstd"),
            ("Accept-Language", "en"),
            ("Range", "bytes=0-"),
            ("Cookie", "manyhands_b=7"),
        ];
        assert_eq!(judged(&chromium), Ok(false));
    }

    #[test]
    fn a_field_we_do_not_know_may_be_a_key() {
        for name in [
            "X-Api-Key",
            "Private-Token",
            "X-Auth-Token",
            "X-Amz-Security-Token",
            "Cf-Access-Jwt-Assertion",
            "Tailscale-User-Login",
            "X-Forwarded-User",
            "Remote-User",
            "X-Csrf-Token",
            "Authentication",
            "Sec-Session-Response",
            "Sec-Token-Binding",
            "Sec-Browsing-Topics",
            "Transfer-Encoding",
            "Content-Type",
        ] {
            assert_eq!(judged(&[(name, "x")]), Err(Reason::RequestField), "{name}");
        }
    }

    #[test]
    fn a_body_may_choose_the_answer() {
        assert_eq!(judged(&[("content-length", "0")]), Ok(false));
        for length in ["1", "5000", "00", "", "x"] {
            assert_eq!(
                judged(&[("content-length", length)]),
                Err(Reason::RequestField),
                "{length}"
            );
        }
    }

    #[test]
    fn who_wants_nothing_stored_is_left_alone() {
        for asked in ["no-store", "max-age=0, No-Store", "no-store=x", "\""] {
            let judged = judged(&[("cache-control", asked)]);
            assert_eq!(judged, Err(Reason::RequestNoStore), "{asked}");
        }
        for asked in ["no-cache", "max-age=0", "only-if-cached", "no-transform", ""] {
            assert_eq!(judged(&[("cache-control", asked)]), Ok(false), "{asked}");
        }
    }

    #[test]
    fn every_name_of_a_host_must_be_the_sites() {
        let policy = Policy::default().with_origin("https://example.org").unwrap();
        let names = |headers: &[(&str, &str)]| {
            names_site(
                &RequestHead { method: "GET", path: "/a.zip", query: None, headers },
                &policy,
            )
        };
        for good in [
            ("host", "example.org"),
            ("x-forwarded-host", "example.org"),
            ("x-forwarded-host", "EXAMPLE.org:443, example.org"),
            ("forwarded", "for=192.0.2.1;proto=https;HOST=example.org, for=192.0.2.2"),
            ("forwarded", "for=\"[2001:db8::1]\"; host=\"example.org:443\""),
            ("forwarded", "for=x"),
        ] {
            assert!(names(&[good]), "{good:?}");
        }
        for bad in [
            ("x-forwarded-host", "evil.example"),
            ("x-forwarded-host", "example.org, evil.example"),
            ("x-forwarded-host", ""),
            ("forwarded", "host=evil.example"),
            ("forwarded", "for=x, for=y ; Host=evil.example"),
            ("forwarded", "host=\"evil.example\""),
            ("forwarded", "host="),
        ] {
            assert!(!names(&[("host", "example.org"), bad]), "{bad:?}");
        }
    }
}
