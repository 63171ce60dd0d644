use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3_600);

/// Bytes that may be fetched: a token bucket that fills within an hour.
///
/// Kept as the time at which the bucket is full again (the generic cell rate algorithm), so that there
/// is nothing to top up and nothing to round away.
#[derive(Debug)]
pub(crate) struct Budget {
    /// Bytes an hour, and what the bucket holds; 0 sets no bound.
    capacity: u64,
    full: Duration,
}

impl Budget {
    pub(crate) fn new(capacity: u64) -> Self {
        Self { capacity, full: Duration::ZERO }
    }

    /// When that many bytes may be taken. More than the bucket holds may be taken when it is full.
    pub(crate) fn available(&self, bytes: u64) -> Duration {
        let cost = self.cost(bytes).min(HOUR);
        self.full.saturating_add(cost).saturating_sub(HOUR)
    }

    /// Takes bytes out; more than there are become a debt.
    pub(crate) fn take(&mut self, now: Duration, bytes: u64) {
        self.full = self.full.max(now).saturating_add(self.cost(bytes));
    }

    /// Gives back what was taken and not used.
    pub(crate) fn give_back(&mut self, bytes: u64) {
        self.full = self.full.saturating_sub(self.cost(bytes));
    }

    /// How long the bucket takes to fill by that much.
    fn cost(&self, bytes: u64) -> Duration {
        let nanos = u128::from(bytes) * HOUR.as_nanos();
        match nanos.checked_div(u128::from(self.capacity)) {
            Some(nanos) => Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)),
            None => Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn an_hour_brings_one_bucket() {
        let mut budget = Budget::new(3_600);
        assert_eq!(budget.available(3_600), Duration::ZERO);
        budget.take(SECOND, 3_600);
        assert_eq!(budget.available(1), SECOND * 2);
        assert_eq!(budget.available(1_800), SECOND * 1_801);
        assert_eq!(budget.available(3_600), SECOND * 3_601);
    }

    #[test]
    fn what_is_larger_than_the_bucket_waits_for_a_full_one_and_leaves_a_debt() {
        let mut budget = Budget::new(3_600);
        budget.take(Duration::ZERO, 600);
        assert_eq!(budget.available(36_000), SECOND * 600);
        budget.take(SECOND * 600, 36_000);
        assert_eq!(budget.available(1), SECOND * (600 + 36_000 - 3_600 + 1));
    }

    #[test]
    fn what_was_not_used_is_there_again() {
        let mut budget = Budget::new(3_600);
        budget.take(Duration::ZERO, 3_600);
        budget.give_back(3_000);
        assert_eq!(budget.available(3_000), Duration::ZERO);
        assert_eq!(budget.available(3_600), SECOND * 600);
    }

    #[test]
    fn no_number_of_bytes_overflows() {
        for capacity in [0, 1, u64::MAX] {
            let mut budget = Budget::new(capacity);
            budget.take(Duration::MAX, u64::MAX);
            budget.take(Duration::ZERO, u64::MAX);
            budget.available(u64::MAX);
            budget.give_back(u64::MAX);
        }
        assert_eq!(Budget::new(0).available(u64::MAX), Duration::ZERO);
    }
}
