use std::collections::{HashMap, HashSet, VecDeque};
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use manyhands_metainfo::{
    DIGESTS_PER_PAGE, Digest, Hasher, Progress, Record, Version, digest_bytes, digests_of,
    page_root,
};

/// Bytes of a full page of digests.
const PAGE_BYTES: usize = DIGESTS_PER_PAGE * Digest::SIZE;
/// Assets whose hashing may lie aside; beyond it the oldest is forgotten.
const MOST_ASIDE: usize = 64;

/// What lies aside, and who may put more there. Its lock is held while either changes on disk.
#[derive(Debug, Default)]
pub(super) struct Aside(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// The assets whose hashing lies aside, the longest untouched first.
    stems: VecDeque<PathBuf>,
    /// The spools that are in use, and of which asset. One that is not here any more is of bytes that are
    /// no longer the asset's: its worker has not noticed yet, and must not put anything aside.
    live: HashMap<u64, PathBuf>,
    spools: u64,
}

/// The file of an asset in the making: its digests as they come, then its record.
///
/// The work so far can be put aside: the digests stay where they are, and a small file beside them,
/// `<name>.part`, says how far they go. Dropped before that, the spool is removed; afterwards it is there for
/// as long as that file is.
#[derive(Debug)]
pub(crate) struct Spool {
    number: u64,
    place: PathBuf,
    /// What the record will be called.
    stem: PathBuf,
    file: File,
    aside: Arc<Aside>,
    /// Whether the file outlives this value: it was put aside, or ended.
    kept: bool,
}

/// A record on disk that has not been put on the shelf; dropped, it is removed.
#[derive(Debug)]
pub(crate) struct Written {
    pub(super) place: PathBuf,
    pub(crate) record: Record,
}

impl Drop for Written {
    fn drop(&mut self) {
        // Nothing is there any more once it was put in its place.
        let _ = fs::remove_file(&self.place);
    }
}

