use std::path::Path;
use std::sync::Arc;

use manyhands_metainfo::{AssetPath, Version};

/// Names one hash job; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobId(pub u64);

/// Where the bytes of an asset can be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A file this machine can open.
    File(Arc<Path>),
    /// An anonymous GET that the host can make.
    Fetch,
    /// The answer that is passing by right now, as long as few are hashed at once.
    Passing {
        /// Whether an anonymous GET can be made as well, when this answer breaks off or is one too many.
        fetch: bool,
    },
    /// This answer can't be used (a HEAD, a range, somebody's cookie).
    None,
}

/// A piece of hashing for the host's workers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// The job's name, for [`crate::Catalog::finished`].
    pub id: JobId,
    /// The asset.
    pub path: AssetPath,
    /// What the bytes must be: a worker that meets another version reports [`Failure::Changed`].
    pub version: Version,
    /// Media type, as the site sent it.
    pub content_type: String,
    /// Where to take the bytes from.
    pub source: Source,
    /// Most bytes the job may read: the length of this version.
    pub bytes: u64,
}

/// Why a job came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The bytes changed under the job: the next request starts over, unless that happens too often.
    Changed,
    /// The transfer ended early. One that passed by is fetched instead, where that can be; a fetch or a
    /// file is tried again by itself: soon when something came, else later and later.
    Dropped {
        /// Whether it brought bytes that the host has kept, so that another job can go on from there.
        progress: bool,
    },
    /// The bytes could not be read: asked for again after a while, longer each time.
    Unreadable,
    /// An anonymous visitor does not get it: not shared, and asked for again after a day.
    NotPublic,
}
