//! The body on its way to the upstream, and what is known of its progress.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use tokio::time::Instant;

use crate::BoxError;
use crate::forward::is_forbidden_trailer;

/// Whom an unfinished request waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Waiting {
    Upstream,
    Client,
    /// The client is gone.
    Nobody,
}

/// Shared between a body and the wait for the answer.
#[derive(Clone, Debug)]
pub(crate) struct Progress(Arc<Mutex<(Instant, Waiting)>>);

impl Progress {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new((Instant::now(), Waiting::Upstream))))
    }

    /// Since when, and for whom.
    pub(crate) fn last(&self) -> (Instant, Waiting) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, waiting: Waiting) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting != Waiting::Client || state.1 != waiting {
            *state = (Instant::now(), waiting);
        }
    }
}

/// A client's body, or none. Without one a request can be repeated.
#[derive(Debug)]
pub(crate) enum RequestBody {
    Empty,
    Streaming { body: UnsyncBoxBody<Bytes, BoxError>, progress: Progress },
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Self::Streaming { body, progress } = &mut *self else { return Poll::Ready(None) };
        let frame = Pin::new(body).poll_frame(context);
        progress.note(match &frame {
            Poll::Pending => Waiting::Client,
            Poll::Ready(Some(Err(_))) => Waiting::Nobody,
            Poll::Ready(_) => Waiting::Upstream,
        });
        frame.map_ok(without_forbidden_trailers)
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Streaming { body, .. } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Streaming { body, .. } => body.size_hint(),
        }
    }
}

fn without_forbidden_trailers(frame: Frame<Bytes>) -> Frame<Bytes> {
    match frame.into_trailers() {
        Ok(mut trailers) => {
            let forbidden: Vec<_> =
                trailers.keys().filter(|name| is_forbidden_trailer(name)).cloned().collect();
            for name in forbidden {
                trailers.remove(name);
            }
            Frame::trailers(trailers)
        }
        Err(frame) => frame,
    }
}
