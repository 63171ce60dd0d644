//! The hours of the day in which a volunteer gives bandwidth for fetching.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

const DAY: u16 = 24 * 60;

/// From one time of day to another, such as `22-6` or `22:30-6:15`; over midnight where the second is the
/// earlier. Equal times mean the whole day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hours {
    start: u16,
    end: u16,
}

/// A text that names no hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("hours are written like 22-6 or 22:30-6:15")]
pub struct HoursError;

impl Hours {
    /// Whether a time of day, in minutes since midnight, is one of them.
    pub fn contain(&self, minute: u16) -> bool {
        let length = (self.end + DAY - self.start) % DAY;
        length == 0 || (minute % DAY + DAY - self.start) % DAY < length
    }

    /// Whether it is one of them now, by this machine's time zone.
    pub(crate) fn are_now(&self) -> bool {
        let now = jiff::tz::TimeZone::system().to_datetime(jiff::Timestamp::now());
        let minute = i32::from(now.hour()) * 60 + i32::from(now.minute());
        self.contain(u16::try_from(minute).unwrap_or(0))
    }
}

impl FromStr for Hours {
    type Err = HoursError;

    fn from_str(text: &str) -> Result<Self, HoursError> {
        let (start, end) = text.split_once('-').ok_or(HoursError)?;
        let start = minute(start.trim()).ok_or(HoursError)? % DAY;
        let end = minute(end.trim()).ok_or(HoursError)? % DAY;
        Ok(Self { start, end })
    }
}

/// 24 is midnight, too.
fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':').unwrap_or((text, "0"));
    let digits = |text: &str| {
        let plain = (1..=2).contains(&text.len()) && text.bytes().all(|it| it.is_ascii_digit());
        text.parse::<u16>().ok().filter(|_| plain)
    };
    let minute =
        digits(hour)?.checked_mul(60)?.checked_add(digits(minute).filter(|it| *it < 60)?)?;
    (minute <= DAY).then_some(minute)
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { start, end } = self;
        write!(f, "{}:{:02}-{}:{:02}", start / 60, start % 60, end / 60, end % 60)
    }
}

impl Serialize for Hours {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hours {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn over_midnight_and_within_a_day() {
        for (text, inside, outside) in [
            ("22-6", &[22 * 60, 23 * 60 + 59, 0, 359][..], &[360, 720, 22 * 60 - 1][..]),
            ("8:30-9", &[510, 539], &[509, 540, 0]),
            ("0-24", &[0, 720, 1439], &[]),
            ("7-7", &[0, 420, 1439], &[]),
            ("18-24", &[18 * 60, 1439], &[0, 18 * 60 - 1]),
            ("24-1", &[0, 59], &[60, 1439]),
        ] {
            let hours: Hours = text.parse().unwrap();
            assert!(inside.iter().all(|minute| hours.contain(*minute)), "{text}");
            assert!(!outside.iter().any(|minute| hours.contain(*minute)), "{text}");
            assert_eq!(hours.to_string().parse(), Ok(hours));
        }
        for bad in
            ["", "-", "22", "22-", "25-1", "1-24:01", "1:60-2", "a-b", "+1-2", "1-2-3", "001-2"]
        {
            assert!(bad.parse::<Hours>().is_err(), "{bad}");
        }
    }
}
