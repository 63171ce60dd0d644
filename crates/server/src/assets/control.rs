use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use manyhands_catalog::Failure;
use manyhands_metainfo::AssetPath;
use tokio_util::sync::CancellationToken;

/// Longest sleep before a worker looks whether it was cancelled.
const NAP: Duration = Duration::from_millis(50);

/// What a worker is told while it works, and what it tells.
#[derive(Debug, Clone)]
pub(crate) struct Control(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    path: AssetPath,
    length: u64,
    cancelled: CancellationToken,
    position: AtomicU64,
    rate: Option<Arc<Rate>>,
}

impl Control {
    /// For the hashing of `length` bytes; those it reads itself count against `rate`.
    pub(crate) fn new(path: AssetPath, length: u64, rate: Option<Arc<Rate>>) -> Self {
        let cancelled = CancellationToken::new();
        Self(Arc::new(Shared { path, length, cancelled, position: AtomicU64::new(0), rate }))
    }

    pub(crate) fn path(&self) -> &AssetPath {
        &self.0.path
    }

    pub(crate) fn length(&self) -> u64 {
        self.0.length
    }

    /// Bytes hashed so far, by this process or a former one.
    pub(crate) fn position(&self) -> u64 {
        self.0.position.load(Ordering::Relaxed)
    }

    pub(crate) fn set_position(&self, position: u64) {
        self.0.position.store(position, Ordering::Relaxed);
    }

    pub(crate) fn cancel(&self) {
        self.0.cancelled.cancel();
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.0.cancelled.is_cancelled()
    }

    pub(crate) async fn cancelled(&self) {
        self.0.cancelled.cancelled().await;
    }

    /// Takes note of bytes hashed; blocks while they come faster than the rate.
    pub(super) fn advance(&self, bytes: usize) -> Result<(), Failure> {
        self.0.position.fetch_add(bytes as u64, Ordering::Relaxed);
        if let Some(rate) = &self.0.rate {
            let until = rate.book(Instant::now(), bytes as u64);
            while !self.is_cancelled()
                && let Some(left) = until.checked_duration_since(Instant::now())
            {
                std::thread::sleep(left.min(NAP));
            }
        }
        if self.is_cancelled() { Err(Failure::Changed) } else { Ok(()) }
    }
}

/// How fast all workers together may read.
#[derive(Debug)]
pub(crate) struct Rate {
    /// Bytes a second, not zero.
    rate: u64,
    /// When what has been read is paid for.
    paid: Mutex<Instant>,
}

impl Rate {
    /// `None` for a rate of zero, which is none.
    pub(crate) fn new(rate: u64) -> Option<Arc<Self>> {
        (rate > 0).then(|| Arc::new(Self { rate, paid: Mutex::new(Instant::now()) }))
    }

    /// Books bytes; returns when the next may be read.
    fn book(&self, now: Instant, bytes: u64) -> Instant {
        let cost = Duration::from_secs_f64(bytes as f64 / self.rate as f64);
        let mut paid = self.paid.lock().unwrap_or_else(PoisonError::into_inner);
        *paid = (*paid).max(now) + cost;
        *paid
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_booked_one_after_another_and_idle_time_is_not_saved_up() {
        let rate = Rate::new(1_000).unwrap();
        let start = Instant::now() + Duration::from_secs(60);
        let after = |seconds: f64| start + Duration::from_secs_f64(seconds);
        assert_eq!(rate.book(start, 500), after(0.5));
        assert_eq!(rate.book(start, 1_500), after(2.0));
        assert_eq!(rate.book(after(10.0), 1_000), after(11.0));
        assert!(Rate::new(0).is_none());
    }
}
