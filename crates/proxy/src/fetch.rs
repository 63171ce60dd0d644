//! Asking the upstream for an asset as nobody, so that it can be hashed.

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt, Empty};
use manyhands::{AssetPath, Fetch, Fetching};
use tower_service::Service;

use crate::{BoxError, Upstream};

impl Fetch for Upstream {
    fn fetch(&self, path: &AssetPath, headers: HeaderMap) -> Fetching {
        let mut upstream = self.clone();
        let request = Request::get(path.as_str()).body(Empty::<Bytes>::new());
        Box::pin(async move {
            let mut request = request?;
            *request.headers_mut() = headers;
            let response = upstream.call(request).await?;
            Ok(response.map(|body| body.map_err(BoxError::from).boxed_unsync()))
        })
    }
}
