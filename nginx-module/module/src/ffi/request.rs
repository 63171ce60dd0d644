//! A request under way.

use std::marker::PhantomData;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ptr::{self, NonNull};

use http::HeaderName;
use http::header::{
    ACCEPT_RANGES, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, LAST_MODIFIED,
};
use manyhands_page::{HeaderEdit, HeaderEdits};
use nginx_sys::{
    AF_INET, AF_INET6, NGX_HTTP_GET, NGX_HTTP_HEAD, NGX_OK, ngx_hash_key, ngx_http_request_t,
    ngx_int_t, ngx_list_push, ngx_list_t, ngx_pool_t, ngx_str_t, ngx_table_elt_t, off_t, sockaddr,
    sockaddr_in, sockaddr_in6,
};

use super::fields::{Answered, Asked, Lines, is_named, only_type};
use super::{bytes, copied};

/// A request while nginx calls us about it.
#[derive(Clone, Copy)]
pub(crate) struct Request<'r>(NonNull<ngx_http_request_t>, PhantomData<&'r ()>);

impl<'r> Request<'r> {
    /// # Safety
    /// The request is under way for `'r`; nothing but its methods changes it meanwhile.
    pub(crate) unsafe fn of(request: *mut ngx_http_request_t) -> Option<Self> {
        NonNull::new(request).map(|request| Self(request, PhantomData))
    }

    pub(crate) fn as_ptr(self) -> *mut ngx_http_request_t {
        self.0.as_ptr()
    }

