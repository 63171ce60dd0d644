use anyhow::Context;

/// Bytes from `262144`, `256KiB`, `1 MiB` or `1M`; powers of 1,024 only, since a piece length is one of two.
pub(super) fn parse(text: &str) -> anyhow::Result<u32> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => Some(1),
        "k" | "kib" => Some(1 << 10),
        "m" | "mib" => Some(1 << 20),
        _ => None,
    };
    let bytes = number.parse::<u32>().ok().zip(factor);
    let bytes = bytes.and_then(|(number, factor)| number.checked_mul(factor));
    bytes.with_context(|| {
        format!("--piece-length {text:?}: not a length such as 256KiB, 1MiB or 262144")
    })
}

#[cfg(test)]
mod tests {
    use super::parse;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_text_is_refused_or_a_length(text in "\\PC*|[0-9]{0,12} ?[kKmMiIbB]{0,4}") {
            let _ = parse(&text);
        }
    }

    #[test]
    fn units_are_powers_of_1024() {
        for (text, bytes) in [
            ("262144", 262_144),
            ("256KiB", 262_144),
            ("256 kib", 262_144),
            ("256K", 262_144),
            ("1MiB", 1_048_576),
            ("16m", 16_777_216),
            ("0", 0),
            ("65536B", 65_536),
        ] {
            assert_eq!(parse(text).unwrap(), bytes, "{text}");
        }
        for text in
            ["", "KiB", "1kB", "1.5MiB", "-1", "1GiB", "4096MiB", "99999999999", "1 MiB x", "٢"]
        {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains("256KiB"), "{error}");
        }
    }
}
