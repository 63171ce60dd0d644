use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs what nginx calls. A panic ends here, as `fallback`: it must not cross into C, and one request's trouble
/// is not that of the worker's other visitors.
pub(crate) fn guarded<T>(fallback: T, work: impl FnOnce() -> T) -> T {
    caught(work).unwrap_or(fallback)
}

/// As [`guarded`]; `None` after a panic, for what must go on some other way.
pub(crate) fn caught<T>(work: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work)).ok()
}
