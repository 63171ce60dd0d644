//! Chains of buffers: what a body passes through filters as.

use std::ops::Range;
use std::ptr::{self, NonNull};

use nginx_sys::{ngx_alloc_chain_link, ngx_buf_t, ngx_chain_t, ngx_pcalloc, ngx_pool_t, off_t};

use super::{Request, copied};

/// A buffer that another filter made.
#[derive(Clone, Copy)]
pub(crate) struct Source(NonNull<ngx_buf_t>);

/// The links of a chain, from one on.
pub(crate) struct Links(*mut ngx_chain_t);

impl Links {
    /// # Safety
    /// The chain is valid as long as its links and buffers are used.
    pub(crate) unsafe fn of(chain: *mut ngx_chain_t) -> Self {
        Self(chain)
    }
}

impl Iterator for Links {
    type Item = (*mut ngx_chain_t, Source);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            // SAFETY: links of a valid chain are valid, and the last one's `next` is null.
            let link = unsafe { self.0.as_ref()? };
            let this = self.0;
            self.0 = link.next;
            if let Some(buffer) = NonNull::new(link.buf) {
                return Some((this, Source(buffer)));
            }
        }
    }
}

impl Source {
    fn raw(&self) -> &ngx_buf_t {
        // SAFETY: the chain is valid, see `Links::of`.
        unsafe { self.0.as_ref() }
    }

    fn is_in_memory(&self) -> bool {
        let raw = self.raw();
        raw.temporary() != 0 || raw.memory() != 0 || raw.mmap() != 0
    }

    /// Its bytes; `None` when they are in a file only.
    pub(crate) fn bytes(&self) -> Option<&[u8]> {
        let raw = self.raw();
        if !self.is_in_memory() {
            return (raw.in_file() == 0).then_some(&[]);
        }
        let length = (raw.last as usize).saturating_sub(raw.pos as usize);
        if length == 0 {
            return Some(&[]);
        }
        // SAFETY: a buffer in memory holds readable bytes from `pos` up to `last`.
        Some(unsafe { std::slice::from_raw_parts(raw.pos, length) })
    }

    pub(crate) fn size(&self) -> u64 {
        let raw = self.raw();
        match self.is_in_memory() {
            true => (raw.last as usize).saturating_sub(raw.pos as usize) as u64,
            false if raw.in_file() != 0 => {
                u64::try_from(raw.file_last - raw.file_pos).unwrap_or_default()
            }
            false => 0,
        }
    }

    pub(crate) fn is_last(&self) -> bool {
        self.raw().last_buf() != 0
    }

    /// Whether it says more than its bytes: that they go out now, or that they are the last.
    fn is_signal(&self) -> bool {
        let raw = self.raw();
        raw.flush() != 0 || raw.last_buf() != 0 || raw.sync() != 0 || raw.last_in_chain() != 0
    }

    /// Takes note that its first bytes have been dealt with. A buffer may lie in memory and in a file at once, and
    /// whoever sends it takes either.
    pub(crate) fn consume(&mut self, count: usize) {
        // SAFETY: as above; filters advance the buffers that they are given.
        let raw = unsafe { self.0.as_mut() };
        // SAFETY: at most what `bytes` has shown.
        raw.pos = unsafe { raw.pos.add(count) };
        if raw.in_file() != 0 {
            raw.file_pos += off_t::try_from(count).unwrap_or_default();
        }
    }

    /// Takes note that all of it has been dealt with.
    pub(crate) fn discard(&mut self) {
        // SAFETY: as above.
        let raw = unsafe { self.0.as_mut() };
        raw.pos = raw.last;
        raw.file_pos = raw.file_last;
    }
}

/// A chain of our own in the making.
pub(crate) struct Chain {
    pool: *mut ngx_pool_t,
    first: *mut ngx_chain_t,
    last: *mut ngx_chain_t,
}

impl Chain {
    pub(crate) fn new(request: Request<'_>) -> Self {
        Self { pool: request.pool(), first: ptr::null_mut(), last: ptr::null_mut() }
    }

    /// The first link; null when there is none.
    pub(crate) fn first(&self) -> *mut ngx_chain_t {
        self.first
    }

    /// Adds bytes.
    pub(crate) fn data(&mut self, bytes: &[u8]) -> Option<()> {
        if bytes.is_empty() {
            return Some(());
        }
        // SAFETY: the pool is the request's, and the copy lives as long.
        unsafe {
            let copy = copied(self.pool, bytes)?;
            self.borrowed(super::bytes(copy))
        }
    }

    /// Adds bytes that are kept elsewhere.
    ///
    /// # Safety
    /// They stay as they are as long as the request.
    pub(crate) unsafe fn borrowed(&mut self, bytes: &[u8]) -> Option<()> {
        if bytes.is_empty() {
            return Some(());
        }
        let buffer = self.buffer()?;
        let Range { start, end } = bytes.as_ptr_range();
        // SAFETY: the buffer is new and ours; nobody writes to one that is marked as memory.
        unsafe {
            (*buffer).pos = start.cast_mut();
            (*buffer).last = end.cast_mut();
            ((*buffer).start, (*buffer).end) = ((*buffer).pos, (*buffer).last);
            (*buffer).set_memory(1);
        }
        Some(())
    }

    /// Passes on what a buffer signals, once its bytes are dealt with.
    pub(crate) fn signal(&mut self, source: Source) -> Option<()> {
        if !source.is_signal() {
            return Some(());
        }
        let raw = source.raw();
        let buffer = self.buffer()?;
        // SAFETY: the buffer is new and ours.
        unsafe {
            (*buffer).set_flush(raw.flush());
            (*buffer).set_last_buf(raw.last_buf());
            (*buffer).set_last_in_chain(raw.last_in_chain());
            // The one flag that a buffer without bytes may have beside those for the connection.
            (*buffer).set_sync(raw.sync() | (raw.last_in_chain() & !raw.last_buf()));
        }
        Some(())
    }

    /// Ends the body.
    pub(crate) fn end(&mut self) -> Option<()> {
        let buffer = self.buffer()?;
        // SAFETY: the buffer is new and ours.
        unsafe {
            (*buffer).set_last_buf(1);
            (*buffer).set_last_in_chain(1);
        }
        Some(())
    }

    /// Goes on with the links of another chain, as they are.
    pub(crate) fn rest(&mut self, links: *mut ngx_chain_t) {
        match self.last.is_null() {
            true => self.first = links,
            // SAFETY: the link is ours.
            false => unsafe { (*self.last).next = links },
        }
    }

    fn buffer(&mut self) -> Option<*mut ngx_buf_t> {
        // SAFETY: the pool is the request's; the link is new and ours.
        unsafe {
            let buffer = ngx_pcalloc(self.pool, size_of::<ngx_buf_t>()).cast::<ngx_buf_t>();
            let link = ngx_alloc_chain_link(self.pool);
            if buffer.is_null() || link.is_null() {
                return None;
            }
            (*link).buf = buffer;
            (*link).next = ptr::null_mut();
            match self.last.is_null() {
                true => self.first = link,
                false => (*self.last).next = link,
            }
            self.last = link;
            Some(buffer)
        }
    }
}
