//! What the asset store keeps of one asset, as the bytes of one file.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::hashes::{DIGESTS_PER_PAGE, digest_bytes, digests_of};
use crate::{AssetPath, Digest, Hashes, InfoHash, Torrent, Version};

/// What every record starts with. The number is raised whenever the meaning of the rest changes.
/// It stands before the bencode, so that no parser sees a format it was not made for.
const HEADER: &[u8] = b"manyhands asset 2\n";

/// Why a record was refused. In every case the asset is hashed again, never guessed at.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The trailing SHA-256 is not that of the content: torn, cut or altered.
    #[error("record is torn or altered")]
    Torn,
    /// Sealed, but not a record of this shape.
    #[error("record is malformed")]
    Malformed(#[from] bendy::serde::Error),
    /// Whole, but written by another version of this software.
    #[error("record has another format")]
    UnknownFormat,
    /// Sealed and well-formed, but its parts contradict one another, or the digests before it.
    #[error("record contradicts itself")]
    Inconsistent,
}

/// Longest record without its digests: 20 bytes a piece and 32 a page, enough for 50 TB.
const MAX_HEAD: u64 = 64 << 20;

/// One asset in the store: what it is, which version of it was hashed, and the hashes.
///
/// The file of an asset holds its digests, 32 bytes each, so that they can be written while it is hashed
/// and a page of them read alone; then this record: a line with the number of the format, a bencoded
/// dictionary, the SHA-256 of both, and their length together in eight bytes. A file torn by a crash or a
/// full disk has no such end, and is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Path of the asset.
    pub path: AssetPath,
    /// Media type, as the origin sends it.
    pub content_type: String,
    /// The version that was hashed.
    pub version: Version,
    /// Its hashes.
    pub hashes: Hashes,
}

impl Record {
    /// Name of the file that holds the record of the asset at `path`: a hash, because a path may
    /// be longer than a file name, and file systems may fold case.
    pub fn file_name_of(path: &AssetPath) -> String {
        format!("{}.asset", Digest::of(path.as_str().as_bytes()))
    }

    /// Name of the file that holds this record.
    pub fn file_name(&self) -> String {
        Self::file_name_of(&self.path)
    }

