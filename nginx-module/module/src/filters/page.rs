//! Where a page passes whole, before it is compressed: its header is judged, and its body gets the tag.

use nginx_sys::{
    NGX_ERROR, NGX_OK, ngx_chain_t, ngx_http_output_body_filter_pt,
    ngx_http_output_header_filter_pt, ngx_http_request_t, ngx_http_top_body_filter,
    ngx_http_top_header_filter, ngx_int_t,
};

use crate::answer::Answer;
use crate::ffi::{Chain, Links, Request, caught};
use crate::judge::judge;
use crate::visit::{Answering, Visit};

static mut NEXT_HEADER: ngx_http_output_header_filter_pt = None;
static mut NEXT_BODY: ngx_http_output_body_filter_pt = None;

/// Puts the filters in front of those that are there.
///
/// # Safety
/// nginx is reading its configuration.
pub(crate) unsafe fn install() {
    // SAFETY: nginx has one thread, and sends no answers while it reads its configuration.
    unsafe {
        NEXT_HEADER = ngx_http_top_header_filter;
        NEXT_BODY = ngx_http_top_body_filter;
        ngx_http_top_header_filter = Some(header);
        ngx_http_top_body_filter = Some(body);
    }
}

unsafe extern "C" fn header(request: *mut ngx_http_request_t) -> ngx_int_t {
    caught(|| {
        // SAFETY: nginx calls with a request that is under way.
        let request = unsafe { Request::of(request)? };
        request.is_main().then(|| judge(request))?
    });
    // SAFETY: set by `install`, before any request.
    unsafe { NEXT_HEADER.map_or(NGX_ERROR as ngx_int_t, |next| next(request)) }
}

/// What becomes of a chain.
enum Passage {
    /// It goes on as it is.
    Untouched,
    /// This goes on in its place.
    Replaced(Chain),
    /// An answer of ours goes on.
    Instead,
    /// There is no memory.
    Failed,
}

impl Passage {
    fn of(output: Option<Chain>) -> Self {
        output.map_or(Self::Failed, Self::Replaced)
    }
}

unsafe extern "C" fn body(request: *mut ngx_http_request_t, input: *mut ngx_chain_t) -> ngx_int_t {
    // SAFETY: set by `install`, before any request.
    let next =
        |chain| unsafe { NEXT_BODY.map_or(NGX_ERROR as ngx_int_t, |next| next(request, chain)) };
    if input.is_null() {
        return next(input);
    }
    match caught(|| pass(request, input)).unwrap_or(Passage::Failed) {
        Passage::Untouched => next(input),
        Passage::Failed | Passage::Instead => NGX_ERROR as ngx_int_t,
        Passage::Replaced(output) if !output.first().is_null() => next(output.first()),
        // SAFETY: nginx calls with a request that is under way.
        Passage::Replaced(_) => match unsafe { (*(*request).connection).buffered() } {
            0 => NGX_OK as ngx_int_t,
            // What the connection could not take before.
            _ => next(std::ptr::null_mut()),
        },
    }
}

fn pass(request: *mut ngx_http_request_t, input: *mut ngx_chain_t) -> Passage {
    // SAFETY: nginx calls with a request that is under way.
    let Some(request) = (unsafe { Request::of(request) }) else { return Passage::Untouched };
    if !request.is_main() {
        return Passage::Untouched;
    }
    let passed = Visit::with(request, |visit| {
        if let Some(page) = visit.page.as_mut().filter(|page| !page.is_over()) {
            return Passage::of(page.pass(request, input));
        }
        match visit.answering {
            Answering::No | Answering::Content => Passage::Untouched,
            Answering::Instead | Answering::Done => Passage::Instead,
        }
    });
    match passed {
        Some(Passage::Instead) => Passage::of(instead(request, input)),
        passed => passed.unwrap_or(Passage::Untouched),
    }
}

/// An answer of ours goes out whole; what comes of the other goes nowhere.
fn instead(request: Request<'_>, input: *mut ngx_chain_t) -> Option<Chain> {
    // SAFETY: nginx hands filters valid chains.
    for (_, mut source) in unsafe { Links::of(input) } {
        source.discard();
    }
    let before =
        Visit::with(request, |visit| std::mem::replace(&mut visit.answering, Answering::Done));
    match before {
        Some(Answering::Instead) if request.raw().header_only() == 0 => {
            Answer::of(request)?.chain(request)
        }
        _ => Some(Chain::new(request)),
    }
}
