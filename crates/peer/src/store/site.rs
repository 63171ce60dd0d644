//! What is on disk of one site.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use manyhands_metainfo::{Digest, UNIT};

use super::asset::{Asset, Places};
use super::digests::DigestsWriter;
use super::error::{StoreError, at};

/// Bytes of disk that an asset of this length takes with its digests and bits.
pub fn disk_space(length: u64) -> u64 {
    let units = length.div_ceil(UNIT);
    length
        .saturating_add(units.saturating_mul(Digest::SIZE as u64))
        .saturating_add(units.div_ceil(8))
}

/// The assets of one site.
#[derive(Debug)]
pub struct SiteStore {
    directory: PathBuf,
    data: PathBuf,
    assets: Mutex<HashMap<Digest, Arc<Asset>>>,
}

impl SiteStore {
    pub(super) fn open(directory: PathBuf) -> Result<Self, StoreError> {
        let data = directory.join("data");
        fs::create_dir_all(&data).map_err(at(&data))?;
        Ok(Self { directory, data, assets: Mutex::default() })
    }

    /// Where the site's own files are.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// What is there of an asset. Opens it when it is asked for first.
    ///
    /// # Errors
    /// When the disk fails; what is there and does not fit the length or root counts as nothing.
    pub fn find(&self, root: &Digest, length: u64) -> Result<Option<Arc<Asset>>, StoreError> {
        let mut assets = self.assets();
        if let Some(asset) = assets.get(root) {
            return Ok((asset.length() == length).then(|| asset.clone()));
        }
        let asset = Asset::open(&self.data, *root, length)?.map(Arc::new);
        assets.extend(asset.clone().map(|asset| (*root, asset)));
        Ok(asset)
    }

    /// What was opened or made of an asset, without a look at the disk.
    pub fn opened(&self, root: &Digest) -> Option<Arc<Asset>> {
        self.assets().get(root).cloned()
    }

    /// Takes the digests of an asset before it is [created](Self::create).
    ///
    /// # Errors
    /// When the disk does not take them.
    pub fn digests(&self, root: Digest, length: u64) -> Result<DigestsWriter, StoreError> {
        DigestsWriter::create(Places::of(&self.data, &root).digests, root, length)
    }

    /// Makes room for an asset whose digests are there.
    ///
    /// # Errors
    /// When the disk does not take it, or the digests are not the asset's.
    pub fn create(&self, root: Digest, length: u64) -> Result<Arc<Asset>, StoreError> {
        let asset = Arc::new(Asset::create(&self.data, root, length)?);
        self.assets().insert(root, asset.clone());
        Ok(asset)
    }

    /// Forgets an asset: nobody reads it from now on, and its files are deleted.
    ///
    /// # Errors
    /// When the disk does not let go of them; even then nothing of the asset is read any more.
    pub fn remove(&self, root: &Digest) -> Result<(), StoreError> {
        if let Some(asset) = self.assets().remove(root) {
            asset.withdraw();
        }
        let places = Places::of(&self.data, root);
        let beside = places.digests.with_extension("digests.new");
        for place in [&places.whole, &places.part, &places.have, &places.digests, &beside] {
            match fs::remove_file(place) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(at(place)(error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The roots of all that lies on the disk, in part or whole.
    ///
    /// # Errors
    /// When the directory can't be read.
    pub fn roots(&self) -> Result<Vec<Digest>, StoreError> {
        let mut roots = Vec::new();
        for entry in fs::read_dir(&self.data).map_err(at(&self.data))? {
            let name = entry.map_err(at(&self.data))?.file_name();
            let root: Option<Digest> =
                name.to_str().and_then(|name| name.split('.').next()?.parse().ok());
            roots.extend(root);
        }
        roots.sort_unstable();
        roots.dedup();
        Ok(roots)
    }

    fn assets(&self) -> MutexGuard<'_, HashMap<Digest, Arc<Asset>>> {
        self.assets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