    /// nginx's own structure, to read.
    pub(crate) fn raw(self) -> &'r ngx_http_request_t {
        // SAFETY: `of`'s caller answers for it; references are given up before it is changed.
        unsafe { self.0.as_ref() }
    }

    pub(crate) fn pool(self) -> *mut ngx_pool_t {
        self.raw().pool
    }

    /// Not a subrequest.
    pub(crate) fn is_main(self) -> bool {
        ptr::eq(self.raw().main, self.as_ptr())
    }

    pub(crate) fn status(self) -> u16 {
        u16::try_from(self.raw().headers_out.status).unwrap_or_default()
    }

    /// `None` for what is no text: no rule knows such a method.
    pub(crate) fn method(self) -> Option<&'r str> {
        // SAFETY: the string lives as long as the request.
        str::from_utf8(unsafe { bytes(self.raw().method_name) }).ok()
    }

    /// Path and query as the visitor sent them.
    pub(crate) fn target(self) -> Option<(&'r str, Option<&'r str>)> {
        // SAFETY: as above.
        let target = str::from_utf8(unsafe { bytes(self.raw().unparsed_uri) }).ok()?;
        let Some(end) = target.bytes().position(|byte| byte == b'?') else {
            return Some((target, None));
        };
        Some((target.get(..end)?, target.get(end + 1..)))
    }

    pub(crate) fn asked(self) -> Asked<'r> {
        // SAFETY: the view is dropped before the list is changed: those who edit have made up their mind.
        unsafe { Asked::new(&raw const self.raw().headers_in.headers, self.is_certified()) }
    }

    pub(crate) fn answered(self) -> Answered<'r> {
        // SAFETY: as above.
        unsafe { Answered::new(&raw const self.raw().headers_out, self.raw().upstream) }
    }

    /// The answer's `Content-Type` and the charset that goes with it, where nginx keeps them and no line of the header
    /// says another.
    pub(crate) fn only_type(self) -> Option<(&'r [u8], &'r [u8])> {
        // SAFETY: the view is dropped before the header is changed.
        unsafe { only_type(&self.raw().headers_out) }
    }

    pub(crate) fn is_get_or_head(self) -> bool {
        self.raw().method & (NGX_HTTP_GET | NGX_HTTP_HEAD) as usize != 0
    }

    /// The address of the visitor, or of a proxy in front of nginx that was not declared trusted.
    pub(crate) fn address(self) -> Option<IpAddr> {
        // SAFETY: a connection has the address of its other end, `socklen` bytes of it.
        let (address, length) = unsafe {
            let connection = &*self.raw().connection;
            (connection.sockaddr, connection.socklen as usize)
        };
        if address.is_null() || length < size_of::<sockaddr>() {
            return None;
        }
        // SAFETY: the family says which kind of address it is; the larger one is read only where it fits.
        unsafe {
            match u32::from((*address).sa_family) {
                AF_INET => {
                    let address = address.cast::<sockaddr_in>().read_unaligned();
                    Some(Ipv4Addr::from(u32::from_be(address.sin_addr.s_addr)).into())
                }
                AF_INET6 if length >= size_of::<sockaddr_in6>() => {
                    let address = address.cast::<sockaddr_in6>().read_unaligned();
                    Some(Ipv6Addr::from(address.sin6_addr.__in6_u.__u6_addr8).into())
                }
                _ => None,
            }
        }
    }

    /// Octets that nginx has written beside the answer's header: the body and its framing.
    pub(crate) fn written(self) -> u64 {
        let raw = self.raw();
        // SAFETY: a request has a connection.
        let written = u64::try_from(unsafe { (*raw.connection).sent }).unwrap_or_default();
        written.saturating_sub(raw.header_size as u64)
    }

    /// How long the answer's body is, where that is known.
    pub(crate) fn length(self) -> Option<u64> {
        u64::try_from(self.raw().headers_out.content_length_n).ok()
    }

    /// Whether the answer's body is in a coding, by now.
    pub(crate) fn is_encoded(self) -> bool {
        // SAFETY: a line that nginx points at is one of the list's.
        unsafe { self.raw().headers_out.content_encoding.as_ref() }
            .is_some_and(|line| line.hash != 0)
    }

    /// Whether a certificate came with the connection, verified or not: the site may look at it either way.
    #[cfg(ngx_feature = "http_ssl")]
    fn is_certified(self) -> bool {
        use nginx_sys::ngx_ssl_get_client_verify;
        let connection = self.raw().connection;
        let mut verified = ngx_str_t::empty();
        // SAFETY: the connection is the request's, and has TLS when nginx is asked.
        unsafe {
            !(*connection).ssl.is_null()
                && ngx_ssl_get_client_verify(connection, self.pool(), &raw mut verified)
                    == NGX_OK as ngx_int_t
                && bytes(verified) != b"NONE"
        }
    }

    #[cfg(not(ngx_feature = "http_ssl"))]
    fn is_certified(self) -> bool {
        false
    }

    /// Edits the header that goes to the site. What nginx itself reads of it stays as the visitor sent it:
    /// compression of what goes out is agreed with the visitor, not with the site.
    pub(crate) fn edit_asked(self, edits: &HeaderEdits) -> Option<()> {
        // SAFETY: `of`'s caller answers for the request; no view of the list is alive.
        unsafe {
            let headers = &raw mut (*self.as_ptr()).headers_in;
            let seen = &raw mut (*headers).accept_encoding;
            if !(*seen).is_null() {
                let copy = nginx_sys::ngx_palloc(self.pool(), size_of::<ngx_table_elt_t>());
                let copy = NonNull::new(copy.cast::<ngx_table_elt_t>())?.as_ptr();
                ptr::copy_nonoverlapping(*seen, copy, 1);
                *seen = copy;
            }
            self.edit(&raw mut (*headers).headers, edits, |_, _| {})
        }
    }

    /// Edits the header that goes to the visitor.
    pub(crate) fn edit_answered(self, edits: &HeaderEdits) -> Option<()> {
        // SAFETY: as above.
        unsafe {
            let list = &raw mut (*self.as_ptr()).headers_out.headers;
            self.edit(list, edits, |name, line| self.forget(name, line))
        }
    }

    /// What nginx keeps beside the list of the answer's header must follow it.
    fn forget(self, name: &HeaderName, line: *mut ngx_table_elt_t) {
        // SAFETY: `of`'s caller answers for the request; no view of the header is alive.
        let out = unsafe { &mut (*self.as_ptr()).headers_out };
        if *name == CONTENT_LENGTH {
            out.content_length = ptr::null_mut();
            out.content_length_n = -1;
        } else if *name == LAST_MODIFIED {
            out.last_modified = line;
            out.last_modified_time = -1;
        } else if *name == ETAG {
            out.etag = line;
        } else if *name == CONTENT_ENCODING {
            out.content_encoding = line;
        } else if *name == ACCEPT_RANGES {
            out.accept_ranges = line;
        } else if *name == CONTENT_TYPE {
            out.content_type = ngx_str_t::empty();
            out.content_type_len = 0;
            out.content_type_lowcase = ptr::null_mut();
        }
    }

    /// # Safety
    /// The list is one of this request's.
    unsafe fn edit(
        self,
        list: *mut ngx_list_t,
        edits: &HeaderEdits,
        mut changed: impl FnMut(&HeaderName, *mut ngx_table_elt_t),
    ) -> Option<()> {
        for edit in edits {
            let (name, value) = match edit {
                HeaderEdit::Remove(name) => (name, None),
                HeaderEdit::Set(name, value) => (name, Some(value)),
                HeaderEdit::Append(name, value) => {
                    // SAFETY: the caller answers for the list.
                    unsafe { self.push(list, name.as_str(), value.as_bytes())? };
                    continue;
                }
            };
            let mut kept = ptr::null_mut::<ngx_table_elt_t>();
            // SAFETY: the lines are the list's; no reference to one is held.
            unsafe {
                for line in Lines::of(list).filter(|line| is_named(*line, name.as_str())) {
                    match (value, kept.is_null()) {
                        (Some(value), true) => {
                            (*line).value = copied(self.pool(), value.as_bytes())?;
                            kept = line;
                        }
                        _ => (*line).hash = 0,
                    }
                }
                if let (Some(value), true) = (value, kept.is_null()) {
                    kept = self.push(list, name.as_str(), value.as_bytes())?;
                }
            }
            changed(name, kept);
        }
        Some(())
    }

    /// Adds a line to the answer's header.
    pub(crate) fn add_answered(self, name: &str, value: &[u8]) -> Option<()> {
        // SAFETY: the list is this request's.
        unsafe {
            let list = &raw mut (*self.as_ptr()).headers_out.headers;
            self.push(list, name, value).map(|_| ())
        }
    }

    /// # Safety
    /// The list is one of this request's.
    unsafe fn push(
        self,
        list: *mut ngx_list_t,
        name: &str,
        value: &[u8],
    ) -> Option<*mut ngx_table_elt_t> {
        // SAFETY: the list is valid, and takes elements of this type; nginx does not clear them, and newer versions
        // have more fields than older ones.
        unsafe {
            let (key, lowcase) =
                (copied(self.pool(), name.as_bytes())?, copied(self.pool(), name.as_bytes())?);
            let value = copied(self.pool(), value)?;
            let line = NonNull::new(ngx_list_push(list).cast::<ngx_table_elt_t>())?.as_ptr();
            ptr::write_bytes(line, 0, 1);
            (*line).hash = ngx_hash_key(lowcase.data, lowcase.len);
            (*line).key = key;
            (*line).lowcase_key = lowcase.data;
            (*line).value = value;
            Some(line)
        }
    }

    /// Forgets all that the answer's header says.
    pub(crate) fn clear_answered(self) {
        // SAFETY: `of`'s caller answers for the request; no view of the header is alive.
        let request = unsafe { &mut *self.as_ptr() };
        let out = &mut request.headers_out;
        // SAFETY: the list is this request's.
        for line in unsafe { Lines::of(&raw const out.headers) } {
            // SAFETY: as above.
            unsafe { (*line).hash = 0 };
        }
        for known in [
            &mut out.server,
            &mut out.date,
            &mut out.content_length,
            &mut out.content_encoding,
            &mut out.location,
            &mut out.refresh,
            &mut out.last_modified,
            &mut out.content_range,
            &mut out.accept_ranges,
            &mut out.www_authenticate,
            &mut out.expires,
            &mut out.etag,
        ] {
            *known = ptr::null_mut();
        }
        out.status_line = ngx_str_t::empty();
        out.charset = ngx_str_t::empty();
        out.content_type = ngx_str_t::empty();
        out.content_type_len = 0;
        out.content_type_lowcase = ptr::null_mut();
        out.content_length_n = -1;
        out.last_modified_time = -1;
        request.err_status = 0;
        request.set_allow_ranges(0);
    }

    /// The answer's body will be another than its header says: no length, no ranges.
    pub(crate) fn expect_other_body(self) {
        // SAFETY: `of`'s caller answers for the request; no view of the header is alive.
        unsafe {
            let request = &mut *self.as_ptr();
            let out = &mut request.headers_out;
            if let Some(line) = out.content_length.as_mut() {
                line.hash = 0;
            }
            if let Some(line) = out.accept_ranges.as_mut() {
                line.hash = 0;
            }
            (out.content_length, out.accept_ranges) = (ptr::null_mut(), ptr::null_mut());
            out.content_length_n = -1 as off_t;
            request.set_allow_ranges(0);
        }
    }
}
