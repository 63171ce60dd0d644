//! Verified storage: what a peer has on disk of the assets of sites, found by their Merkle roots.
//!
//! ```text
//! <dir>/lock                            held by the one process that uses the directory
//! <dir>/sites/<host[_port]>/data/<root>          an asset, all of it verified
//!                               <root>.part      one in the making
//!                               <root>.have      its units that are on disk and verified, one bit each
//!                               <root>.digests   the digests that its units are verified by
//! ```
//!
//! Entry types: [`Store`] is the directory, [`SiteStore`] one site in it, [`Asset`] one asset: it offers
//! `read(range)`, `write(units)` and `have()`, and [`Asset::claim`] so that several sources never fetch the
//! same units. Nothing unverified is ever read back. Everything here blocks on the disk.

mod asset;
mod digests;
mod error;
mod site;
mod units;

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

pub use asset::{Asset, Claim};
pub use digests::DigestsWriter;
pub use error::{ReadError, StoreError, WriteError};
pub use site::{SiteStore, disk_space};
pub use units::Units;

pub(crate) use error::at;

/// The directory of a peer, locked for this process.
#[derive(Debug)]
pub struct Store {
    directory: PathBuf,
    _lock: File,
}

impl Store {
    /// Opens a directory, made where there is none.
    ///
    /// # Errors
    /// When another process has it, or it can't be written to.
    pub fn open(directory: &Path) -> Result<Self, StoreError> {
        fs::create_dir_all(directory).map_err(at(directory))?;
        let place = directory.join("lock");
        let mut options = File::options();
        let made = options.write(true).create(true).truncate(false).open(&place);
        // Kept open for reading only: a file open for writing keeps a file system from being made read-only.
        let lock = made.and_then(|_| File::open(&place)).map_err(at(&place))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StoreError::InUse(directory.to_owned())),
            Err(TryLockError::Error(error)) => return Err(at(&place)(error)),
        }
        Ok(Self { directory: directory.to_owned(), _lock: lock })
    }

    /// Where it is.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The part of one site, by its host and port as in a URL.
    ///
    /// # Errors
    /// When its directories can't be made.
    pub fn site(&self, authority: &str) -> Result<SiteStore, StoreError> {
        SiteStore::open(self.directory.join("sites").join(authority.replace(':', "_")))
    }
}

/// Puts a small file into place whole: after a crash it is the old or the new one.
///
/// # Errors
/// When the disk does not take it; then the old one is still there.
pub fn replace(place: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    use std::io::Write;
    let beside = place.with_extension("new");
    let write = || {
        let mut file = File::create(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, place)
    };
    write().map_err(|error| {
        let _ = fs::remove_file(&beside);
        at(place)(error)
    })
}
