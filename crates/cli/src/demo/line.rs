//! The demo's narrow line: on one machine HTTP is faster than any visitor could be, so there would be
//! nothing to see. Large files of the demo share a line of 32 Mbit/s, as a small server's visitors do.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};
use tower::Service;

/// Bytes a second, for all visitors together.
pub(crate) const RATE: u32 = 4_000_000;

/// A service whose bodies below `/files/` share one line.
#[derive(Clone)]
pub(crate) struct NarrowLine<S> {
    inner: S,
    line: Line,
}

/// When the line is free again.
#[derive(Clone)]
struct Line(Arc<Mutex<Instant>>);

impl<S> NarrowLine<S> {
    pub(crate) fn new(inner: S) -> Self {
        Self { inner, line: Line(Arc::new(Mutex::new(Instant::now()))) }
    }
}

impl<S, Q, B> Service<Request<Q>> for NarrowLine<S>
where
    S: Service<Request<Q>, Response = Response<B>>,
    S::Future: Send + 'static,
{
    type Response = Response<LineBody<B>>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Q>) -> Self::Future {
        let line = request.uri().path().starts_with("/files/").then(|| self.line.clone());
        let future = self.inner.call(request);
        Box::pin(async move {
            let response = future.await?;
            Ok(response.map(|inner| LineBody { inner, line, turn: None }))
        })
    }
}

impl Line {
    /// Takes the line for that many bytes; says when they will have gone through.
    fn take(&self, bytes: usize) -> Instant {
        let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *free =
            (*free).max(Instant::now()) + Duration::from_secs_f64(bytes as f64 / f64::from(RATE));
        *free
    }
}

pin_project! {
    pub(crate) struct LineBody<B> {
        #[pin]
        inner: B,
        line: Option<Line>,
        turn: Option<(Pin<Box<Sleep>>, Bytes)>,
    }
}

impl<B: Body<Data = Bytes>> Body for LineBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let mut this = self.project();
        loop {
            if let Some((sleep, _)) = this.turn.as_mut() {
                ready!(sleep.as_mut().poll(cx));
            }
            if let Some((_, data)) = this.turn.take() {
                return Poll::Ready(Some(Ok(Frame::data(data))));
            }
            let frame = ready!(this.inner.as_mut().poll_frame(cx));
            match (frame, this.line.as_ref()) {
                (Some(Ok(frame)), Some(line)) if frame.is_data() => {
                    let data = frame.into_data().unwrap_or_default();
                    *this.turn = Some((Box::pin(sleep_until(line.take(data.len()))), data));
                }
                (frame, _) => return Poll::Ready(frame),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.turn.is_none() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.turn {
            // The bytes held back are still to come.
            Some(_) => SizeHint::default(),
            None => self.inner.size_hint(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::{BodyExt, Full};
    use std::convert::Infallible;
    use tower::{ServiceExt, service_fn};

    #[tokio::test(start_paused = true)]
    async fn two_downloads_share_the_line_and_pages_do_not_use_it() {
        let content = Bytes::from(vec![7; RATE as usize]);
        let body = Full::new(content.clone());
        let site = NarrowLine::new(service_fn(move |_: Request<()>| {
            let response = Response::new(body.clone());
            async move { Ok::<_, Infallible>(response) }
        }));
        let get = |path: &str| {
            let response = site.clone().oneshot(Request::get(path).body(()).unwrap());
            async move { response.await.unwrap().into_body().collect().await.unwrap().to_bytes() }
        };
        let start = Instant::now();
        assert_eq!(get("/").await, content);
        assert_eq!(start.elapsed(), Duration::ZERO);
        let (first, second) = tokio::join!(get("/files/a"), get("/files/a"));
        assert_eq!((first, second), (content.clone(), content));
        assert_eq!(start.elapsed().as_secs(), 2);
    }
}
