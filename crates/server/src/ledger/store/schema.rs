use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::{ArchiveError, FILE};

/// Version of the tables, kept in `user_version`.
const VERSION: i64 = 1;

/// How long one process waits for another's batch.
const BUSY: Duration = Duration::from_secs(4);

/// Blocks, arms and keys are numbers: a row of `unit` takes some 40 bytes.
const TABLES: &str = "
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS experiment (
    id INTEGER PRIMARY KEY, design TEXT NOT NULL, began INTEGER NOT NULL, planned_days INTEGER NOT NULL,
    buckets TEXT NOT NULL, used INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS subject (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS unit (
    experiment INTEGER NOT NULL, block INTEGER NOT NULL, arm INTEGER NOT NULL, subject INTEGER NOT NULL,
    demand INTEGER NOT NULL, demand_bytes INTEGER NOT NULL, requests INTEGER NOT NULL,
    origin_bytes INTEGER NOT NULL, overhead_bytes INTEGER NOT NULL, aborted INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    PRIMARY KEY (experiment, block, arm, subject)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS assigned (
    experiment INTEGER NOT NULL, block INTEGER NOT NULL, arm INTEGER NOT NULL, units INTEGER NOT NULL,
    PRIMARY KEY (experiment, block, arm)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS slot (
    number INTEGER PRIMARY KEY, other INTEGER NOT NULL, unshared INTEGER NOT NULL, shared INTEGER NOT NULL,
    treated INTEGER NOT NULL, overhead INTEGER NOT NULL, pages INTEGER NOT NULL,
    asset_requests INTEGER NOT NULL, bot_requests INTEGER NOT NULL, bot INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS claim (
    experiment INTEGER NOT NULL, block INTEGER NOT NULL, arm INTEGER NOT NULL, tokens INTEGER NOT NULL,
    reports INTEGER NOT NULL, peer INTEGER NOT NULL, origin INTEGER NOT NULL, mirror INTEGER NOT NULL,
    wasted INTEGER NOT NULL, uploaded INTEGER NOT NULL, stalls INTEGER NOT NULL,
    completed INTEGER NOT NULL, fallbacks INTEGER NOT NULL,
    PRIMARY KEY (experiment, block, arm)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS fallback (
    experiment INTEGER NOT NULL, block INTEGER NOT NULL, reason TEXT NOT NULL, count INTEGER NOT NULL,
    PRIMARY KEY (experiment, block, reason)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS latency (
    experiment INTEGER NOT NULL, block INTEGER NOT NULL, arm INTEGER NOT NULL, metric INTEGER NOT NULL,
    class INTEGER NOT NULL, cluster INTEGER NOT NULL, bin INTEGER NOT NULL, count INTEGER NOT NULL,
    PRIMARY KEY (experiment, block, arm, metric, class, cluster, bin)
) WITHOUT ROWID;
PRAGMA user_version = 1;
COMMIT;
";

/// Opens the database of a state directory to write, made where it is not there.
pub(super) fn open_to_write(dir: &Path) -> Result<Connection, ArchiveError> {
    let file = dir.join(FILE);
    let broken = |source| ArchiveError::Database { file: file.clone(), source };
    let connection = Connection::open(&file).map_err(broken)?;
    connection.busy_timeout(BUSY).map_err(broken)?;
    connection.pragma_update(None, "journal_mode", "WAL").map_err(broken)?;
    // In write-ahead logging a killed process loses nothing by this, a lost machine the last batches.
    connection.pragma_update(None, "synchronous", "NORMAL").map_err(broken)?;
    match version(&connection).map_err(broken)? {
        VERSION => {}
        0 => connection.execute_batch(TABLES).map_err(broken)?,
        version => return Err(ArchiveError::Version { file, version }),
    }
    Ok(connection)
}

/// Opens the database of a state directory to read.
pub(super) fn open_to_read(dir: &Path) -> Result<Connection, ArchiveError> {
    let file = dir.join(FILE);
    if !file.exists() {
        return Err(ArchiveError::Missing(dir.to_owned()));
    }
    let broken = |source| ArchiveError::Database { file: file.clone(), source };
    let connection =
        Connection::open_with_flags(&file, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(broken)?;
    connection.busy_timeout(BUSY).map_err(broken)?;
    match version(&connection).map_err(broken)? {
        VERSION => Ok(connection),
        // Between its making and its first tables.
        0 => Err(ArchiveError::Missing(dir.to_owned())),
        version => Err(ArchiveError::Version { file, version }),
    }
}

fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}
