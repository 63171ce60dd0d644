//! Numbers as people read them: one way of writing each, for the dashboard and the report.
//!
//! Spaces within a number are no-break spaces and the minus sign is U+2212, which a screen reader reads as
//! "minus"; [`plain`] makes both what every terminal has.

use std::time::{Duration, UNIX_EPOCH};

use manyhands_experiment::{Interval, Share};

/// Between a number and its unit.
const GAP: char = '\u{a0}';
const MINUS: char = '\u{2212}';
const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// A number with its interval, each as text, all to the same precision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Spoken {
    pub(super) value: String,
    pub(super) low: String,
    pub(super) high: String,
}

impl Spoken {
    /// `between 29 % and 39 %`
    pub(super) fn between(&self) -> String {
        format!("between {} and {}", self.low, self.high)
    }

    /// `29 % to 39 %`
    pub(super) fn range(&self) -> String {
        format!("{} to {}", self.low, self.high)
    }

    fn of(share: &Share, write: impl Fn(f64) -> String) -> Self {
        let Share { value, interval: Interval { low, high } } = *share;
        Self { value: write(value), low: write(low), high: write(high) }
    }
}

/// A share of something: as precise as its interval is narrow.
pub(super) fn percent(share: &Share) -> Spoken {
    let decimals = match (share.interval.high - share.interval.low) * 100.0 {
        width if width < 0.2 => 2,
        width if width < 2.0 => 1,
        _ => 0,
    };
    Spoken::of(share, |fraction| percentage(fraction, decimals))
}

/// A fraction that was counted, not estimated.
pub(super) fn counted_percent(part: u64, whole: u64) -> Option<String> {
    let fraction = part as f64 / whole as f64;
    (whole > 0).then(|| percentage(fraction, if fraction < 0.1 { 1 } else { 0 }))
}

/// A mark on the axis of a plot.
pub(super) fn axis(fraction: f64) -> String {
    percentage(fraction, 0)
}

fn percentage(fraction: f64, decimals: usize) -> String {
    match fraction * 100.0 {
        // An interval may have no end there: sharing may cost many times what is sent without it.
        percent if percent < -1_000.0 => format!("below {MINUS}1,000{GAP}%"),
        percent if percent > 1_000.0 => format!("above 1,000{GAP}%"),
        percent if percent.is_finite() => format!("{}{GAP}%", number(percent, decimals)),
        _ => "unknown".to_owned(),
    }
}

/// A ratio of times, as how much longer they are: `1.03` is `3.0 % slower`.
pub(super) fn slower(ratio: f64) -> String {
    let percent = (ratio - 1.0) * 100.0;
    let word = if percent < 0.0 { "faster" } else { "slower" };
    if percent.is_finite() {
        format!("{}{GAP}% {word}", number(percent.abs(), 1))
    } else {
        "unknown".to_owned()
    }
}

/// A sum of money; the parts of a unit only where they matter.
pub(super) fn money(currency: &str, share: &Share) -> Spoken {
    let largest = share.value.abs().max(share.interval.high.abs()).max(share.interval.low.abs());
    let decimals = if largest >= 100.0 || largest == 0.0 { 0 } else { 2 };
    let currency = currency.trim();
    Spoken::of(share, |amount| match (currency, number(amount, decimals)) {
        ("", amount) => amount,
        (currency, amount) => format!("{currency}{GAP}{amount}"),
    })
}

/// Octets, in the decimal units of a bill.
pub(super) fn bytes(octets: f64) -> String {
    const UNITS: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
    let mut amount = octets.abs();
    let mut units = UNITS.into_iter();
    let mut unit = units.next().unwrap_or_default();
    // Where rounding would write 1,000 of a unit it is one of the next.
    while amount >= 999.5
        && let Some(larger) = units.next()
    {
        amount /= 1_000.0;
        unit = larger;
    }
    let decimals = match amount {
        _ if unit == "B" => 0,
        amount if amount < 99.95 => 1,
        _ => 0,
    };
    format!("{}{GAP}{unit}", number(amount.copysign(octets), decimals))
}

/// Octets with their interval.
pub(super) fn byte_share(share: &Share) -> Spoken {
    Spoken::of(share, bytes)
}

