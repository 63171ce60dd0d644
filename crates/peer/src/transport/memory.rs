//! Two channels joined in memory: for tests of what lies above.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::{Mutex, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use super::{Channel, ChannelStats, Closed, MAX_CHUNK};

/// Bytes that one side may have sent and the other not yet received: a short queue, so that tests meet back-pressure.
const ROOM: usize = 256 * 1024;

/// Two channels, each the other end of the other.
pub fn pair() -> (Arc<dyn Channel>, Arc<dyn Channel>) {
    let closed = CancellationToken::new();
    let (forth, back) = (Arc::new(Semaphore::new(ROOM)), Arc::new(Semaphore::new(ROOM)));
    let (to_right, at_right) = mpsc::unbounded_channel();
    let (to_left, at_left) = mpsc::unbounded_channel();
    let left = End::new(to_right, at_left, forth.clone(), back.clone(), closed.clone());
    let right = End::new(to_left, at_right, back, forth, closed);
    (Arc::new(left), Arc::new(right))
}

struct End {
    out: mpsc::UnboundedSender<Bytes>,
    incoming: Mutex<mpsc::UnboundedReceiver<Bytes>>,
    /// Room towards the other side, and the room that receiving gives back to it.
    room: Arc<Semaphore>,
    gives: Arc<Semaphore>,
    closed: CancellationToken,
    received: AtomicU64,
    sent: AtomicU64,
}

impl End {
    fn new(
        out: mpsc::UnboundedSender<Bytes>,
        incoming: mpsc::UnboundedReceiver<Bytes>,
        room: Arc<Semaphore>,
        gives: Arc<Semaphore>,
        closed: CancellationToken,
    ) -> Self {
        Self {
            out,
            incoming: Mutex::new(incoming),
            room,
            gives,
            closed,
            received: AtomicU64::new(0),
            sent: AtomicU64::new(0),
        }
    }
}

#[async_trait]
impl Channel for End {
    async fn send(&self, mut bytes: Bytes) -> Result<(), Closed> {
        while !bytes.is_empty() {
            let chunk = bytes.split_to(bytes.len().min(MAX_CHUNK));
            let size = u32::try_from(chunk.len()).map_err(|_| Closed)?;
            tokio::select! {
                biased;
                () = self.closed.cancelled() => return Err(Closed),
                room = self.room.acquire_many(size) => room.map_err(|_| Closed)?.forget(),
            }
            self.sent.fetch_add(u64::from(size), Ordering::Relaxed);
            self.out.send(chunk).map_err(|_| Closed)?;
        }
        if self.closed.is_cancelled() { Err(Closed) } else { Ok(()) }
    }

    async fn recv(&self) -> Option<Bytes> {
        let mut incoming = self.incoming.lock().await;
        let chunk = tokio::select! {
            biased;
            chunk = incoming.recv() => chunk,
            () = self.closed.cancelled() => None,
        }?;
        self.gives.add_permits(chunk.len());
        self.received.fetch_add(chunk.len() as u64, Ordering::Relaxed);
        Some(chunk)
    }

    async fn close(&self) {
        self.closed.cancel();
    }

    fn stats(&self) -> ChannelStats {
        ChannelStats {
            received: self.received.load(Ordering::Relaxed),
            sent: self.sent.load(Ordering::Relaxed),
            in_flight: ROOM.saturating_sub(self.room.available_permits()) as u64,
            ..ChannelStats::default()
        }
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.closed.cancel();
    }
}
