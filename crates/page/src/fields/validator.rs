//! `ETag`, `If-None-Match`, and `Last-Modified` beside `Date` (RFC 9110, section 8.8).

use std::time::{Duration, SystemTime};

use super::{Unclear, single};
use crate::Headers;

/// Longer tags are refused: a tag is kept with the asset and sent in its manifest.
const MAX_TAG: usize = 256;

/// RFC 9110, section 8.8.2.2: a `Last-Modified` at least this much older than `Date` is strong.
const SETTLED: Duration = Duration::from_secs(60);

/// 1990-01-01. Reproducible builds and stores date all their files alike (0, 1, 1980-01-01): a date from
/// before the web tells no versions apart.
const FIRST: Duration = Duration::from_secs(631_152_000);

/// An entity tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EntityTag {
    pub(crate) weak: bool,
    /// The opaque tag, with its quotation marks.
    pub(crate) opaque: String,
}

impl EntityTag {
    fn parse(value: &[u8]) -> Result<Self, Unclear> {
        let (weak, opaque) = match value {
            [b'W', b'/', opaque @ ..] => (true, opaque),
            opaque => (false, opaque),
        };
        let [b'"', inner @ .., b'"'] = opaque else { return Err(Unclear) };
        // Printable ASCII but '"' and space. (Other bytes would not survive JSON.)
        if inner.len() > MAX_TAG || !inner.iter().all(|&b| b.is_ascii_graphic() && b != b'"') {
            return Err(Unclear);
        }
        let opaque = String::from_utf8(opaque.to_vec()).map_err(|_| Unclear)?;
        Ok(Self { weak, opaque })
    }

    /// The weak form, as a field value.
    pub(crate) fn weakened(&self) -> String {
        format!("W/{}", self.opaque)
    }
}

/// The `ETag` field; `Ok(None)` when absent.
pub(crate) fn entity_tag<H: Headers + ?Sized>(headers: &H) -> Result<Option<EntityTag>, Unclear> {
    single(headers, "etag")?.map(EntityTag::parse).transpose()
}

/// Whether `If-None-Match` lists the weak twin of this tag: the form we gave a page we changed.
pub(crate) fn lists_weak_twin<H: Headers + ?Sized>(headers: &H, tag: &EntityTag) -> bool {
    let twin = tag.weakened();
    headers
        .values("if-none-match")
        .any(|value| listed_tags(value).any(|listed| listed == twin.as_bytes()))
}

/// The tags of a list, as they stand there, up to what is none. They may hold commas: this walks from tag to tag.
pub(crate) fn listed_tags(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = value;
    std::iter::from_fn(move || {
        while let [b' ' | b'\t' | b',', tail @ ..] = rest {
            rest = tail;
        }
        let weak = rest.starts_with(b"W/");
        let [b'"', inner @ ..] = rest.get(if weak { 2 } else { 0 }..)? else { return None };
        let end = inner.iter().position(|&byte| byte == b'"')?;
        let (listed, tail) = rest.split_at_checked(end + if weak { 4 } else { 2 })?;
        rest = tail;
        Some(listed)
    })
}

/// What `Last-Modified` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LastModified {
    /// Absent, or there is no `Date` to hold it against.
    Unknown,
    /// Changed less than a minute before it was sent: may change again within the same second.
    Unsettled,
    /// As good as a strong validator. As sent.
    Settled(String),
}

pub(crate) fn last_modified<H: Headers + ?Sized>(headers: &H) -> Result<LastModified, Unclear> {
    let modified = single(headers, "last-modified")?;
    let sent = single(headers, "date")?;
    let (Some(modified), Some(sent)) = (modified, sent) else { return Ok(LastModified::Unknown) };
    let (text, modified) = date(modified)?;
    let (_, sent) = date(sent)?;
    if modified < SystemTime::UNIX_EPOCH + FIRST {
        return Err(Unclear);
    }
    Ok(match sent.duration_since(modified) {
        Ok(age) if age >= SETTLED => LastModified::Settled(text.to_owned()),
        _ => LastModified::Unsettled,
    })
}

