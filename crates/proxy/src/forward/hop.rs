//! Fields that belong to one connection and must not be passed on (RFC 9110 7.6.1).

use http::header::{
    CONNECTION, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE,
    TRANSFER_ENCODING, UPGRADE,
};

/// `Trailer` is not among them since RFC 9110: it announces fields that do cross.
const HOP_BY_HOP: [HeaderName; 9] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("http2-settings"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Fields that a `Connection` line may not make disappear: dropping one of these on the way changes
/// who the request speaks for, or where it ends.
const PROTECTED: [&str; 8] = [
    "authorization",
    "content-length",
    "cookie",
    "forwarded",
    "host",
    "set-cookie",
    "via",
    "x-real-ip",
];

/// The lower-case tokens of all `Connection` lines. `None` when one is not a token.
pub(crate) fn connection_tokens(headers: &HeaderMap) -> Option<Vec<HeaderName>> {
    list(headers, &CONNECTION)
        .map(|token| HeaderName::from_bytes(token).ok())
        .collect::<Option<Vec<_>>>()
}

pub(crate) fn is_protected(name: &HeaderName) -> bool {
    PROTECTED.contains(&name.as_str()) || name.as_str().starts_with("x-forwarded-")
}

/// Removes the fields of this connection and those that `named` adds to them.
pub(crate) fn strip(headers: &mut HeaderMap, named: &[HeaderName]) {
    for name in named.iter().filter(|name| !is_protected(name)) {
        headers.remove(name);
    }
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
}

/// The protocols that an `Upgrade` field asks for, without `h2c`: HTTP/2 smuggled past the proxy on a
/// connection that it believes to be a tunnel.
pub(crate) fn upgrade_protocols(headers: &HeaderMap) -> Option<HeaderValue> {
    let kept: Vec<&[u8]> =
        list(headers, &UPGRADE).filter(|token| !token.eq_ignore_ascii_case(b"h2c")).collect();
    if kept.is_empty() {
        return None;
    }
    HeaderValue::from_bytes(&kept.join(&b", "[..])).ok()
}

/// The members of a comma-separated field over all its lines, trimmed, without empty ones.
pub(crate) fn list<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> impl Iterator<Item = &'a [u8]> {
    headers
        .get_all(name)
        .iter()
        .flat_map(|value| value.as_bytes().split(|&byte| byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|member| !member.is_empty())
}

/// Transfer codings this proxy can undo and so may drop: none, or `chunked` alone.
pub(crate) fn has_only_chunked(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(TRANSFER_ENCODING).iter();
    match (values.next(), values.next()) {
        (None, _) => true,
        (Some(value), None) => value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked"),
        (Some(_), Some(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(
                HeaderName::try_from(*name).unwrap(),
                HeaderValue::try_from(*value).unwrap(),
            );
        }
        headers
    }

    #[test]
    fn everything_of_the_connection_goes_and_the_rest_stays() {
        let mut given = headers(&[
            ("connection", "close, X-One"),
            ("connection", " keep-alive ,, x-two"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "keep-alive"),
            ("proxy-authorization", "Basic x"),
            ("te", "trailers"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "websocket"),
            ("x-one", "1"),
            ("x-two", "2"),
            ("x-three", "3"),
            ("trailer", "x-sum"),
            ("authorization", "Bearer x"),
        ]);
        let named = connection_tokens(&given).unwrap();
        strip(&mut given, &named);
        let mut left: Vec<_> = given.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["authorization", "trailer", "x-three"]);
    }

    #[test]
    fn a_connection_line_that_is_no_list_of_names() {
        assert_eq!(connection_tokens(&headers(&[("connection", "a b")])), None);
        assert_eq!(connection_tokens(&headers(&[("connection", ",, ,")])), Some(vec![]));
    }

    #[test]
    fn codings_that_may_be_dropped() {
        for (values, expected) in [
            (&[][..], true),
            (&["chunked"], true),
            (&["Chunked"], true),
            (&["gzip, chunked"], false),
            (&["chunked", "chunked"], false),
            (&["chunked, chunked"], false),
            (&["identity"], false),
            (&["xchunked"], false),
            (&[""], false),
        ] {
            let pairs: Vec<_> = values.iter().map(|value| ("transfer-encoding", *value)).collect();
            assert_eq!(has_only_chunked(&headers(&pairs)), expected, "{values:?}");
        }
    }

    #[test]
    fn upgrades_without_h2c() {
        let of = |value| upgrade_protocols(&headers(&[("upgrade", value)]));
        assert_eq!(of("websocket").unwrap(), "websocket");
        assert_eq!(of("H2C, websocket").unwrap(), "websocket");
        assert_eq!(of("h2c"), None);
    }
}
