//! Files kept open between requests, so that a small range costs one read and not a path walk.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use manyhands_metainfo::AssetPath;
use moka::sync::Cache;

use crate::file::{FileState, OpenFile};

/// An unused file is closed after this long, so that a file system can be unmounted.
const IDLE: Duration = Duration::from_secs(30);

/// Open files by path, at most so many.
#[derive(Debug)]
pub(crate) struct OpenFiles {
    entries: Cache<AssetPath, Arc<Entry>>,
    revalidate: Duration,
    epoch: Instant,
}

#[derive(Debug)]
struct Entry {
    file: Arc<OpenFile>,
    /// When the path was last seen to name this file; nanoseconds since `epoch`.
    checked: AtomicU64,
}

impl OpenFiles {
    pub(crate) fn new(count: u64, revalidate: Duration) -> Self {
        let entries = Cache::builder().max_capacity(count).time_to_idle(IDLE).build();
        Self { entries, revalidate, epoch: Instant::now() }
    }

    /// The file at `path`, when it is open and nobody wrote to it since, and the path was seen to name
    /// it within the interval. The handle is looked at every time: that is one cheap call.
    pub(crate) fn look_up(&self, path: &AssetPath) -> Option<Arc<OpenFile>> {
        let entry = self.entries.get(path)?;
        if !matches!(entry.file.state(), Ok(FileState::Same)) {
            self.entries.invalidate(path);
            return None;
        }
        let age = self.now().saturating_sub(entry.checked.load(Ordering::Relaxed));
        (u128::from(age) < self.revalidate.as_nanos()).then(|| entry.file.clone())
    }

    /// Remembers that `path` names `opened`. When that is the file already open, the older handle stays.
    pub(crate) fn remember(&self, path: &AssetPath, opened: OpenFile) -> Arc<OpenFile> {
        if let Some(entry) = self.entries.get(path)
            && entry.file.identity() == opened.identity()
        {
            entry.checked.store(self.now(), Ordering::Relaxed);
            return entry.file.clone();
        }
        let file = Arc::new(opened);
        let entry = Entry { file: file.clone(), checked: AtomicU64::new(self.now()) };
        self.entries.insert(path.clone(), Arc::new(entry));
        file
    }

    pub(crate) fn forget(&self, path: &AssetPath) {
        self.entries.invalidate(path);
    }

    fn now(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}
