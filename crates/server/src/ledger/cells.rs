use std::sync::atomic::{AtomicU64, Ordering};

/// Counters that only grow: what was written of them before is subtracted by whoever writes.
#[derive(Debug)]
pub(super) struct Cells<const N: usize>([AtomicU64; N]);

impl<const N: usize> Default for Cells<N> {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl<const N: usize> Cells<N> {
    pub(super) fn add(&self, field: usize, more: u64) {
        if let Some(cell) = self.0.get(field) {
            cell.fetch_add(more, Ordering::Relaxed);
        }
    }

    pub(super) fn add_all(&self, more: [u64; N]) {
        for (cell, more) in self.0.iter().zip(more) {
            cell.fetch_add(more, Ordering::Relaxed);
        }
    }

    pub(super) fn read(&self) -> [u64; N] {
        self.0.each_ref().map(|cell| cell.load(Ordering::Relaxed))
    }
}

/// What came to cells since they were written last.
pub(super) fn since<const N: usize>(now: [u64; N], written: [u64; N]) -> [u64; N] {
    let mut more = now;
    more.iter_mut().zip(written).for_each(|(now, before)| *now = now.saturating_sub(before));
    more
}
