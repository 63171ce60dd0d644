//! From the request that came to the request that goes on.

use http::header::{
    CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue, TE,
    TRANSFER_ENCODING, UPGRADE,
};
use http::request::Parts;
use http::uri::{Authority, PathAndQuery, Scheme, Uri};
use http::{Method, StatusCode, Version};
use ipnet::IpNet;

use super::{chain, hop};
use crate::listener::Arrival;

/// What the operator decided, once.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) scheme: Scheme,
    pub(crate) authority: Authority,
    /// `None`: the host that the client named.
    pub(crate) host: Option<HeaderValue>,
    pub(crate) via: Option<String>,
    pub(crate) trusted: Vec<IpNet>,
}

/// A request that must not be passed on. Always the client's fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) reason: &'static str,
}

const fn bad(reason: &'static str) -> Refusal {
    Refusal { status: StatusCode::BAD_REQUEST, reason }
}

/// Rewrites `parts` for the upstream. Gives the protocols to upgrade to, where the client asks for any.
pub(crate) fn request(
    parts: &mut Parts,
    arrival: Option<&Arrival>,
    rules: &Rules,
) -> Result<Option<HeaderValue>, Refusal> {
    if parts.method == Method::CONNECT || parts.method == Method::TRACE {
        let status = StatusCode::METHOD_NOT_ALLOWED;
        return Err(Refusal { status, reason: "this method is not forwarded" });
    }
    check_framing(&parts.headers)?;
    let host = check_host(parts)?;
    let named = hop::connection_tokens(&parts.headers).ok_or(bad("malformed Connection"))?;
    if named.iter().any(hop::is_protected) {
        return Err(bad("Connection names a field that is not of the connection"));
    }
    if let Some(via) = &rules.via
        && chain::is_looping(&parts.headers, via)
    {
        let status = StatusCode::LOOP_DETECTED;
        return Err(Refusal { status, reason: "the upstream of this proxy is the proxy itself" });
    }
    check_expectation(&mut parts.headers)?;

    let wants_upgrade = parts.version == Version::HTTP_11 && named.contains(&UPGRADE);
    let upgrade = hop::upgrade_protocols(&parts.headers).filter(|_| wants_upgrade);
    let trailers = hop::list(&parts.headers, &TE).any(is_trailers);
    hop::strip(&mut parts.headers, &named);
    set_connection(&mut parts.headers, upgrade.as_ref(), trailers);

    chain::set_forwarded(&mut parts.headers, arrival, &host, &rules.trusted);
    if let Some(via) = &rules.via {
        chain::add_via(&mut parts.headers, parts.version, via);
    }
    join_cookies(&mut parts.headers);
    parts.headers.insert(HOST, rules.host.clone().unwrap_or(host));
    parts.uri = target(&parts.uri, rules)?;
    // Whatever the upstream speaks: its connection decides, not the client's.
    parts.version = Version::HTTP_11;
    Ok(upgrade)
}

/// Two lengths, or a length and a coding, are how one request becomes two further on.
fn check_framing(headers: &HeaderMap) -> Result<(), Refusal> {
    if !hop::has_only_chunked(headers) {
        return Err(bad("a transfer coding other than chunked"));
    }
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    match (lengths.next(), lengths.next()) {
        (None, _) => Ok(()),
        (Some(_), _) if headers.contains_key(TRANSFER_ENCODING) => {
            Err(bad("both Content-Length and Transfer-Encoding"))
        }
        (Some(length), None) if length.as_bytes().iter().all(u8::is_ascii_digit) => Ok(()),
        _ => Err(bad("more than one Content-Length")),
    }
}

/// Exactly one host, said once or twice in the same words (RFC 9112 3.2, RFC 9113 8.3.1).
fn check_host(parts: &Parts) -> Result<HeaderValue, Refusal> {
    let mut fields = parts.headers.get_all(HOST).iter();
    let field = fields.next();
    if fields.next().is_some() {
        return Err(bad("more than one Host"));
    }
    let host = match (field, parts.uri.authority()) {
        (None, Some(authority)) if parts.version >= Version::HTTP_2 => {
            HeaderValue::from_str(authority.as_str()).map_err(|_| bad("malformed :authority"))?
        }
        (None, _) => return Err(bad("no Host")),
        (Some(field), Some(authority))
            if !field.as_bytes().eq_ignore_ascii_case(authority.as_str().as_bytes()) =>
        {
            return Err(bad("Host differs from the request target"));
        }
        (Some(field), _) => field.clone(),
    };
    let named = Authority::try_from(host.as_bytes()).map_err(|_| bad("malformed Host"))?;
    if named.host().is_empty() || named.as_str().contains('@') {
        return Err(bad("malformed Host"));
    }
    Ok(host)
}

