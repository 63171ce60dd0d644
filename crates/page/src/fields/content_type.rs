//! `Content-Type`.

use std::borrow::Cow;

use super::{Unclear, list, single};
use crate::Headers;

/// A media type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ContentType<'a> {
    /// As sent.
    pub(crate) text: &'a str,
    /// `type/subtype`, lower case.
    pub(crate) essence: Cow<'a, str>,
    /// The charset parameter, lower case.
    pub(crate) charset: Option<Cow<'a, str>>,
}

impl<'a> ContentType<'a> {
    /// `Ok(None)` when the field is absent. More than one line is unclear, and so are parameters
    /// named twice.
    pub(crate) fn read<H: Headers + ?Sized>(headers: &'a H) -> Result<Option<Self>, Unclear> {
        let Some(value) = single(headers, "content-type")? else { return Ok(None) };
        // The text is sent on, in JSON and as a header field: other bytes would not arrive as they left.
        if !value.is_ascii() {
            return Err(Unclear);
        }
        let text = std::str::from_utf8(value).map_err(|_| Unclear)?;
        if value.contains(&b',') && !value.contains(&b'"') {
            return Err(Unclear);
        }
        let parts = list::split(value, b';')?;
        let (essence, parameters) = parts.split_first().ok_or(Unclear)?;
        if !value.starts_with(essence) {
            return Err(Unclear);
        }
        let slash = essence.iter().position(|&byte| byte == b'/').ok_or(Unclear)?;
        let (top, sub) = essence.split_at_checked(slash).ok_or(Unclear)?;
        let sub = sub.strip_prefix(b"/").ok_or(Unclear)?;
        if !list::is_token(top) || !list::is_token(sub) {
            return Err(Unclear);
        }
        let essence = list::lower_case(essence)?;
        let charset = list::parameters(parameters)?
            .into_iter()
            .find(|(name, _)| name == "charset")
            .map(|(_, value)| match value {
                Cow::Borrowed(label) => list::lower_case(label),
                Cow::Owned(label) => list::lower_case(&label).map(|it| it.into_owned().into()),
            })
            .transpose()?;
        Ok(Some(Self { text, essence, charset }))
    }

    pub(crate) fn is_html(&self) -> bool {
        self.essence == "text/html"
    }

    /// Whether the bytes below 0x80 mean ASCII, so that an ASCII tag may be put between them.
    /// No charset is taken for one: browsers then guess among encodings that all are.
    pub(crate) fn is_ascii_compatible(&self) -> bool {
        self.charset.as_deref().is_none_or(|label| {
            ASCII_COMPATIBLE.contains(&label)
                || label.strip_prefix("iso-8859-").is_some_and(is_part_number)
                || label.strip_prefix("windows-125").is_some_and(|n| {
                    matches!(n, "0" | "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8")
                })
        })
    }

    /// Whether compressing pays: text of some kind, but no stream of events.
    pub(crate) fn is_text(&self) -> bool {
        let essence = &*self.essence;
        essence != "text/event-stream"
            && (essence.starts_with("text/")
                || essence.ends_with("+xml")
                || essence.ends_with("+json")
                || matches!(
                    essence,
                    "application/json" | "application/javascript" | "application/xml"
                ))
    }
}

/// Labels of the WHATWG Encoding Standard that are in use for pages and ASCII-compatible.
/// Not among them: UTF-16, UTF-32, UTF-7, ISO-2022-JP, HZ, EBCDIC. Shift_JIS and its kin do reuse
/// ASCII bytes as trail bytes, but never `<` or `>`.
const ASCII_COMPATIBLE: [&str; 25] = [
    "utf-8",
    "utf8",
    "us-ascii",
    "ascii",
    "latin1",
    "cp1251",
    "cp1252",
    "windows-874",
    "tis-620",
    "koi8-r",
    "koi8-u",
    "macintosh",
    "ibm866",
    "euc-jp",
    "shift_jis",
    "shift-jis",
    "sjis",
    "windows-31j",
    "euc-kr",
    "ks_c_5601-1987",
    "gb2312",
    "gbk",
    "gb18030",
    "big5",
    "big5-hkscs",
];

/// Parts 1 to 16 of ISO 8859, but for 12, which does not exist; `8-i` is Hebrew in logical order.
fn is_part_number(part: &str) -> bool {
    part == "8-i"
        || (part.parse::<u8>().is_ok_and(|n| matches!(n, 1..=11 | 13..=16))
            && !part.starts_with(['0', '+']))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Result<Option<ContentType<'static>>, Unclear> {
        let headers = Box::leak(Box::new([("content-type", value.to_owned())]));
        ContentType::read(&headers[..])
    }

    fn charset(label: &str) -> bool {
        let value = format!("text/html; charset={label}");
        read(&value).unwrap().unwrap().is_ascii_compatible()
    }

    #[test]
    fn types_come_in_lower_case() {
        let html = read(" Text/HTML ; Charset=\"UTF-8\"; ").unwrap().unwrap();

        assert_eq!((&*html.essence, html.charset.as_deref()), ("text/html", Some("utf-8")));
        assert_eq!(html.text, "Text/HTML ; Charset=\"UTF-8\";");
        assert!(read("video/mp4; codecs=\"avc1.42E01E, mp4a.40.2\"").is_ok());
    }

    #[test]
    fn doubt_is_unclear() {
        for value in [
            "",
            ";",
            "text",
            "text/",
            "/html",
            "text/html,",
            "text/html, text/plain",
            "text /html",
            "text/html; charset",
            "text/html; charset=",
            "text/html; charset=a; charset=b",
            "text/html; charset=\"a",
            "text/html charset=a",
            "; text/html",
            "text/html; =a",
            "text/html; charset=a b",
            "te\u{e9}xt/html",
            "text/html; title=\"\u{e9}\"",
            "video/mp4, text/html; a=\"b\"",
            "video/mp4; a=\"b\", text/html",
            "video/mp4; a=\"b\", text/html; c=\"d\"",
            "video/mp4; a=\"b\", c=\"d\"",
            "video/mp4; a=\"b\\\"",
            "video//mp4",
            "video/mp4/x",
            "video/mp4\0",
            "video/mp4\u{b}",
            "video/mp4; A=b; a=c",
            "video/mp4; a = b",
            "*/*; q",
        ] {
            assert_eq!(read(value), Err(Unclear), "{value}");
        }
        let twice = [("content-type", "text/html"), ("content-type", "text/html")];
        assert_eq!(ContentType::read(&twice[..]), Err(Unclear));
    }

    #[test]
    fn charsets_must_be_known_to_be_ascii_compatible() {
        for label in ["utf-8", "UTF8", "iso-8859-1", "ISO-8859-15", "windows-1252", "Shift_JIS"] {
            assert!(charset(label), "{label}");
        }
        for label in [
            "utf-16",
            "utf-16le",
            "utf-32",
            "utf-7",
            "iso-2022-jp",
            "hz-gb-2312",
            "x-unknown",
            "iso-8859-12",
            "iso-8859-01",
            "iso-8859-+1",
            "windows-1259",
            "ibm037",
            "unicode",
        ] {
            assert!(!charset(label), "{label}");
        }
        assert!(read("text/html").unwrap().unwrap().is_ascii_compatible());
    }
}
