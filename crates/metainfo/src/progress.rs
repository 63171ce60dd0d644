//! A pass over a file that is put aside in the middle, and taken up by a later process.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use sha2::Sha256;
use sha2::digest::common::hazmat::{SerializableState, SerializedState};

use crate::hashes::{DIGESTS_PER_PAGE, PIECE_HASH, UNIT, digest_bytes, digests_of};
use crate::record::{self, RecordError};
use crate::{Digest, Hasher, Version};

/// What every file of this kind starts with; raised as that of a record is.
const HEADER: &[u8] = b"manyhands progress 1\n";

/// Why what was put aside can't be taken up: the file is then hashed from its start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProgressError {
    /// Torn, altered, or of another shape.
    #[error("the hashing put aside cannot be read")]
    Unreadable(#[from] RecordError),
    /// Sealed and well-formed, but its parts contradict one another.
    #[error("the hashing put aside contradicts itself")]
    Inconsistent,
}

/// Everything needed to go on hashing a file where a former process stopped, but the digests already
/// handed out: their owner keeps them, and [`Progress::pages`] proves them.
#[derive(Debug, Clone)]
pub struct Progress {
    /// The version that is being hashed: of another one, nothing here is true.
    pub version: Version,
    /// Name of the file that keeps the digests handed out.
    pub digests_file: String,
    hasher: Hasher,
}

impl Progress {
    /// Bytes that need not be hashed again.
    pub fn position(&self) -> u64 {
        self.hasher.position
    }

    /// The roots of the full pages of digests handed out so far.
    pub fn pages(&self) -> &[Digest] {
        &self.hasher.pages
    }

    /// The digests handed out after the last full page.
    pub fn last_page(&self) -> &[Digest] {
        &self.hasher.page
    }

    /// The hasher, ready for the byte at [`Progress::position`].
    pub fn into_hasher(self) -> Hasher {
        self.hasher
    }

    /// The content of a file: a line with the number of the format, a bencoded dictionary, and the
    /// SHA-256 of all that.
    pub fn to_bytes(&self) -> Vec<u8> {
        let Hasher { piece_length, position, pieces, page, pages, whole, .. } = &self.hasher;
        record::seal(
            HEADER,
            &Stored {
                version: self.version.clone(),
                digests_file: self.digests_file.clone(),
                piece_length: *piece_length,
                position: *position,
                pieces: ByteBuf::from(pieces.clone()),
                page: ByteBuf::from(digest_bytes(page)),
                pages: ByteBuf::from(digest_bytes(pages)),
                whole: ByteBuf::from(whole.serialize().to_vec()),
            },
        )
    }

    /// Reads the content of a file.
    ///
    /// # Errors
    /// See [`ProgressError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ProgressError> {
        let stored: Stored = record::unseal(HEADER, bytes)?;
        stored.into_progress().ok_or(ProgressError::Inconsistent)
    }
}

impl Hasher {
    /// The work so far, to be put aside: between two pieces that end where a unit ends, before the end
    /// of the file. `None` elsewhere.
    pub fn progress(&self, version: &Version, digests_file: &str) -> Option<Progress> {
        is_between(self.position, self.piece_length, self.length).then(|| Progress {
            version: version.clone(),
            digests_file: digests_file.to_owned(),
            hasher: self.clone(),
        })
    }
}

fn is_between(position: u64, piece_length: u32, length: u64) -> bool {
    position < length
        && position.is_multiple_of(piece_length.into())
        && position.is_multiple_of(UNIT)
}

/// Unknown fields are denied for the reason given at the record's.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    version: Version,
    digests_file: String,
    piece_length: u32,
    position: u64,
    pieces: ByteBuf,
    page: ByteBuf,
    pages: ByteBuf,
    whole: ByteBuf,
}

impl Stored {
    fn into_progress(self) -> Option<Progress> {
        let Self { version, digests_file, piece_length, position, .. } = self;
        if piece_length == 0 || !is_between(position, piece_length, version.length) {
            return None;
        }
        let (page, pages) = (digests_of(&self.page)?, digests_of(&self.pages)?);
        let units = position / UNIT;
        let counts_agree = self.pieces.len() as u64
            == position / u64::from(piece_length) * PIECE_HASH as u64
            && page.len() as u64 == units % DIGESTS_PER_PAGE as u64
            && pages.len() as u64 == units / DIGESTS_PER_PAGE as u64;
        let state = SerializedState::<Sha256>::try_from(self.whole.as_slice()).ok()?;
        let hasher = Hasher {
            position,
            pieces: self.pieces.into_vec(),
            page,
            pages,
            whole: Sha256::deserialize(&state).ok()?,
            ..Hasher::new(version.length, piece_length)
        };
        counts_agree.then_some(Progress { version, digests_file, hasher })
    }
}
