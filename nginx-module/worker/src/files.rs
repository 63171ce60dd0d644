//! Files that another process replaces by rename, or removes: looked at once a second, read when they are others.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::hash::Hash;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use foldhash::quality::RandomState;
use manyhands_metainfo::FileIdentity;
use rustix::fs::OFlags;

/// How long what was read of a file is taken to hold, in milliseconds.
const HOLDS: u64 = 1_000;

/// What was read of files, bounded by their number and by weight.
#[derive(Debug)]
pub(crate) struct Files<K, T> {
    known: HashMap<K, Known<T>, RandomState>,
    weight: usize,
    bounds: Bounds,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) files: usize,
    /// Of all that is kept, in bytes.
    pub(crate) weight: usize,
}

/// What holds of a file that was not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    /// The disk is asked anew each time, so that what is published is found at once.
    IsAskedAnew,
    /// It is taken to be missing for a second.
    Holds,
}

#[derive(Debug)]
struct Known<T> {
    looked: u64,
    identity: Option<FileIdentity>,
    weight: usize,
    value: Option<Rc<T>>,
}

impl<K: Clone + Eq + Hash, T> Files<K, T> {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self { known: HashMap::default(), weight: 0, bounds }
    }

    pub(crate) fn clear(&mut self) {
        self.known.clear();
        self.weight = 0;
    }

    /// What is in a file, `None` where there is none or `read` makes nothing of it; `read` also says what it weighs
    /// in memory. `now` is in milliseconds.
    pub(crate) fn value(
        &mut self,
        key: &K,
        now: u64,
        missing: Missing,
        place: impl FnOnce() -> PathBuf,
        read: impl FnOnce(&File, u64) -> Option<(T, usize)>,
    ) -> Option<Rc<T>> {
        let missing_holds = missing == Missing::Holds;
        let known = self.known.get_mut(key);
        if let Some(known) = &known
            && (known.value.is_some() || missing_holds)
            && known.looked.abs_diff(now) < HOLDS
        {
            return known.value.clone();
        }
        let place = place();
        // Most files are what they were, and most others are not there: neither is opened.
        let seen = place.metadata().ok().map(|metadata| FileIdentity::from_metadata(&metadata));
        if let Some(known) = known
            && seen.is_some()
            && known.identity == seen
        {
            known.looked = now;
            return known.value.clone();
        }
        if seen.is_none() {
            let none = Known { looked: now, identity: None, weight: 0, value: None };
            match missing {
                Missing::Holds => self.put(key, none),
                Missing::IsAskedAnew => self.forget(key),
            }
            return None;
        }
        let opened = open(&place).ok();
        let identity = opened.as_ref().map(|(_, identity)| *identity);
        let value = opened.and_then(|(file, identity)| read(&file, identity.size));
        let (value, weight) = match value {
            Some((value, weight)) => (Some(Rc::new(value)), weight),
            None => (None, 0),
        };
        self.put(key, Known { looked: now, identity, weight, value: value.clone() });
        value
    }

    /// Whether there was no such file when it was last looked for, less than a second ago.
    pub(crate) fn is_missing<Q: Eq + Hash + ?Sized>(&self, key: &Q, now: u64) -> bool
    where
        K: Borrow<Q>,
    {
        self.known
            .get(key)
            .is_some_and(|known| known.value.is_none() && known.looked.abs_diff(now) < HOLDS)
    }

    fn forget(&mut self, key: &K) {
        if let Some(old) = self.known.remove(key) {
            self.weight -= old.weight;
        }
    }

    fn put(&mut self, key: &K, known: Known<T>) {
        self.forget(key);
        let fits = |it: &Self| {
            it.known.len() < it.bounds.files && it.weight + known.weight <= it.bounds.weight
        };
        if !fits(self) {
            self.retain(|old| old.value.is_some() || old.looked.abs_diff(known.looked) < HOLDS);
        }
        if !fits(self) {
            let mut looked: Vec<_> = self.known.values().map(|known| known.looked).collect();
            let half = looked.len() / 2;
            if half < looked.len() {
                let (_, median, _) = looked.select_nth_unstable(half);
                let median = *median;
                self.retain(|old| old.looked > median);
            }
        }
        if fits(self) {
            self.weight += known.weight;
            self.known.insert(key.clone(), known);
        }
    }

    fn retain(&mut self, keep: impl Fn(&Known<T>) -> bool) {
        self.known.retain(|_, known| keep(known));
        self.weight = self.known.values().map(|known| known.weight).sum();
    }
}

