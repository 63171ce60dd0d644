//! What is remembered of a request, from its first phase to its log line.

use std::ffi::c_void;
use std::ptr;

use manyhands_metainfo::{AssetPath, InfoHash, LocalFile};
use manyhands_nginx_worker::{Answer, Transfer, Visitor};
use manyhands_page::{AssetOffer, Outcome, Reason};
use nginx_sys::{ngx_pool_cleanup_add, ngx_pool_cleanup_t};

use crate::conf::Place;
use crate::ffi::{Request, guarded};
use crate::filters::Injection;
use crate::process::now;

/// A visitor's request, and what became of it. Of one whose answer is small and goes out as it came, only the reason is
/// kept ([`Visit::pass`]): most are such.
#[derive(Debug, Default)]
pub(crate) struct Visit {
    /// The request was looked at.
    pub(crate) asked: bool,
    /// Where its answer was judged: its configuration outlives it.
    pub(crate) place: Option<&'static Place>,
    pub(crate) visitor: Option<Visitor>,
    /// An answer of ours.
    pub(crate) answer: Option<Answer>,
    /// How far that is.
    pub(crate) answering: Answering,
    /// A file that may be shared, unless it is compressed on its way out.
    pub(crate) offer: Option<(AssetOffer, Option<LocalFile>)>,
    pub(crate) asset: Option<AssetPath>,
    pub(crate) info_hash: Option<InfoHash>,
    /// Why the answer goes out as it came.
    pub(crate) reason: Option<Reason>,
    /// The page that the tag goes into.
    pub(crate) page: Option<Injection>,
    /// The body, as far as it got.
    pub(crate) body: Body,
    pub(crate) transfer: Option<Transfer>,
}

/// How far an answer of ours is.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answering {
    /// There is none, or not yet.
    #[default]
    No,
    /// nginx asked for it.
    Content,
    /// It goes out in place of another, whose body is still to come.
    Instead,
    /// It went out in place of another, whose body goes nowhere.
    Done,
}

/// A body on its way.
#[derive(Debug, Default)]
pub(crate) struct Body {
    /// Octets handed to what frames and writes them.
    pub(crate) handed: u64,
    /// The last of them were.
    pub(crate) last: bool,
}

impl Body {
    /// Octets that are on their way: nginx may hold the rest back, for a slow visitor or a limited rate.
    fn sent(&self, request: Request<'_>) -> u64 {
        request.written().min(self.handed)
    }
}

/// Tells our cleanups from others': one address, whoever asks for it.
static RELEASE: unsafe extern "C" fn(*mut c_void) = release;

impl Visit {
    /// Looks at the visit of a request, if it is one. nginx must not be called from `work`: filters further down look
    /// at it themselves.
    pub(crate) fn with<T>(request: Request<'_>, work: impl FnOnce(&mut Self) -> T) -> Option<T> {
        let visit = Self::find(request);
        // SAFETY: made by `begin`, freed with the request; `work` holds the only reference.
        unsafe { visit.as_mut() }.map(work)
    }

    /// As [`Self::with`], for a request that is a visit from now on.
    pub(crate) fn begin<T>(request: Request<'_>, work: impl FnOnce(&mut Self) -> T) -> Option<T> {
        if Self::find(request).is_null() {
            // SAFETY: the pool is the request's, and the entry is new.
            unsafe {
                let cleanup = ngx_pool_cleanup_add(request.pool(), 0).as_mut()?;
                cleanup.data = Box::into_raw(Box::<Self>::default()).cast();
                cleanup.handler = Some(RELEASE);
                Self::remember(request, cleanup.data);
            }
        }
        Self::with(request, work)
    }

    /// Remembers that the answer goes out as it came, and why, of a request that is no visit and will be none: its body is
    /// short, and counted at the end.
    pub(crate) fn pass(request: Request<'_>, reason: Reason) {
        // SAFETY: an odd number is no visit's address; it is never followed.
        unsafe { Self::remember(request, ptr::without_provenance_mut(2 * reason as usize + 1)) };
    }

    /// What [`Visit::pass`] was told.
    pub(crate) fn passed(request: Request<'_>) -> Option<Reason> {
        let kept = Self::kept(request).addr();
        if kept % 2 == 1 { Reason::ALL.get(kept / 2).copied() } else { None }
    }

    /// Forgets what [`Visit::pass`] was told: something on the way makes the body another, and it is counted as it goes.
    pub(crate) fn take_passed(request: Request<'_>) -> Option<Reason> {
        let reason = Self::passed(request)?;
        // SAFETY: null is no visit.
        unsafe { Self::remember(request, ptr::null_mut()) };
        Some(reason)
    }

    /// Counts what is on its way.
    pub(crate) fn progress(&mut self, request: Request<'_>) {
        if let (Some(place), Some(transfer)) = (self.place, &mut self.transfer) {
            place.known().progress(transfer, self.body.sent(request), now());
        }
    }

    /// Takes stock, once all is done.
    pub(crate) fn end(&mut self, request: Request<'_>) {
        self.progress(request);
        let Some(place) = self.place else { return };
        if let Some(transfer) = self.transfer.take() {
            let whole = self.body.last && self.body.sent(request) == self.body.handed;
            let whole = whole || request.raw().header_only() != 0;
            place.known().end(transfer, whole, now());
        }
        match self.page.as_ref().and_then(Injection::outcome).map(Outcome::reason) {
            Some(None) => place.known().tagged(),
            Some(Some(reason)) => place.known().untagged(reason),
            // No page, or one that broke off before its place was found.
            None => {}
        }
    }

    /// Why the answer goes out as it came.
    pub(crate) fn reason(&self) -> Option<Reason> {
        self.reason.or_else(|| self.page.as_ref()?.outcome()?.reason())
    }

    /// What nginx keeps for us of a request.
    fn kept(request: Request<'_>) -> *mut c_void {
        // SAFETY: each request has a place for each module.
        unsafe { *request.raw().ctx.add((*crate::module()).ctx_index) }
    }

    fn find(request: Request<'_>) -> *mut Self {
        let known = Self::kept(request);
        if known.addr() % 2 == 1 {
            return ptr::null_mut();
        }
        if !known.is_null() {
            return known.cast();
        }
        let raw = request.raw();
        if raw.internal() == 0 && raw.filter_finalize() == 0 {
            return ptr::null_mut();
        }
        // An internal redirect has nginx forget what modules remember of a request; its pool stays.
        // SAFETY: the pool's list of cleanups is valid, and ends at a null.
        unsafe {
            let mut cleanup: *const ngx_pool_cleanup_t = (*raw.pool).cleanup;
            while let Some(entry) = cleanup.as_ref() {
                if entry.handler.is_some_and(|handler| ptr::fn_addr_eq(handler, RELEASE)) {
                    Self::remember(request, entry.data);
                    return entry.data.cast();
                }
                cleanup = entry.next;
            }
        }
        ptr::null_mut()
    }

    /// # Safety
    /// `visit` is one, or null.
    unsafe fn remember(request: Request<'_>, visit: *mut c_void) {
        // SAFETY: as in `kept`.
        unsafe { *request.raw().ctx.add((*crate::module()).ctx_index) = visit };
    }
}

unsafe extern "C" fn release(visit: *mut c_void) {
    // SAFETY: `begin` made it from a box, and nginx calls a cleanup once.
    guarded((), || drop(unsafe { Box::from_raw(visit.cast::<Visit>()) }));
}
