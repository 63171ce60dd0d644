//! The database: SQLite, in `experiment.sqlite` of the state directory.
//!
//! Write-ahead logging makes each batch whole or absent whatever kills the process, lets several processes
//! write at once, and readers read meanwhile. All that is stored are sums to which batches add.

mod archive;
mod csv;
mod schema;
mod write;

pub use archive::{Archive, Period, Terms};
pub(super) use write::{Batch, Store};

use std::path::PathBuf;

/// The database's file in a state directory.
const FILE: &str = "experiment.sqlite";

/// What is wrong with what was written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// No experiment has run with this state directory.
    #[error("{0} holds no experiment; set [experiment] design, and let visitors come")]
    Missing(PathBuf),
    /// The file is there and can't be used.
    #[error("cannot use {file}: {source}; if it is damaged, move it away and a new one is begun")]
    Database {
        /// Which.
        file: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// Written by a later version of this software.
    #[error("{file} is of version {version}, which this program does not know; use a newer one")]
    Version {
        /// Which.
        file: PathBuf,
        /// Its version.
        version: i64,
    },
    /// Several state directories that have nothing to do with each other.
    #[error(
        "{0} is of another experiment; give only directories of servers with the same [experiment]"
    )]
    Foreign(PathBuf),
}

#[cfg(test)]
mod tests {
    use manyhands_experiment::TrafficField;
    use manyhands_experiment::{Arm, Billing, BillingModel, Block, Design};
    use manyhands_metainfo::AssetPath;

    use super::*;
    use crate::ledger::Assignment;
    use crate::ledger::claims::Claimed;
    use crate::ledger::units::{Subject, Units};

    const HOUR: u64 = 3_600;

    fn assignment(hours: u32) -> Assignment {
        let design = Design::Crossover { holdout: 5_000, hours };
        Assignment::new(design, b"any salt", "https://example.org".to_owned(), 28)
    }

    /// Writes one request in the block of a time.
    fn write(store: &mut Store, assignment: &Assignment, now: u64) {
        let units = Units::default();
        let path = AssetPath::parse("/a.iso").unwrap();
        units.place(assignment, Subject::Asset(path), now).cells.add(2, 1);
        let batch = Batch {
            now,
            traffic: [0; TrafficField::COUNT],
            units: &units.changes(),
            claimed: &Claimed::default(),
            assigned: (Block(0), [0; 3]),
        };
        store.write(&batch).unwrap();
    }

    fn terms() -> Terms {
        let billing = Billing { model: BillingModel::Flat, price: 0.0, currency: String::new() };
        Terms { billing, slack: 1.25 }
    }

    #[test]
    fn the_experiment_in_question_is_the_one_used_last() {
        let dir = tempfile::tempdir().unwrap();
        let (first, second) = (assignment(1), assignment(2));
        for (assignment, now) in [(&first, HOUR), (&second, 10 * HOUR), (&first, 20 * HOUR)] {
            let mut store = Store::open(dir.path(), assignment, now).unwrap();
            write(&mut store, assignment, now);
        }
        let archive = Archive::open(&[dir.path().to_owned()]).unwrap();
        let seen = archive.observations(None, Period::default(), terms()).unwrap();
        assert_eq!((seen.design, seen.began), (first.design(), HOUR));
        assert_eq!(seen.units.len(), 2);
        assert!(seen.units.iter().all(|unit| unit.arm != Arm::Untouched));
        let other = archive.observations(Some(second.id()), Period::default(), terms()).unwrap();
        assert_eq!(other.design, second.design());
    }

    #[test]
    fn what_is_too_old_is_forgotten_of_every_experiment() {
        let dir = tempfile::tempdir().unwrap();
        let (first, second) = (assignment(1), assignment(2));
        for (assignment, times) in [(&first, [10, 100]), (&second, [11, 101])] {
            let mut store = Store::open(dir.path(), assignment, HOUR).unwrap();
            for hours in times {
                write(&mut store, assignment, hours * HOUR);
            }
        }
        Store::open(dir.path(), &second, HOUR).unwrap().prune(50 * HOUR).unwrap();
        let archive = Archive::open(&[dir.path().to_owned()]).unwrap();
        for assignment in [&first, &second] {
            let seen = archive.observations(Some(assignment.id()), Period::default(), terms());
            let blocks: Vec<_> = seen.unwrap().units.iter().map(|unit| unit.block).collect();
            assert_eq!(blocks, [assignment.design().block(100 * HOUR)]);
        }
    }
}
