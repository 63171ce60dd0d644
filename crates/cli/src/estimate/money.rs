//! What octets cost, where they are billed by the octet.

use manyhands_experiment::audience::{Forecast, Shares};
use serde::Serialize;

/// Prices of what is sent, of what visitors would have carried, and of that in 30 days.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Money {
    pub(super) currency: String,
    pub(super) price_per_gb: f64,
    /// Of all that was sent.
    pub(super) sent: f64,
    /// Of what visitors would have carried: low at the least participation, likely at the middle one, high at the
    /// greatest.
    pub(super) saved: Shares,
    /// The same in 30 days, where the log spans a day or more.
    pub(super) saved_in_30_days: Option<Shares>,
}

impl Money {
    pub(super) fn new(forecast: &Forecast, price: f64, currency: &str) -> Self {
        let cost = |octets: u64| octets as f64 / 1e9 * price;
        let octets = super::text::headline(forecast);
        let saved =
            Shares { low: cost(octets.low), likely: cost(octets.likely), high: cost(octets.high) };
        let days = forecast.period.map_or(0.0, |period| (period.to - period.from) / 86_400.0);
        let month = 30.0 / days.max(1.0);
        let in_month = Shares {
            low: saved.low * month,
            likely: saved.likely * month,
            high: saved.high * month,
        };
        Self {
            currency: currency.to_owned(),
            price_per_gb: price,
            sent: cost(forecast.log.octets),
            saved,
            saved_in_30_days: (days >= 1.0).then_some(in_month),
        }
    }
}