/// The client is told to continue by this proxy, when the upstream reads the body.
fn check_expectation(headers: &mut HeaderMap) -> Result<(), Refusal> {
    match headers.get(EXPECT) {
        None => Ok(()),
        Some(value) if value.as_bytes().eq_ignore_ascii_case(b"100-continue") => {
            headers.remove(EXPECT);
            Ok(())
        }
        Some(_) => {
            let status = StatusCode::EXPECTATION_FAILED;
            Err(Refusal { status, reason: "unknown expectation" })
        }
    }
}

/// With or without a weight: `trailers;q=1`.
fn is_trailers(coding: &[u8]) -> bool {
    let name = coding.split(|&byte| byte == b';').next().unwrap_or_default();
    name.trim_ascii().eq_ignore_ascii_case(b"trailers")
}

fn set_connection(headers: &mut HeaderMap, upgrade: Option<&HeaderValue>, trailers: bool) {
    if trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    let connection = match (upgrade.is_some(), trailers) {
        (true, true) => "upgrade, te",
        (true, false) => "upgrade",
        (false, true) => "te",
        (false, false) => return,
    };
    headers.insert(CONNECTION, HeaderValue::from_static(connection));
    if let Some(protocols) = upgrade {
        headers.insert(UPGRADE, protocols.clone());
    }
}

/// HTTP/2 clients may split the cookies over several lines; HTTP/1.1 knows one (RFC 9113 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let lines: Vec<&[u8]> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if lines.len() > 1
        && let Ok(joined) = HeaderValue::from_bytes(&lines.join(&b"; "[..]))
    {
        headers.insert(COOKIE, joined);
    }
}

fn target(uri: &Uri, rules: &Rules) -> Result<Uri, Refusal> {
    let path = uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    Uri::builder()
        .scheme(rules.scheme.clone())
        .authority(rules.authority.clone())
        .path_and_query(path)
        .build()
        .map_err(|_| bad("malformed request target"))
}

