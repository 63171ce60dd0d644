use std::collections::{BTreeSet, HashMap, HashSet};
use std::io;
use std::ops::Bound;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

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
    /// Grows whenever something else is shown.
    generation: AtomicU64,
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
    /// As a web server's module calls them: by the first half of the SHA-256 of the path.
    keys: HashMap<u128, AssetPath>,
}

#[derive(Debug, Clone)]
struct Shelved {
    info_hash: InfoHash,
    root: Digest,
    sha256: Digest,
    length: u64,
    piece_length: u32,
    content_type: Box<str>,
    etag: Option<Box<str>>,
    /// Where the asset's file is and what it was, once an answer of this process named it.
    file: Option<(PathBuf, FileIdentity)>,
    /// When the site was last seen to have this version.
    confirmed: Instant,
}

impl Shelved {
    fn new(record: &Record, info_hash: InfoHash, file: Option<(PathBuf, FileIdentity)>) -> Self {
        let Hashes { root, sha256, length, piece_length, .. } = record.hashes;
        let content_type = record.content_type.as_str().into();
        let etag = record.version.validator.etag().map(Into::into);
        let confirmed = Instant::now();
        Self { info_hash, root, sha256, length, piece_length, content_type, etag, file, confirmed }
    }

    /// The magnet link is made outside the lock.
    fn listed(&self, path: &AssetPath) -> Listed {
        Listed {
            path: path.clone(),
            length: self.length,
            piece_length: self.piece_length,
            content_type: self.content_type.clone(),
            etag: self.etag.clone(),
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
        Self { settings, store, cache, index: Mutex::default(), generation: AtomicU64::new(0) }
    }

    /// Everything a former process left behind, back on the shelf, hidden; each record is handed on.
    pub(crate) fn restore(&self, mut each: impl FnMut(Record)) {
        self.store.load_all(|record| {
            self.lock().put(&record.path, Shelved::new(&record, record.info_hash(), None));
            each(record);
        });
    }

    /// Another number than before as soon as something else is shown.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    fn changed(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    /// What of the configuration goes into torrents.
    pub(crate) fn settings(&self) -> &ReadySettings {
        &self.settings
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
        self.changed();
        self.cache.invalidate(&record.path);
        Ok(())
    }

    /// SHA-256 of a whole asset on the shelf.
    pub(crate) fn sha256(&self, path: &AssetPath) -> Option<Digest> {
        self.lock().shelved.get(path).map(|shelved| shelved.sha256)
    }

    /// Takes note that the site has the asset as it is on the shelf.
    pub(crate) fn confirm(&self, path: &AssetPath) {
        if let Some(shelved) = self.lock().shelved.get_mut(path) {
            shelved.confirmed = Instant::now();
        }
    }

    /// How long ago that was.
    pub(crate) fn unconfirmed_for(&self, path: &AssetPath) -> Duration {
        let confirmed = self.lock().shelved.get(path).map(|shelved| shelved.confirmed);
        confirmed.map_or(Duration::ZERO, |at| at.elapsed())
    }

    /// The swarm of an asset on the shelf.
    pub(crate) fn info_hash(&self, path: &AssetPath) -> Option<InfoHash> {
        self.lock().shelved.get(path).map(|shelved| shelved.info_hash)
    }

    /// The length of an asset on the shelf, in bytes.
    pub(crate) fn length(&self, path: &AssetPath) -> Option<u64> {
        self.lock().shelved.get(path).map(|shelved| shelved.length)
    }

    /// Every asset that is shown, with its swarm.
    pub(crate) fn shown(&self) -> Vec<(AssetPath, InfoHash)> {
        let index = self.lock();
        let swarm = |path: &AssetPath| Some((path.clone(), index.shelved.get(path)?.info_hash));
        index.shown.iter().filter_map(swarm).collect()
    }

    /// Shows an asset; its info-hash comes back when no other asset with it was shown.
    pub(crate) fn show(&self, path: &AssetPath) -> Option<InfoHash> {
        let shown = self.lock().show(path);
        self.changed();
        shown
    }

    /// Hides an asset; its info-hash comes back when no other asset with it is shown.
    pub(crate) fn hide(&self, path: &AssetPath) -> Option<InfoHash> {
        let hidden = self.lock().hide(path);
        self.changed();
        hidden
    }

    /// Takes an asset off the shelf; returns as [`Shelf::hide`].
    pub(crate) fn remove(&self, path: &AssetPath) -> Option<InfoHash> {
        let hidden = self.lock().remove(path);
        self.changed();
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
            let mut paths = index.shown.range::<AssetPath, _>((from, Bound::Unbounded)).peekable();
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
            listed.magnet =
                self.settings.magnet(&listed.path, &listed.info_hash, listed.length, &[]);
        }
        part
    }

    /// The asset whose path's SHA-256 begins with these 32 hexadecimal digits.
    pub(crate) fn path_of_key(&self, key: &str) -> Option<AssetPath> {
        let key = u128::from_str_radix(key, 16).ok()?;
        self.lock().keys.get(&key).cloned()
    }

    /// Whether an asset is shown with these bytes.
    pub(crate) fn is_shown(&self, path: &AssetPath, sha256: &Digest) -> bool {
        let index = self.lock();
        index.shown.contains(path)
            && index.shelved.get(path).is_some_and(|shelved| shelved.sha256 == *sha256)
    }

