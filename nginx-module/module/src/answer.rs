//! An answer of our own: below the prefix, or in place of the site's "not found".

use manyhands_page::{OF_BODY, has_version};
use nginx_sys::{
    NGX_ERROR, NGX_HTTP_INTERNAL_SERVER_ERROR, NGX_OK, ngx_http_discard_request_body,
    ngx_http_output_filter, ngx_http_send_header, ngx_int_t, off_t,
};

use crate::ffi::{Chain, Request, copied};
use crate::visit::Visit;

/// An answer as it goes out: what it is made of is kept in the visit, as long as the request.
#[derive(Debug)]
pub(crate) struct Answer<'r> {
    fields: Vec<(&'r str, &'r [u8])>,
    body: &'r [u8],
}

impl<'r> Answer<'r> {
    /// The answer that the visit has.
    pub(crate) fn of(request: Request<'r>) -> Option<Self> {
        Visit::with(request, |visit| {
            let kept: *const manyhands_nginx_worker::Answer = visit.answer.as_ref()?;
            // SAFETY: once there, an answer stays in the visit unchanged but for its transfer, which is not looked at; the
            // visit lies in a box, and stays there as long as the request.
            let kept = unsafe { &*kept };
            let fields = kept.fields().map(|(name, value)| (name, value.as_bytes())).collect();
            Some(Self { fields, body: kept.body() })
        })?
    }

    /// Makes the header of a request's answer this one. `None` when there is no memory.
    pub(crate) fn put_header(&self, request: Request<'_>) -> Option<()> {
        let etag = self.fields.iter().find(|(name, _)| *name == "etag").map(|(_, value)| *value);
        let known = etag.is_some_and(|etag| has_version(&request.asked(), etag));
        request.clear_answered();
        for (name, value) in &self.fields {
            if known && OF_BODY.iter().any(|of_body| of_body == name) {
                continue;
            }
            if *name == "content-type" {
                // SAFETY: the pool is the request's.
                let value = unsafe { copied(request.pool(), value)? };
                // SAFETY: the request is under way, and no view of its header is alive.
                let out = unsafe { &mut (*request.as_ptr()).headers_out };
                (out.content_type, out.content_type_len) = (value, value.len);
            } else {
                request.add_answered(name, value)?;
            }
        }
        // SAFETY: as above.
        let raw = unsafe { &mut *request.as_ptr() };
        raw.headers_out.status = if known { 304 } else { 200 };
        raw.headers_out.content_length_n =
            if known { -1 } else { off_t::try_from(self.body.len()).ok()? };
        // What it is named after are these very bytes, in no coding.
        raw.set_gzip_tested(1);
        raw.set_gzip_ok(0);
        Some(())
    }

    /// The whole body, and its end.
    pub(crate) fn chain(&self, request: Request<'_>) -> Option<Chain> {
        let mut chain = Chain::new(request);
        // SAFETY: see `of`.
        unsafe { chain.borrowed(self.body)? };
        chain.end()?;
        Some(chain)
    }

    /// Answers a request that nothing else answers.
    pub(crate) fn send(&self, request: Request<'_>) -> ngx_int_t {
        // SAFETY: nginx asked for the content of this request.
        unsafe {
            let discarded = ngx_http_discard_request_body(request.as_ptr());
            if discarded != NGX_OK as ngx_int_t {
                return discarded;
            }
            if self.put_header(request).is_none() {
                return NGX_HTTP_INTERNAL_SERVER_ERROR as ngx_int_t;
            }
            let sent = ngx_http_send_header(request.as_ptr());
            if sent == NGX_ERROR as ngx_int_t
                || sent > NGX_OK as ngx_int_t
                || request.raw().header_only() != 0
            {
                return sent;
            }
            match self.chain(request) {
                Some(chain) => ngx_http_output_filter(request.as_ptr(), chain.first()),
                None => NGX_ERROR as ngx_int_t,
            }
        }
    }
}
