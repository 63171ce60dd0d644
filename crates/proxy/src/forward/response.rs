//! From the answer that came to the answer that goes back.

use http::header::{CONNECTION, CONTENT_LENGTH, HeaderValue, TRANSFER_ENCODING, UPGRADE};
use http::response::Parts;
use http::{StatusCode, Version};

use super::{chain, hop};

/// An answer that cannot be passed on. Always the upstream's fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Broken(pub(crate) &'static str);

/// Rewrites `parts` for the client. `upgrade` tells whether the client had asked for one.
pub(crate) fn response(parts: &mut Parts, upgrade: bool, via: Option<&str>) -> Result<(), Broken> {
    if !hop::has_only_chunked(&parts.headers) {
        return Err(Broken("a transfer coding other than chunked"));
    }
    // The coding wins; the length must not reach anybody (RFC 9112 6.3).
    if parts.headers.contains_key(TRANSFER_ENCODING) {
        parts.headers.remove(CONTENT_LENGTH);
    }
    let switched = if parts.status == StatusCode::SWITCHING_PROTOCOLS {
        let protocols = hop::upgrade_protocols(&parts.headers);
        let Some(protocols) = protocols.filter(|_| upgrade) else {
            return Err(Broken("an upgrade that nobody asked for"));
        };
        Some(protocols)
    } else {
        None
    };
    let named = hop::connection_tokens(&parts.headers).unwrap_or_default();
    hop::strip(&mut parts.headers, &named);
    if let Some(protocols) = switched {
        parts.headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        parts.headers.insert(UPGRADE, protocols);
    }
    if let Some(via) = via {
        chain::add_via(&mut parts.headers, parts.version, via);
    }
    // The client's connection decides what it is spoken to in.
    parts.version = Version::HTTP_11;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, Response};

    fn run(status: u16, headers: &[(&str, &str)], upgrade: bool) -> Result<Parts, Broken> {
        let mut response = Response::builder().status(status).version(Version::HTTP_10);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        let mut parts = response.body(()).unwrap().into_parts().0;
        super::response(&mut parts, upgrade, Some("manyhands"))?;
        Ok(parts)
    }

    #[test]
    fn fields_of_the_connection_stay_behind() {
        let parts = run(
            200,
            &[
                ("connection", "close, x-private, content-length, set-cookie"),
                ("keep-alive", "timeout=5"),
                ("x-private", "1"),
                ("content-length", "5"),
                ("set-cookie", "a=1"),
                ("set-cookie", "b=2"),
                ("upgrade", "h2"),
                ("trailer", "x-sum"),
            ],
            false,
        )
        .unwrap();
        assert_eq!(parts.version, Version::HTTP_11);
        let names: Vec<_> = parts.headers.keys().map(HeaderName::as_str).collect();
        assert_eq!(names, ["content-length", "set-cookie", "trailer", "via"]);
        assert_eq!(parts.headers.get_all("set-cookie").iter().count(), 2);
        assert_eq!(parts.headers["via"], "1.0 manyhands");
    }

    #[test]
    fn framing_that_could_mean_two_things() {
        let both = run(200, &[("content-length", "5"), ("transfer-encoding", "chunked")], false);
        assert!(!both.unwrap().headers.contains_key(CONTENT_LENGTH));
        assert!(run(200, &[("transfer-encoding", "gzip, chunked")], false).is_err());
    }

    #[test]
    fn switching_protocols_only_when_asked() {
        let headers = [("connection", "Upgrade"), ("upgrade", "websocket")];
        let parts = run(101, &headers, true).unwrap();
        assert_eq!(parts.headers[CONNECTION], "upgrade");
        assert_eq!(parts.headers[UPGRADE], "websocket");
        assert!(run(101, &headers, false).is_err());
        assert!(run(101, &[], true).is_err());
    }
}
