use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::{Mutex, PoisonError};

use foldhash::quality::RandomState;
use manyhands_experiment::Block;

use super::units::Subject;

const SHARDS: usize = 16;
/// Most pairs of network and unit that are remembered, in all. What comes past it in a block is not counted as
/// wanted, in either arm.
const MOST_REMEMBERED: usize = 1 << 18;
/// How often one network's wanting the same file counts in a block. Saying that one wants it costs nothing, and what
/// is wanted is what bytes are divided by: a stranger must not choose the divisor.
const OF_ASSET: u8 = 4;
/// How many pages of one network and bucket count in a block.
const OF_BUCKET: u8 = 100;

/// How often each pair counted, in which block.
type Shard = (Block, HashMap<u64, u8, RandomState>);

/// Bounds how much one network can say to want. Nothing of it is kept: keys are hashed by a seed of this process,
/// and forgotten when the block ends.
#[derive(Debug)]
pub(super) struct Limit {
    shards: [Mutex<Shard>; SHARDS],
    hasher: RandomState,
}

impl Default for Limit {
    fn default() -> Self {
        let empty = || Mutex::new((Block(0), HashMap::default()));
        Self { shards: std::array::from_fn(|_| empty()), hasher: RandomState::default() }
    }
}

impl Limit {
    /// Whether one more counts. A network that is not known is not bounded: where addresses do not arrive, all
    /// visitors would be one.
    pub(super) fn admits(&self, block: Block, network: Option<u64>, subject: &Subject) -> bool {
        let Some(network) = network else { return true };
        let most = match subject {
            Subject::Bucket(_) => OF_BUCKET,
            Subject::Asset(_) | Subject::Bundle(..) => OF_ASSET,
        };
        let key = self.hasher.hash_one((network, subject));
        let at = usize::try_from(key % SHARDS as u64).unwrap_or_default();
        let mut shard = self
            .shards
            .get(at)
            .unwrap_or(&self.shards[0])
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if shard.0 != block {
            *shard = (block, HashMap::default());
        }
        let room = shard.1.len() < MOST_REMEMBERED / SHARDS;
        match shard.1.get_mut(&key) {
            Some(count) if *count < most => *count += 1,
            Some(_) => return false,
            None if room => {
                shard.1.insert(key, 1);
            }
            None => return false,
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use manyhands_experiment::Bucket;
    use manyhands_metainfo::AssetPath;

    use super::*;

    fn asset(name: &str) -> Subject {
        Subject::Asset(AssetPath::parse(name).unwrap())
    }

    #[test]
    fn a_network_counts_a_few_times_a_unit_and_block() {
        let limit = Limit::default();
        let times = |block, network, subject: &Subject| {
            (0..200).filter(|_| limit.admits(Block(block), network, subject)).count()
        };
        let (one, other) = (asset("/a.iso"), asset("/b.iso"));
        assert_eq!(times(7, Some(1), &one), usize::from(OF_ASSET));
        assert_eq!(times(7, Some(1), &one), 0);
        assert_eq!(times(7, Some(2), &one), usize::from(OF_ASSET));
        assert_eq!(times(7, Some(1), &other), usize::from(OF_ASSET));
        assert_eq!(times(8, Some(1), &one), usize::from(OF_ASSET));
        assert_eq!(times(8, None, &one), 200);
        let bucket = Subject::Bucket(Bucket::new(5).unwrap());
        assert_eq!(times(8, Some(1), &bucket), usize::from(OF_BUCKET));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let limit = Limit::default();
        let one = asset("/a.iso");
        let admitted = (0..2 * MOST_REMEMBERED as u64)
            .filter(|network| limit.admits(Block(7), Some(*network), &one))
            .count();
        assert!(admitted <= MOST_REMEMBERED, "{admitted}");
    }
}