    /// The torrent of the asset, named after it, without web seeds and trackers yet.
    pub fn torrent(&self) -> Torrent<'_> {
        Torrent::named(self.path.file_name(), &self.hashes)
    }

    /// The swarm of the asset.
    pub fn info_hash(&self) -> InfoHash {
        self.torrent().info_hash()
    }

    /// Bytes of digests in front of the record in its file.
    pub fn digests_size(&self) -> u64 {
        self.hashes.units() * Digest::SIZE as u64
    }

    /// Where page `page` of the digests lies in the file: position and length in bytes.
    pub fn page_place(&self, page: usize) -> (u64, usize) {
        let position = page as u64 * (DIGESTS_PER_PAGE * Digest::SIZE) as u64;
        (position, self.hashes.page_size(page) * Digest::SIZE)
    }

    /// What follows the digests in the file.
    pub fn to_tail(&self) -> Vec<u8> {
        let hashes = &self.hashes;
        let stored = Stored {
            path: self.path.clone(),
            content_type: self.content_type.clone(),
            version: self.version.clone(),
            length: hashes.length,
            piece_length: hashes.piece_length,
            pieces: ByteBuf::from(hashes.pieces.clone()),
            pages: ByteBuf::from(digest_bytes(&hashes.pages)),
            root: hashes.root,
            sha256: hashes.sha256,
        };
        let mut tail = seal(HEADER, &stored);
        tail.extend_from_slice(&(tail.len() as u64).to_be_bytes());
        tail
    }

    /// Where the record lies in a file of this size, from the last eight bytes of it: after all digests, up to
    /// the end.
    ///
    /// # Errors
    /// [`RecordError::Torn`] when no record is that long, or no such file.
    pub fn tail_start(end: [u8; 8], file_size: u64) -> Result<u64, RecordError> {
        file_size.checked_sub(tail_size(end)?).ok_or(RecordError::Torn)
    }

    /// Reads what follows the digests in a file, and sees that so many of them as there should be lie before
    /// it, up to [`Record::tail_start`].
    ///
    /// # Errors
    /// See [`RecordError`].
    pub fn from_tail_at(start: u64, tail: &[u8]) -> Result<Self, RecordError> {
        let record = Self::from_tail(tail)?;
        if record.digests_size() == start { Ok(record) } else { Err(RecordError::Torn) }
    }

    /// Reads what follows the digests in a file; these are for [`Hashes::has_page`] to prove.
    ///
    /// # Errors
    /// See [`RecordError`].
    pub fn from_tail(tail: &[u8]) -> Result<Self, RecordError> {
        let (sealed, end) = tail.split_last_chunk::<8>().ok_or(RecordError::Torn)?;
        if tail_size(*end)? != tail.len() as u64 {
            return Err(RecordError::Torn);
        }
        let stored: Stored = unseal(HEADER, sealed)?;
        let hashes = Hashes {
            length: stored.length,
            piece_length: stored.piece_length,
            pieces: stored.pieces.into_vec(),
            pages: digests_of(&stored.pages).ok_or(RecordError::Inconsistent)?,
            root: stored.root,
            sha256: stored.sha256,
        };
        let version = stored.version;
        let sizes_agree = version.length == hashes.length
            && version.file.is_none_or(|file| file.size == hashes.length);
        if !sizes_agree || !hashes.is_consistent() {
            return Err(RecordError::Inconsistent);
        }
        Ok(Self { path: stored.path, content_type: stored.content_type, version, hashes })
    }

    /// The content of the whole file; `digests` are those of all units.
    pub fn to_bytes(&self, digests: &[Digest]) -> Vec<u8> {
        [digest_bytes(digests), self.to_tail()].concat()
    }

    /// Reads the content of a whole file: the record, and the digests of all units.
    ///
    /// # Errors
    /// See [`RecordError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<(Self, Vec<Digest>), RecordError> {
        let end = bytes.last_chunk::<8>().ok_or(RecordError::Torn)?;
        let start = Self::tail_start(*end, bytes.len() as u64)?;
        let start = usize::try_from(start).unwrap_or(usize::MAX);
        let (digests, tail) = bytes.split_at_checked(start).ok_or(RecordError::Torn)?;
        let record = Self::from_tail(tail)?;
        let digests = digests_of(digests).ok_or(RecordError::Inconsistent)?;
        let mut pages = digests.chunks(DIGESTS_PER_PAGE).enumerate();
        if digests.len() as u64 != record.hashes.units()
            || !pages.all(|(number, page)| record.hashes.has_page(number, page))
        {
            return Err(RecordError::Inconsistent);
        }
        Ok((record, digests))
    }
}

/// How many bytes at the end of a file make up its record, from the last eight of them.
fn tail_size(end: [u8; 8]) -> Result<u64, RecordError> {
    let head = u64::from_be_bytes(end);
    if head > MAX_HEAD { Err(RecordError::Torn) } else { Ok(head + 8) }
}

/// A header, a bencoded dictionary and the SHA-256 of both.
pub(crate) fn seal<T: Serialize>(header: &[u8], content: &T) -> Vec<u8> {
    let dictionary = bendy::serde::to_bytes(content)
        .expect("strings and integers in structs always have a bencoded form");
    let mut bytes = [header, &dictionary].concat();
    let seal = Digest::of(&bytes);
    bytes.extend_from_slice(seal.as_bytes());
    bytes
}

/// What [`seal`] wrote.
pub(crate) fn unseal<T: DeserializeOwned>(header: &[u8], bytes: &[u8]) -> Result<T, RecordError> {
    let (content, seal) = bytes.split_last_chunk::<{ Digest::SIZE }>().ok_or(RecordError::Torn)?;
    if Digest::of(content).as_bytes() != seal {
        return Err(RecordError::Torn);
    }
    let dictionary = content.strip_prefix(header).ok_or(RecordError::UnknownFormat)?;
    Ok(bendy::serde::Deserializer::from_bytes(dictionary)
        .with_forbid_trailing_bytes(true)
        .deserialize()?)
}

/// Unknown fields are denied here and in all that is inside: `bendy` skips them by recursion, which
/// nesting deep enough could drive through the stack.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    path: AssetPath,
    content_type: String,
    version: Version,
    length: u64,
    piece_length: u32,
    pieces: ByteBuf,
    pages: ByteBuf,
    root: Digest,
    sha256: Digest,
}
