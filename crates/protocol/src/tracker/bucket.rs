//! A token bucket whose clock is its caller's.

use std::time::Duration;

/// Tokens are kept in milli-tokens: integers only, so that a replay is exact.
#[derive(Debug)]
pub(super) struct Bucket {
    millis: u64,
    filled: Duration,
}

impl Bucket {
    pub(super) fn full(now: Duration, burst: u32) -> Self {
        Self { millis: u64::from(burst) * 1_000, filled: now }
    }

    /// Takes one token. `false` when there is none. Time that goes backwards fills nothing.
    pub(super) fn take(&mut self, now: Duration, rate: u32, burst: u32) -> bool {
        let elapsed = now.saturating_sub(self.filled);
        let elapsed_millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        let gained = elapsed_millis.saturating_mul(u64::from(rate));
        if gained > 0 {
            self.millis = self.millis.saturating_add(gained).min(u64::from(burst) * 1_000);
            self.filled += Duration::from_millis(elapsed_millis);
        }
        match self.millis.checked_sub(1_000) {
            Some(left) => {
                self.millis = left;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_the_burst_then_the_rate_and_never_more_than_the_burst() {
        let start = Duration::from_secs(7);
        let mut bucket = Bucket::full(start, 3);
        let taken = |bucket: &mut Bucket, now| (0..100).filter(|_| bucket.take(now, 2, 3)).count();
        assert_eq!(taken(&mut bucket, start), 3);
        assert_eq!(taken(&mut bucket, start + Duration::from_millis(499)), 0);
        assert_eq!(taken(&mut bucket, start + Duration::from_millis(1_000)), 2);
        assert_eq!(taken(&mut bucket, start + Duration::from_secs(1_000_000)), 3);
        assert_eq!(taken(&mut bucket, start), 0);
    }

    #[test]
    fn small_steps_add_up() {
        let mut bucket = Bucket::full(Duration::ZERO, 1);
        assert!(bucket.take(Duration::ZERO, 5, 1));
        let early = (1..200).any(|ms| bucket.take(Duration::from_millis(ms), 5, 1));
        assert!(!early);
        assert!(bucket.take(Duration::from_millis(200), 5, 1));
    }
}
