//! Small answers that are named by their content.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, ETAG};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use manyhands_metainfo::Digest;
use manyhands_page::{OF_BODY, has_version};

const REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");

/// Bytes and their digest, which is the validator (RFC 9110 section 8.8.3) and what a careful client
/// checks (RFC 9530). For what is sent as it is; [`super::Encoded`] is for what is compressed.
#[derive(Debug, Clone)]
pub(crate) struct Document {
    bytes: Bytes,
    sha256: Digest,
}

impl Document {
    pub(crate) fn new(bytes: Bytes) -> Self {
        let sha256 = Digest::of(&bytes);
        Self { bytes, sha256 }
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn answer(&self) -> Response<Bytes> {
        let mut response = Response::new(self.bytes.clone());
        let headers = response.headers_mut();
        let hex = self.sha256.to_string();
        let fields = [
            (ETAG, format!("\"{}\"", hex.get(..24).unwrap_or_default())),
            (REPR_DIGEST, digest(&self.sha256)),
        ];
        for (name, value) in fields {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(name, value);
            }
        }
        response
    }
}

/// `sha-256=:<base64>:`
fn digest(sha256: &Digest) -> String {
    format!("sha-256=:{}:", STANDARD.encode(sha256.as_bytes()))
}

/// What holds for every answer of ours to a GET or HEAD: a client that has it already is told so, and a
/// HEAD has the head of the GET alone.
pub(super) fn finish(
    method: &Method,
    request: &HeaderMap,
    mut response: Response<Bytes>,
) -> Response<Bytes> {
    let known = response.status() == StatusCode::OK
        && response.headers().get(ETAG).is_some_and(|etag| has_version(request, etag.as_bytes()));
    if known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response.body_mut().clear();
        for name in OF_BODY {
            response.headers_mut().remove(name);
        }
    } else if *method == Method::HEAD {
        let length = response.body().len();
        response.headers_mut().insert(CONTENT_LENGTH, length.into());
        response.body_mut().clear();
    }
    response
}
