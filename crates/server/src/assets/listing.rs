use manyhands_metainfo::{AssetPath, Digest, InfoHash};

/// What a list tells of one asset.
#[derive(Debug, Clone)]
pub(crate) struct Listed {
    pub(crate) path: AssetPath,
    pub(crate) length: u64,
    pub(crate) piece_length: u32,
    pub(crate) content_type: Box<str>,
    pub(crate) etag: Option<Box<str>>,
    pub(crate) sha256: Digest,
    pub(crate) info_hash: InfoHash,
    pub(crate) root: Digest,
    pub(crate) magnet: String,
}

/// A run of the shown assets, in the order of their paths.
#[derive(Debug, Default)]
pub(crate) struct Part {
    pub(crate) assets: Vec<Listed>,
    /// The last path that was looked at; `None` when none comes after it.
    pub(crate) next: Option<AssetPath>,
    /// How many were looked at.
    pub(crate) seen: usize,
}

impl Part {
    /// Most assets looked at for one part, under the lock that every answer needs.
    pub(crate) const MOST: usize = 1_000;
}
