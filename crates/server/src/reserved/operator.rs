//! Who is the operator: whoever holds the key; and, where the site is on this machine alone, whoever asks
//! on it with nobody in between.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http::header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use manyhands_page::is_loopback;
use sha2::Sha256;

use super::{Asked, plain};

const SAME_ORIGIN_ONLY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// The key of `<state>/operator.key`, as a verifier of what requests carry.
#[derive(Clone)]
pub(crate) struct OperatorKey {
    mac: Hmac<Sha256>,
    /// The code of the right key. Codes are compared instead of keys, in constant time: neither how
    /// long that takes nor where the two differ tells anything of the key.
    right: Vec<u8>,
}

impl OperatorKey {
    pub(crate) fn new(key: [u8; 32]) -> Self {
        let mac = Hmac::<Sha256>::new_from_slice(&key).expect("HMAC takes keys of any length");
        let line: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
        let right = mac.clone().chain_update(line).finalize().into_bytes().to_vec();
        Self { mac, right }
    }

    fn admits(&self, presented: &[u8]) -> bool {
        self.mac.clone().chain_update(presented).verify_slice(&self.right).is_ok()
    }
}

impl std::fmt::Debug for OperatorKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OperatorKey")
    }
}

/// Whether the operator asks. A request with a key is judged by the key alone.
///
/// Without one, loopback counts only where the site's own origin is a loopback name. Every visitor of a public
/// site comes from loopback behind a proxy on its machine, and nothing in a request tells it: nginx's plain
/// `proxy_pass` adds no field and sends a loopback `Host`, a forwarder of TCP passes on what the visitor wrote.
pub(super) fn asks(asked: &Asked<'_>) -> bool {
    match presented(asked.headers) {
        Presented::Key(key) => asked.engine.operator().admits(&key),
        Presented::Unreadable => false,
        Presented::None => {
            asked.engine.checked().is_local()
                && asked.client.is_operator()
                && names_this_machine(asked)
        }
    }
}

/// What others are told.
pub(super) fn refused(asked: &Asked<'_>) -> Response<Bytes> {
    if asked.headers.contains_key(AUTHORIZATION) {
        let mut response = plain(
            StatusCode::UNAUTHORIZED,
            "this is not the key of this site: it is in operator.key in the state directory",
        );
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        return response;
    }
    plain(
        StatusCode::FORBIDDEN,
        "for the operator: send the key in operator.key in the state directory (Authorization: \
         Bearer ...); a site whose origin is a loopback name answers on its machine without",
    )
}

/// What others are told where a person with a browser asks: it has the person type the key.
pub(super) fn asked_for_key(asked: &Asked<'_>) -> Response<Bytes> {
    let mut response = plain(
        StatusCode::UNAUTHORIZED,
        "for the operator: any user name, and as password the key in operator.key in the state directory",
    );
    let site = asked.engine.checked().origin.split_once("://").map_or("", |(_, host)| host);
    let challenge = format!("Basic realm=\"Manyhands, operator of {site}\", charset=\"UTF-8\"");
    let challenge = HeaderValue::try_from(challenge)
        .unwrap_or(HeaderValue::from_static("Basic realm=\"Manyhands\""));
    response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    for_the_operator(&mut response);
    response
}

/// Marks an answer as one that no page of another site may make use of, in whatever way.
pub(super) fn for_the_operator(response: &mut Response<Bytes>) {
    response.headers_mut().insert(super::CACHE_CONTROL, super::NO_STORE);
    response.headers_mut().insert(SAME_ORIGIN_ONLY, HeaderValue::from_static("same-origin"));
}

/// Whether no page of another site made the operator's browser send this (cross-site request forgery), with
/// the key that the browser remembers or from the machine that is trusted: a form can't send this media type, a script has to ask first (CORS), which is never answered, and
/// browsers say where a request comes from.
pub(super) fn is_deliberate(headers: &HeaderMap) -> bool {
    let json =
        headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_some_and(|value| {
            let essence = value.split(';').next().unwrap_or_default();
            essence.trim().eq_ignore_ascii_case("application/json")
        });
    let mut from = headers.get_all("sec-fetch-site").iter();
    json && from.all(|site| site == "same-origin" || site == "none")
}

/// What is said to anything else.
pub(super) fn not_deliberate(what: &str) -> Response<Bytes> {
    let text = format!("{what} needs Content-Type: application/json, and no page of another site");
    plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, &text)
}

