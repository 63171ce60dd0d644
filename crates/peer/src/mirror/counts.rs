//! Bytes that passed since the start.

use std::sync::atomic::{AtomicU64, Ordering};

/// Of one site.
#[derive(Debug, Default)]
pub(super) struct Counts {
    fetched: AtomicU64,
    sent: AtomicU64,
    answers: AtomicU64,
}

impl Counts {
    pub(super) fn note_fetched(&self, bytes: usize) {
        self.fetched.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn note_sent(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn note_answer(&self) {
        self.answers.fetch_add(1, Ordering::Relaxed);
    }

    /// Body bytes of assets that came from the site, verified or not.
    pub(super) fn fetched(&self) -> u64 {
        self.fetched.load(Ordering::Relaxed)
    }

    /// Body bytes of assets that went to visitors.
    pub(super) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Answers with bytes of assets.
    pub(super) fn answers(&self) -> u64 {
        self.answers.load(Ordering::Relaxed)
    }
}
