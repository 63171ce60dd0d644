//! The experiment's counters: what was sent, by unit and arm, on its way from a body to the disk.
//!
//! Front doors: [`Ledger`], which hands out a [`Meter`] for each body that leaves, and [`Archive`], which reads
//! what the ledgers of one or more processes have written. The rules (arms, blocks, estimators) are
//! `manyhands-experiment`'s; here are atomics, a thread and a database.
//!
//! | file | story |
//! |---|---|
//! | `assignment.rs` | the experiment that runs: which arm an asset or a visitor is in now |
//! | `cells.rs` | counters that only grow |
//! | `units.rs` | the cells of each unit, in shards: requests for different units share no lock |
//! | `limit.rs` | how much one network can say to want |
//! | `meter.rs` | counts one body while it is sent |
//! | `claims.rs` | what browsers report |
//! | `figures.rs` | reckons when the operator looks |
//! | `keeper.rs` | the thread that writes it all down every few seconds |
//! | `store/` | the database |

mod assignment;
mod cells;
mod claims;
mod figures;
mod keeper;
mod limit;
mod meter;
#[cfg(test)]
mod replay;
mod store;
mod units;

pub(crate) use assignment::Assignment;
pub use assignment::Visitor;
pub(crate) use claims::{Report, Reported};
pub(crate) use figures::{Figures, Looked};
pub(crate) use keeper::Keeper;
pub use meter::Meter;
pub(crate) use meter::What;
pub use store::{Archive, ArchiveError, Period, Terms};

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use manyhands_experiment::{Arm, Block, Bucket, Sums, Traffic, TrafficField, UnitField};
use manyhands_metainfo::AssetPath;

use self::cells::Cells;
use self::claims::ClaimTable;
use self::limit::Limit;
use self::units::{Place, Subject, Units};

/// What a web server's module counted something for.
#[derive(Debug)]
pub(crate) enum Reckoned {
    Asset(AssetPath),
    Bucket(Bucket),
    /// Assets that it had no room for.
    Rest(Arm),
}

/// Counts what one process sends.
#[derive(Debug)]
pub(crate) struct Ledger {
    assignment: Option<Assignment>,
    clock: fn() -> u64,
    traffic: Cells<{ TrafficField::COUNT }>,
    /// Units' sums over all of an arm since the start, for metrics.
    arms: [Cells<{ UnitField::COUNT }>; 3],
    units: Units,
    limit: Limit,
    claims: ClaimTable,
    /// How many shared assets are in each arm, in the block they were counted for.
    assigned: Mutex<(Block, [u64; 3])>,
    /// Whether sharing is switched off: no arm is what it should be, and nothing is counted in any.
    paused: AtomicBool,
}

impl Ledger {
    pub(crate) fn new(assignment: Option<Assignment>) -> Arc<Self> {
        Self::with_clock(assignment, seconds_now)
    }

    /// With a clock of one's own: seconds since the epoch.
    fn with_clock(assignment: Option<Assignment>, clock: fn() -> u64) -> Arc<Self> {
        Arc::new(Self {
            assignment,
            clock,
            traffic: Cells::default(),
            arms: Default::default(),
            units: Units::default(),
            limit: Limit::default(),
            claims: ClaimTable::default(),
            assigned: Mutex::new((Block(0), [0; 3])),
            paused: AtomicBool::new(false),
        })
    }

    /// The experiment that runs, if one does.
    pub(crate) fn assignment(&self) -> Option<&Assignment> {
        self.assignment.as_ref()
    }

    /// The arm in which this visitor gets this asset now; with no experiment everybody shares.
    pub(crate) fn arm(&self, asset: &AssetPath, visitor: &Visitor) -> Arm {
        self.assignment.as_ref().map_or(Arm::P2p, |it| it.arm(asset, visitor, self.now()))
    }

    /// Takes note that an asset of so many octets was wanted.
    pub(crate) fn demand(&self, asset: &AssetPath, length: u64, visitor: &Visitor) {
        let Some(assignment) = &self.assignment else { return };
        if visitor.robot || assignment.is_by_visitor() {
            return;
        }
        if self.is_wanted(&Subject::Asset(asset.clone()), visitor)
            && let Some(place) = self.place_of(Some(asset), visitor)
        {
            self.add_unit(&place, UnitField::Demand, 1);
            self.add_unit(&place, UnitField::DemandBytes, length);
        }
    }

