use bytes::Bytes;
use http::header::CACHE_CONTROL;
use http::{HeaderMap, HeaderName, HeaderValue, Response};

use super::{Encoded, NO_CACHE};
use crate::engine::Sharing;

/// The embedded browser client.
#[derive(Debug)]
pub(crate) struct Scripts {
    loader: Encoded,
    client: Encoded,
    diagnostics: Encoded,
    worker: Encoded,
    /// In place of the worker while the kill switch is thrown.
    worker_off: Encoded,
}

impl Default for Scripts {
    fn default() -> Self {
        Self {
            loader: Encoded::new(manyhands_client::LOADER.into()),
            client: Encoded::new(manyhands_client::CLIENT.into()),
            diagnostics: Encoded::new(manyhands_client::DIAGNOSTICS.into()),
            worker: Encoded::new(manyhands_client::WORKER.into()),
            worker_off: Encoded::new(manyhands_client::WORKER_OFF.into()),
        }
    }
}

impl Scripts {
    pub(crate) fn answer(
        &self,
        name: &str,
        sharing: Sharing,
        request: &HeaderMap,
    ) -> Response<Bytes> {
        let script = match name {
            "client.js" => &self.client,
            "diagnostics.js" => &self.diagnostics,
            "sw.js" if sharing.is_on() => &self.worker,
            "sw.js" => &self.worker_off,
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
