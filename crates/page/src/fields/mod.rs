//! Parsers for the header fields that decisions rest on.
//!
//! All fail closed: what RFC 9110 does not allow, and what two readers might read differently, is
//! [`Unclear`]. None panics, whatever the bytes.

mod accept;
mod cache_control;
mod content_type;
mod cookie;
mod disposition;
mod length;
mod list;
#[cfg(test)]
mod properties;
mod validator;
mod vary;

pub(crate) use accept::accepts_html;
pub use accept::preferred_coding;
pub(crate) use cache_control::{CacheControl, is_cache_control};
pub(crate) use content_type::ContentType;
pub(crate) use cookie::{has_foreign_cookie, own_cookie};
pub(crate) use disposition::Disposition;
pub(crate) use length::{content_length, content_range};
pub(crate) use list::is_token_byte;
pub(crate) use validator::{
    EntityTag, LastModified, entity_tag, last_modified, listed_tags, lists_weak_twin,
};
pub(crate) use vary::Vary;

use crate::Headers;

/// A field that cannot be read without doubt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unclear;

/// The value of a field that may be there once: more than one line is unclear.
pub(crate) fn single<'a, H: Headers + ?Sized>(
    headers: &'a H,
    name: &'a str,
) -> Result<Option<&'a [u8]>, Unclear> {
    let mut values = headers.values(name);
    match (values.next(), values.next()) {
        (value, None) => Ok(value.map(list::trim)),
        (_, Some(_)) => Err(Unclear),
    }
}

/// Whether a body is sent as it is: no `Content-Encoding`, or only `identity`.
pub(crate) fn is_identity<H: Headers + ?Sized>(headers: &H) -> bool {
    headers.values("content-encoding").all(|value| {
        value.split(|&byte| byte == b',').all(|coding| {
            let coding = list::trim(coding);
            coding.eq_ignore_ascii_case(b"identity")
        })
    })
}
