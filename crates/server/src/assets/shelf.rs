use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use manyhands_metainfo::{AssetPath, Digest, FileIdentity, InfoHash, Record};
use moka::sync::Cache;

use super::{Ready, ReadySettings, Store};

/// Most memory that ready metainfo may take; the rest is read from disk when asked for.
const CACHE_BYTES: u64 = 64 << 20;

/// Ready assets: an index of all, a store on disk, and a cache by bytes in front of it.
#[derive(Debug)]
pub(crate) struct Shelf {
    settings: ReadySettings,
    store: Store,
    cache: Cache<AssetPath, Arc<Ready>>,
    index: Mutex<Index>,
}

#[derive(Debug, Default)]
struct Index {
    shelved: HashMap<AssetPath, Shelved>,
    /// Two assets of the same name and bytes have the same info-hash: the swarm goes with the last
    /// that is shown.
    swarms: HashMap<InfoHash, usize>,
    /// Digest pages are named by content.
    roots: HashMap<Digest, AssetPath>,
}

#[derive(Debug, Clone)]
struct Shelved {
    info_hash: InfoHash,
    root: Digest,
    shown: bool,
    /// Where the asset's file is and what it was, once an answer of this process named it.
    file: Option<(PathBuf, FileIdentity)>,
}

impl Shelf {
    pub(crate) fn new(store: Store, settings: ReadySettings) -> Self {
        let cache = Cache::builder()
            .weigher(|_, ready: &Arc<Ready>| ready.weight())
            .max_capacity(CACHE_BYTES)
            .build();
        Self { settings, store, cache, index: Mutex::default() }
    }

    /// Everything a former process left behind, back on the shelf, hidden.
    pub(crate) fn restore(&self) -> Vec<Record> {
        let records = self.store.load_all();
        let mut index = self.lock();
        for record in &records {
            index.put(&record.path, record.info_hash(), record.hashes.root, None);
        }
        records
    }

    /// Writes a record to disk and puts it on the shelf, hidden. Blocks on the disk.
    pub(crate) fn put(&self, record: Record, file: Option<PathBuf>) -> io::Result<()> {
        self.store.save(&record)?;
        let ready = Arc::new(Ready::new(record, &self.settings));
        let (path, record) = (ready.path(), &ready.record);
        let file = file.zip(record.version.file);
        self.lock().put(path, ready.info_hash, record.hashes.root, file);
        self.cache.insert(path.clone(), Arc::clone(&ready));
        Ok(())
    }

    /// Shows an asset; its info-hash comes back when no other asset with it was shown.
    pub(crate) fn show(&self, path: &AssetPath) -> Option<InfoHash> {
        self.lock().show(path)
    }

    /// Hides an asset; its info-hash comes back when no other asset with it is shown.
    pub(crate) fn hide(&self, path: &AssetPath) -> Option<InfoHash> {
        self.lock().hide(path)
    }

    /// Takes an asset off the shelf; returns as [`Shelf::hide`].
    pub(crate) fn remove(&self, path: &AssetPath) -> Option<InfoHash> {
        let hidden = self.lock().remove(path);
        self.cache.invalidate(path);
        self.store.remove(path);
        hidden
    }

    /// Remembers where the file behind a shelved asset is, so that a change shows without a request.
    pub(crate) fn name_file(&self, path: &AssetPath, file: PathBuf, identity: FileIdentity) {
        if let Some(shelved) = self.lock().shelved.get_mut(path)
            && shelved.file.is_none()
        {
            shelved.file = Some((file, identity));
        }
    }

    /// What is served of an asset; `None` when it is not on the shelf.
    pub(crate) fn ready(&self, path: &AssetPath) -> Option<Arc<Ready>> {
        if !self.lock().shelved.contains_key(path) {
            return None;
        }
        self.cache.get(path).or_else(|| {
            let ready = Arc::new(Ready::new(self.store.load(path)?, &self.settings));
            self.cache.insert(path.clone(), Arc::clone(&ready));
            Some(ready)
        })
    }

    /// Whether the file behind an asset, where we know it, is not the one that was hashed.
    pub(crate) fn file_changed(&self, path: &AssetPath) -> bool {
        let file = self.lock().shelved.get(path).and_then(|shelved| shelved.file.clone());
        file.is_some_and(|(file, identity)| {
            let now = std::fs::metadata(file).ok().map(|meta| FileIdentity::from_metadata(&meta));
            now != Some(identity)
        })
    }

    /// The asset whose digests have this root.
    pub(crate) fn path_of_root(&self, root: &Digest) -> Option<AssetPath> {
        self.lock().roots.get(root).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Index {
    fn put(
        &mut self,
        path: &AssetPath,
        info_hash: InfoHash,
        root: Digest,
        file: Option<(PathBuf, FileIdentity)>,
    ) {
        self.remove(path);
        self.roots.insert(root, path.clone());
        self.shelved.insert(path.clone(), Shelved { info_hash, root, shown: false, file });
    }

    fn show(&mut self, path: &AssetPath) -> Option<InfoHash> {
        let shelved = self.shelved.get_mut(path).filter(|shelved| !shelved.shown)?;
        shelved.shown = true;
        let count = self.swarms.entry(shelved.info_hash).or_default();
        *count += 1;
        (*count == 1).then_some(shelved.info_hash)
    }

    fn hide(&mut self, path: &AssetPath) -> Option<InfoHash> {
        let shelved = self.shelved.get_mut(path).filter(|shelved| shelved.shown)?;
        shelved.shown = false;
        let count = self.swarms.get_mut(&shelved.info_hash)?;
        *count -= 1;
        let last = *count == 0;
        if last {
            self.swarms.remove(&shelved.info_hash);
        }
        last.then_some(shelved.info_hash)
    }

    fn remove(&mut self, path: &AssetPath) -> Option<InfoHash> {
        let hidden = self.hide(path);
        if let Some(shelved) = self.shelved.remove(path)
            && self.roots.get(&shelved.root) == Some(path)
        {
            self.roots.remove(&shelved.root);
        }
        hidden
    }
}
