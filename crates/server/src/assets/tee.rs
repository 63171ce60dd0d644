use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use manyhands_catalog::{Failure, JobId};
use tokio::sync::mpsc;
use tokio::time::{Instant, Sleep, sleep};
use tokio_util::sync::PollSender;

use crate::engine::Engine;

/// How long one visitor may be held up in all by a worker that hashes more slowly than they download
/// (some 300 MB/s). Past it the job is given up.
const PATIENCE: Duration = Duration::from_secs(2);

/// Feeds the body of a passing answer to a hash worker.
///
/// Dropping it before the body's end gives the job up; the next answer starts it over.
#[derive(Debug)]
pub struct Tee {
    engine: Engine,
    job: JobId,
    chunks: Option<PollSender<Bytes>>,
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
    waited: Duration,
}

impl Tee {
    pub(crate) fn new(engine: Engine, job: JobId, chunks: mpsc::Sender<Bytes>) -> Self {
        let chunks = Some(PollSender::new(chunks));
        Self { engine, job, chunks, waiting: None, waited: Duration::ZERO }
    }

    /// Ready when the worker has room for one more chunk, or when it is no use to wait for it.
    pub fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(chunks) = &mut self.chunks else { return Poll::Ready(()) };
        let polled = chunks.poll_reserve(cx);
        if polled.is_pending() {
            let left = PATIENCE.saturating_sub(self.waited);
            let (_, patience) =
                self.waiting.get_or_insert_with(|| (Instant::now(), Box::pin(sleep(left))));
            if patience.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.give_up();
            return Poll::Ready(());
        }
        self.waited += self.waiting.take().map_or(Duration::ZERO, |(since, _)| since.elapsed());
        if matches!(polled, Poll::Ready(Err(_))) {
            self.give_up();
        }
        Poll::Ready(())
    }

    /// One more chunk of the body, in order, after [`Tee::poll_ready`].
    pub fn push(&mut self, chunk: &Bytes) {
        if let Some(chunks) = &mut self.chunks
            && chunks.send_item(chunk.clone()).is_err()
        {
            self.give_up();
        }
    }

    /// The body ended cleanly: the worker may publish what it hashed.
    pub fn finish(mut self) {
        self.chunks = None;
    }

    fn give_up(&mut self) {
        if self.chunks.take().is_some() {
            self.engine.job_ended(self.job, Err(Failure::Dropped { progress: false }));
        }
    }
}

impl Drop for Tee {
    fn drop(&mut self) {
        self.give_up();
    }
}
