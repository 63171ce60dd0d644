use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::cells::since;
use super::figures::{Desk, Looked};
use super::store::{Archive, ArchiveError, Batch, Store, Terms};
use super::{Assignment, Ledger, TrafficField};

/// How often sums are written down: what a kill can lose.
const EVERY: Duration = Duration::from_secs(5);
/// How often a failure that goes on is told.
const AGAIN: Duration = Duration::from_secs(600);

/// The thread that writes a ledger down, and the desk where one may look at it.
#[derive(Debug)]
pub(crate) struct Keeper {
    shared: Arc<Shared>,
    desk: Desk,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Shared {
    ledger: Arc<Ledger>,
    dir: PathBuf,
    keep_days: u32,
    stop: AtomicBool,
}

impl Keeper {
    pub(crate) fn new(ledger: Arc<Ledger>, dir: &Path, terms: Terms, keep_days: u32) -> Self {
        let desk = Desk::new(dir, terms, ledger.assignment().map(Assignment::id));
        let shared =
            Shared { ledger, dir: dir.to_owned(), keep_days, stop: AtomicBool::new(false) };
        Self { shared: Arc::new(shared), desk, thread: Mutex::default() }
    }

    /// Starts the thread, if there is an experiment and it has not been.
    pub(crate) fn wake(&self) {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if self.shared.ledger.assignment().is_none() || thread.is_some() {
            return;
        }
        let shared = Arc::clone(&self.shared);
        let spawned =
            thread::Builder::new().name("manyhands-ledger".to_owned()).spawn(move || shared.run());
        match spawned {
            Ok(handle) => *thread = Some(handle),
            Err(error) => {
                tracing::error!(%error, "cannot start the thread that keeps the experiment")
            }
        }
    }

    /// The experiment as it stands, at most some seconds old.
    pub(crate) fn figures(&self) -> Looked {
        self.desk.look()
    }

    /// What is on disk.
    ///
    /// # Errors
    /// When there is nothing yet, or it can't be read.
    pub(crate) fn archive(&self) -> Result<Archive, ArchiveError> {
        Archive::open(std::slice::from_ref(&self.shared.dir))
    }

    pub(crate) fn terms(&self) -> &Terms {
        self.desk.terms()
    }

    #[cfg(test)]
    pub(super) fn flush(&self, writer: &mut Writer) {
        self.shared.flush(writer);
    }

    fn unpark(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = &*thread {
            thread.thread().unpark();
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.unpark();
        let thread = self.thread.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        // The thread itself may hold nothing that leads here, so it is never the one that waits.
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn run(&self) {
        let mut writer = Writer::new();
        let mut next = Instant::now();
        loop {
            let stop = self.stop.load(Ordering::Relaxed);
            if stop || Instant::now() >= next {
                next = Instant::now() + EVERY;
                self.flush(&mut writer);
            }
            if stop {
                return;
            }
            thread::park_timeout(next.saturating_duration_since(Instant::now()));
        }
    }

    /// Writes what came since the last time. What can't be written is tried again with what comes next.
    fn flush(&self, writer: &mut Writer) {
        let Some(assignment) = self.ledger.assignment() else { return };
        let now = self.ledger.now();
        let block = assignment.design().block(now);
        let traffic = self.ledger.traffic.read();
        let units = self.ledger.units.changes();
        let claimed = self.ledger.claims.take();
        let batch = Batch {
            now,
            traffic: since(traffic, writer.written),
            units: &units,
            claimed: &claimed,
            assigned: self.ledger.assigned(),
        };
        let done = writer.store(&self.dir, assignment, now).and_then(|store| {
            let idle = batch.is_empty();
            if idle { Ok(()) } else { store.write(&batch) }
        });
        match done {
            Ok(()) => {
                writer.told = None;
                writer.written = traffic;
                self.ledger.units.written(&units, block);
                writer.prune(now, self.keep_days);
            }
            Err(error) => {
                self.ledger.claims.put_back(claimed);
                // It may have gone bad, or away: opened anew next time.
                writer.store = None;
                writer.tell(&error);
            }
        }
    }
}

/// The thread's own.
pub(super) struct Writer {
    store: Option<Store>,
    /// Traffic that is on disk.
    written: [u64; TrafficField::COUNT],
    /// When a failure that goes on was told.
    told: Option<Instant>,
    /// Day of the last pruning.
    pruned: u64,
}

impl Writer {
    pub(super) fn new() -> Self {
        Self { store: None, written: [0; TrafficField::COUNT], told: None, pruned: 0 }
    }

    fn store(
        &mut self,
        dir: &Path,
        assignment: &Assignment,
        now: u64,
    ) -> Result<&mut Store, ArchiveError> {
        let store = match self.store.take() {
            Some(store) => store,
            None => Store::open(dir, assignment, now)?,
        };
        Ok(self.store.insert(store))
    }

    fn prune(&mut self, now: u64, keep_days: u32) {
        let day = now / 86_400;
        if self.pruned == day {
            return;
        }
        self.pruned = day;
        let before = now.saturating_sub(u64::from(keep_days) * 86_400);
        if let Some(store) = &mut self.store
            && let Err(error) = store.prune(before)
        {
            self.tell(&error);
        }
    }

    fn tell(&mut self, error: &ArchiveError) {
        if self.told.is_none_or(|told| told.elapsed() >= AGAIN) {
            self.told = Some(Instant::now());
            tracing::error!(%error, "the experiment is not written down; it is kept in memory and tried again");
        }
    }
}
