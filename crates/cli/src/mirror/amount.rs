//! Amounts as people write them.

/// Bytes from `20GB`, `500MiB`, `1.5TB` or `1000000`: `k`, `M`, `G`, `T` are powers of 1,000, `Ki` and so on
/// of 1,024.
pub(super) fn bytes(text: &str) -> Result<u64, String> {
    read(text, &["B", ""]).ok_or_else(|| "an amount is written like 20GB or 500MiB".to_owned())
}

/// Bytes a second from `50Mbit` or `5MB`.
pub(super) fn rate(text: &str) -> Result<u64, String> {
    let text = text.trim().trim_end_matches("/s");
    let bits = ["bit", "bit/s"].iter().find_map(|unit| text.strip_suffix(unit));
    let rate = match bits {
        Some(bits) => read(bits, &[""]).map(|bits| bits / 8),
        None => read(text, &["B", ""]),
    };
    let rate = rate.filter(|rate| *rate > 0);
    rate.ok_or_else(|| "a rate is written like 50Mbit or 5MB".to_owned())
}

fn read(text: &str, units: &[&str]) -> Option<u64> {
    let text = text.trim();
    let text = units.iter().find_map(|unit| text.strip_suffix(unit))?.trim_end();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, prefix) = text.split_at(digits);
    let factor: u64 = match prefix.trim() {
        "" => 1,
        "k" | "K" => 1_000,
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        "T" => 1_000_000_000_000,
        "Ki" => 1 << 10,
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        "Ti" => 1 << 40,
        _ => return None,
    };
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(factor).filter(|bytes| *bytes <= MOST);
    }
    let number: f64 = number.parse().ok()?;
    // Exact enough: the fraction is of the unit that was written.
    let bytes = number * factor as f64;
    (bytes <= MOST as f64).then_some(bytes as u64)
}

/// What every reader of JSON keeps exact.
const MOST: u64 = 1 << 53;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts() {
        for (text, is) in [
            ("20GB", 20_000_000_000),
            ("20 GB", 20_000_000_000),
            ("20G", 20_000_000_000),
            ("1.5TB", 1_500_000_000_000),
            ("500MiB", 524_288_000),
            ("2Ki", 2_048),
            ("7", 7),
            ("7B", 7),
            ("0", 0),
        ] {
            assert_eq!(bytes(text), Ok(is), "{text}");
        }
        for bad in [
            "",
            "GB",
            "-1",
            "1e9",
            "1.2.3",
            "20PB",
            "1bit",
            "99999999999999999999",
            "9007199254741TB",
            "٢",
        ] {
            assert!(bytes(bad).is_err(), "{bad}");
        }
        for (text, is) in [
            ("50Mbit", 6_250_000),
            ("50Mbit/s", 6_250_000),
            ("5MB", 5_000_000),
            ("5MB/s", 5_000_000),
            ("8kbit", 1_000),
        ] {
            assert_eq!(rate(text), Ok(is), "{text}");
        }
        for bad in ["", "0", "4bit", "bit", "fast"] {
            assert!(rate(bad).is_err(), "{bad}");
        }
    }
}
