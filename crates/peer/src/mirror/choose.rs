//! Which assets a mirror carries when it can't carry all.
//!
//! An asset that is asked for `demand` times a day and held by `others` healthy mirrors saves the site
//! `demand × length / (others + 1)` bytes a day where it is held once more. A byte of disk spent on it saves
//! `demand / (others + 1)`: its length cancels out. So the score of an asset is
//!
//! ```text
//! (demand + 1) / (others + 1)
//! ```
//!
//! with 1 added to the demand, so that among those nobody asks for the scarce come first. Scores are compared by
//! powers of two. Those alike are put in an order that is each mirror's own (the hash of its key and the root):
//! a hundred mirrors of one feed do not all take the same. An asset that is held is one power of two
//! ahead and first among its equals, so it goes only for one worth more than twice as much: figures that
//! waver move nothing.

use manyhands_metainfo::Digest;

/// An asset that might be carried.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// Its root, which stands for it.
    pub root: Digest,
    /// Bytes of disk that it takes.
    pub space: u64,
    /// Requests in the last 24 hours.
    pub demand: u64,
    /// Healthy mirrors that hold it, other than this one.
    pub others: u64,
    /// Whether this mirror has it, or part of it.
    pub is_held: bool,
}

/// The indices of those to carry within `budget` bytes, the most useful first. `own` makes the order
/// among equals this mirror's.
pub fn choose(candidates: &[Candidate], budget: u64, own: &[u8]) -> Vec<usize> {
    let rank = |index: usize, it: &Candidate| {
        let own = Digest::of(&[own, it.root.as_bytes()].concat());
        std::cmp::Reverse((level(it), it.is_held, own, index))
    };
    let mut ranked: Vec<_> =
        candidates.iter().enumerate().map(|(index, it)| (rank(index, it), index)).collect();
    ranked.sort_unstable();
    let mut left = budget;
    let mut chosen = Vec::new();
    for (_, index) in ranked {
        // One that does not fit leaves its room to smaller ones after it.
        let Some(rest) = candidates.get(index).and_then(|it| left.checked_sub(it.space)) else {
            continue;
        };
        left = rest;
        chosen.push(index);
    }
    chosen
}

/// The binary logarithm of the score, rounded down; one more where it is held.
fn level(it: &Candidate) -> i64 {
    let demand = i64::from(it.demand.saturating_add(1).ilog2());
    // Exact for whole powers: 2^level <= score < 2^(level + 1).
    let (up, down) = (u128::from(it.demand) + 1, u128::from(it.others) + 1);
    let mut level = demand - i64::from(it.others.saturating_add(1).ilog2());
    let reaches = |level: i64| match u32::try_from(level) {
        Ok(level) => up >= down << level.min(64),
        Err(_) => up << level.unsigned_abs().min(64) >= down,
    };
    while !reaches(level) {
        level -= 1;
    }
    level + i64::from(it.is_held)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn candidate(number: usize, space: u64, demand: u64, others: u64) -> Candidate {
        let root = Digest::of(&number.to_be_bytes());
        Candidate { root, space, demand, others, is_held: false }
    }

    fn candidates() -> impl Strategy<Value = Vec<Candidate>> {
        let one = (1_u64..100, 0_u64..5_000, 0_u64..20, any::<bool>());
        proptest::collection::vec(one, 0..40).prop_map(|all| {
            let with = |(number, (space, demand, others, is_held))| Candidate {
                is_held,
                ..candidate(number, space, demand, others)
            };
            all.into_iter().enumerate().map(with).collect()
        })
    }

    proptest! {
        #[test]
        fn the_budget_holds_and_no_room_is_wasted(all in candidates(), budget in 0_u64..2_000) {
            let chosen = choose(&all, budget, b"me");
            let used: u64 = chosen.iter().map(|index| all[*index].space).sum();
            prop_assert!(used <= budget);
            for (index, it) in all.iter().enumerate() {
                prop_assert!(chosen.contains(&index) || it.space > budget - used);
            }
        }

        #[test]
        fn once_chosen_always_chosen_while_nothing_changes(
            all in candidates(), budget in 0_u64..2_000,
        ) {
            let first = choose(&all, budget, b"me");
            let mut then = all.clone();
            for (index, it) in then.iter_mut().enumerate() {
                it.is_held = first.contains(&index);
            }
            let mut second = choose(&then, budget, b"me");
            let mut first = first;
            first.sort_unstable();
            second.sort_unstable();
            prop_assert_eq!(first, second);
        }

        #[test]
        fn figures_that_waver_move_nothing(
            count in 1_usize..30, room in 1_u64..30, demand in 64_u64..1_000_000,
            noise in proptest::collection::vec(0_u64..1_000, 60),
        ) {
            // All alike but for up to a third more or less of demand, drawn anew.
            let drawn = |from: usize, number: usize| {
                let share = noise[(from + number) % noise.len()];
                demand - demand / 6 + demand / 3 * share / 1_000
            };
            let mut all: Vec<_> =
                (0..count).map(|number| candidate(number, 10, drawn(0, number), 1)).collect();
            let mut first = choose(&all, room * 10, b"me");
            for (number, it) in all.iter_mut().enumerate() {
                it.is_held = first.contains(&number);
                it.demand = drawn(30, number);
            }
            let mut second = choose(&all, room * 10, b"me");
            first.sort_unstable();
            second.sort_unstable();
            prop_assert_eq!(first, second);
        }

        #[test]
        fn the_level_is_the_logarithm(demand in any::<u64>(), others in any::<u64>()) {
            let level = level(&candidate(0, 1, demand, others));
            let (up, down) = (u128::from(demand) + 1, u128::from(others) + 1);
            let reaches = |level: i64| {
                let by = level.unsigned_abs() as u32;
                if level >= 0 { by < 65 && up >= down << by } else { up << by >= down }
            };
            prop_assert!(reaches(level) && !reaches(level + 1), "{level}");
        }
    }

    #[test]
    fn the_wanted_and_the_scarce_come_first() {
        let all = [
            candidate(0, 10, 100, 0),
            candidate(1, 10, 1_000, 0),
            candidate(2, 10, 1_000, 100),
            candidate(3, 10, 0, 0),
        ];
        assert_eq!(choose(&all, 40, b"me"), [1, 0, 2, 3]);
        // More than twice as much displaces what is held; not quite twice does not.
        let held = Candidate { is_held: true, ..candidate(9, 10, 15, 0) };
        assert_eq!(choose(&[held.clone(), candidate(1, 10, 30, 0)], 10, b"me"), [0]);
        assert_eq!(choose(&[held, candidate(1, 10, 63, 0)], 10, b"me"), [1]);
    }

    #[test]
    fn mirrors_of_one_feed_take_different_parts() {
        let all: Vec<_> = (0..100).map(|number| candidate(number, 1, 0, 0)).collect();
        let mut carried = [0; 100];
        for mirror in 0_u8..40 {
            for index in choose(&all, 10, &[mirror]) {
                carried[index] += 1;
            }
        }
        // 4 each on average; 40 on ten of them if all chose alike.
        assert!(carried.iter().filter(|copies| **copies > 0).count() > 90, "{carried:?}");
    }
}
