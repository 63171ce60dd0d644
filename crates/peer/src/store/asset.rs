//! One asset on disk: what is verified of it, read and written.
//!
//! While it is incomplete its bytes are in `<root>.part` and its bits in `<root>.have`. A bit is written
//! after the bytes of its unit were forced to the disk, so a bit that is there can be believed whatever
//! happened to the process or the machine; a unit without its bit is fetched again. Complete, the file is
//! called `<root>`, and its name alone says that all of it was verified.

use std::fs::{self, File};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use manyhands_metainfo::{Digest, UNIT, digest_of_unit};

use super::digests::Digests;
use super::error::{ReadError, StoreError, WriteError, at};
use super::units::Units;

/// An asset that is held in part or whole. All methods that touch the disk block: call them where that
/// harms nobody.
#[derive(Debug)]
pub struct Asset {
    root: Digest,
    length: u64,
    places: Places,
    digests: Option<Digests>,
    state: Mutex<State>,
    is_withdrawn: AtomicBool,
}

#[derive(Debug)]
struct State {
    have: Units,
    /// Being fetched by somebody.
    claimed: Units,
    /// Open while it is incomplete. A whole one is opened for each read: there are more assets than a process
    /// may have open files.
    part: Option<Part>,
}

#[derive(Debug, Clone)]
struct Part {
    data: Arc<File>,
    bits: Arc<File>,
}

/// Where the files of one asset are.
#[derive(Debug, Clone)]
pub(super) struct Places {
    pub(super) directory: PathBuf,
    pub(super) whole: PathBuf,
    pub(super) part: PathBuf,
    pub(super) have: PathBuf,
    pub(super) digests: PathBuf,
}

impl Places {
    pub(super) fn of(directory: &Path, root: &Digest) -> Self {
        let place = |ending: &str| directory.join(format!("{root}{ending}"));
        Self {
            directory: directory.to_owned(),
            whole: place(""),
            part: place(".part"),
            have: place(".have"),
            digests: place(".digests"),
        }
    }
}

impl Asset {
    /// Opens what is there of an asset; `None` where nothing is, or nothing that fits.
    pub(super) fn open(
        directory: &Path,
        root: Digest,
        length: u64,
    ) -> Result<Option<Self>, StoreError> {
        let places = Places::of(directory, &root);
        let units = length.div_ceil(UNIT);
        if existing(&places.whole, length, false)?.is_some() {
            return Ok(Some(Self::new(root, length, places, None, Units::all(units), None)));
        }
        let Some(data) = existing(&places.part, length, true)? else { return Ok(None) };
        let Some(digests) = Digests::open(&places.digests, &root, length)? else {
            return Ok(None);
        };
        let written = fs::read(&places.have).unwrap_or_default();
        let have = Units::from_bytes(&written, units).unwrap_or_else(|| Units::none(units));
        let bits = open_bits(&places.have, &have)?;
        let part = Part { data: data.into(), bits: bits.into() };
        let asset = Self::new(root, length, places, Some(digests), have, Some(part));
        asset.settle()?;
        Ok(Some(asset))
    }

    /// Makes room for an asset whose digests are there.
    pub(super) fn create(directory: &Path, root: Digest, length: u64) -> Result<Self, StoreError> {
        let places = Places::of(directory, &root);
        let Some(digests) = Digests::open(&places.digests, &root, length)? else {
            return Err(StoreError::Damaged {
                path: places.digests,
                reason: "it does not give the asset's root",
            });
        };
        let mut options = File::options();
        let options = options.read(true).write(true).create(true).truncate(true);
        // The bits first: those of an earlier file must not meet this one.
        let have = Units::none(length.div_ceil(UNIT));
        let bits = open_bits(&places.have, &have)?;
        bits.sync_all().map_err(at(&places.have))?;
        let data = options.open(&places.part).map_err(at(&places.part))?;
        data.set_len(length).map_err(at(&places.part))?;
        let part = Part { data: data.into(), bits: bits.into() };
        Ok(Self::new(root, length, places, Some(digests), have, Some(part)))
    }

    fn new(
        root: Digest,
        length: u64,
        places: Places,
        digests: Option<Digests>,
        have: Units,
        part: Option<Part>,
    ) -> Self {
        let claimed = Units::none(have.count());
        let state = Mutex::new(State { have, claimed, part });
        Self { root, length, places, digests, state, is_withdrawn: AtomicBool::new(false) }
    }

    /// What it is known by.
    pub fn root(&self) -> Digest {
        self.root
    }

    /// Its length in bytes.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Whether all of it is verified.
    pub fn is_whole(&self) -> bool {
        self.state().have.is_whole()
    }

    /// Whether it is no longer to be used.
    pub fn is_withdrawn(&self) -> bool {
        self.is_withdrawn.load(Ordering::Acquire)
    }

    /// Which units are verified.
    pub fn have(&self) -> Units {
        self.state().have.clone()
    }

    /// Bytes that are verified.
    pub fn held_bytes(&self) -> u64 {
        let state = self.state();
        let last = state.have.count().saturating_sub(1);
        let short = state.have.count() * UNIT - self.length;
        state.have.held() * UNIT - if state.have.has(last) { short } else { 0 }
    }

    /// Whether all of these bytes are there and verified.
    pub fn holds(&self, range: &Range<u64>) -> bool {
        range.start < range.end
            && range.end <= self.length
            && self.state().have.has_all(range.start / UNIT..range.end.div_ceil(UNIT))
    }