    /// Takes note of a page on its way out.
    pub(crate) fn page(&self, visitor: &Visitor) {
        self.traffic.add(TrafficField::Pages as usize, 1);
        if let Some(bucket) = visitor.bucket
            && self.is_wanted(&Subject::Bucket(bucket), visitor)
            && let Some(place) = self.place_of(None, visitor)
        {
            self.add_unit(&place, UnitField::Demand, 1);
        }
    }

    /// Whether one more word of wanting counts.
    fn is_wanted(&self, subject: &Subject, visitor: &Visitor) -> bool {
        let Some(assignment) = &self.assignment else { return false };
        let block = assignment.design().block(self.now());
        self.limit.admits(block, visitor.network, subject)
    }

    /// Takes note that a shared asset could not be sent.
    pub(crate) fn failed(&self, asset: &AssetPath, visitor: &Visitor) {
        if let Some(place) = self.place_of(Some(asset), visitor) {
            self.add_unit(&place, UnitField::Failed, 1);
        }
    }

    /// Takes what a web server's module counted: what came to the traffic, and to units by the number of their
    /// block.
    pub(crate) fn add(
        &self,
        traffic: [u64; TrafficField::COUNT],
        units: impl Iterator<Item = (Reckoned, u64, [u64; UnitField::COUNT])>,
    ) {
        for (field, more) in traffic.into_iter().enumerate() {
            self.traffic.add(field, more);
        }
        let Some(assignment) = &self.assignment else { return };
        let now = assignment.design().block(self.now());
        for (of, block, cells) in units {
            let subject = match of {
                Reckoned::Asset(path) => Subject::Asset(path),
                Reckoned::Bucket(bucket) => Subject::Bucket(bucket),
                Reckoned::Rest(arm) => Subject::Bundle(0, arm),
            };
            // A clock that stepped, or nonsense.
            if block > now.0 {
                continue;
            }
            let at = assignment.design().starts(Block(block));
            let place = self.units.place(assignment, subject, at);
            place.cells.add_all(cells);
            if let Some(arm) = self.arms.get(place.arm as usize) {
                arm.add_all(cells);
            }
        }
    }

    /// Takes what a browser reports of itself.
    pub(crate) fn claim(&self, report: &Report) {
        if let Some(assignment) = &self.assignment {
            self.claims.add(assignment, report);
        }
    }

    /// Takes note that a browser may report.
    pub(crate) fn token_given(&self, visitor: &Visitor, now: u64) {
        if let Some(assignment) = &self.assignment {
            self.claims.token(assignment, visitor, now);
        }
    }

    /// How many shared assets there are in each arm of a block, in the order of [`Arm::ALL`].
    pub(crate) fn set_assigned(&self, block: Block, assigned: [u64; 3]) {
        *self.assigned.lock().unwrap_or_else(PoisonError::into_inner) = (block, assigned);
    }

    /// Follows the kill switch.
    pub(crate) fn pause(&self, paused: bool) {
        self.paused.store(paused, Ordering::Relaxed);
    }

    fn is_paused(&self) -> bool {
        self.paused.load(Ordering::Relaxed)
    }

    fn now(&self) -> u64 {
        (self.clock)()
    }

    fn assigned(&self) -> (Block, [u64; 3]) {
        *self.assigned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All traffic since the start.
    pub(crate) fn traffic(&self) -> Traffic {
        Traffic::from(self.traffic.read())
    }

    /// What was counted in the arms since the start.
    pub(crate) fn arms(&self) -> [Sums; 3] {
        self.arms.each_ref().map(|arm| Sums::from(arm.read()))
    }

    /// The unit in which something counts that has to do with this asset and this visitor; `None` where it is in
    /// none now.
    fn place_of(&self, asset: Option<&AssetPath>, visitor: &Visitor) -> Option<Place> {
        let (running, now) = (self.assignment.as_ref()?.running(), self.now());
        let subject = running.subject(asset.map(AssetPath::as_str), visitor.counted(), now)?;
        self.place(Subject::of(subject, asset)?, now)
    }

    fn place(&self, subject: Subject, now: u64) -> Option<Place> {
        let assignment = self.assignment.as_ref().filter(|_| !self.is_paused())?;
        Some(self.units.place(assignment, subject, now))
    }

    fn add_unit(&self, place: &Place, field: UnitField, more: u64) {
        place.cells.add(field as usize, more);
        if let Some(arm) = self.arms.get(place.arm as usize) {
            arm.add(field as usize, more);
        }
    }
}

/// Seconds since the epoch.
pub(crate) fn seconds_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
