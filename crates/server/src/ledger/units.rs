use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use foldhash::fast::RandomState;
use manyhands_experiment::{self as experiment, Arm, Block, Bucket, UnitField};
use manyhands_metainfo::AssetPath;

use super::Assignment;
use super::cells::{Cells, since};

const SHARDS: usize = 64;
/// Most assets a block with sums of their own (a row of some 40 bytes in the database each); those past it share
/// a few units.
const MOST_ASSETS: usize = 2_048;
/// Units that the assets past the bound share, an arm.
const BUNDLES: u64 = 32;

/// What a unit is of.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Subject {
    Asset(AssetPath),
    /// Assets past the bound: which, and the arm they are all in.
    Bundle(u64, Arm),
    Bucket(Bucket),
}

impl Subject {
    /// `asset` is the path that an asset's unit is named by.
    pub(super) fn of(subject: experiment::Subject<'_>, asset: Option<&AssetPath>) -> Option<Self> {
        match subject {
            experiment::Subject::Asset(_) => asset.cloned().map(Self::Asset),
            experiment::Subject::Bucket(bucket) => Some(Self::Bucket(bucket)),
        }
    }
}

/// The cells of all units of this block, and of earlier ones that are not written down yet.
#[derive(Debug)]
pub(super) struct Units {
    shards: [Mutex<Shard>; SHARDS],
    /// Seeded at random: nobody can choose paths that fall into one shard.
    hasher: RandomState,
    /// Assets with cells of their own.
    assets: AtomicUsize,
}

/// Transfers that are under way may hold cells of former blocks still.
type Shard = HashMap<(Subject, Block), Cell, RandomState>;

#[derive(Debug)]
struct Cell {
    arm: Arm,
    cells: Arc<Cells<{ UnitField::COUNT }>>,
    written: [u64; UnitField::COUNT],
}

/// Where octets belong, until the next seam.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) arm: Arm,
    pub(super) cells: Arc<Cells<{ UnitField::COUNT }>>,
}

/// What came to a unit since it was written last.
#[derive(Debug, Clone)]
pub(super) struct Change {
    pub(super) subject: Subject,
    pub(super) block: Block,
    pub(super) arm: Arm,
    pub(super) more: [u64; UnitField::COUNT],
    now: [u64; UnitField::COUNT],
}

impl Default for Units {
    fn default() -> Self {
        let shards = std::array::from_fn(|_| Mutex::default());
        Self { shards, hasher: RandomState::default(), assets: AtomicUsize::new(0) }
    }
}

impl Units {
    /// The cells of a unit at a time. Locks one shard.
    pub(super) fn place(&self, assignment: &Assignment, subject: Subject, now: u64) -> Place {
        let block = assignment.design().block(now);
        let key = (subject, block);
        let mut shard = self.shard(&key);
        if let Some(cell) = shard.get(&key) {
            return Place { arm: cell.arm, cells: Arc::clone(&cell.cells) };
        }
        let arm = match &key.0 {
            Subject::Asset(path) => assignment.arm_of_asset(path, now),
            Subject::Bundle(_, arm) => *arm,
            Subject::Bucket(bucket) => assignment.arm_of_bucket(*bucket),
        };
        if let Subject::Asset(path) = &key.0
            && self.assets.fetch_add(1, Ordering::Relaxed) >= MOST_ASSETS
        {
            let bundle = Subject::Bundle(hash(path.as_str()) % BUNDLES, arm);
            self.assets.fetch_sub(1, Ordering::Relaxed);
            drop(shard);
            return self.place(assignment, bundle, now);
        }
        let cells = Arc::default();
        shard.insert(key, Cell { arm, cells: Arc::clone(&cells), written: [0; UnitField::COUNT] });
        Place { arm, cells }
    }

    /// What came to all units since [`Units::written`].
    pub(super) fn changes(&self) -> Vec<Change> {
        let mut changes = Vec::new();
        for shard in &self.shards {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            for ((subject, block), cell) in shard.iter() {
                let now = cell.cells.read();
                let more = since(now, cell.written);
                if more.iter().any(|more| *more > 0) {
                    let (subject, block, arm) = (subject.clone(), *block, cell.arm);
                    changes.push(Change { subject, block, arm, more, now });
                }
            }
        }
        changes
    }

    /// Takes note that these are on disk, and forgets units of blocks before `block` that nothing holds.
    pub(super) fn written(&self, changes: &[Change], block: Block) {
        for change in changes {
            let key = (change.subject.clone(), change.block);
            if let Some(cell) = self.shard(&key).get_mut(&key) {
                cell.written = change.now;
            }
        }
        for shard in &self.shards {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            shard.retain(|(subject, of), cell| {
                let done = *of < block
                    && Arc::strong_count(&cell.cells) == 1
                    && cell.cells.read() == cell.written;
                if done && matches!(subject, Subject::Asset(_)) {
                    self.assets.fetch_sub(1, Ordering::Relaxed);
                }
                !done
            });
        }
    }

