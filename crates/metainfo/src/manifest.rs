//! The asset manifest: what a browser needs to verify an asset, as JSON.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};

use crate::{
    AssetPath, DIGESTS_PER_PAGE, Digest, Hashes, InfoHash, UNIT, digest_bytes, digests_of,
    merkle_root,
};

/// The only version there is. A reader that meets another falls back to plain HTTP.
const FORMAT: u32 = 1;

/// Inline digests take 44 KB; the rest is a path, a type and a validator.
const MAX_JSON: usize = 128 * 1024;

/// The greatest integer that every JSON reader keeps exact (RFC 8259, section 6).
const MAX_LENGTH: u64 = (1 << 53) - 1;

/// Why a manifest was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// Longer than any manifest.
    #[error("manifest is longer than {MAX_JSON} bytes")]
    TooLong,
    /// Not JSON, or a member is missing or of the wrong kind.
    #[error("manifest is malformed")]
    Malformed(#[from] serde_json::Error),
    /// A version this code does not know: use plain HTTP.
    #[error("manifest has version {0}")]
    UnknownVersion(u64),
    /// Members contradict one another.
    #[error("manifest contradicts itself: {0}")]
    Inconsistent(&'static str),
}

/// The manifest of an asset, version 1.
///
/// Carries the first [`DIGESTS_PER_PAGE`] digests; further ones are pages of their own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    v: u32,
    path: AssetPath,
    length: u64,
    #[serde(rename = "type")]
    content_type: String,
    // Present even when null: the members of a manifest are always the same ten.
    etag: Option<String>,
    infohash: InfoHash,
    #[serde(rename = "pieceLength")]
    piece_length: u32,
    root: Digest,
    unit: u64,
    digests: String,
}

impl Manifest {
    /// Describes the asset at `path`. `etag` is the strong entity tag as sent, quotes included;
    /// `None` when the site sends none. `first_page` holds the first [`DIGESTS_PER_PAGE`] digests.
    pub fn new(
        path: &AssetPath,
        content_type: &str,
        etag: Option<&str>,
        info_hash: &InfoHash,
        hashes: &Hashes,
        first_page: &[Digest],
    ) -> Self {
        Self {
            v: FORMAT,
            path: path.clone(),
            length: hashes.length,
            content_type: content_type.to_owned(),
            etag: etag.map(str::to_owned),
            infohash: *info_hash,
            piece_length: hashes.piece_length,
            root: hashes.root,
            unit: UNIT,
            digests: STANDARD.encode(digest_bytes(first_page)),
        }
    }

    /// The JSON text.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("strings and integers always have a JSON form")
    }

    /// Reads a manifest and checks that it is one: the version, the number of inline digests and,
    /// where all digests are inline, the root.
    ///
    /// # Errors
    /// See [`ManifestError`]; on any of them an asset is fetched by plain HTTP.
    pub fn from_json(text: &str) -> Result<Self, ManifestError> {
        #[derive(Deserialize)]
        struct Head {
            v: u64,
        }
        if text.len() > MAX_JSON {
            return Err(ManifestError::TooLong);
        }
        // The version decides what the other members mean, so it is looked at alone, first.
        let Head { v } = serde_json::from_str(text)?;
        if v != u64::from(FORMAT) {
            return Err(ManifestError::UnknownVersion(v));
        }
        let manifest: Self = serde_json::from_str(text)?;
        manifest.check()?;
        Ok(manifest)
    }

    /// Path of the asset.
    pub fn path(&self) -> &AssetPath {
        &self.path
    }

    /// Length of the asset in bytes.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Media type, as the origin sends it.
    pub fn content_type(&self) -> &str {
        &self.content_type
    }

    /// Strong entity tag, quoted.
    pub fn etag(&self) -> Option<&str> {
        self.etag.as_deref()
    }

    /// Swarm of the asset.
    pub fn info_hash(&self) -> InfoHash {
        self.infohash
    }

    /// Bytes a piece.
    pub fn piece_length(&self) -> u32 {
        self.piece_length
    }

    /// BEP 52 pieces root.
    pub fn root(&self) -> Digest {
        self.root
    }

    /// The inline digests: all, or the first [`DIGESTS_PER_PAGE`].
    pub fn digests(&self) -> Vec<Digest> {
        self.decode_digests().unwrap_or_default()
    }

    fn decode_digests(&self) -> Option<Vec<Digest>> {
        let bytes = STANDARD.decode(&self.digests).ok()?;
        digests_of(&bytes)
    }

    fn check(&self) -> Result<(), ManifestError> {
        use ManifestError::Inconsistent;
        if self.unit != UNIT {
            return Err(Inconsistent("unit is not 65536"));
        }
        if self.length > MAX_LENGTH {
            return Err(Inconsistent("length is beyond 2^53"));
        }
        if self.piece_length == 0 {
            return Err(Inconsistent("piece length is zero"));
        }
        let digests = self.decode_digests().ok_or(Inconsistent("digests are not base64"))?;
        let units = self.length.div_ceil(UNIT);
        if digests.len() as u64 != units.min(DIGESTS_PER_PAGE as u64) {
            return Err(Inconsistent("digests do not fit the length"));
        }
        if units <= DIGESTS_PER_PAGE as u64 && merkle_root(&digests) != self.root {
            return Err(Inconsistent("digests do not give the root"));
        }
        Ok(())
    }
}
