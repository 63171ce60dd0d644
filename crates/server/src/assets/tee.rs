use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::{Instant, Sleep, sleep};
use tokio_util::sync::PollSender;

/// How long one visitor may be held up in all by a worker that hashes more slowly than they download
/// (some 300 MB/s). Past it the job is given up.
const PATIENCE: Duration = Duration::from_secs(2);

/// Feeds the body of a passing answer to a hash worker.
///
/// Dropped before the body's end, it leaves the worker with what came so far.
#[derive(Debug)]
pub struct Tee {
    chunks: Option<PollSender<Bytes>>,
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
    waited: Duration,
}

impl Tee {
    pub(crate) fn new(chunks: mpsc::Sender<Bytes>) -> Self {
        Self { chunks: Some(PollSender::new(chunks)), waiting: None, waited: Duration::ZERO }
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
            self.chunks = None;
            return Poll::Ready(());
        }
        self.waited += self.waiting.take().map_or(Duration::ZERO, |(since, _)| since.elapsed());
        if matches!(polled, Poll::Ready(Err(_))) {
            self.chunks = None;
        }
        Poll::Ready(())
    }

    /// One more chunk of the body, in order, after [`Tee::poll_ready`].
    pub fn push(&mut self, chunk: &Bytes) {
        if let Some(chunks) = &mut self.chunks
            && chunks.send_item(chunk.clone()).is_err()
        {
            self.chunks = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_worker_that_takes_nothing_holds_a_visitor_up_for_two_seconds_in_all() {
        let (chunks, mut worker) = mpsc::channel(1);
        let mut tee = Tee::new(chunks);
        let chunk = Bytes::from_static(b"x");
        let started = Instant::now();
        let feed = async |tee: &mut Tee| {
            poll_fn(|cx| tee.poll_ready(cx)).await;
            tee.push(&chunk);
        };
        feed(&mut tee).await;
        assert_eq!(started.elapsed(), Duration::ZERO);
        // It takes one chunk after a second and a half, and then none.
        let slow = async {
            sleep(Duration::from_millis(1_500)).await;
            worker.recv().await;
        };
        tokio::join!(feed(&mut tee), slow);
        feed(&mut tee).await;
        assert_eq!(started.elapsed().as_millis(), 2_000);
        for _ in 0..9 {
            feed(&mut tee).await;
        }
        assert_eq!(started.elapsed().as_millis(), 2_000);
        worker.recv().await;
        assert_eq!(worker.recv().await, None, "the worker is left with what came so far");
    }
}