/// Opens a regular file to read it. A pipe that somebody put there would otherwise hold up the worker.
pub(crate) fn open(place: &Path) -> io::Result<(File, FileIdentity)> {
    let flags = i32::try_from((OFlags::NONBLOCK | OFlags::NOCTTY).bits()).unwrap_or_default();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(place)?;
    let metadata = file.metadata()?;
    match metadata.is_file() {
        true => Ok((file, FileIdentity::from_metadata(&metadata))),
        false => Err(io::ErrorKind::InvalidInput.into()),
    }
}

/// All of a file that is at most `most` bytes long.
pub(crate) fn read_all(mut file: &File, size: u64, most: usize) -> Option<Vec<u8>> {
    use std::io::Read;
    let size = usize::try_from(size).ok().filter(|size| *size <= most)?;
    let mut bytes = Vec::with_capacity(size);
    let limit = u64::try_from(most).ok()?.saturating_add(1);
    Read::take(&mut file, limit).read_to_end(&mut bytes).ok()?;
    (bytes.len() <= most).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::fs;

    use super::*;

    struct Folder {
        dir: tempfile::TempDir,
        files: Files<u32, Vec<u8>>,
        reads: Cell<usize>,
    }

    impl Folder {
        fn new(files: usize, weight: usize) -> Self {
            let dir = tempfile::tempdir().unwrap();
            Self { dir, files: Files::new(Bounds { files, weight }), reads: Cell::new(0) }
        }

        fn place(&self, key: u32) -> PathBuf {
            self.dir.path().join(key.to_string())
        }

        /// By rename, as the daemon does.
        fn write(&self, key: u32, content: &str) {
            let new = self.dir.path().join("new");
            fs::write(&new, content).unwrap();
            fs::rename(new, self.place(key)).unwrap();
        }

        fn value(&mut self, key: u32, now: u64) -> Option<String> {
            let place = self.place(key);
            let value = self.files.value(
                &key,
                now,
                Missing::IsAskedAnew,
                || place,
                |file, size| {
                    self.reads.set(self.reads.get() + 1);
                    let bytes = read_all(file, size, 100)?;
                    let weight = bytes.len();
                    Some((bytes, weight))
                },
            );
            value.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap())
        }
    }

    #[test]
    fn a_file_is_looked_at_once_a_second_and_read_when_it_is_another() {
        let mut folder = Folder::new(9, 999);
        assert_eq!(folder.value(1, 0), None);
        folder.write(1, "one");
        assert_eq!(
            folder.value(1, 0).as_deref(),
            Some("one"),
            "that there was none holds for no time"
        );
        folder.write(1, "two");
        assert_eq!(folder.value(1, 999).as_deref(), Some("one"));
        assert_eq!(folder.value(1, 1_000).as_deref(), Some("two"));
        folder.write(1, "three");
        assert_eq!(folder.value(1, 1_999).as_deref(), Some("two"));
        assert_eq!(folder.value(1, 2_000).as_deref(), Some("three"));
        assert_eq!(folder.value(1, 9_000).as_deref(), Some("three"));
        assert_eq!(folder.reads.get(), 3);
        fs::remove_file(folder.place(1)).unwrap();
        assert_eq!(folder.value(1, 10_000), None);
        // A clock that steps back does not make it hold for longer.
        folder.write(1, "three");
        assert_eq!(folder.value(1, 5_000).as_deref(), Some("three"));
    }

    #[test]
    fn what_is_kept_is_bounded_by_number_and_by_weight() {
        let mut folder = Folder::new(4, 30);
        for key in 0..100 {
            folder.value(key, 0);
        }
        assert!(folder.files.known.len() <= 4);
        for key in 0..20 {
            folder.write(key, "ten bytes.");
            let now = 10_000 + u64::from(key);
            assert_eq!(folder.value(key, now).as_deref(), Some("ten bytes."));
            assert!(folder.files.weight <= 30);
            let sum: usize = folder.files.known.values().map(|known| known.weight).sum();
            assert_eq!(sum, folder.files.weight);
        }
        assert!(folder.files.known.contains_key(&19), "the last is among them");
        // What is too heavy by itself is read each time.
        folder.write(50, &"x".repeat(31));
        assert!(folder.value(50, 20_000).is_some());
        assert!(!folder.files.known.contains_key(&50));
    }

    #[test]
    fn what_is_no_file_and_what_is_too_long_is_nothing() {
        let mut folder = Folder::new(4, 1_000);
        fs::create_dir(folder.place(1)).unwrap();
        assert_eq!(folder.value(1, 0), None);
        folder.write(2, &"x".repeat(101));
        assert_eq!(folder.value(2, 0), None);
        let pipe = folder.place(3);
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &pipe,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR,
            0,
        )
        .unwrap();
        assert_eq!(folder.value(3, 0), None);
    }
}
