//! What a disk can do to a store, in words that its owner can act on.

use std::io;
use std::path::{Path, PathBuf};

/// Why a store cannot do what was asked of it. None of these loses what was verified before.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Two processes with one directory would overwrite each other.
    #[error("another process uses {}: stop it, or choose another directory", .0.display())]
    InUse(PathBuf),
    /// No room. Goes away by itself once there is some.
    #[error("the disk of {} is full: free some space or lower the budget", .0.display())]
    Full(PathBuf),
    /// The file system takes no writes.
    #[error("{} is on a read-only file system: make it writable again", .0.display())]
    ReadOnly(PathBuf),
    /// The process may not write there.
    #[error("{} is not this user's to write to: change its owner or choose another directory", .0.display())]
    Denied(PathBuf),
    /// A file of the store does not hold what it should.
    #[error("{} is damaged: {reason}", .path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Anything else the system says.
    #[error("cannot use {}", .path.display())]
    Io {
        /// Which file or directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
}

/// Says what an error of the system means for a store.
pub(crate) fn at(path: &Path) -> impl FnOnce(io::Error) -> StoreError + '_ {
    move |cause| {
        let path = path.to_owned();
        match cause.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::Full(path),
            io::ErrorKind::ReadOnlyFilesystem => StoreError::ReadOnly(path),
            io::ErrorKind::PermissionDenied => StoreError::Denied(path),
            _ => StoreError::Io { path, cause },
        }
    }
}

/// Why units were not written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The bytes of this unit are not the asset's: whoever sent them is wrong or lies. Units before it were
    /// written.
    #[error("unit {0} is not what the site's digests say")]
    Wrong(u64),
    /// Not a run of whole units within the asset.
    #[error("no run of whole units within the asset")]
    NoUnits,
    /// The asset was withdrawn under way.
    #[error("the asset was withdrawn")]
    Withdrawn,
    /// The disk.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why bytes are not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// Not all of the range was verified, or it leaves the asset.
    #[error("the range was not verified")]
    Unverified,
    /// The asset was withdrawn.
    #[error("the asset was withdrawn")]
    Withdrawn,
    /// The disk.
    #[error(transparent)]
    Store(#[from] StoreError),
}
