//! Times as logs write them, in milliseconds since the epoch.

/// Length of `10/Oct/2000:13:55:36 -0700`.
pub(super) const CLF: usize = 26;

/// The time of Common and Combined logs.
pub(super) fn common(text: &[u8]) -> Option<i64> {
    let text: &[u8; CLF] = text.try_into().ok()?;
    if [text[2], text[6], text[11], text[14], text[17], text[20]] != *b"//::: " {
        return None;
    }
    let month = match &text[3..6] {
        b"Jan" => 1,
        b"Feb" => 2,
        b"Mar" => 3,
        b"Apr" => 4,
        b"May" => 5,
        b"Jun" => 6,
        b"Jul" => 7,
        b"Aug" => 8,
        b"Sep" => 9,
        b"Oct" => 10,
        b"Nov" => 11,
        b"Dec" => 12,
        _ => return None,
    };
    let day = digits(&text[..2])?;
    let clock = clock(digits(&text[12..14])?, digits(&text[15..17])?, digits(&text[18..20])?)?;
    let zone = zone(&text[21..])?;
    Some((date(digits(&text[7..11])?, month, day)? + clock - zone) * 1_000)
}

/// RFC 3339 (`2026-11-30T21:00:00.25+01:00`), the time of Common logs, or seconds since the epoch with or
/// without a fraction. Numbers that would be seconds of the far future are milliseconds, or finer.
pub(super) fn any(text: &[u8]) -> Option<i64> {
    if let Some(number) = seconds(text) {
        return Some(number);
    }
    if text.len() == CLF && text[2] == b'/' {
        return common(text);
    }
    let (head, rest) = text.split_at_checked(19)?;
    if [head[4], head[7], head[13], head[16]] != *b"--::" || !b"T t_".contains(&head[10]) {
        return None;
    }
    let day = date(digits(&head[..4])?, digits(&head[5..7])?, digits(&head[8..10])?)?;
    let clock = clock(digits(&head[11..13])?, digits(&head[14..16])?, digits(&head[17..19])?)?;
    let (millis, rest) = match rest.split_first() {
        Some((b'.' | b',', rest)) => {
            let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            let (fraction, rest) = rest.split_at(length);
            (millis(fraction), rest)
        }
        _ => (0, rest),
    };
    let zone = match rest {
        b"" | b"Z" | b"z" => 0,
        rest => zone(rest)?,
    };
    Some((day + clock - zone) * 1_000 + millis)
}

fn seconds(text: &[u8]) -> Option<i64> {
    let mut parts = text.splitn(2, |&byte| byte == b'.');
    let whole = parts.next().filter(|whole| (1..=19).contains(&whole.len()))?;
    let fraction = parts.next().unwrap_or_default();
    if !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let whole = digits(whole)?;
    Some(match whole {
        // Seconds until the year 5138; beyond, the same as milliseconds, microseconds, nanoseconds.
        0..100_000_000_000 => whole * 1_000 + millis(fraction),
        100_000_000_000..100_000_000_000_000 => whole,
        100_000_000_000_000..100_000_000_000_000_000 => whole / 1_000,
        _ => whole / 1_000_000,
    })
}

/// The first three digits of a fraction.
fn millis(fraction: &[u8]) -> i64 {
    (0..3).fold(0, |sum, at| {
        sum * 10 + fraction.get(at).map_or(0, |digit| i64::from(digit.wrapping_sub(b'0')))
    })
}

/// `+0100`, `-07:00`, in seconds.
fn zone(text: &[u8]) -> Option<i64> {
    let (sign, hours, minutes) = match *text {
        [sign, a, b, c, d] | [sign, a, b, b':', c, d] => (sign, [a, b], [c, d]),
        [sign, a, b] => (sign, [a, b], *b"00"),
        _ => return None,
    };
    let (hours, minutes) = (digits(&hours)?, digits(&minutes)?);
    let seconds = (hours * 60 + minutes) * 60;
    match sign {
        _ if hours > 23 || minutes > 59 => None,
        b'+' => Some(seconds),
        b'-' => Some(-seconds),
        _ => None,
    }
}

fn clock(hour: i64, minute: i64, second: i64) -> Option<i64> {
    // 60: a leap second.
    let valid = hour < 24 && minute < 60 && second <= 60;
    valid.then_some((hour * 60 + minute) * 60 + second)
}

/// Midnight of a day of the Gregorian calendar, in seconds.
fn date(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || !(1970..=9999).contains(&year) {
        return None;
    }
    // Years from March on, so that the leap day is a year's last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (era, of_era) = (year / 400, year % 400);
    let days = of_era * 365 + of_era / 4 - of_era / 100 + (153 * month + 2) / 5 + day - 1;
    Some((era * 146_097 + days - 719_468) * 86_400)
}

pub(super) fn digits(text: &[u8]) -> Option<i64> {
    if text.is_empty() || text.len() > 18 {
        // Nanoseconds since the epoch have 19 digits.
        let text = std::str::from_utf8(text).ok().filter(|text| text.len() == 19)?;
        return text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?;
    }
    text.iter().try_fold(0_i64, |number, byte| match byte {
        b'0'..=b'9' => Some(number * 10 + i64::from(byte - b'0')),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_ways_to_write_one_moment_are_that_moment() {
        let moment = 1_791_898_536;
        for text in [
            "1791898536",
            "1791898536.000",
            "1791898536000",
            "1791898536000000",
            "1791898536000000000",
            "2026-10-13T13:35:36Z",
            "2026-10-13T13:35:36",
            "2026-10-13 13:35:36",
            "2026-10-13T15:35:36.000+02:00",
            "2026-10-13T06:35:36-0700",
            "2026-10-13T15:35:36+02",
            "13/Oct/2026:13:35:36 +0000",
            "13/Oct/2026:19:05:36 +0530",
        ] {
            assert_eq!(any(text.as_bytes()), Some(moment * 1_000), "{text}");
        }
        assert_eq!(any(b"1791898536.25"), Some(moment * 1_000 + 250));
        assert_eq!(any(b"2026-10-13T13:35:36.0625Z"), Some(moment * 1_000 + 62));
    }

    #[test]
    fn the_calendar_has_leap_years() {
        for (text, seconds) in [
            ("01/Jan/1970:00:00:00 +0000", 0),
            ("29/Feb/2024:00:00:00 +0000", 1_709_164_800),
            ("01/Mar/2024:00:00:00 +0000", 1_709_251_200),
            ("01/Mar/2100:00:00:00 +0000", 4_107_542_400),
            ("31/Dec/1999:23:59:60 +0000", 946_684_800),
        ] {
            assert_eq!(common(text.as_bytes()), Some(seconds * 1_000), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            "-",
            "x",
            "10/Okt/2000:13:55:36 -0700",
            "10/Oct/2000:24:55:36 -0700",
            "1O/Oct/2000:13:55:36 -0700",
            "10/Oct/2000:13:55:36  0700",
            "2026-13-13T13:35:36Z",
            "2026-10-13T13:35:36X",
            "2026-10-13T13:35",
            "1.2.3",
            "99999999999999999999",
        ] {
            assert_eq!(any(text.as_bytes()), None, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..40)) {
            let _ = (any(&text), common(&text));
        }

        #[test]
        fn no_date_makes_it_panic(text in "[0-9]{1,4}[-/][A-Za-z0-9]{2,3}[-/][0-9]{2,4}[T: ][0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{0,9})? ?[-+Z]?[0-9:]{0,5}") {
            let _ = any(text.as_bytes());
        }
    }
}
