//! nginx's header lists, read where they lie.

use std::marker::PhantomData;

use manyhands_page::Headers;
use nginx_sys::{
    ngx_cached_http_time, ngx_http_headers_out_t, ngx_http_time, ngx_http_upstream_t,
    ngx_list_part_t, ngx_list_t, ngx_table_elt_t,
};

use super::bytes;

/// `Sun, 06 Nov 1994 08:49:37 GMT`
const DATE: usize = 29;

/// The lines of a list, those that were taken out among them (their `hash` is 0).
pub(super) struct Lines<'r> {
    part: *const ngx_list_part_t,
    next: usize,
    request: PhantomData<&'r ()>,
}

impl Lines<'_> {
    /// # Safety
    /// The list is one of headers, and stays valid for `'r`.
    pub(super) unsafe fn of(list: *const ngx_list_t) -> Self {
        // SAFETY: the first part lies within the list.
        Self { part: unsafe { &raw const (*list).part }, next: 0, request: PhantomData }
    }
}

impl Iterator for Lines<'_> {
    type Item = *mut ngx_table_elt_t;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            // SAFETY: parts of a valid list are valid, and the last one's `next` is null.
            let part = unsafe { self.part.as_ref()? };
            if self.next < part.nelts {
                self.next += 1;
                // SAFETY: a part has room for at least `nelts` elements.
                return Some(unsafe { part.elts.cast::<ngx_table_elt_t>().add(self.next - 1) });
            }
            (self.part, self.next) = (part.next, 0);
        }
    }
}

/// A line's name and value.
///
/// # Safety
/// The line is of a valid list, and stays unchanged for `'r`.
pub(super) unsafe fn pair<'r>(line: *const ngx_table_elt_t) -> Option<(&'r [u8], &'r [u8])> {
    // SAFETY: a valid line has valid strings.
    unsafe { ((*line).hash != 0).then(|| (bytes((*line).key), bytes((*line).value))) }
}

/// A request's header.
pub(crate) struct Asked<'r> {
    list: *const ngx_list_t,
    /// The visitor proved who it is, by a certificate.
    certified: bool,
    request: PhantomData<&'r ()>,
}

impl Asked<'_> {
    /// # Safety
    /// The list is that of a request that is under way for `'r`, and is not changed meanwhile.
    pub(super) unsafe fn new(list: *const ngx_list_t, certified: bool) -> Self {
        Self { list, certified, request: PhantomData }
    }

    fn lines(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        // SAFETY: `new`'s caller answers for the list.
        unsafe { Lines::of(self.list).filter_map(|line| pair(line)) }
    }
}

impl Headers for Asked<'_> {
    fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> + 'a {
        // What a certificate opens is as little meant for others as what a password opens.
        let certificate =
            (self.certified && name == "authorization").then_some(&b"certificate"[..]);
        self.lines()
            .filter(|(field, _)| field.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| value)
            .chain(certificate)
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        // No field that anybody sends has such a name.
        self.lines().map(|(field, _)| str::from_utf8(field).unwrap_or("?"))
    }
}

/// An answer's header: its list, and what nginx keeps beside it until it writes the header out.
pub(crate) struct Answered<'r> {
    list: *const ngx_list_t,
    content_type: Option<Typed<'r>>,
    content_length: Option<String>,
    last_modified: Option<[u8; DATE]>,
    date: Option<&'r [u8]>,
}

/// A `Content-Type`: nginx keeps the charset by itself.
enum Typed<'r> {
    Plain(&'r [u8]),
    WithCharset(Vec<u8>),
}

impl<'r> Answered<'r> {
    /// # Safety
    /// The header is that of a request that is under way for `'r`, and is not changed meanwhile; `upstream` is where
    /// its answer comes from, or null.
    pub(super) unsafe fn new(
        out: *const ngx_http_headers_out_t,
        upstream: *const ngx_http_upstream_t,
    ) -> Self {
        // SAFETY: the caller answers for the header and for its strings.
        let (out, content_type, charset) = unsafe {
            let out = &*out;
            (out, bytes::<'r>(out.content_type), bytes::<'r>(out.charset))
        };
        let typed = if content_type.is_empty() {
            None
        } else if charset.is_empty() || out.content_type_len != content_type.len() {
            Some(Typed::Plain(content_type))
        } else {
            Some(Typed::WithCharset([content_type, b"; charset=", charset].concat()))
        };
        let length = u64::try_from(out.content_length_n).ok();
        let modified = out.last_modified.is_null() && out.last_modified_time != -1;
        Self {
            list: &raw const out.headers,
            content_type: typed,
            content_length: length
                .filter(|_| out.content_length.is_null())
                .map(|length| length.to_string()),
            last_modified: modified.then(|| date(out.last_modified_time)),
            // SAFETY: as above; nginx renews the time between events only.
            date: out.date.is_null().then(|| unsafe {
                // nginx hides what the site says, which was right when its answer was made: a cache may be older.
                match upstream.as_ref().and_then(|upstream| upstream.headers_in.date.as_ref()) {
                    Some(line) => bytes(line.value),
                    None => bytes(ngx_cached_http_time),
                }
            }),
        }
    }

    fn lines(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        // SAFETY: `new`'s caller answers for the list.
        unsafe { Lines::of(self.list).filter_map(|line| pair(line)) }
    }

    fn beside(&self, name: &str) -> Option<&[u8]> {
        match name {
            "content-type" => self.content_type.as_ref().map(|typed| match typed {
                Typed::Plain(value) => *value,
                Typed::WithCharset(value) => value,
            }),
            "content-length" => self.content_length.as_deref().map(str::as_bytes),
            "last-modified" => self.last_modified.as_ref().map(|date| &date[..]),
            "date" => self.date,
            _ => None,
        }
    }
}

impl Headers for Answered<'_> {
    fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> + 'a {
        self.lines()
            .filter(|(field, _)| field.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| value)
            .chain(self.beside(name))
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        let beside = ["content-type", "content-length", "last-modified", "date"];
        self.lines()
            .map(|(field, _)| str::from_utf8(field).unwrap_or("?"))
            .chain(beside.into_iter().filter(|name| self.beside(name).is_some()))
    }
}

fn date(time: i64) -> [u8; DATE] {
    let mut text = [0; DATE];
    // SAFETY: nginx writes this many bytes.
    unsafe { ngx_http_time(text.as_mut_ptr(), time) };
    text
}

/// Whether a line is there and has this name.
///
/// # Safety
/// The line is of a valid list.
pub(super) unsafe fn is_named(line: *const ngx_table_elt_t, name: &str) -> bool {
    // SAFETY: the caller answers for the line.
    unsafe { pair(line) }.is_some_and(|(field, _)| field.eq_ignore_ascii_case(name.as_bytes()))
}