/// Request trailers that a server might take for what they are not (RFC 9110 6.5.1).
pub(crate) fn is_forbidden_trailer(name: &HeaderName) -> bool {
    hop::is_protected(name) || matches!(name, &TRANSFER_ENCODING | &CONNECTION | &TE | &UPGRADE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn rules() -> Rules {
        Rules {
            scheme: Scheme::HTTP,
            authority: Authority::from_static("upstream:3000"),
            host: None,
            via: Some("manyhands".into()),
            trusted: Vec::new(),
        }
    }

    fn arrival() -> Arrival {
        Arrival { peer: "192.0.2.1:99".parse().unwrap(), secure: false }
    }

    fn parts(uri: &str, version: Version, headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().uri(uri).version(version);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn run(headers: &[(&str, &str)]) -> Result<(Parts, Option<HeaderValue>), Refusal> {
        let mut headers = headers.to_vec();
        headers.push(("host", "example.org"));
        let mut parts = parts("/a?b", Version::HTTP_11, &headers);
        let upgrade = request(&mut parts, Some(&arrival()), &rules())?;
        Ok((parts, upgrade))
    }

    #[test]
    fn a_plain_request() {
        let (parts, upgrade) = run(&[("accept", "*/*"), ("cookie", "a=1")]).unwrap();
        assert_eq!(upgrade, None);
        assert_eq!(parts.uri, "http://upstream:3000/a?b");
        let mut left: Vec<_> =
            parts.headers.iter().map(|(n, v)| format!("{n}: {}", v.to_str().unwrap())).collect();
        left.sort_unstable();
        assert_eq!(
            left,
            [
                "accept: */*",
                "cookie: a=1",
                "host: example.org",
                "via: 1.1 manyhands",
                "x-forwarded-for: 192.0.2.1",
                "x-forwarded-host: example.org",
                "x-forwarded-proto: http",
            ]
        );
    }

    #[test]
    fn requests_that_are_refused() {
        for (headers, status) in [
            (&[("connection", "host")][..], 400),
            (&[("connection", "close, Authorization")], 400),
            (&[("connection", "cookie")], 400),
            (&[("connection", "content-length")], 400),
            (&[("connection", "X-Forwarded-For")], 400),
            (&[("connection", "x-forwarded-anything")], 400),
            (&[("connection", "forwarded")], 400),
            (&[("connection", "a b")], 400),
            (&[("host", "example.org")], 400),
            (&[("content-length", "1"), ("transfer-encoding", "chunked")], 400),
            (&[("content-length", "1"), ("content-length", "1")], 400),
            (&[("content-length", "1, 1")], 400),
            (&[("content-length", "+1")], 400),
            (&[("transfer-encoding", "gzip, chunked")], 400),
            (&[("transfer-encoding", "identity")], 400),
            (&[("expect", "a miracle")], 417),
            (&[("via", &*["1.1 manyhands"; 8].join(", "))], 508),
        ] {
            assert_eq!(run(headers).unwrap_err().status.as_u16(), status, "{headers:?}");
        }
        for method in [Method::CONNECT, Method::TRACE] {
            let mut parts = parts("/", Version::HTTP_11, &[("host", "a")]);
            parts.method = method;
            assert_eq!(request(&mut parts, None, &rules()).unwrap_err().status.as_u16(), 405);
        }
    }

    #[test]
    fn hosts() {
        use Version as V;
        for (uri, version, hosts, expected) in [
            ("/", V::HTTP_11, &["example.org"][..], Some("example.org")),
            ("/", V::HTTP_11, &["example.org:8080"], Some("example.org:8080")),
            ("/", V::HTTP_11, &["[::1]:8080"], Some("[::1]:8080")),
            ("/", V::HTTP_11, &[], None),
            ("/", V::HTTP_10, &[], None),
            ("/", V::HTTP_11, &["a", "b"], None),
            ("/", V::HTTP_11, &["a", "a"], None),
            ("/", V::HTTP_11, &[""], None),
            ("/", V::HTTP_11, &["a b"], None),
            ("/", V::HTTP_11, &["a/b"], None),
            ("/", V::HTTP_11, &["user@a"], None),
            ("/", V::HTTP_11, &["a, b"], None),
            ("/", V::HTTP_11, &["a?b"], None),
            ("http://a/", V::HTTP_11, &["a"], Some("a")),
            ("http://a/", V::HTTP_11, &["A"], Some("A")),
            ("http://a/", V::HTTP_11, &["b"], None),
            ("http://a/", V::HTTP_11, &[], None),
            ("https://a/", V::HTTP_2, &[], Some("a")),
            ("https://a/", V::HTTP_2, &["a"], Some("a")),
            ("https://a/", V::HTTP_2, &["b"], None),
            ("/", V::HTTP_2, &[], None),
        ] {
            let headers: Vec<_> = hosts.iter().map(|host| ("host", *host)).collect();
            let mut parts = parts(uri, version, &headers);
            let outcome = request(&mut parts, None, &rules());
            assert_eq!(outcome.is_ok(), expected.is_some(), "{uri} {hosts:?}");
            if let Some(expected) = expected {
                assert_eq!(parts.headers[HOST], expected);
                assert_eq!(parts.uri.authority().unwrap(), "upstream:3000");
            }
        }
        let mut parts = parts("/", Version::HTTP_11, &[("host", "a")]);
        let fixed = Rules { host: Some(HeaderValue::from_static("inner")), ..rules() };
        request(&mut parts, Some(&arrival()), &fixed).unwrap();
        assert_eq!(parts.headers[HOST], "inner");
        assert_eq!(parts.headers["x-forwarded-host"], "a");
    }

    #[test]
    fn upgrades_and_trailers_are_asked_for_again() {
        let (parts, upgrade) = run(&[
            ("connection", "Upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-key", "x"),
            ("te", "gzip, trailers;q=0.5"),
        ])
        .unwrap();
        assert_eq!(upgrade.unwrap(), "websocket");
        assert_eq!(parts.headers[CONNECTION], "upgrade, te");
        assert_eq!(parts.headers[UPGRADE], "websocket");
        assert_eq!(parts.headers[TE], "trailers");
        assert_eq!(parts.headers["sec-websocket-key"], "x");

        for headers in [
            &[("upgrade", "websocket")][..],
            &[("connection", "upgrade")],
            &[
                ("connection", "upgrade, http2-settings"),
                ("upgrade", "h2c"),
                ("http2-settings", "x"),
            ],
            &[("te", "gzip")],
        ] {
            let (parts, upgrade) = run(headers).unwrap();
            assert_eq!(upgrade, None);
            for name in ["connection", "upgrade", "te", "http2-settings"] {
                assert!(!parts.headers.contains_key(name), "{headers:?} {name}");
            }
        }
        let old = &[("host", "a"), ("connection", "upgrade"), ("upgrade", "websocket")];
        let mut parts = self::parts("/", Version::HTTP_10, old);
        assert_eq!(request(&mut parts, None, &rules()), Ok(None));
    }

    #[test]
    fn cookies_become_one_line_and_the_expectation_is_answered_here() {
        let (parts, _) =
            run(&[("cookie", "a=1"), ("cookie", "b=2"), ("expect", "100-Continue")]).unwrap();
        assert_eq!(parts.headers[COOKIE], "a=1; b=2");
        assert_eq!(parts.headers.get_all(COOKIE).iter().count(), 1);
        assert!(!parts.headers.contains_key(EXPECT));
    }

    #[test]
    fn the_target_is_as_it_was() {
        for target in ["/", "/?", "/a%2Fb/../c?x=%00&y", "//evil.example/x", "*", "/a//b;c=d"] {
            let mut parts = parts(target, Version::HTTP_11, &[("host", "a")]);
            request(&mut parts, None, &rules()).unwrap();
            assert_eq!(parts.uri.path_and_query().unwrap(), target);
            assert_eq!(parts.uri.authority().unwrap(), "upstream:3000");
        }
    }
}
