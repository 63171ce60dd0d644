//! Where an answer passes as it is sent, after it was compressed and before it is framed: shared files get their
//! fields, and octets are counted.

use nginx_sys::{
    NGX_ERROR, NGX_OK, ngx_chain_t, ngx_conf_t, ngx_http_output_body_filter_pt,
    ngx_http_output_header_filter_pt, ngx_http_request_t, ngx_http_top_body_filter,
    ngx_http_top_header_filter, ngx_int_t,
};

use crate::conf;
use crate::ffi::{Links, Request, caught, guarded};
use crate::judge::settle;
use crate::visit::Visit;

static mut NEXT_HEADER: ngx_http_output_header_filter_pt = None;
static mut NEXT_BODY: ngx_http_output_body_filter_pt = None;

/// Puts the filters in front of those that are there. Where Manyhands is on nowhere, nothing is put anywhere.
pub(crate) unsafe extern "C" fn install(cf: *mut ngx_conf_t) -> ngx_int_t {
    // SAFETY: nginx has one thread, and sends no answers while it reads its configuration, which is merged by now.
    guarded(NGX_ERROR as ngx_int_t, || unsafe {
        if conf::main(cf).sites.borrow().is_empty() {
            return NGX_OK as ngx_int_t;
        }
        NEXT_HEADER = ngx_http_top_header_filter;
        NEXT_BODY = ngx_http_top_body_filter;
        ngx_http_top_header_filter = Some(header);
        ngx_http_top_body_filter = Some(body);
        NGX_OK as ngx_int_t
    })
}

unsafe extern "C" fn header(request: *mut ngx_http_request_t) -> ngx_int_t {
    caught(|| {
        // SAFETY: nginx calls with a request that is under way.
        let request = unsafe { Request::of(request)? };
        if request.is_main() { settle(request) } else { None }
    });
    // SAFETY: set by `install`, before any request.
    unsafe { NEXT_HEADER.map_or(NGX_ERROR as ngx_int_t, |next| next(request)) }
}

unsafe extern "C" fn body(request: *mut ngx_http_request_t, input: *mut ngx_chain_t) -> ngx_int_t {
    caught(|| {
        // SAFETY: nginx calls with a request that is under way, and with a valid chain.
        let (request, links) = unsafe { (Request::of(request)?, Links::of(input)) };
        let octets = |visit: &mut Visit| {
            for (_, source) in links {
                visit.body.handed += source.size();
                visit.body.last |= source.is_last();
            }
        };
        if request.is_main() { Visit::with(request, octets) } else { None }
    });
    // SAFETY: set by `install`, before any request.
    let sent = unsafe { NEXT_BODY.map_or(NGX_ERROR as ngx_int_t, |next| next(request, input)) };
    caught(|| {
        // SAFETY: as above; filters do not end a request.
        let request = unsafe { Request::of(request)? };
        if request.is_main() { Visit::with(request, |visit| visit.progress(request)) } else { None }
    });
    sent
}
