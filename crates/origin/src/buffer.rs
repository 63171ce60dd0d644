//! Read buffers that are used again: fresh ones of this size cost more in page faults than the read.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

/// Bytes of one read and one frame. Bounds what a slow reader pins in memory, and is one
/// verification unit.
pub(crate) const CHUNK: usize = 64 * 1024;
/// Up to this size a buffer is made to measure.
const SMALL: usize = 16 * 1024;
/// Idle buffers kept: 4 MiB.
const KEPT: usize = 64;

/// A pool of `CHUNK` sized buffers.
#[derive(Clone, Default, Debug)]
pub(crate) struct Buffers(Arc<Mutex<Vec<Vec<u8>>>>);

impl Buffers {
    /// A buffer of exactly `length` bytes, at most `CHUNK`, of unspecified content.
    pub(crate) fn take(&self, length: usize) -> Buffer {
        let length = length.min(CHUNK);
        if length <= SMALL {
            return Buffer { bytes: vec![0; length], length, home: None };
        }
        let bytes = self.lock().pop().unwrap_or_else(|| vec![0; CHUNK]);
        Buffer { bytes, length, home: Some(self.clone()) }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Vec<u8>>> {
        // A panic elsewhere cannot leave a vector of vectors half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A buffer that goes home when the last reference to its bytes is dropped.
#[derive(Debug)]
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    length: usize,
    home: Option<Buffers>,
}

impl Buffer {
    pub(crate) fn space(&mut self) -> &mut [u8] {
        let length = self.length.min(self.bytes.len());
        &mut self.bytes[..length]
    }

    /// The first `length` bytes, without copying.
    pub(crate) fn freeze(mut self, length: usize) -> Bytes {
        self.length = length.min(self.length);
        if self.home.is_none() {
            let mut bytes = std::mem::take(&mut self.bytes);
            bytes.truncate(self.length);
            return bytes.into();
        }
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or(&self.bytes)
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some(home) = self.home.take() {
            let mut idle = home.lock();
            if idle.len() < KEPT {
                idle.push(std::mem::take(&mut self.bytes));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_buffer_comes_back_when_its_last_reference_goes() {
        let buffers = Buffers::default();
        let mut buffer = buffers.take(CHUNK * 4);
        assert_eq!(buffer.space().len(), CHUNK);
        buffer.space()[..3].copy_from_slice(b"abc");
        let bytes = buffer.freeze(3);
        let part = bytes.slice(1..);
        drop(bytes);
        assert!(buffers.lock().is_empty());
        assert_eq!(part, "bc");
        drop(part);
        assert_eq!(buffers.lock().len(), 1);
        assert_eq!(buffers.take(SMALL + 1).space().len(), SMALL + 1);
        assert_eq!(buffers.lock().len(), 1);
    }

    #[test]
    fn a_small_buffer_is_made_to_measure_and_never_pooled() {
        let buffers = Buffers::default();
        let bytes = buffers.take(100).freeze(40);
        assert_eq!(bytes.len(), 40);
        drop(bytes);
        assert!(buffers.lock().is_empty());
    }

    #[test]
    fn the_pool_is_bounded() {
        let buffers = Buffers::default();
        let many: Vec<_> = (0..KEPT + 10).map(|_| buffers.take(CHUNK)).collect();
        drop(many);
        assert_eq!(buffers.lock().len(), KEPT);
    }
}