/// Only the fixed form that servers must send (IMF-fixdate): it begins with the day's three letters
/// and a comma and ends in GMT.
fn date(value: &[u8]) -> Result<(&str, SystemTime), Unclear> {
    let text = std::str::from_utf8(value).map_err(|_| Unclear)?;
    if text.len() != 29 || !text.is_ascii() || !text.ends_with(" GMT") {
        return Err(Unclear);
    }
    httpdate::parse_http_date(text).map(|time| (text, time)).map_err(|_| Unclear)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_quoted() {
        let read = |value: &str| entity_tag(&[("etag", value)][..]);

        let strong = EntityTag { weak: false, opaque: "\"a,b\"".to_owned() };
        assert_eq!(read(" \"a,b\" "), Ok(Some(strong.clone())));
        assert_eq!(read("W/\"a,b\""), Ok(Some(EntityTag { weak: true, ..strong })));
        for value in [
            "",
            "a",
            "\"",
            "w/\"a\"",
            "\"a\"b\"",
            "\"a",
            "W/a",
            "\"a\", \"b\"",
            "\"ä\"",
            "\"a b\"",
            "\"a\tb\"",
            "\"a\" x",
            "W/ \"a\"",
            "W/W/\"a\"",
            "'a'",
            "\"a\0\"",
            "\"a\"; W/\"b\"",
            "\u{201c}a\u{201d}",
        ] {
            assert_eq!(read(value), Err(Unclear), "{value}");
        }
        assert!(read(&format!("\"{}\"", "a".repeat(256))).is_ok());
        assert_eq!(read(&format!("\"{}\"", "a".repeat(257))), Err(Unclear));
        let twice = [("etag", "\"a\""), ("ETag", "\"a\"")];
        assert_eq!(entity_tag(&twice[..]), Err(Unclear));
    }

    #[test]
    fn the_weak_twin_is_found_among_others() {
        let tag = EntityTag { weak: false, opaque: "\"x\"".to_owned() };
        let lists = |value: &str| lists_weak_twin(&[("if-none-match", value)][..], &tag);

        for value in ["W/\"x\"", "\"a,b\", W/\"x\"", "W/\"y\",W/\"x\"", " , W/\"x\" ,"] {
            assert!(lists(value), "{value}");
        }
        for value in ["", "*", "\"x\"", "W/\"y\"", "\"W/\"x\"", "x, W/\"x\"", "\"a, W/\"", "W/\"x"]
        {
            assert!(!lists(value), "{value}");
        }
    }

    #[test]
    fn a_date_is_strong_after_a_minute() {
        let read = |modified: &str, sent: &str| {
            last_modified(&[("last-modified", modified), ("date", sent)][..])
        };
        let modified = "Sun, 06 Nov 1994 08:49:37 GMT";

        assert_eq!(
            read(modified, "Sun, 06 Nov 1994 08:50:37 GMT"),
            Ok(LastModified::Settled(modified.to_owned()))
        );
        let early = "Sun, 06 Nov 1994 08:50:36 GMT";
        assert_eq!(read(modified, early), Ok(LastModified::Unsettled));
        let before = "Sun, 06 Nov 1994 08:00:00 GMT";
        assert_eq!(read(modified, before), Ok(LastModified::Unsettled));
        for doubtful in ["", "0", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 CET"]
        {
            assert_eq!(read(doubtful, early), Err(Unclear), "{doubtful}");
            assert_eq!(read(modified, doubtful), Err(Unclear), "{doubtful}");
        }
        for constant in [
            "Thu, 01 Jan 1970 00:00:00 GMT",
            "Thu, 01 Jan 1970 00:00:01 GMT",
            "Tue, 01 Jan 1980 00:00:00 GMT",
            "Sun, 31 Dec 1989 23:59:59 GMT",
        ] {
            assert_eq!(read(constant, early), Err(Unclear), "{constant}");
        }
        assert!(matches!(
            read("Mon, 01 Jan 1990 00:00:00 GMT", early),
            Ok(LastModified::Settled(_))
        ));
        let alone = [("last-modified", modified)];
        assert_eq!(last_modified(&alone[..]), Ok(LastModified::Unknown));
    }
}
