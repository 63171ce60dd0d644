//! Building BEP 3 metainfo: one file, one torrent, the same bytes every time.

use bendy::encoding::{Encoder, Error, SingleItemEncoder};

use crate::{Hashes, InfoHash};

/// Longest name: what file systems take.
pub(crate) const MAX_NAME: usize = 255;

/// A name that no torrent may carry, because a client would use it as a file name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a torrent needs a plain file name: 1 to 255 bytes, no slash, backslash or control character"
)]
pub struct NameError;

/// The metainfo of a single file (BEP 3), with web seeds (BEP 19) and trackers (BEP 12).
///
/// The info dictionary holds `length`, `name`, `piece length` and `pieces` alone, and nothing
/// depends on the time: same file, name and piece length, same info-hash.
#[derive(Debug, Clone)]
pub struct Torrent<'a> {
    name: String,
    hashes: &'a Hashes,
    web_seeds: Vec<String>,
    trackers: Vec<Vec<String>>,
}

impl<'a> Torrent<'a> {
    /// A torrent of the file with these hashes. [`AssetPath::file_name`](crate::AssetPath) always
    /// gives a good name.
    ///
    /// # Errors
    /// [`NameError`] when the name is not that of a file.
    pub fn new(name: &str, hashes: &'a Hashes) -> Result<Self, NameError> {
        if is_file_name(name) { Ok(Self::named(name.to_owned(), hashes)) } else { Err(NameError) }
    }

    /// For names that were checked before.
    pub(crate) fn named(name: String, hashes: &'a Hashes) -> Self {
        Self { name, hashes, web_seeds: Vec::new(), trackers: Vec::new() }
    }

    /// Adds a web seed: the whole percent-encoded URL of the file, not a redirect to it.
    #[must_use]
    pub fn with_web_seed(mut self, url: impl Into<String>) -> Self {
        self.web_seeds.push(url.into());
        self
    }

    /// Adds a tier of trackers; the first of the first tier is also `announce`. An empty tier is
    /// ignored.
    #[must_use]
    pub fn with_tracker_tier<U: Into<String>>(mut self, urls: impl IntoIterator<Item = U>) -> Self {
        let tier: Vec<String> = urls.into_iter().map(Into::into).collect();
        if !tier.is_empty() {
            self.trackers.push(tier);
        }
        self
    }

    /// The name of the file.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// SHA-1 of the info dictionary. Web seeds and trackers do not change it.
    pub fn info_hash(&self) -> InfoHash {
        InfoHash::of_info(&encode(|item| self.encode_info(item)))
    }

    /// The `.torrent` file: canonical bencode.
    pub fn to_bytes(&self) -> Vec<u8> {
        encode(|item| {
            item.emit_dict(|mut top| {
                if let Some(first) = self.trackers.first().and_then(|tier| tier.first()) {
                    top.emit_pair(b"announce", first)?;
                    top.emit_pair(b"announce-list", &self.trackers)?;
                }
                top.emit_pair_with(b"info", |item| self.encode_info(item))?;
                match &*self.web_seeds {
                    [] => Ok(()),
                    // Old clients know the string form only.
                    [one] => top.emit_pair(b"url-list", one),
                    several => top.emit_pair(b"url-list", several),
                }
            })
        })
    }

    fn encode_info(&self, item: SingleItemEncoder<'_>) -> Result<(), Error> {
        item.emit_dict(|mut info| {
            info.emit_pair(b"length", self.hashes.length)?;
            info.emit_pair(b"name", &self.name)?;
            info.emit_pair(b"piece length", self.hashes.piece_length)?;
            info.emit_pair_with(b"pieces", |item| item.emit_bytes(&self.hashes.pieces))
        })
    }
}

/// Whether a client may create a file of this name: BEP 3 leaves the check to readers, so writers
/// must not rely on it.
pub(crate) fn is_file_name(name: &str) -> bool {
    !matches!(name, "" | "." | "..")
        && name.len() <= MAX_NAME
        && !name.chars().any(|c| matches!(c, '/' | '\\') || c.is_control())
}

fn encode(content: impl FnOnce(SingleItemEncoder<'_>) -> Result<(), Error>) -> Vec<u8> {
    let mut encoder = Encoder::new();
    encoder
        .emit_with(content)
        .and_then(|()| encoder.get_output())
        .expect("keys are emitted once, in order, four levels deep at most")
}
