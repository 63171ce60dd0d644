//! Conditional requests: RFC 9110 section 13, in the precedence of 13.2.2.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::header::{
    HeaderMap, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE,
};

/// A date is known to mean one version only when the file had not changed for this long before it was
/// first told (RFC 9110 8.8.2.2 asks for at least a second).
const STRONG_DATE: Duration = Duration::from_secs(60);

/// The validators of the version at hand. Conditions apply to GET and HEAD only here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Validators<'a> {
    /// As it goes into `ETag`.
    pub(crate) tag: &'a [u8],
    pub(crate) modified: Option<SystemTime>,
    pub(crate) now: SystemTime,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    Proceed,
    /// 304.
    NotModified,
    /// 412.
    Failed,
}

impl Validators<'_> {
    /// Everything but `If-Range`.
    pub(crate) fn evaluate(&self, headers: &HeaderMap) -> Verdict {
        if headers.contains_key(IF_MATCH) {
            if !self.any_tag(headers, IF_MATCH.as_str(), Comparison::Strong) {
                return Verdict::Failed;
            }
        } else if let (Some(modified), Some(limit)) =
            (self.modified, date(headers, IF_UNMODIFIED_SINCE.as_str()))
            && modified > limit
        {
            return Verdict::Failed;
        }
        if headers.contains_key(IF_NONE_MATCH) {
            if self.any_tag(headers, IF_NONE_MATCH.as_str(), Comparison::Weak) {
                return Verdict::NotModified;
            }
        } else if let (Some(modified), Some(limit)) =
            (self.modified, date(headers, IF_MODIFIED_SINCE.as_str()))
            && modified <= limit
        {
            return Verdict::NotModified;
        }
        Verdict::Proceed
    }

    /// May `Range` be acted on? A validator that does not match, or is not strong, means the whole.
    pub(crate) fn range_applies(&self, headers: &HeaderMap) -> bool {
        let mut values = headers.get_all(IF_RANGE).iter();
        let Some(value) = values.next() else { return true };
        if values.next().is_some() {
            return false;
        }
        let value = value.as_bytes().trim_ascii();
        if value.starts_with(b"\"") || value.starts_with(b"W/") {
            return matches(value, self.tag, Comparison::Strong);
        }
        let told = std::str::from_utf8(value).ok().and_then(parse_date);
        told.is_some()
            && told == self.modified
            && self.modified.is_some_and(|modified| {
                self.now.duration_since(modified).is_ok_and(|age| age >= STRONG_DATE)
            })
    }

    fn any_tag(&self, headers: &HeaderMap, name: &str, comparison: Comparison) -> bool {
        headers.get_all(name).iter().any(|value| {
            let value = value.as_bytes().trim_ascii();
            value == b"*" || tags(value).any(|tag| matches(tag, self.tag, comparison))
        })
    }
}

#[derive(Clone, Copy)]
enum Comparison {
    Strong,
    Weak,
}

fn matches(given: &[u8], current: &[u8], comparison: Comparison) -> bool {
    match comparison {
        Comparison::Strong => given == current && !current.starts_with(b"W/"),
        Comparison::Weak => opaque(given) == opaque(current),
    }
}

fn opaque(tag: &[u8]) -> &[u8] {
    tag.strip_prefix(b"W/").unwrap_or(tag)
}

/// The entity tags of a list. Commas may stand within the quotes. Ends at the first malformed member.
fn tags(mut list: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        while let Some((b' ' | b'\t' | b',', rest)) = list.split_first() {
            list = rest;
        }
        let quoted = list.strip_prefix(b"W/").unwrap_or(list);
        let inside = quoted.strip_prefix(b"\"")?;
        let close = inside.iter().position(|&byte| byte == b'"')?;
        let length = list.len() - inside.len() + close + 1;
        let (tag, rest) = list.split_at_checked(length)?;
        list = rest;
        Some(tag)
    })
}

/// `None` when it is absent, given twice or not a date: then the condition is to be ignored.
fn date(headers: &HeaderMap, name: &str) -> Option<SystemTime> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    if values.next().is_some() { None } else { parse_date(value) }
}