    /// Reads verified bytes. Blocks on the disk.
    ///
    /// # Errors
    /// [`ReadError::Unverified`] unless all of the range [is held](Self::holds).
    pub fn read(&self, range: Range<u64>) -> Result<Bytes, ReadError> {
        if self.is_withdrawn() {
            return Err(ReadError::Withdrawn);
        }
        let size = usize::try_from(range.end.saturating_sub(range.start));
        let Some(size) = size.ok().filter(|_| self.holds(&range)) else {
            return Err(ReadError::Unverified);
        };
        let mut buffer = BytesMut::zeroed(size);
        let whole = &self.places.whole;
        let data = match self.state().part.clone() {
            Some(part) => part.data,
            None => File::open(whole).map_err(at(whole))?.into(),
        };
        data.read_exact_at(&mut buffer, range.start).map_err(at(whole))?;
        Ok(buffer.freeze())
    }

    /// Takes units from `first` on, as many as `bytes` are: verifies each, writes them, waits until the disk
    /// has them, and only then says that they are there. Blocks on the disk.
    ///
    /// # Errors
    /// [`WriteError::Wrong`] for the first unit that is not the asset's; those before it are kept.
    pub fn write(&self, first: u64, bytes: &[u8]) -> Result<(), WriteError> {
        let part = self.state().part.clone();
        // It is whole.
        let (Some(part), Some(digests)) = (part, &self.digests) else { return Ok(()) };
        let start = first.checked_mul(UNIT).ok_or(WriteError::NoUnits)?;
        let end = start.checked_add(bytes.len() as u64).ok_or(WriteError::NoUnits)?;
        let is_run = end == self.length || (end < self.length && end.is_multiple_of(UNIT));
        if bytes.is_empty() || !is_run {
            return Err(WriteError::NoUnits);
        }
        let units = bytes.chunks(UNIT as usize);
        let expected = digests.read(first, units.len())?;
        let whole_file = self.length <= UNIT;
        let good = units
            .zip(&expected)
            .take_while(|(unit, expected)| digest_of_unit(unit, whole_file) == **expected)
            .count();
        let good_bytes = bytes.len().min(good * UNIT as usize);
        if good > 0 {
            let bytes = &bytes[..good_bytes];
            part.data.write_all_at(bytes, start).map_err(at(&self.places.part))?;
            part.data.sync_data().map_err(at(&self.places.part))?;
            self.note(first..first + good as u64)?;
        }
        if good < expected.len() { Err(WriteError::Wrong(first + good as u64)) } else { Ok(()) }
    }

    /// The units are on the disk: so are their bits.
    fn note(&self, units: Range<u64>) -> Result<(), WriteError> {
        let mut state = self.state();
        if self.is_withdrawn() {
            return Err(WriteError::Withdrawn);
        }
        let mut have = state.have.clone();
        have.set(units.clone());
        if let Some(part) = &state.part {
            let (start, bytes) = have.bytes_of(&units);
            part.bits.write_all_at(bytes, start).map_err(at(&self.places.have))?;
        }
        state.have = have;
        drop(state);
        self.settle()?;
        Ok(())
    }

    /// Gives a complete asset its name.
    fn settle(&self) -> Result<(), StoreError> {
        let mut state = self.state();
        if !state.have.is_whole() || state.part.is_none() || self.is_withdrawn() {
            return Ok(());
        }
        let Places { directory, whole, part, have, .. } = &self.places;
        fs::rename(part, whole).map_err(at(whole))?;
        File::open(directory).and_then(|it| it.sync_all()).map_err(at(directory))?;
        state.part = None;
        // Bits without a part mean nothing, so it does no harm when they stay.
        let _ = fs::remove_file(have);
        Ok(())
    }

    /// Takes some units that nobody has or fetches, in order, at most `most` of them. They are this caller's to
    /// fetch until the claim is dropped.
    pub fn claim(self: &Arc<Self>, most: u64) -> Option<Claim> {
        if self.is_withdrawn() {
            return None;
        }
        let mut state = self.state();
        let free = |state: &State, unit: u64| !state.have.has(unit) && !state.claimed.has(unit);
        let count = state.have.count();
        let first = (0..count).find(|unit| free(&state, *unit))?;
        let limit = first.saturating_add(most.max(1)).min(count);
        let end = (first..limit).find(|unit| !free(&state, *unit)).unwrap_or(limit);
        state.claimed.set(first..end);
        drop(state);
        Some(Claim { asset: self.clone(), units: first..end })
    }

    /// From now on nothing is read or written, by those either who are at it.
    pub(super) fn withdraw(&self) {
        // Nobody gives it a name while it is taken away.
        let _state = self.state();
        self.is_withdrawn.store(true, Ordering::Release);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Units that one source is fetching.
#[derive(Debug)]
pub struct Claim {
    asset: Arc<Asset>,
    units: Range<u64>,
}

impl Claim {
    /// Which units.
    pub fn units(&self) -> Range<u64> {
        self.units.clone()
    }

    /// Which bytes of the asset.
    pub fn bytes(&self) -> Range<u64> {
        self.units.start * UNIT..(self.units.end * UNIT).min(self.asset.length)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.asset.state().claimed.clear(self.units.clone());
    }
}

/// A file of exactly this length.
fn existing(place: &Path, length: u64, write: bool) -> Result<Option<File>, StoreError> {
    let file = match File::options().read(true).write(write).open(place) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(at(place)(error)),
    };
    let metadata = file.metadata().map_err(at(place))?;
    Ok((metadata.is_file() && metadata.len() == length).then_some(file))
}

/// The file of bits, with these in it.
fn open_bits(place: &Path, have: &Units) -> Result<File, StoreError> {
    let mut options = File::options();
    let file = options.read(true).write(true).create(true).truncate(false);
    let file = file.open(place).map_err(at(place))?;
    file.set_len(have.as_bytes().len() as u64).map_err(at(place))?;
    file.write_all_at(have.as_bytes(), 0).map_err(at(place))?;
    Ok(file)
}
