use bytes::Bytes;
use http::header::CACHE_CONTROL;
use http::{HeaderMap, HeaderName, HeaderValue, Response};

use super::{Encoded, NO_CACHE};

/// The embedded browser client.
#[derive(Debug)]
pub(crate) struct Scripts {
    loader: Encoded,
    client: Encoded,
    worker: Encoded,
}

impl Scripts {
    pub(crate) fn new(disabled: bool) -> Self {
        let worker = if disabled { manyhands_client::WORKER_OFF } else { manyhands_client::WORKER };
        Self {
            loader: Encoded::new(manyhands_client::LOADER.into()),
            client: Encoded::new(manyhands_client::CLIENT.into()),
            worker: Encoded::new(worker.into()),
        }
    }

    pub(crate) fn answer(&self, name: &str, request: &HeaderMap) -> Response<Bytes> {
        let script = match name {
            "client.js" => &self.client,
            "sw.js" => &self.worker,
            _ => &self.loader,
        };
        let mut response = script.answer(request, "text/javascript; charset=utf-8");
        response.headers_mut().insert(CACHE_CONTROL, NO_CACHE);
        if name == "sw.js" {
            // The worker lives below the prefix, and answers for the whole site.
            let allowed = HeaderName::from_static("service-worker-allowed");
            response.headers_mut().insert(allowed, HeaderValue::from_static("/"));
        }
        response
    }
}
