//! What HTTP mirrors could have carried: the files that are worth most for their length, as long as they fit.

use std::collections::BTreeMap;

use serde::Serialize;

/// Hours that are kept apart; of more, the last takes the rest.
const MAX_HOURS: usize = 100_000;

/// Mirrors to reckon with, all of them with the same files.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Mirrors {
    /// How many. Default 1.
    pub count: u32,
    /// What each keeps, in octets. Default 20 GB.
    pub budget: u64,
    /// What each sends, in bits a second. Default 100 Mbit/s.
    pub rate: f64,
}

impl Default for Mirrors {
    fn default() -> Self {
        Self { count: 1, budget: 20_000_000_000, rate: 100e6 }
    }
}

/// Octets of shared files, by the hour.
#[derive(Debug, Default)]
pub(super) struct Hours(BTreeMap<i64, u64>);

impl Hours {
    pub(super) fn add(&mut self, at: i64, octets: u64) {
        let hour = at.div_euclid(3_600_000);
        let sum = match self.0.len() < MAX_HOURS || self.0.contains_key(&hour) {
            true => Some(self.0.entry(hour).or_default()),
            false => self.0.values_mut().next_back(),
        };
        if let Some(sum) = sum {
            *sum = sum.saturating_add(octets);
        }
    }
}

/// What mirrors hold and carry.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Carried {
    pub(super) files: usize,
    /// Octets that each mirror holds.
    pub(super) held: u64,
    /// Octets that go by mirrors when all who can ask them do, less one copy for each mirror.
    pub(super) octets: f64,
}

/// `files`: length and octets of each.
pub(super) fn carried(mirrors: &Mirrors, files: &mut [(u64, u64)], hours: &Hours) -> Carried {
    // Most octets sent for one kept first; ties by length, so that the same log gives the same answer.
    files.sort_unstable_by(|a, b| {
        let (a_worth, b_worth) =
            (u128::from(a.1) * u128::from(b.0), u128::from(b.1) * u128::from(a.0));
        b_worth.cmp(&a_worth).then(a.cmp(b))
    });
    let (mut carried, mut wanted) = (Carried::default(), 0.0);
    for (length, octets) in files.iter() {
        let filling = length.saturating_mul(mirrors.count.into());
        if *octets > filling && carried.held.saturating_add(*length) <= mirrors.budget {
            carried.files += 1;
            carried.held += length;
            wanted += *octets as f64;
        }
    }
    let all: f64 = hours.0.values().map(|octets| *octets as f64).sum();
    if all > 0.0 {
        let share = (wanted / all).min(1.0);
        let most = f64::from(mirrors.count) * mirrors.rate / 8.0 * 3_600.0;
        let sent: f64 = hours.0.values().map(|octets| (*octets as f64 * share).min(most)).sum();
        let filling = carried.held as f64 * f64::from(mirrors.count);
        carried.octets = (sent - filling).max(0.0);
    }
    carried
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(octets: &[u64]) -> Hours {
        let mut hours = Hours::default();
        for (hour, octets) in (0..).zip(octets) {
            hours.add(hour * 3_600_000, *octets);
        }
        hours
    }

    #[test]
    fn the_budget_goes_to_what_is_worth_most_for_its_length() {
        let mirrors = Mirrors { count: 1, budget: 100, rate: 1e9 };
        let mut files = [(90, 900), (50, 1_000), (50, 600), (1, 1)];
        let carried = carried(&mirrors, &mut files, &hours(&[2_501]));
        assert_eq!((carried.files, carried.held), (2, 100));
        assert!((carried.octets - 1_500.0).abs() < 1e-6, "{carried:?}");
    }

    #[test]
    fn a_mirror_sends_no_faster_than_its_line() {
        let mirrors = Mirrors { count: 2, budget: 100, rate: 8.0 };
        // 2 x 3,600 octets an hour, less two copies.
        let carried = carried(&mirrors, &mut [(10, 20_000)], &hours(&[19_000, 1_000]));
        assert!((carried.octets - (7_200.0 + 1_000.0 - 20.0)).abs() < 1e-6, "{carried:?}");
    }

    #[test]
    fn nothing_asked_for_is_nothing_carried() {
        assert_eq!(carried(&Mirrors::default(), &mut [], &hours(&[])), Carried::default());
    }
}
