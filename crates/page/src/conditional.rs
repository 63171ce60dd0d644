//! Answers of ours to who has them already (RFC 9110, section 13). The site's own are the site's to judge.

use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use http::{HeaderName, header};

use crate::Headers;
use crate::fields::listed_tags;

/// Fields that describe a body: a 304 has none of them.
pub const OF_BODY: [HeaderName; 3] =
    [CONTENT_TYPE, CONTENT_DISPOSITION, HeaderName::from_static("repr-digest")];

/// Whether the request's `If-None-Match` names the version with this entity tag, or any. Tags are compared weakly
/// (section 13.1.2).
///
/// ```
/// use manyhands_page::has_version;
///
/// let request = [("if-none-match", "\"v1\", W/\"v2\"")];
/// assert!(has_version(&request[..], b"\"v2\"") && has_version(&request[..], b"W/\"v1\""));
/// assert!(!has_version(&request[..], b"\"v3\""));
/// ```
#[must_use]
pub fn has_version<H: Headers + ?Sized>(request: &H, etag: &[u8]) -> bool {
    fn opaque(tag: &[u8]) -> &[u8] {
        tag.strip_prefix(b"W/").unwrap_or(tag)
    }
    request.values(header::IF_NONE_MATCH.as_str()).any(|value| {
        value.trim_ascii() == b"*"
            || listed_tags(value).any(|listed| opaque(listed) == opaque(etag))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_found_wherever_it_is_listed() {
        for (value, known) in [
            ("\"a\"", true),
            ("W/\"a\"", true),
            ("\"b\", \"a\"", true),
            ("\"b,\", W/\"a\"", true),
            (" * ", true),
            ("\"b\"", false),
            ("a", false),
            ("\"a", false),
            ("", false),
        ] {
            let request = [("if-none-match", value)];
            assert_eq!(has_version(&request[..], b"\"a\""), known, "{value}");
            assert_eq!(has_version(&request[..], b"W/\"a\""), known, "{value}");
        }
        let two = [("if-none-match", "\"b\""), ("if-none-match", "\"a\"")];
        assert!(has_version(&two[..], b"\"a\""));
        let none: [(&str, &str); 0] = [];
        assert!(!has_version(&none[..], b"\"a\""));
    }
}
