//! How often each file was asked for in the last day, so that mirrors know what is worth carrying.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use manyhands_metainfo::AssetPath;

const HOURS: usize = 24;
/// Files that are counted; one past it counts once others are forgotten.
const MOST: usize = 100_000;

/// Requests by file and hour. Hours are counted from 1970.
#[derive(Debug, Default)]
pub(crate) struct Demand {
    files: Mutex<HashMap<AssetPath, Day>>,
}

#[derive(Debug, Clone, Copy)]
struct Day {
    hour: u64,
    counts: [u32; HOURS],
}

impl Demand {
    /// One request, now (seconds since 1970), for a file that is shared.
    pub(crate) fn count(&self, path: &AssetPath, now: u64) {
        let hour = now / 3_600;
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if !files.contains_key(path) {
            if files.len() >= MOST {
                return;
            }
            files.insert(path.clone(), Day { hour, counts: [0; HOURS] });
        }
        if let Some(day) = files.get_mut(path) {
            day.turn(hour);
            let count = &mut day.counts[place(hour)];
            *count = count.saturating_add(1);
        }
    }

    /// What was counted in the 24 hours up to the running one, by file; what nobody wanted is forgotten.
    pub(crate) fn last_day(&self, now: u64) -> HashMap<AssetPath, u64> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let mut sums = HashMap::with_capacity(files.len());
        files.retain(|path, day| {
            day.turn(now / 3_600);
            let sum: u64 = day.counts.iter().map(|count| u64::from(*count)).sum();
            if sum > 0 {
                sums.insert(path.clone(), sum);
            }
            sum > 0
        });
        sums
    }
}

impl Day {
    /// Makes `hour` the running one: hours that came round again are empty.
    fn turn(&mut self, hour: u64) {
        let passed = hour.saturating_sub(self.hour).min(HOURS as u64);
        for past in 0..passed {
            self.counts[place(hour - past)] = 0;
        }
        self.hour = self.hour.max(hour);
    }
}

fn place(hour: u64) -> usize {
    usize::try_from(hour % HOURS as u64).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_counted_and_then_forgotten() {
        let (demand, path) = (Demand::default(), AssetPath::parse("/a").unwrap());
        let start = 1_790_000_000 / 3_600 * 3_600;
        let sum = |hours: u64| demand.last_day(start + hours * 3_600).get(&path).copied();
        for hour in 0..30 {
            demand.count(&path, start + hour * 3_600);
            demand.count(&path, start + hour * 3_600 + 3_599);
            assert_eq!(sum(hour), Some(2 * (hour + 1).min(24)), "{hour}");
        }
        assert_eq!(sum(29 + 20), Some(2 * 4));
        assert_eq!(sum(29 + 24), None);
        // A clock that went back counts in the hour that it had reached.
        demand.count(&path, start + 90 * 3_600);
        demand.count(&path, start);
        assert_eq!(sum(90), Some(2));
    }
}
