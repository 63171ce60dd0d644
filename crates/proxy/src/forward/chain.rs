//! Who asked, through whom: `X-Forwarded-*`, `Forwarded` and `Via`.

use std::net::IpAddr;

use http::header::{FORWARDED, HeaderMap, HeaderName, HeaderValue, VIA};
use ipnet::IpNet;

use crate::listener::Arrival;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Passed through this proxy so often already: it is its own upstream.
const MAX_PASSES: usize = 8;

/// An IPv4 address in IPv6 clothes is the IPv4 address.
pub(crate) fn canonical(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

pub(crate) fn is_trusted(arrival: Option<&Arrival>, trusted: &[IpNet]) -> bool {
    arrival.is_some_and(|arrival| {
        let peer = canonical(arrival.peer.ip());
        trusted.iter().any(|network| network.contains(&peer))
    })
}

/// What strangers say about where a request came from is dropped; a trusted peer's word stays, and
/// the peer is added to it.
pub(crate) fn set_forwarded(
    headers: &mut HeaderMap,
    arrival: Option<&Arrival>,
    host: &HeaderValue,
    trusted: &[IpNet],
) {
    if !is_trusted(arrival, trusted) {
        let claims: Vec<HeaderName> =
            headers.keys().filter(|name| claims_an_origin(name.as_str())).cloned().collect();
        for name in claims {
            headers.remove(name);
        }
    }
    let Some(arrival) = arrival else { return };
    let peer = canonical(arrival.peer.ip());
    append(headers, FORWARDED_FOR, &peer.to_string());
    if headers.contains_key(FORWARDED) {
        let node = match peer {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => format!("\"[{address}]\""),
        };
        append(headers, FORWARDED, &format!("for={node}"));
    }
    let proto = HeaderValue::from_static(if arrival.secure { "https" } else { "http" });
    headers.entry(FORWARDED_PROTO).or_insert(proto);
    headers.entry(FORWARDED_HOST).or_insert_with(|| host.clone());
}

/// Gateways that turn names into variables see no difference between `-` and `_`.
fn claims_an_origin(name: &str) -> bool {
    let name = name.replace('_', "-");
    name.starts_with("x-forwarded-") || name == "forwarded" || name == "x-real-ip"
}

/// `Via` with one member more (RFC 9110 7.6.3).
pub(crate) fn add_via(headers: &mut HeaderMap, version: http::Version, pseudonym: &str) {
    let protocol = match version {
        http::Version::HTTP_10 => "1.0",
        http::Version::HTTP_2 => "2.0",
        _ => "1.1",
    };
    append(headers, VIA, &format!("{protocol} {pseudonym}"));
}

/// Has this message been here so often that it must be going in circles?
pub(crate) fn is_looping(headers: &HeaderMap, pseudonym: &str) -> bool {
    let passes = super::hop::list(headers, &VIA)
        .filter(|member| member.split(|byte| *byte == b' ').nth(1) == Some(pseudonym.as_bytes()));
    passes.count() >= MAX_PASSES
}

/// One line for the field, ending in `member`.
fn append(headers: &mut HeaderMap, name: HeaderName, member: &str) {
    let mut whole: Vec<u8> = Vec::new();
    for value in headers.get_all(&name) {
        whole.extend_from_slice(value.as_bytes());
        whole.extend_from_slice(b", ");
    }
    whole.extend_from_slice(member.as_bytes());
    if let Ok(value) = HeaderValue::from_bytes(&whole) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrival(peer: &str) -> Arrival {
        Arrival { peer: format!("{peer}:1234").parse().unwrap(), secure: true }
    }

    fn spoofed() -> HeaderMap {
        let mut headers = HeaderMap::new();
        for name in [
            "x-forwarded-for",
            "x-forwarded-proto",
            "x-forwarded-host",
            "x-forwarded-port",
            "x-forwarded-anything",
            "x_forwarded_for",
            "x-forwarded_for",
            "x-real-ip",
            "x_real_ip",
            "forwarded",
        ] {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static("9.9.9.9"));
        }
        headers
    }

    #[test]
    fn a_strangers_claims_are_dropped() {
        let host = HeaderValue::from_static("example.org");
        for trusted in [vec![], vec!["10.0.0.0/8".parse().unwrap()]] {
            let mut headers = spoofed();
            set_forwarded(&mut headers, Some(&arrival("192.0.2.1")), &host, &trusted);
            assert_eq!(headers.len(), 3, "{headers:?}");
            assert_eq!(headers["x-forwarded-for"], "192.0.2.1");
            assert_eq!(headers["x-forwarded-proto"], "https");
            assert_eq!(headers["x-forwarded-host"], "example.org");
        }
        let mut headers = spoofed();
        set_forwarded(&mut headers, None, &host, &["0.0.0.0/0".parse().unwrap()]);
        assert!(headers.is_empty(), "{headers:?}");
    }

    #[test]
    fn a_trusted_peers_word_stays_and_the_peer_is_added() {
        let host = HeaderValue::from_static("example.org");
        let trusted = ["10.0.0.0/8".parse().unwrap(), "2001:db8::/32".parse().unwrap()];
        for (peer, node, forwarded) in [
            ("10.1.2.3", "10.1.2.3", "10.1.2.3"),
            ("[::ffff:10.1.2.3]", "10.1.2.3", "10.1.2.3"),
            ("[2001:db8::1]", "2001:db8::1", "\"[2001:db8::1]\""),
        ] {
            let mut headers = spoofed();
            set_forwarded(&mut headers, Some(&arrival(peer)), &host, &trusted);
            assert_eq!(headers["x-forwarded-for"], format!("9.9.9.9, {node}"));
            assert_eq!(headers["forwarded"], format!("9.9.9.9, for={forwarded}"));
            assert_eq!(headers["x-forwarded-proto"], "9.9.9.9");
            assert_eq!(headers["x-real-ip"], "9.9.9.9");
        }
    }

    #[test]
    fn circles_are_seen() {
        let mut headers = HeaderMap::new();
        for passes in 0..MAX_PASSES {
            assert!(!is_looping(&headers, "manyhands"), "{passes}");
            add_via(&mut headers, http::Version::HTTP_11, "manyhands");
            append(&mut headers, VIA, "1.1 other");
        }
        assert!(is_looping(&headers, "manyhands"));
        assert!(!is_looping(&headers, "many"));
    }
}
