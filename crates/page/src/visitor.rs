//! Who asks: whether a request could have come from anybody, and whether it came to this site.

use manyhands_metainfo::AssetPath;

use crate::fields::has_foreign_cookie;
use crate::{Headers, Policy, Reason, RequestHead};

/// Fields that say nothing of who asks: what browsers, download programs, players, proxies and content
/// delivery networks send of their own accord. Any other may be a key (`X-Api-Key`, `Private-Token`,
/// `X-Forwarded-User`, …), and then the answer may be for its holder alone.
const OF_ANYBODY: [&str; 62] = [
    "accept",
    "accept-charset",
    "accept-datetime",
    "accept-encoding",
    "accept-language",
    "alt-used",
    "cache-control",
    "cdn-loop",
    "cf-connecting-ip",
    "cf-ipcountry",
    "cf-ray",
    "cf-visitor",
    "connection",
    "content-length",
    "cookie",
    "device-memory",
    "dnt",
    "downlink",
    "dpr",
    "early-data",
    "ect",
    "forwarded",
    "host",
    "icy-metadata",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "keep-alive",
    "max-forwards",
    "origin",
    "pragma",
    "priority",
    "proxy-connection",
    "purpose",
    "range",
    "referer",
    "rtt",
    "save-data",
    "te",
    "traceparent",
    "tracestate",
    "true-client-ip",
    "upgrade-insecure-requests",
    "user-agent",
    "via",
    "viewport-width",
    "want-content-digest",
    "want-digest",
    "want-repr-digest",
    "width",
    "x-amzn-trace-id",
    "x-cloud-trace-context",
    "x-correlation-id",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-real-ip",
    "x-request-id",
    "x-requested-with",
];

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
        let name = name.to_ascii_lowercase();
        OF_ANYBODY.binary_search(&name.as_str()).is_ok() || name.starts_with("sec-")
    };
    if !request.headers.names().all(known) {
        return Err(Reason::RequestField);
    }
    let cookie = has_foreign_cookie(request.headers, policy.cookie());
    if cookie && !path.is_some_and(|path| policy.is_public(path.as_str())) {
        return Err(Reason::RequestCookie);
    }
    Ok(cookie)
}

/// Whether the request names the site, or nobody. Another virtual host behind the same port may have
/// another file under the same path.
pub(crate) fn names_site<Q: Headers + ?Sized>(
    request: &RequestHead<'_, Q>,
    policy: &Policy,
) -> bool {
    request.headers.values("host").all(|host| policy.is_site(host))
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
        assert!(OF_ANYBODY.is_sorted());
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
        ] {
            assert_eq!(judged(&[(name, "x")]), Err(Reason::RequestField), "{name}");
        }
    }
}
