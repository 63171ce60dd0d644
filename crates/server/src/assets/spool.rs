use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use manyhands_metainfo::{
    DIGESTS_PER_PAGE, Digest, Hasher, Progress, Record, Version, digest_bytes, digests_of,
    page_root,
};

/// Bytes of a full page of digests.
const PAGE_BYTES: usize = DIGESTS_PER_PAGE * Digest::SIZE;
/// Assets whose hashing may lie aside; beyond it the oldest is forgotten at the next start.
const MOST_ASIDE: usize = 64;

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
    aside: bool,
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
    pub(super) fn create(stem: &Path, turn: u64) -> io::Result<Self> {
        let mut turn = turn;
        loop {
            let place = stem.with_extension(format!("{turn}.new"));
            match OpenOptions::new().read(true).write(true).create_new(true).open(&place) {
                Ok(file) => return Ok(Self { place, stem: stem.to_owned(), file, aside: false }),
                // What a former process put aside.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => turn += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// Takes up what was put aside of this version; on any doubt it is removed.
    pub(super) fn resume(stem: &Path, version: &Version) -> Option<(Self, Hasher)> {
        let progress = read(stem)?;
        let resumed = Self::take_up(stem, version, progress);
        if resumed.is_none() {
            discard(stem);
        }
        resumed
    }

    fn take_up(stem: &Path, version: &Version, progress: Progress) -> Option<(Self, Hasher)> {
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
        let spool = Self { place, stem: stem.to_owned(), file, aside: true };
        Some((spool, progress.into_hasher()))
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
        let place = part(&self.stem);
        let beside = self.place.with_extension("part.new");
        let mut file = File::create(&beside)?;
        file.write_all(&progress.to_bytes())?;
        file.sync_all()?;
        fs::rename(beside, place)?;
        self.aside = true;
        Ok(())
    }

    /// Ends the file with its record, durably.
    pub(crate) fn finish(mut self, record: Record) -> io::Result<Written> {
        self.file.write_all(&record.to_tail())?;
        self.file.sync_all()?;
        self.aside = true;
        Ok(Written { place: self.place.clone(), record })
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        if !self.aside {
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

/// Names of the files that lie aside, of the newest [`MOST_ASIDE`] assets.
pub(super) fn kept(dir: &Path) -> HashSet<OsString> {
    let Ok(entries) = fs::read_dir(dir) else { return HashSet::new() };
    let mut parts: Vec<(SystemTime, PathBuf, Progress)> = entries
        .flatten()
        .filter(|entry| entry.path().extension().is_some_and(|it| it == "part"))
        .filter_map(|entry| {
            let modified = entry.metadata().and_then(|meta| meta.modified()).ok()?;
            Some((modified, entry.path(), read(&entry.path())?))
        })
        .collect();
    parts.sort_by(|one, other| other.0.cmp(&one.0));
    parts.truncate(MOST_ASIDE);
    let names = parts.into_iter().flat_map(|(_, part, progress)| {
        [part.file_name().map(OsString::from), Some(OsString::from(progress.digests_file))]
    });
    names.flatten().collect()
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
