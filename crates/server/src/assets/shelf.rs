use std::collections::{BTreeSet, HashMap};
use std::io;
use std::ops::Bound;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use manyhands_metainfo::{AssetPath, Digest, FileIdentity, Hashes, InfoHash, Record};
use moka::sync::Cache;

use super::{Listed, Part, Ready, ReadySettings, Store, Stored, Written};

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
    /// Those that are shown, in the order of a list.
    shown: BTreeSet<AssetPath>,
    /// Two assets of the same name and bytes have the same info-hash: the swarm goes with the last
    /// that is shown.
    swarms: HashMap<InfoHash, usize>,
    /// Digest pages are named by content, which several assets may have.
    roots: HashMap<Digest, Vec<AssetPath>>,
}

#[derive(Debug, Clone)]
struct Shelved {
    info_hash: InfoHash,
    root: Digest,
    sha256: Digest,
    length: u64,
    content_type: Box<str>,
    /// Where the asset's file is and what it was, once an answer of this process named it.
    file: Option<(PathBuf, FileIdentity)>,
}

impl Shelved {
    fn new(record: &Record, info_hash: InfoHash, file: Option<(PathBuf, FileIdentity)>) -> Self {
        let Hashes { root, sha256, length, .. } = record.hashes;
        let content_type = record.content_type.as_str().into();
        Self { info_hash, root, sha256, length, content_type, file }
    }

    /// The magnet link is made outside the lock.
    fn listed(&self, path: &AssetPath) -> Listed {
        Listed {
            path: path.clone(),
            length: self.length,
            content_type: self.content_type.clone(),
            sha256: self.sha256,
            info_hash: self.info_hash,
            root: self.root,
            magnet: String::new(),
        }
    }
}

impl Shelf {
    pub(crate) fn new(store: Store, settings: ReadySettings) -> Self {
        let cache = Cache::builder()
            .weigher(|_, ready: &Arc<Ready>| ready.weight())
            .max_capacity(CACHE_BYTES)
            .build();
        Self { settings, store, cache, index: Mutex::default() }
    }

    /// Everything a former process left behind, back on the shelf, hidden; each record is handed on.
    pub(crate) fn restore(&self, mut each: impl FnMut(Record)) {
        self.store.load_all(|record| {
            self.lock().put(&record.path, Shelved::new(&record, record.info_hash(), None));
            each(record);
        });
    }

    /// Where assets are hashed into.
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// Puts a written record on the shelf, hidden; `file` is where its bytes are, if they are a file.
    pub(crate) fn put(&self, written: &Written, file: Option<PathBuf>) -> io::Result<()> {
        let record = &written.record;
        self.store.put(&written.place, &record.path)?;
        let file = file.zip(record.version.file);
        self.lock().put(&record.path, Shelved::new(record, record.info_hash(), file));
        self.cache.invalidate(&record.path);
        Ok(())
    }

    /// SHA-256 of a whole asset on the shelf.
    pub(crate) fn sha256(&self, path: &AssetPath) -> Option<Digest> {
        self.lock().shelved.get(path).map(|shelved| shelved.sha256)
    }

    /// The swarm of an asset on the shelf.
    pub(crate) fn info_hash(&self, path: &AssetPath) -> Option<InfoHash> {
        self.lock().shelved.get(path).map(|shelved| shelved.info_hash)
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
            let Stored { record, first_page } = self.store.load(path)?;
            let ready = Arc::new(Ready::new(record, &first_page, &self.settings));
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

    /// One page of the digests of an asset.
    pub(crate) fn page(&self, ready: &Ready, page: usize) -> Option<Vec<Digest>> {
        self.store.page(&ready.record, page)
    }

    /// Shown assets after `after` of which `keep` says yes: at most `most` of them, and at most
    /// [`Part::MOST`] looked at.
    pub(crate) fn part(
        &self,
        after: Option<&AssetPath>,
        most: usize,
        keep: impl Fn(&AssetPath) -> bool,
    ) -> Part {
        let mut part = Part::default();
        {
            let index = self.lock();
            let from = after.map_or(Bound::Unbounded, Bound::Excluded);
            let mut paths = index.shown.range((from, Bound::Unbounded)).peekable();
            while let Some(path) = paths.peek().copied() {
                if part.assets.len() == most || part.seen == Part::MOST {
                    break;
                }
                paths.next();
                part.seen += 1;
                part.next = Some(path.clone());
                if let Some(shelved) = index.shelved.get(path).filter(|_| keep(path)) {
                    part.assets.push(shelved.listed(path));
                }
            }
            if paths.peek().is_none() {
                part.next = None;
            }
        }
        for listed in &mut part.assets {
            listed.magnet = self.settings.magnet(&listed.path, &listed.info_hash, listed.length);
        }
        part
    }

    /// How many assets are shown.
    pub(crate) fn total(&self) -> usize {
        self.lock().shown.len()
    }

    /// The asset whose digests have this root.
    pub(crate) fn path_of_root(&self, root: &Digest) -> Option<AssetPath> {
        self.lock().roots.get(root)?.first().cloned()
    }

    fn lock(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Index {
    fn put(&mut self, path: &AssetPath, shelved: Shelved) {
        self.remove(path);
        self.roots.entry(shelved.root).or_default().push(path.clone());
        self.shelved.insert(path.clone(), shelved);
    }

    fn show(&mut self, path: &AssetPath) -> Option<InfoHash> {
        let shelved = self.shelved.get(path)?;
        if !self.shown.insert(path.clone()) {
            return None;
        }
        let count = self.swarms.entry(shelved.info_hash).or_default();
        *count += 1;
        (*count == 1).then_some(shelved.info_hash)
    }

    fn hide(&mut self, path: &AssetPath) -> Option<InfoHash> {
        let shelved = self.shelved.get(path).filter(|_| self.shown.remove(path))?;
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
            && let Some(paths) = self.roots.get_mut(&shelved.root)
        {
            paths.retain(|other| other != path);
            if paths.is_empty() {
                self.roots.remove(&shelved.root);
            }
        }
        hidden
    }
}
