//! `Range: bytes=…` (RFC 9110 14).
//!
//! One range is answered exactly. Several in one request are answered with the whole file, as section
//! 14.2 permits: `multipart/byteranges` is what no browser player, download tool or web-seed client
//! asks for, it lets a small request make a large answer of overlapping parts, and a multipart body is
//! not a span of the file for anything that verifies or shares bytes on the way.

/// The bytes `start .. start + length` of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Span {
    pub(crate) start: u64,
    pub(crate) length: u64,
}

impl Span {
    /// As in `Content-Range`. Only for spans that are not empty.
    pub(crate) fn last(self) -> u64 {
        self.start.saturating_add(self.length).saturating_sub(1)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Requested {
    /// No range, or none that this server acts on.
    Whole,
    One(Span),
    /// 416.
    Unsatisfiable,
}

/// What `value` asks of a file of `length` bytes.
pub(crate) fn parse(value: &[u8], length: u64) -> Requested {
    one_range(value).map_or(Requested::Whole, |range| resolve(range, length))
}

enum Range {
    From { first: u64, last: Option<u64> },
    Suffix(u64),
}

/// `None` for anything malformed (which is to be ignored), for other units and for several ranges.
fn one_range(value: &[u8]) -> Option<Range> {
    let value = std::str::from_utf8(value).ok()?.trim_matches([' ', '\t']);
    let (unit, set) = value.split_once('=')?;
    if !unit.eq_ignore_ascii_case("bytes") {
        return None;
    }
    // Empty list members are to be tolerated (RFC 9110 5.6.1.2).
    let mut members =
        set.split(',').map(|member| member.trim_matches([' ', '\t'])).filter(|m| !m.is_empty());
    let (first, last) = members.next()?.split_once('-')?;
    if members.next().is_some() {
        return None;
    }
    if first.is_empty() {
        return Some(Range::Suffix(number(last)?));
    }
    let first = number(first)?;
    let last = if last.is_empty() { None } else { Some(number(last)?) };
    (last.is_none_or(|last| first <= last)).then_some(Range::From { first, last })
}

/// Digits only. What does not fit is as good as the greatest number: files end long before.
fn number(digits: &str) -> Option<u64> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(digits.parse().unwrap_or(u64::MAX))
}

fn resolve(range: Range, length: u64) -> Requested {
    let (start, end) = match range {
        Range::Suffix(0) => return Requested::Unsatisfiable,
        // Satisfiable, but there is no Content-Range for no bytes.
        Range::Suffix(_) if length == 0 => return Requested::Whole,
        Range::Suffix(suffix) => (length.saturating_sub(suffix), length),
        Range::From { first, .. } if first >= length => return Requested::Unsatisfiable,
        Range::From { first, last } => {
            (first, last.map_or(length, |last| last.saturating_add(1).min(length)))
        }
    };
    Requested::One(Span { start, length: end.saturating_sub(start) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn one(start: u64, length: u64) -> Requested {
        Requested::One(Span { start, length })
    }

    #[test]
    fn ranges_of_a_thousand_bytes() {
        use Requested::{Unsatisfiable, Whole};
        for (value, expected) in [
            ("bytes=0-0", one(0, 1)),
            ("bytes=0-499", one(0, 500)),
            ("bytes=500-", one(500, 500)),
            ("bytes=0-", one(0, 1000)),
            ("bytes=999-999", one(999, 1)),
            ("bytes=999-5000", one(999, 1)),
            ("bytes=0-99999999999999999999999", one(0, 1000)),
            ("bytes=0-18446744073709551615", one(0, 1000)),
            ("bytes=-1", one(999, 1)),
            ("bytes=-1000", one(0, 1000)),
            ("bytes=-5000", one(0, 1000)),
            ("Bytes=0-1", one(0, 2)),
            (" bytes= 0-1 ", one(0, 2)),
            ("bytes=,0-1,", one(0, 2)),
            ("bytes=00-01", one(0, 2)),
            ("bytes=1000-", Unsatisfiable),
            ("bytes=1000-2000", Unsatisfiable),
            ("bytes=99999999999999999999999-", Unsatisfiable),
            ("bytes=-0", Unsatisfiable),
            ("bytes=0-1,2-3", Whole),
            ("bytes=2-1", Whole),
            ("bytes=-", Whole),
            ("bytes=", Whole),
            ("bytes", Whole),
            ("", Whole),
            ("bytes=a-b", Whole),
            ("bytes=+1-2", Whole),
            ("bytes=0x1-2", Whole),
            ("bytes=1-2-3", Whole),
            ("bytes=0 -1", Whole),
            ("bytes=0- 1", Whole),
            ("bytes =0-1", Whole),
            ("items=0-1", Whole),
            ("bytes=\u{663}-", Whole),
        ] {
            assert_eq!(parse(value.as_bytes(), 1000), expected, "{value:?}");
        }
        assert_eq!(parse(b"bytes=\xff-", 1000), Whole);
    }

    #[test]
    fn ranges_of_an_empty_file() {
        assert_eq!(parse(b"bytes=0-", 0), Requested::Unsatisfiable);
        assert_eq!(parse(b"bytes=-1", 0), Requested::Whole);
    }

    proptest! {
        #[test]
        fn a_range_is_the_slice_of_the_same_numbers(
            length in 0_usize..300, first in 0_usize..320, extra in 0_usize..320, form in 0..3,
        ) {
            let data: Vec<usize> = (0..length).collect();
            let last = first + extra;
            let (value, expected) = match form {
                0 => (format!("bytes={first}-{last}"), data.get(first..length.min(last + 1))),
                1 => (format!("bytes={first}-"), data.get(first..)),
                _ => (format!("bytes=-{first}"), data.get(length.saturating_sub(first)..)),
            };
            let expected = expected.filter(|slice| !slice.is_empty());
            match parse(value.as_bytes(), length as u64) {
                Requested::One(span) => {
                    let start = usize::try_from(span.start).unwrap();
                    let end = start + usize::try_from(span.length).unwrap();
                    prop_assert_eq!(Some(&data[start..end]), expected);
                    prop_assert_eq!(span.last(), end as u64 - 1);
                }
                Requested::Unsatisfiable => prop_assert_eq!(expected, None),
                Requested::Whole => prop_assert!(length == 0 && form == 2),
            }
        }

        #[test]
        fn never_panics_and_never_leaves_the_file(value in any::<Vec<u8>>(), length: u64) {
            if let Requested::One(span) = parse(&value, length) {
                prop_assert!(span.length > 0 && span.last() < length);
            }
        }

        #[test]
        fn numbers_of_any_size(first in "[0-9]{0,30}", last in "[0-9]{0,30}", length: u64) {
            if let Requested::One(span) = parse(format!("bytes={first}-{last}").as_bytes(), length) {
                prop_assert!(span.length > 0 && span.last() < length);
            }
        }
    }
}
