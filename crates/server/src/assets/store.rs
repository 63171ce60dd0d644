use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use manyhands_metainfo::{
    AssetPath, Digest, Hasher, Hashes, Record, RecordError, Version, digests_of,
};

use super::spool::{Aside, Spool};
use super::work::Work;

/// Records of ready assets, a file each, in one directory.
///
/// A record is written beside its place and renamed into it, so a reader, or a start after a power cut,
/// meets the old record, the new one or none. A record that does not check out is dropped and made anew.
/// Beside them lies the hashing of large files that was put aside, see [`Spool`].
#[derive(Debug)]
pub(crate) struct Store {
    dir: PathBuf,
    /// The directory, below the state directory.
    name: String,
    /// Numbers the spools of this process, from where no former one did: whoever removes his own when it is
    /// no longer needed must not meet another's.
    turn: AtomicU64,
    aside: Arc<Aside>,
    /// Held as long as this process uses the directory: two would remove each other's records.
    _lock: File,
}

/// What the file of one asset holds, but for all digests after the first page.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) record: Record,
    pub(crate) first_page: Vec<Digest>,
}

impl Store {
    /// Opens the store of a site below the state directory, making it where it is missing.
    pub(crate) fn open(state: &Path, origin: &str) -> io::Result<Self> {
        let site = Digest::of(origin.as_bytes()).to_string();
        let name = format!("assets/{}", site.get(..16).unwrap_or_default());
        let dir = state.join(&name);
        fs::create_dir_all(&dir)?;
        let probe = dir.join(".probe");
        fs::write(&probe, b"")?;
        fs::remove_file(&probe)?;
        let lock = File::create(dir.join("lock"))?;
        match lock.try_lock() {
            Ok(()) => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                let turn = u64::try_from(since.as_nanos()).unwrap_or_default().into();
                Ok(Self { dir, name, turn, aside: Arc::default(), _lock: lock })
            }
            Err(fs::TryLockError::WouldBlock) => {
                Err(io::Error::other("another process serves the same site from it"))
            }
            Err(fs::TryLockError::Error(error)) => Err(error),
        }
    }

    /// The directory, below the state directory.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Hands over every whole record, one at a time. Torn ones are removed, and the spools that no
    /// hashing put aside is in need of; files that are not ours are left alone.
    pub(crate) fn load_all(&self, mut each: impl FnMut(Record)) {
        self.aside.find(&self.dir);
        let kept = self.aside.files();
        let Ok(entries) = fs::read_dir(&self.dir) else { return };
        for entry in entries.flatten() {
            let path = entry.path();
            match kind(&entry.file_name()) {
                Some(Kind::Record) => match read(&path).map(|(record, _)| record) {
                    Ok(record) if entry.file_name() == *record.file_name() => each(record),
                    _ => {
                        tracing::warn!(file = %path.display(), "dropped an asset record that is not whole");
                        let _ = fs::remove_file(&path);
                    }
                },
                Some(Kind::Working) if !kept.contains(&entry.file_name()) => {
                    let _ = fs::remove_file(&path);
                }
                Some(Kind::Working) | None => {}
            }
        }
    }

    /// What is known of one asset.
    pub(crate) fn load(&self, path: &AssetPath) -> Option<Stored> {
        let (record, file) = read(&self.place(path)).ok()?;
        let first_page = page_of(&file, &record, 0)?;
        (record.path == *path).then_some(Stored { record, first_page })
    }

    /// One page of the digests of this record; `None` when they are not there any more.
    pub(crate) fn page(&self, record: &Record, page: usize) -> Option<Vec<Digest>> {
        let file = File::open(self.place(&record.path)).ok()?;
        page_of(&file, record, page)
    }

    /// Starts to hash an asset: goes on where that version was put aside, else at its first byte.
    pub(crate) fn work(&self, path: &AssetPath, version: &Version) -> io::Result<Work> {
        match Spool::resume(&self.place(path), version, &self.aside) {
            Some((spool, hasher)) => Ok(Work::new(version.clone(), spool, hasher)),
            None => self.fresh_work(path, version),
        }
    }

    /// Starts to hash an asset at its first byte.
    pub(crate) fn fresh_work(&self, path: &AssetPath, version: &Version) -> io::Result<Work> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let spool = Spool::create(&self.place(path), turn, &self.aside)?;
        Ok(Work::new(version.clone(), spool, Hasher::new(version.length, 0)))
    }

    /// Puts a written record in its place, atomically.
    pub(crate) fn put(&self, written: &Path, path: &AssetPath) -> io::Result<()> {
        let place = self.place(path);
        fs::rename(written, &place)?;
        self.aside.discard(&place);
        Ok(())
    }

    /// Removes the record of an asset whose bytes changed, and what was put aside of it. Who is at work on it
    /// can't put any aside from here on.
    pub(crate) fn remove(&self, path: &AssetPath) {
        let place = self.place(path);
        let _ = fs::remove_file(&place);
        self.aside.discard(&place);
    }

    /// Removes what was put aside of all assets but these: nobody can tell any more what they are.
    pub(crate) fn discard_but<'a>(&self, known: impl Iterator<Item = &'a AssetPath>) {
        if !self.aside.is_empty() {
            let known: HashSet<PathBuf> = known.map(|path| self.place(path)).collect();
            self.aside.discard_but(|stem| known.contains(stem));
        }
    }

    fn place(&self, path: &AssetPath) -> PathBuf {
        self.dir.join(Record::file_name_of(path))
    }
}

