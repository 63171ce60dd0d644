//! What a mirror holds whole, in 8 bytes an asset.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use manyhands_metainfo::Digest;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// The most assets one mirror tells of.
pub const MAX_HOLDINGS: usize = 100_000;

/// Bytes of a root that are told: enough that two of a site's assets do not meet by chance. Who makes
/// them meet on purpose gains nothing: what a mirror serves is verified.
const SHORT: usize = 8;

/// Why a text is no list of holdings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HoldingsError {
    /// Not base64 of a whole number of entries.
    #[error("holdings are not base64 of 8 bytes each")]
    Malformed,
    /// Not in ascending order, or one twice.
    #[error("holdings are not in ascending order")]
    Unordered,
    /// Over [`MAX_HOLDINGS`].
    #[error("more than {MAX_HOLDINGS} holdings")]
    TooMany,
}

/// A set of assets, by the first 8 bytes of their roots. On the wire base64 of them all, ascending.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Holdings(Vec<[u8; SHORT]>);

impl Holdings {
    /// Of these assets; the first [`MAX_HOLDINGS`] in order, if they are more.
    pub fn of<'a>(roots: impl IntoIterator<Item = &'a Digest>) -> Self {
        let mut short: Vec<_> = roots.into_iter().map(shorten).collect();
        short.sort_unstable();
        short.dedup();
        short.truncate(MAX_HOLDINGS);
        Self(short)
    }

    /// Whether the asset with this root is held.
    pub fn contains(&self, root: &Digest) -> bool {
        self.0.binary_search(&shorten(root)).is_ok()
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The wire form.
    pub fn to_base64(&self) -> String {
        STANDARD.encode(self.0.as_flattened())
    }

    /// Reads the wire form.
    ///
    /// # Errors
    /// See [`HoldingsError`].
    pub fn from_base64(text: &str) -> Result<Self, HoldingsError> {
        // Four characters carry three bytes: refused before it is decoded.
        if text.len() > (MAX_HOLDINGS * SHORT).div_ceil(3) * 4 {
            return Err(HoldingsError::TooMany);
        }
        let bytes = STANDARD.decode(text).map_err(|_| HoldingsError::Malformed)?;
        let (entries, rest) = bytes.as_chunks::<SHORT>();
        if !rest.is_empty() {
            return Err(HoldingsError::Malformed);
        }
        if !entries.is_sorted_by(|one, next| one < next) {
            return Err(HoldingsError::Unordered);
        }
        if entries.len() > MAX_HOLDINGS {
            return Err(HoldingsError::TooMany);
        }
        Ok(Self(entries.to_vec()))
    }
}

impl Serialize for Holdings {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_base64())
    }
}

impl<'de> Deserialize<'de> for Holdings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::from_base64(&text).map_err(D::Error::custom)
    }
}

fn shorten(root: &Digest) -> [u8; SHORT] {
    let mut short = [0; SHORT];
    short.copy_from_slice(&root.as_bytes()[..SHORT]);
    short
}