fn parse_date(value: &str) -> Option<SystemTime> {
    httpdate::parse_http_date(value.trim()).ok().filter(|date| *date >= UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Verdict::{Failed, NotModified, Proceed};
    use http::{HeaderName, HeaderValue};
    use proptest::prelude::*;

    const AT: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const AFTER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                (HeaderName::try_from(*name).unwrap(), HeaderValue::try_from(*value).unwrap())
            })
            .collect()
    }

    fn validators(tag: &str, age: u64) -> Validators<'_> {
        let modified = parse_date(AT).unwrap();
        Validators {
            tag: tag.as_bytes(),
            modified: Some(modified),
            now: modified + Duration::from_secs(age),
        }
    }

    #[test]
    fn conditions_and_their_precedence() {
        for (given, expected) in [
            (vec![], Proceed),
            (vec![("if-match", "\"a\"")], Proceed),
            (vec![("if-match", "*")], Proceed),
            (vec![("if-match", "\"b\"")], Failed),
            (vec![("if-match", "\"b\", \"a\"")], Proceed),
            (vec![("if-match", "\"b\""), ("if-match", "\"a\"")], Proceed),
            (vec![("if-match", "W/\"a\"")], Failed),
            (vec![("if-match", "\"x,\\\"a\"")], Failed),
            (vec![("if-match", "nonsense")], Failed),
            (vec![("if-match", "")], Failed),
            (vec![("if-none-match", "\"a\"")], NotModified),
            (vec![("if-none-match", "W/\"a\"")], NotModified),
            (vec![("if-none-match", "*")], NotModified),
            (vec![("if-none-match", "\"b\"")], Proceed),
            (vec![("if-none-match", "\"b\",,\t\"a\"")], NotModified),
            (vec![("if-none-match", "\"b,\", \"a\"")], NotModified),
            (vec![("if-none-match", "\"b, a\"")], Proceed),
            (vec![("if-none-match", "a")], Proceed),
            (vec![("if-modified-since", AT)], NotModified),
            (vec![("if-modified-since", AFTER)], NotModified),
            (vec![("if-modified-since", BEFORE)], Proceed),
            (vec![("if-modified-since", "yesterday")], Proceed),
            (vec![("if-modified-since", AT), ("if-modified-since", AT)], Proceed),
            (vec![("if-unmodified-since", AT)], Proceed),
            (vec![("if-unmodified-since", BEFORE)], Failed),
            (vec![("if-unmodified-since", "yesterday")], Proceed),
            // Tags go before dates.
            (vec![("if-match", "\"a\""), ("if-unmodified-since", BEFORE)], Proceed),
            (vec![("if-match", "\"b\""), ("if-unmodified-since", AFTER)], Failed),
            (vec![("if-none-match", "\"b\""), ("if-modified-since", AT)], Proceed),
            (vec![("if-none-match", "\"a\""), ("if-modified-since", BEFORE)], NotModified),
            // Failing goes before not modified.
            (vec![("if-match", "\"b\""), ("if-none-match", "\"a\"")], Failed),
            (vec![("if-match", "\"a\""), ("if-none-match", "\"a\"")], NotModified),
            (vec![("if-unmodified-since", BEFORE), ("if-modified-since", AT)], Failed),
        ] {
            let verdict = validators("\"a\"", 3600).evaluate(&headers(&given));
            assert_eq!(verdict, expected, "{given:?}");
        }
    }

    #[test]
    fn a_weak_tag_confirms_no_strong_condition() {
        let weak = validators("W/\"a\"", 3600);
        assert_eq!(weak.evaluate(&headers(&[("if-match", "W/\"a\"")])), Failed);
        assert_eq!(weak.evaluate(&headers(&[("if-match", "\"a\"")])), Failed);
        assert_eq!(weak.evaluate(&headers(&[("if-match", "*")])), Proceed);
        assert_eq!(weak.evaluate(&headers(&[("if-none-match", "\"a\"")])), NotModified);
        assert!(!weak.range_applies(&headers(&[("if-range", "W/\"a\"")])));
    }

    #[test]
    fn if_range_wants_a_strong_match() {
        for (value, age, expected) in [
            ("\"a\"", 0, true),
            ("\"b\"", 0, false),
            ("W/\"a\"", 0, false),
            ("\"a\", \"b\"", 0, false),
            (AT, 3600, true),
            (AT, 60, true),
            (AT, 59, false),
            (BEFORE, 3600, false),
            (AFTER, 3600, false),
            ("a", 3600, false),
            ("", 3600, false),
        ] {
            let given = headers(&[("if-range", value)]);
            assert_eq!(validators("\"a\"", age).range_applies(&given), expected, "{value} {age}");
        }
        let validators = validators("\"a\"", 3600);
        assert!(validators.range_applies(&HeaderMap::new()));
        let twice = headers(&[("if-range", "\"a\""), ("if-range", "\"a\"")]);
        assert!(!validators.range_applies(&twice));
    }

    proptest! {
        #[test]
        fn lists_never_panic_and_give_quoted_tags(list in any::<Vec<u8>>()) {
            for tag in tags(&list).take(1000) {
                prop_assert!(tag.ends_with(b"\"") && tag.len() >= 2);
            }
        }
    }
}