    /// Where the file behind an asset is and what it was, where we know it.
    pub(crate) fn file(&self, path: &AssetPath) -> Option<(PathBuf, FileIdentity)> {
        self.lock().shelved.get(path)?.file.clone()
    }

    /// Shown assets whose path begins so.
    pub(crate) fn shown_below(&self, prefix: &str) -> Vec<AssetPath> {
        let index = self.lock();
        index.shown.iter().filter(|path| path.as_str().starts_with(prefix)).cloned().collect()
    }

    /// The BEP 52 root of an asset that is shown.
    pub(crate) fn shown_root(&self, path: &AssetPath) -> Option<Digest> {
        let index = self.lock();
        let shelved = index.shelved.get(path).filter(|_| index.shown.contains(path));
        shelved.map(|shelved| shelved.root)
    }

    /// How many assets are shown.
    pub(crate) fn total(&self) -> usize {
        self.lock().shown.len()
    }

    /// Under which path each of these is shown; of several the first.
    pub(crate) fn paths_of(&self, wanted: &HashSet<InfoHash>) -> HashMap<InfoHash, AssetPath> {
        let index = self.lock();
        let mut paths = HashMap::new();
        for path in &index.shown {
            if let Some(shelved) = index.shelved.get(path)
                && wanted.contains(&shelved.info_hash)
            {
                paths.entry(shelved.info_hash).or_insert_with(|| path.clone());
                if paths.len() == wanted.len() {
                    break;
                }
            }
        }
        paths
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
        self.keys.insert(key(path), path.clone());
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
        self.keys.remove(&key(path));
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

fn key(path: &AssetPath) -> u128 {
    let digest = Digest::of(path.as_str().as_bytes());
    let first = digest.as_bytes().first_chunk().copied();
    u128::from_be_bytes(first.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A shelf with so many assets, every other one shown.
    fn shelf(assets: usize) -> (Shelf, tempfile::TempDir) {
        let state = tempfile::tempdir().unwrap();
        let store = Store::open(state.path(), "https://example.org").unwrap();
        let origin = "https://example.org".to_owned();
        let settings = ReadySettings { origin, prefix: "/p".to_owned(), announce: false };
        let shelf = Shelf::new(store, settings);
        for n in 0..assets {
            let path = AssetPath::parse(&format!("/d{}/f{n:06}.zip", n % 7)).unwrap();
            let digest = Digest::of(&n.to_be_bytes());
            let mut info_hash = [0; 20];
            info_hash[..8].copy_from_slice(&n.to_be_bytes());
            let info_hash = InfoHash::from_bytes(info_hash);
            let (root, sha256, content_type) = (digest, digest, "application/zip".into());
            let shelved = Shelved {
                info_hash,
                root,
                sha256,
                length: 1 << 20,
                piece_length: 262_144,
                content_type,
                etag: None,
                file: None,
                confirmed: Instant::now(),
            };
            shelf.lock().put(&path, shelved);
            if n % 2 == 0 {
                assert_eq!(shelf.show(&path), Some(info_hash));
            }
        }
        (shelf, state)
    }

    #[test]
    fn parts_of_a_list_are_all_that_is_shown_once_in_order() {
        let (shelf, _state) = shelf(5_000);
        assert_eq!(shelf.total(), 2_500);
        for most in [1, 333, 1_000, 5_000] {
            let (mut paths, mut after) = (Vec::new(), None);
            loop {
                let part = shelf.part(after.as_ref(), most, |_| true);
                assert!(part.assets.len() <= most && part.seen <= Part::MOST);
                paths.extend(part.assets.into_iter().map(|listed| listed.path));
                after = part.next;
                if after.is_none() {
                    break;
                }
            }
            assert_eq!(paths.len(), 2_500, "{most}");
            assert!(paths.is_sorted());
        }
        let hidden = AssetPath::parse("/d0/f000000.zip").unwrap();
        assert!(shelf.hide(&hidden).is_some());
        assert_eq!(shelf.part(None, 1, |_| true).assets[0].path.as_str(), "/d0/f000014.zip");
        shelf.remove(&AssetPath::parse("/d0/f000014.zip").unwrap());
        assert_eq!(shelf.part(None, 1, |_| true).assets[0].path.as_str(), "/d0/f000028.zip");
        assert_eq!(shelf.total(), 2_498);
    }

    #[test]
    fn a_search_looks_at_a_bounded_number() {
        let (shelf, _state) = shelf(5_000);
        let part = shelf.part(None, 10, |_| false);
        assert_eq!((part.assets.len(), part.seen, part.next.is_some()), (0, Part::MOST, true));
        let last = AssetPath::parse("/z").unwrap();
        let part = shelf.part(Some(&last), 10, |_| true);
        assert_eq!((part.assets.len(), part.seen, part.next), (0, 0, None));
    }

    #[test]
    #[ignore = "prints figures for docs/measurements.md"]
    fn a_part_of_a_hundred_thousand() {
        let (shelf, _state) = shelf(200_000);
        let middle = AssetPath::parse("/d3/f100000.zip").unwrap();
        let time = |what: &str, part: &dyn Fn() -> Part| {
            let start = Instant::now();
            let seen: usize = (0..100).map(|_| part().seen).sum();
            println!("{what}: {:?} a part, {seen} seen in 100", start.elapsed() / 100);
        };
        time("1,000 rows", &|| shelf.part(Some(&middle), 1_000, |_| true));
        time("1,000 looked at", &|| shelf.part(Some(&middle), 100, |_| false));
    }
}
