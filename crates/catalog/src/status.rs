use std::time::Duration;

use manyhands_metainfo::{AssetPath, Version};

/// What is known of an asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AssetState {
    /// Not asked for often enough.
    Cold,
    /// Hot or listed by the operator, waiting for a worker.
    Queued,
    /// A worker reads it.
    Hashing,
    /// Its metainfo may be served.
    Ready,
    /// Not to be shared for now.
    Refused,
}

/// Why an asset is not to be shared for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Its answers differ too often: they may be made for whoever asks.
    Flapping,
    /// An anonymous visitor does not get it.
    NotPublic,
    /// Its bytes could not be read, or did not all come.
    Unreadable,
}

/// One line of [`crate::Catalog::assets`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct AssetStatus<'a> {
    /// The asset.
    pub path: &'a AssetPath,
    /// What is known of it.
    pub state: AssetState,
    /// Requests counted before it was ready.
    pub requests: u32,
    /// Address prefixes told apart among them; not counted past 16.
    pub prefixes: u32,
    /// The bytes that were, are or will be hashed.
    pub version: Option<&'a Version>,
    /// For [`AssetState::Ready`]: whether its metainfo is served; `false` until an answer confirms what
    /// an earlier process hashed, or what another answer cast doubt on.
    pub shown: bool,
    /// For [`AssetState::Refused`]: why, and the time at which it may be tried again.
    pub refusal: Option<(Refusal, Duration)>,
}
