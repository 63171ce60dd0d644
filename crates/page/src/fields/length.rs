//! `Content-Length` and `Content-Range`.

use super::{Unclear, single};
use crate::Headers;

/// The body's length; `Ok(None)` when it is not declared.
pub(crate) fn content_length<H: Headers + ?Sized>(headers: &H) -> Result<Option<u64>, Unclear> {
    let Some(value) = single(headers, "content-length")? else { return Ok(None) };
    if headers.values("transfer-encoding").next().is_some() {
        return Err(Unclear);
    }
    number(value).map(Some)
}

/// A satisfied range of known complete length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ContentRange {
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) complete: u64,
}

/// `bytes first-last/complete`; `Ok(None)` when absent. An unknown complete length (`*`), another
/// unit, or a range outside the complete length is unclear.
pub(crate) fn content_range<H: Headers + ?Sized>(
    headers: &H,
) -> Result<Option<ContentRange>, Unclear> {
    let Some(value) = single(headers, "content-range")? else { return Ok(None) };
    let text = std::str::from_utf8(value).map_err(|_| Unclear)?;
    let (unit, range) = text.split_once(' ').ok_or(Unclear)?;
    let (range, complete) = range.split_once('/').ok_or(Unclear)?;
    let (first, last) = range.split_once('-').ok_or(Unclear)?;
    let range = ContentRange {
        first: number(first.as_bytes())?,
        last: number(last.as_bytes())?,
        complete: number(complete.as_bytes())?,
    };
    let valid = unit.eq_ignore_ascii_case("bytes")
        && range.first <= range.last
        && range.last < range.complete;
    valid.then_some(Some(range)).ok_or(Unclear)
}

/// Digits and nothing else.
fn number(digits: &[u8]) -> Result<u64, Unclear> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Unclear);
    }
    std::str::from_utf8(digits).map_err(|_| Unclear)?.parse().map_err(|_| Unclear)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_digits() {
        let read = |value: &str| content_length(&[("content-length", value)][..]);

        assert_eq!(read("0"), Ok(Some(0)));
        assert_eq!(read(" 18446744073709551615"), Ok(Some(u64::MAX)));
        for value in ["", "-1", "+1", "1 ", "1, 1", "0x1", "1.0", "18446744073709551616", "١"] {
            let trimmed = value.trim();
            if trimmed != "1" {
                assert_eq!(read(value), Err(Unclear), "{value}");
            }
        }
        let twice = [("content-length", "1"), ("content-length", "1")];
        assert_eq!(content_length(&twice[..]), Err(Unclear));
        let chunked = [("content-length", "1"), ("transfer-encoding", "chunked")];
        assert_eq!(content_length(&chunked[..]), Err(Unclear));
    }

    #[test]
    fn ranges_lie_within_a_known_length() {
        let read = |value: &str| content_range(&[("content-range", value)][..]);

        let range = ContentRange { first: 0, last: 9, complete: 10 };
        assert_eq!(read("bytes 0-9/10"), Ok(Some(range)));
        for value in [
            "",
            "bytes",
            "bytes 0-9/*",
            "bytes */10",
            "bytes 0-10/10",
            "bytes 9-0/10",
            "bytes=0-9/10",
            "items 0-9/10",
            "bytes 0-9/10/11",
            "bytes  0-9/10",
            "bytes -9/10",
            "bytes 0-9",
            "bytes 0 - 9/10",
            "bytes 0-9/10 ,",
            "bytes 0-9/10, bytes 0-9/10",
            "bytes 0-9/10;x",
            "bytes 0-9/ 10",
            "bytes 0-9/+10",
            "bytes 0-9/0x10",
            "bytes 0-9/-10",
            "bytes -1-9/10",
            "bytes 0-9/18446744073709551616",
            "bytes 18446744073709551616-18446744073709551617/18446744073709551618",
            "bytes 0-18446744073709551615/18446744073709551615",
            "bytes */*",
            "bytes\t0-9/10",
            "bytes 0-9/\u{661}0",
        ] {
            assert_eq!(read(value), Err(Unclear), "{value}");
        }
        assert!(read(" BYTES 0-9/10\t").is_ok());
        let twice = [("content-range", "bytes 0-9/10"), ("content-range", "bytes 0-9/10")];
        assert_eq!(content_range(&twice[..]), Err(Unclear));
    }
}
