//! nginx's header lists, read where they lie.

use std::cell::OnceCell;
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

/// Which names may be among the lines of a list: most that are asked for are not, and the lines need not be gone through.
#[derive(Clone, Copy, Default)]
struct Names(u64);

impl Names {
    /// # Safety
    /// The list is one of headers.
    unsafe fn of(list: *const ngx_list_t) -> Self {
        // SAFETY: the caller answers for the list.
        let lines = unsafe { Lines::of(list).filter_map(|line| pair(line)) };
        Self(lines.fold(0, |names, (name, _)| names | Self::bit(name)))
    }

    /// By what is the same in any case: the length, and five bits of the first letter.
    fn bit(name: &[u8]) -> u64 {
        let first = name.first().copied().unwrap_or_default() & 0x1f;
        1 << ((usize::from(first) * 7 + name.len()) % 64)
    }

    fn may_have(self, name: &str) -> bool {
        self.0 & Self::bit(name.as_bytes()) != 0
    }
}

/// A request's header.
pub(crate) struct Asked<'r> {
    list: *const ngx_list_t,
    names: Names,
    /// The visitor proved who it is, by a certificate.
    certified: bool,
    request: PhantomData<&'r ()>,
}

impl Asked<'_> {
    /// # Safety
    /// The list is that of a request that is under way for `'r`, and is not changed meanwhile.
    pub(super) unsafe fn new(list: *const ngx_list_t, certified: bool) -> Self {
        // SAFETY: as the caller says.
        Self { list, names: unsafe { Names::of(list) }, certified, request: PhantomData }
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
        let lines = self.names.may_have(name).then(|| self.lines());
        named(lines, name).chain(certificate)
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        // No field that anybody sends has such a name.
        self.lines().map(|(field, _)| str::from_utf8(field).unwrap_or("?"))
    }
}

/// An answer's header: its list, and what nginx keeps beside it until it writes the header out.
pub(crate) struct Answered<'r> {
    out: &'r ngx_http_headers_out_t,
    names: Names,
    content_type: Option<Typed<'r>>,
    date: Option<&'r [u8]>,
    /// Written only when they are asked for, which is not often.
    content_length: OnceCell<String>,
    last_modified: OnceCell<[u8; DATE]>,
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
        let (out, (content_type, charset)) = unsafe { (&*out, kept_type(&*out)) };
        let typed = match (content_type, charset) {
            ([], _) => None,
            (_, []) => Some(Typed::Plain(content_type)),
            _ => Some(Typed::WithCharset([content_type, b"; charset=", charset].concat())),
        };
        Self {
            out,
            // SAFETY: as the caller says.
            names: unsafe { Names::of(&raw const out.headers) },
            content_type: typed,
            content_length: OnceCell::new(),
            last_modified: OnceCell::new(),
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
        unsafe { Lines::of(&raw const self.out.headers).filter_map(|line| pair(line)) }
    }

    /// The length is known, and not among the lines.
    fn keeps_length(&self) -> bool {
        self.out.content_length.is_null() && self.out.content_length_n >= 0
    }

    fn content_length(&self) -> Option<&str> {
        let length = self.out.content_length_n;
        self.keeps_length().then(|| self.content_length.get_or_init(|| length.to_string()).as_str())
    }

    /// The date is known, and not among the lines.
    fn keeps_modified(&self) -> bool {
        self.out.last_modified.is_null() && self.out.last_modified_time != -1
    }

    fn last_modified(&self) -> Option<&[u8; DATE]> {
        let time = self.out.last_modified_time;
        self.keeps_modified().then(|| self.last_modified.get_or_init(|| date(time)))
    }

    fn beside(&self, name: &str) -> Option<&[u8]> {
        match name {
            "content-type" => self.content_type.as_ref().map(|typed| match typed {
                Typed::Plain(value) => *value,
                Typed::WithCharset(value) => value,
            }),
            "content-length" => self.content_length().map(str::as_bytes),
            "last-modified" => self.last_modified().map(|date| &date[..]),
            "date" => self.date,
            _ => None,
        }
    }
}

impl Headers for Answered<'_> {
    fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> + 'a {
        let lines = self.names.may_have(name).then(|| self.lines());
        named(lines, name).chain(self.beside(name))
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        let beside = [
            ("content-type", self.content_type.is_some()),
            ("content-length", self.keeps_length()),
            ("last-modified", self.keeps_modified()),
            ("date", self.date.is_some()),
        ];
        self.lines()
            .map(|(field, _)| str::from_utf8(field).unwrap_or("?"))
            .chain(beside.into_iter().filter_map(|(name, is_kept)| is_kept.then_some(name)))
    }
}

/// The `Content-Type` that nginx keeps beside the list, and the charset that it adds to it, which may be empty as well.
///
/// # Safety
/// The header's strings stay unchanged for `'r`.
unsafe fn kept_type<'r>(out: &ngx_http_headers_out_t) -> (&'r [u8], &'r [u8]) {
    // SAFETY: the caller answers for the strings.
    let (content_type, charset) = unsafe { (bytes(out.content_type), bytes(out.charset)) };
    match out.content_type_len == content_type.len() {
        true => (content_type, charset),
        // It says so itself.
        false => (content_type, &[]),
    }
}

/// As [`kept_type`], where it is all the header says of its type.
///
/// # Safety
/// The header is that of a request that is under way for `'r`, and is not changed meanwhile.
pub(super) unsafe fn only_type<'r>(out: &ngx_http_headers_out_t) -> Option<(&'r [u8], &'r [u8])> {
    // SAFETY: the caller answers for the header.
    let (names, kept) = unsafe { (Names::of(&raw const out.headers), kept_type(out)) };
    (!names.may_have("content-type") && !kept.0.is_empty()).then_some(kept)
}

/// The values of the lines that have a name.
fn named<'a>(
    lines: Option<impl Iterator<Item = (&'a [u8], &'a [u8])>>,
    name: &'a str,
) -> impl Iterator<Item = &'a [u8]> {
    let is = |(field, _): &(&[u8], _)| field.eq_ignore_ascii_case(name.as_bytes());
    lines.into_iter().flatten().filter(is).map(|(_, value)| value)
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
