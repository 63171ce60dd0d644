//! The service as one connection calls it, and the answers it watches.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response, StatusCode, Version};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::guard::Shared;
use crate::BoxError;

/// Calls the service once and watches its answer.
pub(crate) async fn call<S, B>(
    mut service: S,
    request: Request<Incoming>,
    shared: Arc<Shared>,
) -> Result<Response<Watched<B>>, BoxError>
where
    S: Service<Request<Incoming>, Response = Response<B>>,
    S::Error: Into<BoxError>,
    B: Body,
{
    let is_http2 = request.version() >= Version::HTTP_2;
    // Counted from here, so that a long thought is not an idle connection.
    let in_flight = InFlight::new(shared);
    std::future::poll_fn(|context| service.poll_ready(context)).await.map_err(Into::into)?;
    let response = service.call(request).await.map_err(Into::into)?;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        in_flight.0.is_tunnel.store(true, Ordering::Relaxed);
    }
    Ok(response.map(|body| Watched { body, in_flight, is_http2 }))
}

struct InFlight(Arc<Shared>);

impl InFlight {
    fn new(shared: Arc<Shared>) -> Self {
        shared.in_flight.fetch_add(1, Ordering::Relaxed);
        Self(shared)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

pin_project! {
    /// A body that tells its connection when it broke off.
    pub(crate) struct Watched<B> {
        #[pin]
        body: B,
        in_flight: InFlight,
        // There the stream is reset, and its siblings live on.
        is_http2: bool,
    }
}

impl<B> Body for Watched<B>
where
    B: Body<Data = Bytes>,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.project();
        let frame = this.body.poll_frame(context);
        if matches!(frame, Poll::Ready(Some(Err(_)))) && !*this.is_http2 {
            this.in_flight.0.is_broken.store(true, Ordering::Relaxed);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
