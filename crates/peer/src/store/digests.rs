//! The digests of an asset's units, kept in a file beside its data.
//!
//! Nothing in the file is used before all of it was seen to give the asset's root.

use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use manyhands_metainfo::{
    DIGESTS_PER_PAGE, Digest, UNIT, digest_bytes, digests_of, page_root, root_of_pages,
};

use super::error::{StoreError, at};

/// Digests that were verified up to the root.
#[derive(Debug)]
pub(super) struct Digests {
    file: File,
    place: PathBuf,
}

impl Digests {
    /// Opens what was kept. `None` when there is none, or what is there does not give `root`.
    pub(super) fn open(
        place: &Path,
        root: &Digest,
        length: u64,
    ) -> Result<Option<Self>, StoreError> {
        let file = match File::open(place) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(at(place)(error)),
        };
        let units = length.div_ceil(UNIT);
        if file.metadata().map_err(at(place))?.len() != units * Digest::SIZE as u64 {
            return Ok(None);
        }
        let mut proof = Proof::new(length);
        let mut reader = BufReader::new(&file);
        while let Some(size) = proof.next_page() {
            let mut page = vec![0; size * Digest::SIZE];
            reader.read_exact(&mut page).map_err(at(place))?;
            if !digests_of(&page).is_some_and(|page| proof.add(&page)) {
                return Ok(None);
            }
        }
        Ok(proof.gives(root).then(|| Self { file, place: place.to_owned() }))
    }

    /// The digests of `count` units from `first` on.
    pub(super) fn read(&self, first: u64, count: usize) -> Result<Vec<Digest>, StoreError> {
        let mut bytes = vec![0; count * Digest::SIZE];
        self.file
            .read_exact_at(&mut bytes, first * Digest::SIZE as u64)
            .map_err(at(&self.place))?;
        digests_of(&bytes).ok_or(StoreError::Damaged {
            path: self.place.clone(),
            reason: "it is not as long as it was",
        })
    }
}

/// Takes digests page by page, as a site gives them.
#[derive(Debug)]
pub struct DigestsWriter {
    file: BufWriter<File>,
    unfinished: PathBuf,
    place: PathBuf,
    root: Digest,
    proof: Proof,
}

impl DigestsWriter {
    pub(super) fn create(place: PathBuf, root: Digest, length: u64) -> Result<Self, StoreError> {
        let unfinished = place.with_extension("digests.new");
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&unfinished)
            .map_err(at(&unfinished))?;
        let file = BufWriter::new(file);
        Ok(Self { file, unfinished, place, root, proof: Proof::new(length) })
    }

    /// How many digests the next page must have; `None` when all are there.
    pub fn next_page(&self) -> Option<usize> {
        self.proof.next_page()
    }

    /// Takes the next page; false when it has not as many digests as it must have.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn add(&mut self, page: &[Digest]) -> Result<bool, StoreError> {
        if !self.proof.add(page) {
            return Ok(false);
        }
        self.file.write_all(&digest_bytes(page)).map_err(at(&self.unfinished))?;
        Ok(true)
    }

    /// Keeps them, if they give the root; otherwise they are forgotten and false is returned.
    ///
    /// # Errors
    /// When the disk does not take them.
    pub fn finish(self) -> Result<bool, StoreError> {
        let Self { file, unfinished, place, root, proof } = self;
        if !proof.gives(&root) {
            drop(file);
            fs::remove_file(&unfinished).map_err(at(&unfinished))?;
            return Ok(false);
        }
        let file = file.into_inner().map_err(|error| at(&unfinished)(error.into_error()))?;
        file.sync_all().map_err(at(&unfinished))?;
        fs::rename(&unfinished, &place).map_err(at(&place))?;
        Ok(true)
    }
}

/// Pages on their way to a root.
#[derive(Debug)]
struct Proof {
    units: u64,
    pages: Vec<Digest>,
}

impl Proof {
    fn new(length: u64) -> Self {
        Self { units: length.div_ceil(UNIT), pages: Vec::new() }
    }

    fn next_page(&self) -> Option<usize> {
        let done = (self.pages.len() as u64).saturating_mul(DIGESTS_PER_PAGE as u64);
        let left = self.units.saturating_sub(done).min(DIGESTS_PER_PAGE as u64);
        usize::try_from(left).ok().filter(|left| *left > 0)
    }

    fn add(&mut self, page: &[Digest]) -> bool {
        let fits = self.next_page() == Some(page.len());
        if fits {
            self.pages.push(page_root(page, self.units <= DIGESTS_PER_PAGE as u64));
        }
        fits
    }

    fn gives(&self, root: &Digest) -> bool {
        self.next_page().is_none() && root_of_pages(&self.pages) == *root
    }
}