    fn shard(&self, key: &(Subject, Block)) -> std::sync::MutexGuard<'_, Shard> {
        let at = usize::try_from(self.hasher.hash_one(key) % SHARDS as u64).unwrap_or_default();
        // `at` is below SHARDS.
        let shard = self.shards.get(at).unwrap_or(&self.shards[0]);
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The same in every process: bundles and clusters are named by it.
pub(super) fn hash(value: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use manyhands_experiment::Design;

    use super::*;

    const HOURS: u64 = 3_600;

    fn assignment() -> Assignment {
        let design = Design::Crossover { holdout: 5_000, hours: 1 };
        Assignment::new(design, b"any salt", "https://example.org".to_owned(), 28)
    }

    fn asset(number: usize) -> Subject {
        Subject::Asset(AssetPath::parse(&format!("/{number}.iso")).unwrap())
    }

    #[test]
    fn a_unit_has_the_same_cells_until_its_block_ends() {
        let (units, assignment) = (Units::default(), assignment());
        let first = units.place(&assignment, asset(1), HOURS);
        first.cells.add(0, 3);
        let again = units.place(&assignment, asset(1), 2 * HOURS - 1);
        assert!(Arc::ptr_eq(&first.cells, &again.cells));
        let next = units.place(&assignment, asset(1), 2 * HOURS);
        next.cells.add(0, 4);
        let mut seen: Vec<_> =
            units.changes().iter().map(|change| (change.block.0, change.more[0])).collect();
        seen.sort_unstable();
        assert_eq!(seen, [(1, 3), (2, 4)]);
    }

    #[test]
    fn what_is_written_is_not_written_again_and_what_is_held_is_not_forgotten() {
        let (units, assignment) = (Units::default(), assignment());
        let held = units.place(&assignment, asset(1), HOURS);
        held.cells.add(3, 10);
        let changes = units.changes();
        // Between reading and writing, more comes.
        held.cells.add(3, 5);
        units.written(&changes, Block(1));
        assert_eq!(units.changes()[0].more[3], 5);
        // A transfer that goes on past the end of its block, with the next one begun.
        units.place(&assignment, asset(1), 2 * HOURS);
        units.written(&units.changes(), Block(9));
        held.cells.add(3, 2);
        let late = units.changes();
        assert_eq!((late[0].block, late[0].more[3]), (Block(1), 2));
        drop(held);
        units.written(&late, Block(9));
        let kept = |shard: &Mutex<Shard>| shard.lock().unwrap().len();
        assert_eq!(units.shards.iter().map(kept).sum::<usize>(), 0);
        assert_eq!(units.assets.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_clock_that_steps_back_over_a_seam_counts_nothing_twice() {
        let (units, assignment) = (Units::default(), assignment());
        for now in [HOURS, 2 * HOURS, 2 * HOURS - 1, 2 * HOURS, 2 * HOURS - 2] {
            units.place(&assignment, asset(1), now).cells.add(0, 1);
        }
        let changes = units.changes();
        let mut seen: Vec<_> =
            changes.iter().map(|change| (change.block.0, change.more[0])).collect();
        seen.sort_unstable();
        assert_eq!(seen, [(1, 3), (2, 2)]);
        units.written(&changes, Block(2));
        assert!(units.changes().is_empty());
    }

    #[test]
    fn assets_past_the_bound_share_units_of_their_own_arm() {
        let (units, assignment) = (Units::default(), assignment());
        for number in 0..3 * MOST_ASSETS {
            let place = units.place(&assignment, asset(number), HOURS);
            place.cells.add(2, 1);
            let Subject::Asset(path) = asset(number) else { unreachable!() };
            assert_eq!(place.arm, assignment.arm_of_asset(&path, HOURS));
        }
        let changes = units.changes();
        assert!(changes.len() <= MOST_ASSETS + 2 * BUNDLES as usize, "{}", changes.len());
        assert_eq!(
            changes.iter().map(|change| change.more[2]).sum::<u64>(),
            3 * MOST_ASSETS as u64
        );
        // The next block has room for others.
        units.written(&changes, Block(2));
        units.place(&assignment, asset(3 * MOST_ASSETS), 2 * HOURS).cells.add(2, 1);
        assert_eq!(units.changes()[0].subject, asset(3 * MOST_ASSETS));
    }
}
