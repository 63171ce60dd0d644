//! Ranges and conditions of a request (RFC 9110, sections 13 and 14), for assets whose only validator is
//! the site's strong entity tag.

use std::ops::Range;

use http::header::{HeaderMap, HeaderName, IF_RANGE, RANGE};

/// What to answer with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Requested {
    /// All of it: no range, several, or one that can't be read.
    Whole,
    /// These bytes, at least one.
    One(Range<u64>),
    /// 416.
    Unsatisfiable,
}

/// What the `Range` of a GET asks for, where `If-Range` lets it.
pub(super) fn requested(headers: &HeaderMap, tag: Option<&[u8]>, length: u64) -> Requested {
    let mut ranges = headers.get_all(RANGE).iter();
    let (Some(range), None) = (ranges.next(), ranges.next()) else { return Requested::Whole };
    let mut conditions = headers.get_all(IF_RANGE).iter();
    // A date says nothing here: the site's is not known.
    if let Some(condition) = conditions.next()
        && (conditions.next().is_some() || Some(condition.as_bytes().trim_ascii()) != tag)
    {
        return Requested::Whole;
    }
    parse(range.as_bytes(), length).unwrap_or(Requested::Whole)
}

fn parse(value: &[u8], length: u64) -> Option<Requested> {
    let text = std::str::from_utf8(value).ok()?.trim();
    let (unit, set) = text.split_once('=')?;
    if !unit.eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = set.trim().split_once('-')?;
    if first.is_empty() {
        let start = length.saturating_sub(number(last)?);
        return Some(if start < length {
            Requested::One(start..length)
        } else {
            Requested::Unsatisfiable
        });
    }
    let first = number(first)?;
    let end = match last {
        "" => length,
        last => number(last).filter(|last| first <= *last)?.saturating_add(1).min(length),
    };
    Some(if first < length { Requested::One(first..end) } else { Requested::Unsatisfiable })
}

/// Digits only. What does not fit is as good as the greatest number.
fn number(digits: &str) -> Option<u64> {
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| digits.parse().unwrap_or(u64::MAX))
}

/// Whether a list of entity tags names this one, or anything. A weak tag counts where `weak` says so. Commas
/// may stand within the quotes.
pub(super) fn any_tag(
    headers: &HeaderMap,
    name: &HeaderName,
    tag: Option<&[u8]>,
    weak: bool,
) -> bool {
    headers.get_all(name).iter().any(|value| {
        let mut list = value.as_bytes().trim_ascii();
        if list == b"*" {
            return true;
        }
        loop {
            while let Some((b' ' | b'\t' | b',', rest)) = list.split_first() {
                list = rest;
            }
            let (quoted, is_weak) = match list.strip_prefix(b"W/") {
                Some(quoted) => (quoted, true),
                None => (list, false),
            };
            let Some(inside) = quoted.strip_prefix(b"\"") else { return false };
            let Some(close) = inside.iter().position(|byte| *byte == b'"') else { return false };
            let (given, rest) = quoted.split_at(close + 2);
            if tag == Some(given) && (weak || !is_weak) {
                return true;
            }
            list = rest;
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use Requested::{One, Unsatisfiable, Whole};
    use http::HeaderValue;
    use http::header::{IF_MATCH, IF_NONE_MATCH};
    use proptest::prelude::*;

    fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
        let pairs = pairs.iter();
        pairs.map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap())).collect()
    }

    #[test]
    fn ranges_of_a_thousand_bytes() {
        for (value, expected) in [
            ("bytes=0-0", One(0..1)),
            ("bytes=500-", One(500..1000)),
            ("bytes=999-5000", One(999..1000)),
            ("bytes=0-99999999999999999999999", One(0..1000)),
            ("bytes=-1", One(999..1000)),
            ("bytes=-5000", One(0..1000)),
            ("BYTES=0-1", One(0..2)),
            ("bytes=1000-", Unsatisfiable),
            ("bytes=99999999999999999999999-", Unsatisfiable),
            ("bytes=-0", Unsatisfiable),
            ("bytes=0-1,2-3", Whole),
            ("bytes=2-1", Whole),
            ("bytes=-", Whole),
            ("bytes=+1-2", Whole),
            ("bytes=1-2-3", Whole),
            ("items=0-1", Whole),
            ("", Whole),
        ] {
            assert_eq!(requested(&headers(&[(RANGE, value)]), None, 1000), expected, "{value:?}");
        }
        assert_eq!(requested(&HeaderMap::new(), None, 1000), Whole);
        let twice = headers(&[(RANGE, "bytes=0-0"), (RANGE, "bytes=1-1")]);
        assert_eq!(requested(&twice, None, 1000), Whole);
        assert_eq!(requested(&headers(&[(RANGE, "bytes=0-")]), None, 0), Unsatisfiable);
    }

    #[test]
    fn conditions() {
        let tag = Some(&b"\"a,b\""[..]);
        for (condition, applies) in [
            ("\"a,b\"", true),
            ("W/\"a,b\"", false),
            ("\"a\"", false),
            ("Sun, 06 Nov 1994 08:49:37 GMT", false),
        ] {
            let headers = headers(&[(RANGE, "bytes=0-0"), (IF_RANGE, condition)]);
            let expected = if applies { One(0..1) } else { Whole };
            assert_eq!(requested(&headers, tag, 9), expected, "{condition}");
            assert_eq!(requested(&headers, None, 9), Whole, "{condition}");
        }
        for (list, strong, weak) in [
            ("\"a,b\"", true, true),
            ("W/\"a,b\"", false, true),
            ("\"x\" ,\t\"a,b\"", true, true),
            ("*", true, true),
            ("\"a\", b\"", false, false),
            ("nonsense", false, false),
            ("", false, false),
        ] {
            assert_eq!(
                any_tag(&headers(&[(IF_MATCH, list)]), &IF_MATCH, tag, false),
                strong,
                "{list}"
            );
            let given = headers(&[(IF_NONE_MATCH, list)]);
            assert_eq!(any_tag(&given, &IF_NONE_MATCH, tag, true), weak, "{list}");
        }
    }

    proptest! {
        #[test]
        fn never_panics_and_never_leaves_the_file(value in any::<Vec<u8>>(), length: u64) {
            if let Some(One(span)) = parse(&value, length) {
                prop_assert!(span.start < span.end && span.end <= length);
            }
        }

        #[test]
        fn a_range_is_the_slice_of_the_same_numbers(
            length in 0_u64..300, first in 0_u64..320, extra in 0_u64..320,
        ) {
            let value = format!("bytes={first}-{}", first + extra);
            let expected = first..length.min(first + extra + 1);
            match parse(value.as_bytes(), length) {
                Some(One(span)) => prop_assert_eq!(span, expected),
                Some(Unsatisfiable) => prop_assert!(first >= length),
                other => prop_assert!(false, "{:?}", other),
            }
        }
    }
}