/// Bits a second.
pub(super) fn bits(rate: u64) -> String {
    let (amount, unit) = match rate as f64 {
        rate if rate < 999_500.0 => (rate / 1e3, "kbit/s"),
        rate if rate < 999_500_000.0 => (rate / 1e6, "Mbit/s"),
        rate => (rate / 1e9, "Gbit/s"),
    };
    format!("{}{GAP}{unit}", number(amount, if amount < 9.95 { 1 } else { 0 }))
}

/// Milliseconds.
pub(super) fn time(milliseconds: f64) -> String {
    match milliseconds {
        ms if ms < 999.5 => format!("{}{GAP}ms", number(ms, 0)),
        ms if ms < 99_950.0 => format!("{}{GAP}s", number(ms / 1_000.0, 1)),
        ms => format!("{}{GAP}min", number(ms / 60_000.0, 1)),
    }
}

/// A count, thousands apart.
pub(super) fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 file`, `2 files`
pub(super) fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{}{GAP}{}", count(number), if number == 1 { one } else { many })
}

/// How long something will take, roughly.
pub(super) fn about(seconds: u64) -> String {
    let rounded = |unit: u64| (seconds + unit / 2) / unit;
    const TWO_DAYS: u64 = 2 * DAY;
    const TWO_MONTHS: u64 = 60 * DAY;
    const TWO_YEARS: u64 = 730 * DAY;
    match seconds {
        0..HOUR => "less than an hour".to_owned(),
        HOUR..TWO_DAYS => format!("about {}", counted(rounded(HOUR), "hour", "hours")),
        TWO_DAYS..TWO_MONTHS => format!("about {}", counted(rounded(DAY), "day", "days")),
        TWO_MONTHS..TWO_YEARS => format!("about {}", counted(rounded(30 * DAY), "month", "months")),
        TWO_YEARS.. => "more than two years".to_owned(),
    }
}

/// The same of what is still to come: `about 9 more days`.
pub(super) fn about_more(seconds: u64) -> String {
    let about = about(seconds);
    match about.split_once(GAP) {
        Some((number, unit)) => format!("{number}{GAP}more {unit}"),
        None => about,
    }
}

/// A length of time in the past: `2 hours`, `13 days`.
pub(super) fn days(seconds: u64) -> String {
    if seconds < 2 * DAY {
        counted(seconds.div_ceil(HOUR), "hour", "hours")
    } else {
        counted(seconds / DAY, "day", "days")
    }
}

/// The day of a time in seconds since the epoch: `2 Nov 2026`.
pub(super) fn day(at: u64) -> String {
    let date = http_date(at);
    date.get(5..16).unwrap_or_default().trim_start_matches('0').replace(' ', "\u{a0}")
}

/// Day and minute: `2 Nov 2026, 08:49 UTC`.
pub(super) fn moment(at: u64) -> String {
    format!("{}, {}{GAP}UTC", day(at), http_date(at).get(17..22).unwrap_or_default())
}

/// `Mon, 02 Nov 2026 08:49:37 GMT`: fixed in width (RFC 9110 section 5.6.7), until the year 9999.
fn http_date(at: u64) -> String {
    const LAST: u64 = 253_402_300_799;
    httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(at.min(LAST)))
}

/// A number with its sign, thousands apart. No `-0`.
fn number(value: f64, decimals: usize) -> String {
    if !value.is_finite() {
        return "unknown".to_owned();
    }
    let text = format!("{:.decimals$}", value.abs());
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    // Past the counts of 64 bits nothing has to be read digit by digit.
    let whole = whole.parse().map_or_else(|_| whole.to_owned(), count);
    let is_zero = text.bytes().all(|byte| matches!(byte, b'0' | b'.'));
    let sign = if value < 0.0 && !is_zero { MINUS.to_string() } else { String::new() };
    format!("{sign}{whole}{rest}")
}

/// The same text for a terminal and for a program that reads lines.
pub(super) fn plain(text: &str) -> String {
    text.replace(GAP, " ").replace(MINUS, "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(value: f64, low: f64, high: f64) -> Share {
        Share { value, interval: Interval { low, high } }
    }

    fn said(spoken: &Spoken) -> String {
        plain(&format!("{}, {}", spoken.value, spoken.between()))
    }

    #[test]
    fn a_share_is_as_precise_as_its_interval_is_narrow() {
        for (value, low, high, expected) in [
            (0.3412, 0.29, 0.39, "34 %, between 29 % and 39 %"),
            (0.3412, 0.3361, 0.3463, "34.1 %, between 33.6 % and 34.6 %"),
            (0.3412, 0.34061, 0.34179, "34.12 %, between 34.06 % and 34.18 %"),
            (-0.004, -0.02, 0.01, "0 %, between -2 % and 1 %"),
            (-3.0, f64::NEG_INFINITY, 0.2, "-300 %, between below -1,000 % and 20 %"),
            (f64::NAN, 0.0, 0.1, "unknown, between 0 % and 10 %"),
        ] {
            assert_eq!(said(&percent(&share(value, low, high))), expected);
        }
    }

    #[test]
    fn money_has_its_currency_and_no_false_cents() {
        for (currency, amount, expected) in [
            ("EUR", share(1_234.4, 900.2, 1_600.0), "EUR 1,234, between EUR 900 and EUR 1,600"),
            ("€", share(9.995, -1.5, 20.0), "€ 9.99, between € -1.50 and € 20.00"),
            ("", share(0.0, 0.0, 0.0), "0, between 0 and 0"),
        ] {
            assert_eq!(said(&money(currency, &amount)), expected);
        }
    }

    #[test]
    fn octets_read_well_at_every_size() {
        for (octets, expected) in [
            (0.0, "0 B"),
            (999.0, "999 B"),
            (1_000.0, "1.0 kB"),
            (9_949.0, "9.9 kB"),
            (10_400.0, "10.4 kB"),
            (999_600.0, "1.0 MB"),
            (4_700_000_000.0, "4.7 GB"),
            (-1.5e12, "-1.5 TB"),
            (u64::MAX as f64, "18.4 EB"),
            (5e21, "5,000 EB"),
        ] {
            assert_eq!(plain(&bytes(octets)), expected, "{octets}");
        }
    }

    #[test]
    fn times_to_come_are_rough_and_times_that_were_are_dated() {
        for (seconds, expected) in [
            (59, "less than an hour"),
            (HOUR, "about 1 more hour"),
            (30 * HOUR, "about 30 more hours"),
            (9 * DAY + 5 * HOUR, "about 9 more days"),
            (75 * DAY, "about 3 more months"),
            (u64::MAX, "more than two years"),
        ] {
            assert_eq!(plain(&about_more(seconds)), expected, "{seconds}");
        }
        assert_eq!(plain(&moment(1_793_609_377)), "2 Nov 2026, 08:49 UTC");
        assert_eq!(plain(&day(u64::MAX)), "31 Dec 9999");
        assert_eq!(plain(&days(13 * DAY)), "13 days");
    }

    #[test]
    fn latencies_and_their_ratios_read_well() {
        let texts = [820.4, 1_240.0, 61_000.0, 1_800_000.0].map(|ms| plain(&time(ms)));
        assert_eq!(texts, ["820 ms", "1.2 s", "61.0 s", "30.0 min"]);
        assert_eq!(plain(&slower(1.031)), "3.1 % slower");
        assert_eq!(plain(&slower(0.9)), "10.0 % faster");
    }

    #[test]
    fn counts_are_grouped_and_counted_shares_need_a_whole() {
        let counts = [0, 999, 1_000, 1_234_567].map(count);
        assert_eq!(counts, ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(counted_percent(1, 0), None);
        assert_eq!(counted_percent(1, 20).as_deref().map(plain).as_deref(), Some("5.0 %"));
        assert_eq!(counted_percent(3, 4).as_deref().map(plain).as_deref(), Some("75 %"));
        assert_eq!(plain(&counted(1, "file", "files")), "1 file");
    }

    proptest::proptest! {
        #[test]
        fn any_number_is_written(value: f64, low: f64, high: f64, at: u64) {
            let share = share(value, low, high);
            for spoken in [percent(&share), money("EUR", &share), byte_share(&share)] {
                proptest::prop_assert!(!spoken.value.is_empty() && !spoken.range().contains("NaN"));
            }
            proptest::prop_assert!(!time(value).contains("NaN") && !slower(value).contains("NaN"));
            proptest::prop_assert!(moment(at).ends_with("UTC") && !about_more(at).is_empty());
        }
    }
}
