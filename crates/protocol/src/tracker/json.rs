//! Limits that hold before any JSON is understood, and numbers as strangers write them.

use std::fmt;

use serde::{Deserializer, de};

/// The largest message read or relayed: 64 KiB.
pub const MAX_MESSAGE_BYTES: usize = 64 * 1024;

/// The deepest nesting read. The deepest message of the protocol has 4 levels.
pub const MAX_DEPTH: usize = 8;

/// Why a message is not one of the protocol. The text goes back to the sender, so it quotes
/// nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MessageError {
    /// More than [`MAX_MESSAGE_BYTES`].
    #[error("message too big")]
    TooBig,
    /// Nested deeper than [`MAX_DEPTH`].
    #[error("message nested too deeply")]
    TooDeep,
    /// Not a JSON object.
    #[error("message is not a JSON object")]
    NotJson,
    /// No `action`, or one this protocol does not have.
    #[error("unknown action")]
    UnknownAction,
    /// An announce with a missing, repeated or ill-typed field.
    #[error("malformed announce")]
    MalformedAnnounce,
    /// A scrape with a missing, repeated or ill-typed field.
    #[error("malformed scrape")]
    MalformedScrape,
}

/// Checks size and nesting, without a recursion and before anything is allocated.
pub(super) fn check_limits(text: &str) -> Result<(), MessageError> {
    if text.len() > MAX_MESSAGE_BYTES {
        return Err(MessageError::TooBig);
    }
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' | b'[' => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return Err(MessageError::TooDeep);
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

/// `#[serde(deserialize_with)]`: a byte count as clients send it. JavaScript clients send `null`
/// for an unknown (infinite or NaN) count, others -1; fractions are rounded up, so that only an
/// exact 0 is 0.
pub(super) fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    struct Count;

    impl de::Visitor<'_> for Count {
        type Value = Option<u64>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a number or null")
        }

        fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
            Ok(Some(value))
        }

        fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
            Ok(u64::try_from(value).ok())
        }

        fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
            // `as` saturates, which is the clamp that is wanted here.
            Ok((value >= 0.0).then(|| value.ceil() as u64))
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(None)
        }
    }

    deserializer.deserialize_any(Count)
}

/// As [`count`], for counts where unknown means none.
pub(super) fn count_or_zero<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    count(deserializer).map(Option::unwrap_or_default)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_counts_brackets_outside_strings_only() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(check_limits(&nested(MAX_DEPTH)), Ok(()));
        assert_eq!(check_limits(&nested(MAX_DEPTH + 1)), Err(MessageError::TooDeep));
        assert_eq!(check_limits(r#"{"a":"[[[[[[[[[[\"[[["}"#), Ok(()));
        assert_eq!(check_limits(r#"{"a":"\\","b":[[[[[[[[0]]]]]]]]}"#), Err(MessageError::TooDeep));
        assert_eq!(check_limits(&"]".repeat(100)), Ok(()));
    }

    #[test]
    fn size_is_limited() {
        assert_eq!(check_limits(&" ".repeat(MAX_MESSAGE_BYTES)), Ok(()));
        assert_eq!(check_limits(&" ".repeat(MAX_MESSAGE_BYTES + 1)), Err(MessageError::TooBig));
    }

    #[test]
    fn counts_are_clamped() {
        let read = |json: &str| count(&mut serde_json::Deserializer::from_str(json)).ok();
        assert_eq!(read("0"), Some(Some(0)));
        assert_eq!(read("-0.0"), Some(Some(0)));
        assert_eq!(read("0.2"), Some(Some(1)));
        assert_eq!(read("1e300"), Some(Some(u64::MAX)));
        assert_eq!(read("18446744073709551616"), Some(Some(u64::MAX)));
        assert_eq!(read("-1"), Some(None));
        assert_eq!(read("-1.5"), Some(None));
        assert_eq!(read("null"), Some(None));
        for refused in ["1e400", "NaN", "\"0\"", "true", "[]", "{}", "01", "+1"] {
            let mut json = serde_json::Deserializer::from_str(refused);
            let whole = count(&mut json).and_then(|value| json.end().map(|()| value));
            assert!(whole.is_err(), "{refused}");
        }
    }
}
