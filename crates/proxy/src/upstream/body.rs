//! The body on its way to the client.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};

/// Why an answer broke off. Never the client's fault; it must not look complete to the client.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpstreamError {
    /// The upstream closed, reset or garbled the answer.
    #[error("the upstream broke off its answer")]
    BrokeOff(#[source] hyper::Error),
    /// The upstream said nothing for the idle timeout.
    #[error("the upstream paused its answer for too long")]
    Stalled,
}

/// The body of every answer of [`Upstream`](crate::Upstream). Dropping it cancels the request.
#[derive(Debug)]
pub struct UpstreamBody(Content);

#[derive(Debug)]
enum Content {
    Text(Option<Bytes>),
    Streaming(Box<Streaming>),
}

#[derive(Debug)]
struct Streaming {
    body: Incoming,
    limit: Duration,
    timer: Pin<Box<Sleep>>,
    is_waiting: bool,
    has_failed: bool,
}

impl UpstreamBody {
    pub(crate) fn text(text: impl Into<Bytes>) -> Self {
        Self(Content::Text(Some(text.into()).filter(|text: &Bytes| !text.is_empty())))
    }

    /// `limit` is the longest pause between two frames.
    pub(crate) fn streaming(body: Incoming, limit: Duration) -> Self {
        if body.is_end_stream() {
            return Self::text("");
        }
        let timer = Box::pin(tokio::time::sleep(limit));
        let streaming = Streaming { body, limit, timer, is_waiting: false, has_failed: false };
        Self(Content::Streaming(Box::new(streaming)))
    }
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = UpstreamError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UpstreamError>>> {
        match &mut self.0 {
            Content::Text(text) => Poll::Ready(text.take().map(Frame::data).map(Ok)),
            Content::Streaming(streaming) => streaming.poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Content::Text(text) => text.is_none(),
            Content::Streaming(streaming) => streaming.has_failed || streaming.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Content::Text(text) => {
                SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len() as u64))
            }
            Content::Streaming(streaming) => streaming.body.size_hint(),
        }
    }
}

impl Streaming {
    fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UpstreamError>>> {
        if self.has_failed {
            return Poll::Ready(None);
        }
        let failure = match Pin::new(&mut self.body).poll_frame(context) {
            Poll::Ready(Some(Err(error))) => UpstreamError::BrokeOff(error),
            Poll::Ready(frame) => {
                self.is_waiting = false;
                return Poll::Ready(frame.map(|frame| frame.map_err(UpstreamError::BrokeOff)));
            }
            Poll::Pending => {
                // Only time spent waiting counts: a slow client is not the upstream's fault.
                if !self.is_waiting {
                    self.is_waiting = true;
                    self.timer.as_mut().reset(Instant::now() + self.limit);
                }
                if self.timer.as_mut().poll(context).is_pending() {
                    return Poll::Pending;
                }
                UpstreamError::Stalled
            }
        };
        tracing::warn!(fault = "upstream", error = %super::error::Chain(&failure), "answer aborted");
        self.has_failed = true;
        Poll::Ready(Some(Err(failure)))
    }
}
