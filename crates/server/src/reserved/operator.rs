//! Who is the operator: whoever holds the key; and, where the site is on this machine alone, whoever asks
//! on it with nobody in between.

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
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
    match bearer(asked.headers) {
        Bearer::Key(key) => asked.engine.operator().admits(key),
        Bearer::Unreadable => false,
        Bearer::None => {
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

/// Marks an answer as one that no page of another site may make use of, in whatever way.
pub(super) fn for_the_operator(response: &mut Response<Bytes>) {
    response.headers_mut().insert(super::CACHE_CONTROL, super::NO_STORE);
    response.headers_mut().insert(SAME_ORIGIN_ONLY, HeaderValue::from_static("same-origin"));
}

enum Bearer<'a> {
    None,
    Key(&'a [u8]),
    Unreadable,
}

/// `Authorization: Bearer <token>` (RFC 6750 section 2.1); the scheme's case does not matter.
fn bearer(headers: &HeaderMap) -> Bearer<'_> {
    let mut fields = headers.get_all(AUTHORIZATION).iter();
    let (Some(field), None) = (fields.next(), fields.next()) else {
        return if headers.contains_key(AUTHORIZATION) { Bearer::Unreadable } else { Bearer::None };
    };
    match field.as_bytes().split_at_checked("Bearer ".len()) {
        Some((scheme, key)) if scheme.eq_ignore_ascii_case(b"Bearer ") => {
            Bearer::Key(key.trim_ascii())
        }
        _ => Bearer::Unreadable,
    }
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
    fn a_key_is_read_from_one_field_of_the_right_scheme() {
        let read = |fields: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for field in fields {
                headers.append(AUTHORIZATION, HeaderValue::from_static(field));
            }
            match bearer(&headers) {
                Bearer::None => None,
                Bearer::Unreadable => Some(None),
                Bearer::Key(key) => Some(Some(key.to_vec())),
            }
        };
        assert_eq!(read(&[]), None);
        for good in ["Bearer k", "bearer  k ", "BEARER k"] {
            assert_eq!(read(&[good]), Some(Some(b"k".to_vec())), "{good}");
        }
        for bad in [&["Basic k"][..], &["Bearer"], &["Bearerk"], &[""], &["Bearer k", "Bearer k"]] {
            assert_eq!(read(bad), Some(None), "{bad:?}");
        }
    }
}