/// Reads the record at the end of a file, and sees that the digests before it are all there.
fn read(path: &Path) -> io::Result<(Record, File)> {
    let file = File::open(path)?;
    let size = file.metadata()?.len();
    let mut end = [0; 8];
    let last = size.checked_sub(8).ok_or_else(|| io::Error::other(RecordError::Torn))?;
    file.read_exact_at(&mut end, last)?;
    let start = Record::tail_start(end, size).map_err(io::Error::other)?;
    let mut tail = vec![0; usize::try_from(size - start).map_err(io::Error::other)?];
    file.read_exact_at(&mut tail, start)?;
    let record = Record::from_tail_at(start, &tail).map_err(io::Error::other)?;
    Ok((record, file))
}

/// One page of digests, proved; that of an empty file is empty.
fn page_of(file: &File, record: &Record, page: usize) -> Option<Vec<Digest>> {
    let hashes: &Hashes = &record.hashes;
    let (position, size) = record.page_place(page);
    if size == 0 {
        return (page == 0).then(Vec::new);
    }
    let mut bytes = vec![0; size];
    file.read_exact_at(&mut bytes, position).ok()?;
    digests_of(&bytes).filter(|digests| hashes.has_page(page, digests))
}

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    /// `<64 hexadecimal digits>.asset`
    Record,
    /// The same with another extension: in the making, or put aside.
    Working,
}

fn kind(name: &OsStr) -> Option<Kind> {
    let (stem, extension) = name.to_str()?.split_once('.')?;
    if stem.len() != 64 || !stem.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    match extension {
        "asset" => Some(Kind::Record),
        "part" => Some(Kind::Working),
        _ => extension.ends_with(".new").then_some(Kind::Working),
    }
}

#[cfg(test)]
mod tests {
    use manyhands_metainfo::Validator;

    use super::*;

    #[test]
    fn files_of_others_are_left_alone() {
        let state = tempfile::tempdir().unwrap();
        let store = Store::open(state.path(), "https://example.org").unwrap();
        let (foreign, torn) =
            (store.dir.join("logo.svg"), store.dir.join("a".repeat(64) + ".asset"));
        fs::write(&foreign, "mine").unwrap();
        fs::write(&torn, "half a rec").unwrap();
        store.load_all(|record| panic!("{record:?}"));
        assert!(foreign.exists());
        assert!(!torn.exists());
    }

    /// A file of 20 MiB whose hashing is put aside after 16.
    fn put_aside(store: &Store, path: &str) -> (AssetPath, Version) {
        let path = AssetPath::parse(path).unwrap();
        let version = Version { validator: Validator::Immutable, length: 20 << 20, file: None };
        let mut work = store.fresh_work(&path, &version).unwrap();
        work.take(&vec![7; 16 << 20]).unwrap();
        assert_eq!(work.put_aside(), 16 << 20);
        (path, version)
    }

    fn files(store: &Store) -> usize {
        fs::read_dir(&store.dir).unwrap().count() - 1 // the lock
    }

    #[test]
    fn work_put_aside_outlives_the_process_and_nothing_else_does() {
        let state = tempfile::tempdir().unwrap();
        let open = || Store::open(state.path(), "https://example.org").unwrap();
        let store = open();
        let (path, version) = put_aside(&store, "/a.zip");
        // Left by a kill: a spool that nothing refers to.
        std::mem::forget(store.fresh_work(&path, &version).unwrap());
        assert_eq!(files(&store), 3);
        drop(store);
        let store = open();
        store.load_all(|record| panic!("{record:?}"));
        assert_eq!(files(&store), 2);
        assert_eq!(store.work(&path, &version).unwrap().position(), 16 << 20);
    }

