use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

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
    /// Two assets of the same name and bytes have the same info-hash: the swarm goes with the last.
    swarms: HashMap<InfoHash, usize>,
    /// Digest pages are named by content.
    roots: HashMap<Digest, AssetPath>,
}

#[derive(Debug, Clone)]
struct Shelved {
    info_hash: InfoHash,
    root: Digest,
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

    /// Everything a former process left behind, put back on the shelf.
    pub(crate) fn restore(&self) -> Vec<(Record, InfoHash)> {
        let mut restored = Vec::new();
        for record in self.store.load_all() {
            let info_hash = record.info_hash();
            let shelved = Shelved { info_hash, root: record.hashes.root, file: None };
            self.shelve(&record.path, shelved);
            restored.push((record, info_hash));
        }
        restored
    }

    /// Writes a record to disk and shows it from then on. Blocks on the disk.
    pub(crate) fn put(&self, record: Record, file: Option<PathBuf>) -> io::Result<Arc<Ready>> {
        self.store.save(&record)?;
        let ready = Arc::new(Ready::new(record, &self.settings));
        let file = file.zip(ready.record.version.file);
        let shelved = Shelved { info_hash: ready.info_hash, root: ready.record.hashes.root, file };
        self.shelve(ready.path(), shelved);
        self.cache.insert(ready.path().clone(), Arc::clone(&ready));
        Ok(ready)
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

    /// Takes an asset off the shelf. Its info-hash comes back when no other asset has it.
    pub(crate) fn remove(&self, path: &AssetPath) -> Option<InfoHash> {
        let mut index = self.lock();
        let shelved = index.shelved.remove(path)?;
        let last = index.release(path, &shelved);
        drop(index);
        self.cache.invalidate(path);
        self.store.remove(path);
        last.then_some(shelved.info_hash)
    }

    fn shelve(&self, path: &AssetPath, shelved: Shelved) {
        let mut index = self.lock();
        *index.swarms.entry(shelved.info_hash).or_default() += 1;
        let root = shelved.root;
        if let Some(before) = index.shelved.insert(path.clone(), shelved) {
            index.release(path, &before);
        }
        index.roots.insert(root, path.clone());
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Index {
    /// Undoes one [`Shelf::shelve`]; says whether that was the last asset of its swarm.
    fn release(&mut self, path: &AssetPath, shelved: &Shelved) -> bool {
        if self.roots.get(&shelved.root) == Some(path) {
            self.roots.remove(&shelved.root);
        }
        let Some(count) = self.swarms.get_mut(&shelved.info_hash) else { return true };
        *count -= 1;
        let last = *count == 0;
        if last {
            self.swarms.remove(&shelved.info_hash);
        }
        last
    }
}
