use std::path::{Path, PathBuf};

use manyhands_experiment::{Block, Design};
use manyhands_experiment::{Sums, TrafficField};
use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use super::{ArchiveError, FILE, schema};
use crate::ledger::Assignment;
use crate::ledger::claims::Claimed;
use crate::ledger::units::{Change, Subject};

/// Seconds a slot of traffic.
pub(super) const SLOT: u64 = 300;

/// Adds to the database of one state directory.
#[derive(Debug)]
pub(in crate::ledger) struct Store {
    connection: Connection,
    file: PathBuf,
    experiment: i64,
}

/// What came since the last one.
#[derive(Debug)]
pub(in crate::ledger) struct Batch<'a> {
    pub(in crate::ledger) now: u64,
    pub(in crate::ledger) traffic: [u64; TrafficField::COUNT],
    pub(in crate::ledger) units: &'a [Change],
    pub(in crate::ledger) claimed: &'a Claimed,
    /// Shared assets in each arm, in this block.
    pub(in crate::ledger) assigned: (Block, [u64; 3]),
}

impl Batch<'_> {
    pub(in crate::ledger) fn is_empty(&self) -> bool {
        self.traffic == [0; TrafficField::COUNT]
            && self.units.is_empty()
            && self.claimed.is_empty()
            && self.assigned.1 == [0; 3]
    }
}

impl Store {
    /// Opens the database, and enters the experiment where it is new: it begins now.
    pub(in crate::ledger) fn open(
        dir: &Path,
        assignment: &Assignment,
        now: u64,
    ) -> Result<Self, ArchiveError> {
        let file = dir.join(FILE);
        let connection = schema::open_to_write(dir)?;
        let design = serde_json::to_string(&assignment.design()).unwrap_or_default();
        let buckets = serde_json::to_string(&assignment.buckets()).unwrap_or_default();
        let experiment = stored(assignment.id());
        connection
            .execute(
                "INSERT INTO experiment (id, design, began, planned_days, buckets, used)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?3) ON CONFLICT DO UPDATE SET used = excluded.used",
                params![experiment, design, stored(now), assignment.planned_days(), buckets],
            )
            .map_err(|source| ArchiveError::Database { file: file.clone(), source })?;
        Ok(Self { connection, file, experiment })
    }

    /// Adds a batch, all of it or nothing.
    pub(in crate::ledger) fn write(&mut self, batch: &Batch<'_>) -> Result<(), ArchiveError> {
        let experiment = self.experiment;
        let write = |connection: &mut Connection| {
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            write_traffic(&transaction, batch)?;
            write_units(&transaction, experiment, batch.units)?;
            write_assigned(&transaction, experiment, batch.assigned)?;
            write_claims(&transaction, experiment, batch.claimed)?;
            transaction.commit()
        };
        write(&mut self.connection)
            .map_err(|source| ArchiveError::Database { file: self.file.clone(), source })
    }

    /// Forgets all from before a time, in seconds since the epoch.
    pub(in crate::ledger) fn prune(&mut self, before: u64) -> Result<(), ArchiveError> {
        let prune = |connection: &mut Connection| {
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            transaction.execute("DELETE FROM slot WHERE number < ?1", [stored(before / SLOT)])?;
            for (experiment, design) in designs(&transaction)? {
                let block = stored(design.block(before).0);
                for table in ["unit", "assigned", "claim", "fallback", "latency"] {
                    let text = format!("DELETE FROM {table} WHERE experiment = ?1 AND block < ?2");
                    transaction.execute(&text, [experiment, block])?;
                }
            }
            transaction
                .execute("DELETE FROM subject WHERE id NOT IN (SELECT subject FROM unit)", [])?;
            transaction.commit()
        };
        prune(&mut self.connection)
            .map_err(|source| ArchiveError::Database { file: self.file.clone(), source })
    }
}

/// Every experiment that was ever entered; one of a later version's design is left alone.
fn designs(transaction: &Transaction<'_>) -> rusqlite::Result<Vec<(i64, Design)>> {
    let mut all = transaction.prepare("SELECT id, design FROM experiment")?;
    let all = all.query_map([], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)))?;
    let known = |(id, text): (i64, String)| Some((id, serde_json::from_str(&text).ok()?));
    Ok(all.collect::<rusqlite::Result<Vec<_>>>()?.into_iter().filter_map(known).collect())
}

fn write_traffic(transaction: &Transaction<'_>, batch: &Batch<'_>) -> rusqlite::Result<()> {
    let mut add = transaction.prepare_cached(
        "INSERT INTO slot VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT DO UPDATE SET
             other = other + excluded.other, unshared = unshared + excluded.unshared,
             shared = shared + excluded.shared, treated = treated + excluded.treated,
             overhead = overhead + excluded.overhead, pages = pages + excluded.pages,
             asset_requests = asset_requests + excluded.asset_requests,
             bot_requests = bot_requests + excluded.bot_requests, bot = bot + excluded.bot",
    )?;
    let [other, unshared, shared, treated, overhead, pages, assets, bots, bot] =
        batch.traffic.map(stored);
    let slot = stored(batch.now / SLOT);
    let row = params![slot, other, unshared, shared, treated, overhead, pages, assets, bots, bot];
    add.execute(row).map(drop)
}

