use std::collections::{HashSet, VecDeque};
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use manyhands_metainfo::{
    DIGESTS_PER_PAGE, Digest, Hasher, Progress, Record, Version, digest_bytes, digests_of,
    page_root,
};

/// Bytes of a full page of digests.
const PAGE_BYTES: usize = DIGESTS_PER_PAGE * Digest::SIZE;
/// Assets whose hashing may lie aside; beyond it the oldest is forgotten.
const MOST_ASIDE: usize = 64;

/// The assets whose hashing lies aside, the longest untouched first.
#[derive(Debug, Default)]
pub(super) struct Aside(Mutex<VecDeque<PathBuf>>);

/// The file of an asset in the making: its digests as they come, then its record.
///
/// The work so far can be put aside: the digests stay where they are, and a small file beside them,
/// `<name>.part`, says how far they go. Dropped before that, the spool is removed.
#[derive(Debug)]
pub(crate) struct Spool {
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
                    return Ok(Self { place, stem, file, aside, kept: false });
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
            discard(stem);
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
        Some((Self { place, stem, file, aside, kept: true }, progress.into_hasher()))
    }

    /// Adds the digests that came since the last call.
    pub(crate) fn append(&mut self, digests: &[Digest]) -> io::Result<()> {
        self.file.write_all(&digest_bytes(digests))
    }

    /// The name by which [`Hasher::progress`] remembers this file.
    pub(crate) fn name(&self) -> &str {
        self.place.file_name().and_then(|name| name.to_str()).unwrap_or_default()
    }

    /// Puts the work aside, durably; it may go on. All digests of `progress` must have been appended.
    pub(crate) fn put_aside(&mut self, progress: &Progress) -> io::Result<()> {
        self.file.sync_data()?;
        if let Some(former) = read(&self.stem).filter(|it| it.digests_file != progress.digests_file)
        {
            let _ = fs::remove_file(self.stem.with_file_name(former.digests_file));
        }
        let place = part(&self.stem);
        let beside = self.place.with_extension("part.new");
        let mut file = File::create(&beside)?;
        file.write_all(&progress.to_bytes())?;
        file.sync_all()?;
        fs::rename(beside, place)?;
        self.kept = true;
        self.aside.touch(&self.stem);
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
        if !self.kept {
            let _ = fs::remove_file(&self.place);
        }
    }
}

/// Forgets what was put aside.
pub(super) fn discard(stem: &Path) {
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
        for (_, part) in parts {
            self.touch(&part.with_extension("asset"));
        }
    }

    /// Names of the files that belong to what lies aside.
    pub(super) fn files(&self) -> HashSet<OsString> {
        let stems = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let names = stems.iter().flat_map(|stem| {
            let progress = read(stem);
            let part = part(stem).file_name().map(OsString::from);
            progress.map(|progress| [part, Some(OsString::from(progress.digests_file))])
        });
        names.flatten().flatten().collect()
    }

    fn touch(&self, stem: &Path) {
        let oldest = {
            let mut stems = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            stems.retain(|other| other != stem);
            stems.push_back(stem.to_owned());
            if stems.len() > MOST_ASIDE { stems.pop_front() } else { None }
        };
        if let Some(oldest) = oldest {
            discard(&oldest);
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
