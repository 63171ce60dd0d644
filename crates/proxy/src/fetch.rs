//! Asking the upstream for an asset as nobody, so that it can be hashed.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt, Empty};
use manyhands::{AssetPath, Fetch, Fetching};
use tower_service::Service;

use crate::{Arrival, BoxError, Upstream};

/// Whom the fetch is for, in `X-Forwarded-For`: an address of TEST-NET-1 (RFC 5737), which is nobody's.
/// A site that shows more to its own network than to strangers must not take us for one of its own.
const NOBODY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 0);

impl Fetch for Upstream {
    fn fetch(&self, path: &AssetPath, headers: HeaderMap) -> Fetching {
        let mut upstream = self.clone();
        let request = Request::get(path.as_str()).body(Empty::<Bytes>::new());
        Box::pin(async move {
            let mut request = request?;
            *request.headers_mut() = headers;
            request.extensions_mut().insert(Arrival { peer: NOBODY, secure: false });
            let response = upstream.call(request).await?;
            Ok(response.map(|body| body.map_err(BoxError::from).boxed_unsync()))
        })
    }
}