    #[test]
    fn a_spool_that_was_changed_is_not_taken_up() {
        let state = tempfile::tempdir().unwrap();
        let store = Store::open(state.path(), "https://example.org").unwrap();
        let (path, mut version) = put_aside(&store, "/a.zip");
        version.length += 1;
        assert_eq!(store.work(&path, &version).unwrap().position(), 0);
        assert_eq!(files(&store), 0, "of another version, and so thrown away");

        // 64 MiB and more, so that there is a full page to prove.
        version.length = 82 << 20;
        let mut work = store.fresh_work(&path, &version).unwrap();
        work.take(&vec![7; 81 << 20]).unwrap();
        assert_eq!(work.put_aside(), 81 << 20);
        assert_eq!(store.work(&path, &version).unwrap().position(), 81 << 20);
        let spool = fs::read_dir(&store.dir).unwrap().map(|entry| entry.unwrap().path());
        let spool = spool.into_iter().find(|path| path.extension().is_some_and(|it| it == "new"));
        let file = fs::OpenOptions::new().write(true).open(spool.unwrap()).unwrap();
        file.write_at(b"x", 1_000).unwrap();
        assert_eq!(store.work(&path, &version).unwrap().position(), 0);
    }

    #[test]
    fn what_is_removed_is_not_put_aside_again_by_who_is_still_at_it() {
        let state = tempfile::tempdir().unwrap();
        let open = || Store::open(state.path(), "https://example.org").unwrap();
        let store = open();
        let (path, version) = put_aside(&store, "/a.zip");
        // By a former process, and with this one at work on it; and one that begins.
        drop(store);
        let store = open();
        store.load_all(|record| panic!("{record:?}"));
        let mut resumed = store.work(&path, &version).unwrap();
        assert_eq!(resumed.position(), 16 << 20);
        let mut fresh = store.fresh_work(&path, &version).unwrap();
        fresh.take(&vec![7; 16 << 20]).unwrap();
        store.remove(&path);
        assert_eq!(files(&store), 1, "the spool of the one that began, as long as it is open");
        resumed.take(&vec![7; 2 << 20]).unwrap();
        for late in [resumed, fresh] {
            late.put_aside();
            assert!(files(&store) <= 1);
        }
        assert_eq!(files(&store), 0);
        assert_eq!(store.work(&path, &version).unwrap().position(), 0);
        // Whoever begins now is none of them.
        put_aside(&store, "/a.zip");
        assert_eq!(store.work(&path, &version).unwrap().position(), 16 << 20);
    }

    /// What a former process was at is known by no path: only that it is none of the known ones.
    #[test]
    fn all_that_nobody_knows_is_removed_at_once() {
        let state = tempfile::tempdir().unwrap();
        let open = || Store::open(state.path(), "https://example.org").unwrap();
        let store = open();
        let (unknown, version) = put_aside(&store, "/old/a.zip");
        let (known, _) = put_aside(&store, "/b.zip");
        drop(store);
        let store = open();
        store.load_all(|record| panic!("{record:?}"));
        store.discard_but([&known].into_iter());
        assert_eq!(files(&store), 2);
        assert_eq!(store.work(&unknown, &version).unwrap().position(), 0);
        assert_eq!(store.work(&known, &version).unwrap().position(), 16 << 20);
    }

    #[test]
    fn little_lies_aside_at_once() {
        let state = tempfile::tempdir().unwrap();
        let store = Store::open(state.path(), "https://example.org").unwrap();
        let first = put_aside(&store, "/0.zip");
        for number in 1..65 {
            put_aside(&store, &format!("/{number}.zip"));
            put_aside(&store, &format!("/{number}.zip"));
        }
        assert_eq!(files(&store), 2 * 64);
        assert_eq!(store.work(&first.0, &first.1).unwrap().position(), 0);
    }

    #[test]
    fn what_somebody_is_at_work_on_is_never_pushed_out() {
        let state = tempfile::tempdir().unwrap();
        let store = Store::open(state.path(), "https://example.org").unwrap();
        let (path, version) = put_aside(&store, "/0.zip");
        let work = store.work(&path, &version).unwrap();
        for number in 1..66 {
            put_aside(&store, &format!("/{number}.zip"));
        }
        assert_eq!(files(&store), 2 * 64);
        drop(work);
        assert_eq!(store.work(&path, &version).unwrap().position(), 16 << 20);
    }
}
