use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct EstimateArgs {
    /// Access logs, plain or compressed by gzip or zstd, in any order; - for the standard input
    #[arg(required = true, value_name = "ACCESS_LOG")]
    pub(crate) logs: Vec<PathBuf>,
    /// Configuration file (TOML): which files may be shared, and the limits of sharing
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// As JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Show the first lines that could not be read
    #[arg(long)]
    pub(crate) verbose: bool,
    /// Files to name
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub(crate) top: usize,
    /// What a GB (1,000,000,000 octets) costs you, such as 0.05
    #[arg(long, value_name = "PRICE", value_parser = amount)]
    pub(crate) price_per_gb: Option<f64>,
    /// What the price is in
    #[arg(long, value_name = "NAME", default_value = "EUR", requires = "price_per_gb")]
    pub(crate) currency: String,
    /// Mbit/s that a visitor's line can send; half of it and twice as much are reckoned with, too
    #[arg(long, value_name = "N", default_value_t = 10.0, value_parser = rate)]
    pub(crate) uplink: f64,
    /// Mbit/s of a visitor's download, where the log does not say how long it took; 2.5 times and half of it are
    /// reckoned with, too
    #[arg(long, value_name = "N", default_value_t = 20.0, value_parser = rate)]
    pub(crate) downlink: f64,
    /// How many mirrors to reckon with
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) mirrors: u32,
    /// What each mirror keeps, such as 20GB
    #[arg(long, value_name = "SIZE", default_value = "20GB", value_parser = size)]
    pub(crate) mirror_budget: u64,
    /// Mbit/s that each mirror sends
    #[arg(long, value_name = "N", default_value_t = 100.0, value_parser = rate)]
    pub(crate) mirror_rate: f64,
}

fn amount(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number| (0.0..1e9).contains(number));
    number.ok_or_else(|| "not an amount such as 0.05".to_owned())
}

fn rate(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number| (0.001..1e6).contains(number));
    number.ok_or_else(|| "not a number of Mbit/s such as 10".to_owned())
}

/// Octets from `20GB`, `500 MiB` or `1000000`.
fn size(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor: Option<u64> = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => Some(1),
        "mb" => Some(1_000_000),
        "gb" => Some(1_000_000_000),
        "tb" => Some(1_000_000_000_000),
        "mib" => Some(1 << 20),
        "gib" => Some(1 << 30),
        "tib" => Some(1 << 40),
        _ => None,
    };
    let octets = number.parse::<u64>().ok().zip(factor);
    let octets = octets.and_then(|(number, factor)| number.checked_mul(factor));
    octets.ok_or_else(|| "not a size such as 20GB, 500MB or 1TiB".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        for (text, octets) in
            [("20GB", 20_000_000_000), ("1 TiB", 1 << 40), ("500mb", 500_000_000), ("7", 7)]
        {
            assert_eq!(size(text), Ok(octets), "{text}");
        }
        for text in ["", "GB", "1.5GB", "-1", "1k", "99999999999TB"] {
            assert!(size(text).is_err(), "{text}");
        }
    }
}
