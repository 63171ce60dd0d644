use manyhands_metainfo::{AssetPath, Version};

use crate::job::{Job, JobId, Source};
use crate::status::AssetState;

/// An eligible answer that passes by.
#[derive(Debug)]
pub struct Demand<'a> {
    /// The asset.
    pub path: &'a AssetPath,
    /// What this answer says the bytes are.
    pub version: &'a Version,
    /// Media type, as the site sent it.
    pub content_type: &'a str,
    /// The visitor's address prefix, in any encoding that keeps prefixes apart; `None` when unknown.
    pub prefix: Option<u64>,
    /// Where the bytes can be had.
    pub source: Source,
}

/// What the catalog says of an answer that passes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Observed {
    /// The state of the asset in the version this answer carries.
    pub state: AssetState,
    /// Set when the host should hash the body as it passes, and report the job as finished.
    pub tee: Option<JobId>,
}

/// What the catalog wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Start this job.
    Hash(Job),
    /// Stop this job; its result no longer matters.
    Cancel(JobId),
    /// Nothing that was hashed of this asset may be used any more, neither metainfo nor hashing that was put
    /// aside: its bytes changed, or it was purged. There need not be any.
    Retire(AssetPath),
    /// Metainfo of this asset may be served from now on: an answer confirmed it.
    Show(AssetPath),
    /// Metainfo of this asset must not be served for now: an answer cast doubt on it.
    Hide(AssetPath),
}
