//! From requests to transfers: a player asks for a file in ranges, a download that broke off goes on.

use std::collections::HashMap;

use foldhash::fast::FixedState;

/// Transfers that may be open at once. When there are more, all are taken for ended.
const MAX_OPEN: usize = 1 << 18;

/// Requests of one visitor for one file, one after another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Transfer {
    /// Hashed.
    pub(super) file: u64,
    /// Hashed.
    pub(super) prefix: u32,
    /// See [`Session::coin`](super::swarm::Session::coin).
    pub(super) coin: f32,
    /// Of the first request, in milliseconds since the epoch.
    pub(super) start: i64,
    /// Of the last answer; of its request where the log has no durations.
    pub(super) end: i64,
    pub(super) octets: u64,
    /// Whether the end is that of an answer.
    pub(super) timed: bool,
}

/// The transfers that may still go on.
#[derive(Debug)]
pub(super) struct Transfers {
    gap: i64,
    open: HashMap<u64, Transfer, FixedState>,
    swept: i64,
    /// How often all had to be taken for ended.
    pub(super) overflows: u64,
}

impl Transfers {
    pub(super) fn new(gap: f64) -> Self {
        Self {
            gap: (gap * 1e3) as i64,
            open: HashMap::with_hasher(FixedState::default()),
            swept: i64::MIN,
            overflows: 0,
        }
    }

    /// Adds one answer to what its visitor had of the file; `ended` gets what that shows to be over.
    pub(super) fn add(&mut self, visitor: u64, part: Transfer, ended: &mut Vec<Transfer>) {
        let key = visitor ^ part.file;
        if let Some(open) = self.open.get_mut(&key) {
            if part.start > open.end + self.gap {
                ended.push(std::mem::replace(open, part));
            } else if part.end + self.gap < open.start {
                // Far out of order: it stands for itself.
                ended.push(part);
            } else {
                open.start = open.start.min(part.start);
                open.end = open.end.max(part.end);
                open.octets = open.octets.saturating_add(part.octets);
                open.timed &= part.timed;
            }
            return;
        }
        if self.open.len() >= MAX_OPEN {
            self.overflows += 1;
            self.finish(ended);
        }
        self.open.insert(key, part);
    }

    /// Ends what has been silent for long at this moment.
    pub(super) fn settle(&mut self, now: i64, ended: &mut Vec<Transfer>) {
        // Twice the gap, because lines are not quite in order.
        let gap = self.gap * 2;
        if now < self.swept.saturating_add(gap) {
            return;
        }
        self.swept = now;
        self.open.retain(|_, open| {
            let goes_on = open.end.saturating_add(gap) >= now;
            if !goes_on {
                ended.push(*open);
            }
            goes_on
        });
    }

    /// Ends all.
    pub(super) fn finish(&mut self, ended: &mut Vec<Transfer>) {
        ended.extend(self.open.drain().map(|(_, open)| open));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(start: i64, end: i64, octets: u64) -> Transfer {
        Transfer { file: 8, prefix: 1, coin: 0.0, start, end, octets, timed: true }
    }

    fn joined(parts: &[Transfer]) -> Vec<(i64, i64, u64)> {
        let (mut transfers, mut ended) = (Transfers::new(30.0), Vec::new());
        for part in parts {
            transfers.add(7, *part, &mut ended);
        }
        transfers.finish(&mut ended);
        ended.iter().map(|it| (it.start, it.end, it.octets)).collect()
    }

    #[test]
    fn ranges_are_one_transfer_until_a_silence() {
        let parts = [part(0, 1_000, 5), part(2_000, 9_000, 6), part(39_001, 40_000, 7)];
        assert_eq!(joined(&parts), [(0, 9_000, 11), (39_001, 40_000, 7)]);
    }

    #[test]
    fn lines_come_when_answers_end_not_in_order_of_their_beginning() {
        let parts = [part(5_000, 6_000, 1), part(0, 60_000, 2), part(-90_000, -80_000, 4)];
        assert_eq!(joined(&parts), [(-90_000, -80_000, 4), (0, 60_000, 3)]);
    }

    #[test]
    fn visitors_are_apart_and_silence_ends_a_transfer() {
        let (mut transfers, mut ended) = (Transfers::new(30.0), Vec::new());
        transfers.add(1, part(0, 0, 1), &mut ended);
        transfers.add(2, part(0, 50_000, 1), &mut ended);
        assert!(ended.is_empty());
        transfers.settle(60_001, &mut ended);
        assert_eq!(ended, [part(0, 0, 1)]);
    }

    #[test]
    fn there_are_never_more_than_the_bound() {
        let (mut transfers, mut ended) = (Transfers::new(30.0), Vec::new());
        for visitor in 0..=MAX_OPEN as u64 {
            transfers.add(visitor << 8, part(0, 0, 1), &mut ended);
        }
        assert_eq!((ended.len(), transfers.open.len(), transfers.overflows), (MAX_OPEN, 1, 1));
    }
}