/// What a request carries to prove that it is the operator's.
enum Presented {
    None,
    Key(Vec<u8>),
    Unreadable,
}

/// `Authorization: Bearer <key>` (RFC 6750 section 2.1), or `Basic <base64 of name:key>` (RFC 7617), which
/// browsers send once a person has typed the key: any name will do. The scheme's case does not matter.
fn presented(headers: &HeaderMap) -> Presented {
    let mut fields = headers.get_all(AUTHORIZATION).iter();
    let field = match (fields.next(), fields.next()) {
        (None, _) => return Presented::None,
        (Some(field), None) => field.as_bytes(),
        (Some(_), Some(_)) => return Presented::Unreadable,
    };
    let of = |scheme: &[u8]| {
        let (start, rest) = field.split_at_checked(scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then(|| rest.trim_ascii())
    };
    let key = match (of(b"Bearer "), of(b"Basic ")) {
        (Some(key), _) => Some(key.to_vec()),
        (None, Some(pair)) => STANDARD.decode(pair).ok().and_then(|pair| {
            let colon = pair.iter().position(|byte| *byte == b':')?;
            // Pasted from the file, with the line's end.
            pair.get(colon + 1..).map(|key| key.trim_ascii().to_vec())
        }),
        (None, None) => None,
    };
    key.map_or(Presented::Unreadable, Presented::Key)
}

/// HTTP/2, and requests as to a proxy, name the host in the URI; `Host` was looked at already.
fn names_this_machine(asked: &Asked<'_>) -> bool {
    let authority = asked.uri.authority();
    authority.is_none_or(|authority| is_loopback(&authority.host().to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_admits_itself_alone() {
        let key = OperatorKey::new([0xab; 32]);
        let right = "ab".repeat(32);
        assert!(key.admits(right.as_bytes()));
        for wrong in ["", &right[1..], &format!("{right}a"), &right.to_uppercase()] {
            assert!(!key.admits(wrong.as_bytes()), "{wrong}");
        }
        assert!(!OperatorKey::new([0xac; 32]).admits(right.as_bytes()));
        assert!(!format!("{key:?}").contains("ab"));
    }

    #[test]
    fn a_key_is_read_from_one_field_of_a_known_scheme() {
        let read = |fields: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for field in fields {
                headers.append(AUTHORIZATION, HeaderValue::from_static(field));
            }
            match presented(&headers) {
                Presented::None => None,
                Presented::Unreadable => Some(None),
                Presented::Key(key) => Some(Some(key)),
            }
        };
        assert_eq!(read(&[]), None);
        // As `base64` writes "me:k", ":k", "me:k\n" and "a:b:k".
        for (good, key) in [
            ("Bearer k", "k"),
            ("bearer  k ", "k"),
            ("BEARER k", "k"),
            ("Basic bWU6aw==", "k"),
            ("basic  Oms=", "k"),
            ("Basic bWU6awo=", "k"),
            ("Basic YTpiOms=", "b:k"),
        ] {
            assert_eq!(read(&[good]), Some(Some(key.as_bytes().to_vec())), "{good}");
        }
        for bad in [
            &["Digest k"][..],
            &["Bearer"],
            &["Bearerk"],
            &[""],
            &["Bearer k", "Bearer k"],
            &["Basic k"],
            &["Basic"],
            // No colon in it.
            &["Basic aw=="],
        ] {
            assert_eq!(read(bad), Some(None), "{bad:?}");
        }
    }

    #[test]
    fn what_a_page_of_another_site_can_send_is_not_deliberate() {
        let sent = |fields: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in fields {
                headers.append(*name, HeaderValue::from_static(value));
            }
            is_deliberate(&headers)
        };
        let json = ("content-type", "application/json");
        assert!(sent(&[json]));
        assert!(sent(&[("content-type", "Application/JSON; charset=utf-8")]));
        assert!(sent(&[json, ("sec-fetch-site", "same-origin")]));
        assert!(sent(&[json, ("sec-fetch-site", "none")]));
        assert!(!sent(&[]));
        for simple in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "text/plain; application/json",
        ] {
            assert!(!sent(&[("content-type", simple)]), "{simple}");
        }
        for site in ["cross-site", "same-site", ""] {
            assert!(!sent(&[json, ("sec-fetch-site", site)]), "{site}");
        }
        assert!(!sent(&[json, ("sec-fetch-site", "none"), ("sec-fetch-site", "cross-site")]));
    }
}
