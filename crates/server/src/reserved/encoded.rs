use std::io::Write;
use std::sync::OnceLock;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, ETAG, VARY};
use http::{HeaderMap, HeaderValue, Response};
use manyhands_page::{Coding, preferred_coding};
use sha2::{Digest, Sha256};

/// A document that is compressed at most once, the first time somebody takes it compressed.
#[derive(Debug)]
pub(crate) struct Encoded {
    effort: Effort,
    identity: Bytes,
    gzip: OnceLock<Bytes>,
    brotli: OnceLock<Bytes>,
    etag: HeaderValue,
}

/// What compressing may cost.
#[derive(Debug, Clone, Copy)]
enum Effort {
    Best,
    /// About 10 ms a megabyte.
    Quick,
}

impl Encoded {
    /// A small document that is served again and again.
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self::with(bytes, Effort::Best)
    }

    /// A document made for one answer.
    pub(crate) fn for_once(bytes: Vec<u8>) -> Self {
        Self::with(bytes, Effort::Quick)
    }

    fn with(bytes: Vec<u8>, effort: Effort) -> Self {
        let tag: String =
            Sha256::digest(&bytes).iter().take(12).map(|b| format!("{b:02x}")).collect();
        // Weak: one tag for all codings of the same document.
        let etag = HeaderValue::try_from(format!("W/\"{tag}\""))
            .unwrap_or_else(|_| HeaderValue::from_static("W/\"0\""));
        let (gzip, brotli) = (OnceLock::new(), OnceLock::new());
        Self { effort, identity: bytes.into(), gzip, brotli, etag }
    }

    /// The document in the best coding that the request takes.
    pub(crate) fn answer(
        &self,
        request: &HeaderMap,
        content_type: &'static str,
    ) -> Response<Bytes> {
        let coding = preferred_coding(request);
        let body = match coding {
            Some(Coding::Brotli) => {
                self.brotli.get_or_init(|| brotli(&self.identity, self.effort)).clone()
            }
            Some(Coding::Gzip) => {
                self.gzip.get_or_init(|| gzip(&self.identity, self.effort)).clone()
            }
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

fn gzip(bytes: &[u8], effort: Effort) -> Bytes {
    let level = match effort {
        Effort::Best => Compression::best(),
        Effort::Quick => Compression::fast(),
    };
    let mut encoder = GzEncoder::new(Vec::new(), level);
    let done = encoder.write_all(bytes).and_then(|()| encoder.finish());
    done.expect("writing to memory does not fail").into()
}

fn brotli(bytes: &[u8], effort: Effort) -> Bytes {
    let (quality, window) = match effort {
        Effort::Best => (11, 22),
        Effort::Quick => (4, 20),
    };
    let mut coded = Vec::new();
    let mut encoder = brotli::CompressorWriter::new(&mut coded, 4096, quality, window);
    encoder.write_all(bytes).expect("writing to memory does not fail");
    drop(encoder);
    coded.into()
}
