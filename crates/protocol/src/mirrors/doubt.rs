//! What a browser says of a mirror whose bytes were wrong.

use manyhands_metainfo::AssetPath;
use serde::{Deserialize, Serialize};

use super::address::BaseUrl;
use super::json::{self, FormatError, MAX_INTEGER, VERSION};

/// The longest doubt that is read.
pub const MAX_DOUBT_BYTES: usize = 1024;

/// "This unit from this mirror was wrong": a hint to look there, never a proof.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Doubt {
    v: u32,
    /// The mirror.
    pub mirror: BaseUrl,
    /// The asset.
    pub path: AssetPath,
    /// Which of its units of 64 KiB, from 0.
    pub unit: u64,
}

impl Doubt {
    /// Doubts a unit.
    pub fn new(mirror: BaseUrl, path: AssetPath, unit: u64) -> Self {
        Self { v: VERSION, mirror, path, unit }
    }

    /// The JSON text.
    pub fn to_json(&self) -> String {
        json::write(self)
    }

    /// Reads a doubt of at most [`MAX_DOUBT_BYTES`].
    ///
    /// # Errors
    /// See [`FormatError`].
    pub fn from_json(bytes: &[u8]) -> Result<Self, FormatError> {
        let doubt: Self = json::read(bytes, MAX_DOUBT_BYTES)?;
        if doubt.unit > MAX_INTEGER {
            return Err(FormatError::Refused("the unit is beyond any file"));
        }
        Ok(doubt)
    }
}