fn write_units(
    transaction: &Transaction<'_>,
    experiment: i64,
    units: &[Change],
) -> rusqlite::Result<()> {
    let mut name = transaction
        .prepare_cached("INSERT INTO subject (name) VALUES (?1) ON CONFLICT DO NOTHING")?;
    let mut find = transaction.prepare_cached("SELECT id FROM subject WHERE name = ?1")?;
    let mut add = transaction.prepare_cached(
        "INSERT INTO unit VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) ON CONFLICT DO UPDATE SET
             demand = demand + excluded.demand, demand_bytes = demand_bytes + excluded.demand_bytes,
             requests = requests + excluded.requests, origin_bytes = origin_bytes + excluded.origin_bytes,
             overhead_bytes = overhead_bytes + excluded.overhead_bytes,
             aborted = aborted + excluded.aborted, failed = failed + excluded.failed",
    )?;
    for Change { subject, block, arm, more, .. } in units {
        let text = match subject {
            Subject::Asset(path) => path.as_str().to_owned(),
            Subject::Bundle(number, arm) => format!("others {number} {}", arm.name()),
            Subject::Bucket(bucket) => bucket.number().to_string(),
        };
        name.execute([&text])?;
        let id: i64 = find.query_row([&text], |row| row.get(0))?;
        let sums = Sums::from(*more);
        add.execute(params![
            experiment,
            stored(block.0),
            *arm as i64,
            id,
            stored(sums.demand),
            stored(sums.demand_bytes),
            stored(sums.requests),
            stored(sums.origin_bytes),
            stored(sums.overhead_bytes),
            stored(sums.aborted),
            stored(sums.failed),
        ])?;
    }
    Ok(())
}

/// Processes that share assets each know about all of them: the greatest count is the right one.
fn write_assigned(
    transaction: &Transaction<'_>,
    experiment: i64,
    (block, units): (Block, [u64; 3]),
) -> rusqlite::Result<()> {
    let mut set = transaction.prepare_cached(
        "INSERT INTO assigned VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO UPDATE SET units = max(units, excluded.units)",
    )?;
    for (arm, units) in (0_i64..).zip(units) {
        if units > 0 {
            set.execute(params![experiment, stored(block.0), arm, stored(units)])?;
        }
    }
    Ok(())
}

fn write_claims(
    transaction: &Transaction<'_>,
    experiment: i64,
    claimed: &Claimed,
) -> rusqlite::Result<()> {
    let mut add = transaction.prepare_cached(
        "INSERT INTO claim VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
         ON CONFLICT DO UPDATE SET
             tokens = tokens + excluded.tokens, reports = reports + excluded.reports,
             peer = peer + excluded.peer, origin = origin + excluded.origin,
             mirror = mirror + excluded.mirror, wasted = wasted + excluded.wasted,
             uploaded = uploaded + excluded.uploaded, stalls = stalls + excluded.stalls,
             completed = completed + excluded.completed, fallbacks = fallbacks + excluded.fallbacks",
    )?;
    for ((block, arm), sums) in &claimed.sums {
        add.execute(params![
            experiment,
            stored(block.0),
            *arm as i64,
            stored(sums.tokens),
            stored(sums.reports),
            stored(sums.peer_bytes),
            stored(sums.origin_bytes),
            stored(sums.mirror_bytes),
            stored(sums.wasted_bytes),
            stored(sums.uploaded_bytes),
            stored(sums.stalls),
            stored(sums.completed),
            stored(sums.fallbacks),
        ])?;
    }
    let mut add = transaction.prepare_cached(
        "INSERT INTO fallback VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO UPDATE SET count = count + excluded.count",
    )?;
    for ((block, reason), count) in &claimed.fallbacks {
        add.execute(params![experiment, stored(block.0), reason, stored(*count)])?;
    }
    let mut add = transaction.prepare_cached(
        "INSERT INTO latency VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT DO UPDATE SET count = count + excluded.count",
    )?;
    for (key, times) in &claimed.times {
        for (bin, count) in (0_i64..).zip(times.0).filter(|(_, count)| *count > 0) {
            add.execute(params![
                experiment,
                stored(key.block.0),
                key.arm as i64,
                key.metric as i64,
                key.class as i64,
                stored(key.cluster),
                bin,
                stored(count),
            ])?;
        }
    }
    Ok(())
}

/// SQLite's integers are signed. What is greater than theirs was never sent.
pub(super) fn stored(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
