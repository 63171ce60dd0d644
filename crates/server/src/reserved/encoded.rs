use std::io::Write;
use std::sync::OnceLock;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, ETAG, VARY};
use http::{HeaderMap, HeaderValue, Response};
use manyhands_page::{Coding, preferred_coding};
use sha2::{Digest, Sha256};

/// A small document, compressed once, the first time somebody takes it compressed.
#[derive(Debug)]
pub(crate) struct Encoded {
    identity: Bytes,
    gzip: OnceLock<Bytes>,
    brotli: OnceLock<Bytes>,
    etag: HeaderValue,
}

impl Encoded {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        let tag: String =
            Sha256::digest(&bytes).iter().take(12).map(|b| format!("{b:02x}")).collect();
        // Weak: one tag for all codings of the same document.
        let etag = HeaderValue::try_from(format!("W/\"{tag}\""))
            .unwrap_or_else(|_| HeaderValue::from_static("W/\"0\""));
        Self { identity: bytes.into(), gzip: OnceLock::new(), brotli: OnceLock::new(), etag }
    }

    /// The document in the best coding that the request takes.
    pub(crate) fn answer(
        &self,
        request: &HeaderMap,
        content_type: &'static str,
    ) -> Response<Bytes> {
        let coding = preferred_coding(request);
        let body = match coding {
            Some(Coding::Brotli) => self.brotli.get_or_init(|| brotli(&self.identity)).clone(),
            Some(Coding::Gzip) => self.gzip.get_or_init(|| gzip(&self.identity)).clone(),
            None => self.identity.clone(),
        };
        let mut response = Response::new(body);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
        headers.insert(ETAG, self.etag.clone());
        if let Some(coding) = coding {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding.as_str()));
        }
        response
    }

    /// Bytes in memory.
    pub(crate) fn weight(&self) -> usize {
        let coded = |body: &OnceLock<Bytes>| body.get().map_or(self.identity.len(), Bytes::len);
        self.identity.len() + coded(&self.gzip) + coded(&self.brotli)
    }
}

fn gzip(bytes: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let done = encoder.write_all(bytes).and_then(|()| encoder.finish());
    done.expect("writing to memory does not fail").into()
}

fn brotli(bytes: &[u8]) -> Bytes {
    let mut coded = Vec::new();
    let mut encoder = brotli::CompressorWriter::new(&mut coded, 4096, 11, 22);
    encoder.write_all(bytes).expect("writing to memory does not fail");
    drop(encoder);
    coded.into()
}
