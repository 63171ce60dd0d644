//! The tag goes into a page that passes in buffers.

use manyhands_page::{Injector, Outcome};
use nginx_sys::ngx_chain_t;

use crate::ffi::{Chain, Links, Request, caught};

/// How much of a page is searched at a time: the tag mostly stands within the first kilobyte, and what is searched
/// is copied.
const STEP: usize = 1_024;

/// A page on its way.
#[derive(Debug)]
pub(crate) struct Injection {
    injector: Injector,
    /// What the injector holds back. Should it fail, this is sent.
    held: Vec<u8>,
    over: bool,
}

impl Injection {
    /// `tag` is the whole script element.
    pub(crate) fn new(tag: &str) -> Self {
        Self { injector: Injector::new(tag), held: Vec::new(), over: false }
    }

    /// Whether the rest of the page passes as it is.
    pub(crate) fn is_over(&self) -> bool {
        self.over
    }

    /// What became of the page, once that is known.
    pub(crate) fn outcome(&self) -> Option<Outcome> {
        self.injector.outcome()
    }

    /// What is sent in place of a chain: bytes of our own up to the tag, then the caller's buffers, untouched.
    /// `None` when there is no memory.
    pub(crate) fn pass(&mut self, request: Request<'_>, input: *mut ngx_chain_t) -> Option<Chain> {
        let mut output = Chain::new(request);
        // SAFETY: nginx hands filters valid chains.
        for (link, mut source) in unsafe { Links::of(input) } {
            if self.over {
                output.rest(link);
                return Some(output);
            }
            let mut ready = Vec::new();
            let Some(bytes) = source.bytes() else {
                // In a file alone, though it was asked for in memory: nothing more can be searched.
                self.end(&mut ready);
                output.data(&ready)?;
                output.rest(link);
                return Some(output);
            };
            let mut taken = 0;
            for step in bytes.chunks(STEP) {
                if self.over {
                    break;
                }
                taken += self.search(step, &mut ready);
            }
            let all = taken == bytes.len();
            source.consume(taken);
            if all && !self.over && source.is_last() {
                self.end(&mut ready);
            }
            output.data(&ready)?;
            if !all {
                output.rest(link);
                return Some(output);
            }
            output.signal(source)?;
        }
        Some(output)
    }

    /// Searches some bytes; returns how many are dealt with.
    fn search(&mut self, step: &[u8], ready: &mut Vec<u8>) -> usize {
        let before = ready.len();
        if caught(|| self.injector.write(step, ready)).is_none() {
            ready.truncate(before);
            ready.append(&mut self.held);
            self.over = true;
            return 0;
        }
        self.held.extend_from_slice(step);
        if self.injector.finished() {
            self.over = true;
            self.held = Vec::new();
        } else {
            let sent = ready.len() - before;
            self.held.drain(..sent.min(self.held.len()));
        }
        step.len()
    }

    fn end(&mut self, ready: &mut Vec<u8>) {
        let before = ready.len();
        if caught(|| self.injector.end(ready)).is_none() {
            ready.truncate(before);
            ready.append(&mut self.held);
        }
        self.over = true;
        self.held = Vec::new();
    }
}