impl Spool {
    /// An empty spool beside `stem`; `turn` keeps two of one asset apart.
    pub(super) fn create(stem: &Path, turn: u64, aside: &Arc<Aside>) -> io::Result<Self> {
        let mut turn = turn;
        loop {
            let place = stem.with_extension(format!("{turn}.new"));
            match OpenOptions::new().read(true).write(true).create_new(true).open(&place) {
                Ok(file) => {
                    let (stem, aside) = (stem.to_owned(), Arc::clone(aside));
                    let number = aside.enter(&stem);
                    return Ok(Self { number, place, stem, file, aside, kept: false });
                }
                // What a former process put aside.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => turn += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// Takes up what was put aside of this version; on any doubt it is removed.
    pub(super) fn resume(
        stem: &Path,
        version: &Version,
        aside: &Arc<Aside>,
    ) -> Option<(Self, Hasher)> {
        let progress = read(stem)?;
        let resumed = Self::take_up(stem, version, progress, aside);
        if resumed.is_none() {
            aside.discard(stem);
        }
        resumed
    }

    fn take_up(
        stem: &Path,
        version: &Version,
        progress: Progress,
        aside: &Arc<Aside>,
    ) -> Option<(Self, Hasher)> {
        if progress.version != *version {
            return None;
        }
        let place = stem.with_file_name(&progress.digests_file);
        let mut file = OpenOptions::new().read(true).write(true).open(&place).ok()?;
        let mut bytes = vec![0; PAGE_BYTES];
        for (number, root) in progress.pages().iter().enumerate() {
            file.read_exact_at(&mut bytes, (number * PAGE_BYTES) as u64).ok()?;
            if page_root(&digests_of(&bytes)?, false) != *root {
                return None;
            }
        }
        let full = (progress.pages().len() * PAGE_BYTES) as u64;
        file.set_len(full).ok()?;
        file.seek(SeekFrom::Start(full)).ok()?;
        file.write_all(&digest_bytes(progress.last_page())).ok()?;
        let (stem, aside) = (stem.to_owned(), Arc::clone(aside));
        let number = aside.enter(&stem);
        Some((Self { number, place, stem, file, aside, kept: true }, progress.into_hasher()))
    }

    /// Adds the digests that came since the last call.
    pub(crate) fn append(&mut self, digests: &[Digest]) -> io::Result<()> {
        self.file.write_all(&digest_bytes(digests))
    }

    /// The name by which [`Hasher::progress`] remembers this file.
    pub(crate) fn name(&self) -> &str {
        self.place.file_name().and_then(|name| name.to_str()).unwrap_or_default()
    }

    /// Puts the work aside, durably; it may go on. All digests of `progress` must have been appended. Nothing
    /// happens once what lies aside of the asset was discarded under this spool.
    pub(crate) fn put_aside(&mut self, progress: &Progress) -> io::Result<()> {
        self.file.sync_data()?;
        let beside = self.place.with_extension("part.new");
        let mut file = File::create(&beside)?;
        file.write_all(&progress.to_bytes())?;
        file.sync_all()?;
        let mut aside = self.aside.lock();
        if !aside.live.contains_key(&self.number) {
            return fs::remove_file(beside);
        }
        if let Some(former) = read(&self.stem).filter(|it| it.digests_file != progress.digests_file)
        {
            let _ = fs::remove_file(self.stem.with_file_name(former.digests_file));
        }
        fs::rename(beside, part(&self.stem))?;
        self.kept = true;
        aside.touch(&self.stem);
        Ok(())
    }

    /// Ends the file with its record, durably.
    pub(crate) fn finish(mut self, record: Record) -> io::Result<Written> {
        self.file.write_all(&record.to_tail())?;
        self.file.sync_all()?;
        self.kept = true;
        Ok(Written { place: self.place.clone(), record })
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        self.aside.lock().live.remove(&self.number);
        if !self.kept {
            let _ = fs::remove_file(&self.place);
        }
    }
}

fn remove(stem: &Path) {
    if let Some(progress) = read(stem) {
        let _ = fs::remove_file(stem.with_file_name(progress.digests_file));
    }
    let _ = fs::remove_file(part(stem));
}

impl Aside {
    /// What former processes put aside in this directory.
    pub(super) fn find(&self, dir: &Path) {
        let Ok(entries) = fs::read_dir(dir) else { return };
        let mut parts: Vec<(SystemTime, PathBuf)> = entries
            .flatten()
            .filter(|entry| entry.path().extension().is_some_and(|it| it == "part"))
            .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
            .collect();
        parts.sort();
        let mut state = self.lock();
        for (_, part) in parts {
            state.touch(&part.with_extension("asset"));
        }
    }

    /// Names of the files that belong to what lies aside.
    pub(super) fn files(&self) -> HashSet<OsString> {
        let state = self.lock();
        let names = state.stems.iter().flat_map(|stem| {
            let progress = read(stem);
            let part = part(stem).file_name().map(OsString::from);
            progress.map(|progress| [part, Some(OsString::from(progress.digests_file))])
        });
        names.flatten().flatten().collect()
    }

    /// Forgets what was put aside of an asset. Who is at work on it can't put any aside from here on.
    pub(super) fn discard(&self, stem: &Path) {
        let mut state = self.lock();
        state.discard_if(|other| other == stem);
        // One that was not listed, for whatever reason.
        remove(stem);
    }

    /// Forgets what was put aside of all assets but those that `keep` says.
    pub(super) fn discard_but(&self, keep: impl Fn(&Path) -> bool) {
        self.lock().discard_if(|stem| !keep(stem));
    }

    /// Whether nothing lies aside and nobody is at work.
    pub(super) fn is_empty(&self) -> bool {
        let state = self.lock();
        state.stems.is_empty() && state.live.is_empty()
    }

    fn enter(&self, stem: &Path) -> u64 {
        let mut state = self.lock();
        state.spools += 1;
        let number = state.spools;
        state.live.insert(number, stem.to_owned());
        number
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn discard_if(&mut self, gone: impl Fn(&Path) -> bool) {
        self.live.retain(|_, stem| !gone(stem));
        self.stems.retain(|stem| {
            let gone = gone(stem);
            if gone {
                remove(stem);
            }
            !gone
        });
    }

    fn touch(&mut self, stem: &Path) {
        self.stems.retain(|other| other != stem);
        self.stems.push_back(stem.to_owned());
        if self.stems.len() > MOST_ASIDE {
            // Never what somebody is at work on: few are, and hours of work may hang on it.
            let idle = |stem: &PathBuf| !self.live.values().any(|live| live == stem);
            if let Some(oldest) = self.stems.iter().position(idle) {
                self.stems.remove(oldest).iter().for_each(|stem| remove(stem));
            }
        }
    }
}

fn part(stem: &Path) -> PathBuf {
    stem.with_extension("part")
}

/// What was put aside; a name that leads elsewhere is none of ours.
fn read(stem: &Path) -> Option<Progress> {
    let progress = Progress::from_bytes(&fs::read(part(stem)).ok()?).ok()?;
    let name = Path::new(&progress.digests_file);
    (name.file_name() == Some(name.as_os_str())).then_some(progress)
}
