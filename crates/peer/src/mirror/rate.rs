//! A limit of bytes a second that all transfers of one direction share.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Bytes are let through in the order they are asked for, evenly.
#[derive(Debug)]
pub(crate) struct Rate {
    bytes_a_second: Option<u64>,
    /// When all that was let through so far will have had its time.
    paid: Mutex<Option<Instant>>,
}

/// What an idle line may catch up.
const BURST: Duration = Duration::from_millis(250);

impl Rate {
    /// `None` or 0 lets everything through.
    pub(crate) fn new(bytes_a_second: Option<u64>) -> Self {
        Self { bytes_a_second: bytes_a_second.filter(|rate| *rate > 0), paid: Mutex::default() }
    }

    /// Waits until so many bytes may pass.
    pub(crate) async fn pass(&self, bytes: usize) {
        let Some(rate) = self.bytes_a_second else { return };
        let cost = Duration::from_secs_f64(bytes as f64 / rate as f64);
        let until = {
            let mut paid = self.paid.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            let earliest = now.checked_sub(BURST).unwrap_or(now);
            let until = paid.unwrap_or(earliest).max(earliest) + cost;
            *paid = Some(until);
            until
        };
        tokio::time::sleep_until(until).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_megabyte_takes_its_time_however_many_ask() {
        let rate = Rate::new(Some(100_000));
        let start = Instant::now();
        futures_util::future::join_all((0..100).map(|_| rate.pass(10_000))).await;
        let took = start.elapsed();
        assert!(
            took >= Duration::from_secs_f64(9.7) && took < Duration::from_secs_f64(10.1),
            "{took:?}"
        );
        let free = Rate::new(None);
        free.pass(usize::MAX).await;
        assert_eq!(start.elapsed(), took);
    }
}
