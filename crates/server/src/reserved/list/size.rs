/// A length as a person reads it: three digits and a unit of 1,024.
pub(super) fn human(bytes: u64) -> String {
    const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let mut unit = 0;
    // In tenths of a unit, so that no float rounds 1023.96 KiB to 1024.0.
    let mut tenths = u128::from(bytes) * 10;
    while unit + 1 < UNITS.len() && (tenths + 5) / 10 >= 1_000 {
        tenths = (tenths + 512) / 1_024;
        unit += 1;
    }
    let name = UNITS.get(unit).unwrap_or(&"");
    if unit == 0 || tenths >= 1_000 {
        format!("{}\u{a0}{name}", (tenths + 5) / 10)
    } else {
        format!("{}.{}\u{a0}{name}", tenths / 10, tenths % 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_read_well_at_every_size() {
        for (bytes, expected) in [
            (0, "0 B"),
            (999, "999 B"),
            (1_000, "1.0 KiB"),
            (1 << 20, "1.0 MiB"),
            (1_500_000, "1.4 MiB"),
            (104_857_600, "100 MiB"),
            ((1 << 30) - 1, "1.0 GiB"),
            (4_700_000_000, "4.4 GiB"),
            (u64::MAX, "16.0 EiB"),
        ] {
            assert_eq!(human(bytes).replace('\u{a0}', " "), expected, "{bytes}");
        }
    }
}
