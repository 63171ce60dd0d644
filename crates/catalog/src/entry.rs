use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use manyhands_metainfo::{AssetPath, Version};

use crate::status::{AssetState, Refusal};

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
    /// The bytes changed under the job: nothing is wrong, the next request starts over.
    Changed,
    /// The transfer ended early.
    Dropped {
        /// Whether it brought bytes that the host has kept, so that another job can go on from there.
        progress: bool,
    },
    /// The bytes could not be read: tried again after a while, longer each time.
    Unreadable,
    /// An anonymous visitor does not get it: not shared, and asked for again after a day.
    NotPublic,
}

#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) version: Version,
    pub(crate) content_type: String,
    pub(crate) phase: Phase,
    /// Position in the order of last use of its table (cold or ready).
    pub(crate) used: u64,
    /// Versions seen while the asset was ready or in work: answers that flap are somebody's own.
    pub(crate) changes: u32,
    pub(crate) changed_at: Duration,
    pub(crate) failures: u32,
}

#[derive(Debug)]
pub(crate) enum Phase {
    /// `wanted`: it was hot before, or the operator listed it; one answer is enough.
    Cold {
        requests: u32,
        prefixes: Vec<u64>,
        wanted: bool,
    },
    Queued {
        source: Source,
    },
    Hashing {
        job: JobId,
        since: Duration,
        passing: bool,
        /// Bytes taken out of the budget for fetches.
        charged: u64,
    },
    /// `confirmed` once an answer of this process carried the version that was hashed.
    Ready {
        confirmed: bool,
    },
    Refused {
        why: Refusal,
        until: Duration,
    },
}

impl Phase {
    pub(crate) fn cold() -> Self {
        Self::Cold { requests: 0, prefixes: Vec::new(), wanted: false }
    }

    pub(crate) fn wanted() -> Self {
        Self::Cold { requests: 0, prefixes: Vec::new(), wanted: true }
    }

    pub(crate) fn state(&self) -> AssetState {
        match self {
            Self::Cold { .. } => AssetState::Cold,
            Self::Queued { .. } => AssetState::Queued,
            Self::Hashing { .. } => AssetState::Hashing,
            Self::Ready { .. } => AssetState::Ready,
            Self::Refused { .. } => AssetState::Refused,
        }
    }
}
