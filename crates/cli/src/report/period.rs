use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

/// Where a period begins or ends, in seconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Edge(pub(crate) u64);

/// A day stands for its first second.
pub(crate) fn first_of(text: &str) -> Result<Edge, String> {
    edge(text, Ok)
}

/// A day stands for the first second after it.
pub(crate) fn last_of(text: &str) -> Result<Edge, String> {
    edge(text, |day| day.checked_add(1.day()))
}

fn edge(text: &str, shift: fn(Date) -> Result<Date, jiff::Error>) -> Result<Edge, String> {
    let unreadable = "write it like 2026-11-01, or 2026-11-01T12:00:00Z";
    let time = match text.parse::<Date>() {
        // What has a time of day as well is no day.
        Ok(day) if text.len() == "2026-11-01".len() => {
            shift(day).and_then(|day| TimeZone::UTC.to_timestamp(day.at(0, 0, 0, 0)))
        }
        _ => text.parse::<Timestamp>(),
    };
    let time = time.map_err(|_| unreadable.to_owned())?;
    u64::try_from(time.as_second()).map(Edge).map_err(|_| unreadable.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_whole_and_times_are_exact() {
        assert_eq!(first_of("1970-01-02"), Ok(Edge(86_400)));
        assert_eq!(last_of("1970-01-02"), Ok(Edge(172_800)));
        for edge in [first_of, last_of] {
            assert_eq!(edge("1970-01-02T01:00:00Z"), Ok(Edge(90_000)));
            assert_eq!(edge("1970-01-02T01:00:00+01:00"), Ok(Edge(86_400)));
            for bad in
                ["", "yesterday", "2026-13-01", "1969-12-30", "2026-11-01T12:00:00", "1762000000"]
            {
                assert!(edge(bad).is_err(), "{bad}");
            }
        }
    }
}
