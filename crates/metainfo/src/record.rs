//! What the asset store keeps of one asset, as the bytes of one file.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::{AssetPath, Digest, Hashes, InfoHash, Torrent, Version};

/// What every record starts with. The number is raised whenever the meaning of the rest changes.
/// It stands before the bencode, so that no parser sees a format it was not made for.
const HEADER: &[u8] = b"manyhands asset 1\n";

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
    /// Sealed and well-formed, but its parts contradict one another.
    #[error("record contradicts itself")]
    Inconsistent,
}

/// One asset in the store: what it is, which version of it was hashed, and the hashes.
///
/// As bytes: a line with the number of the format, a bencoded dictionary, and the SHA-256 of all
/// that, so that a file torn by a crash or a full disk is refused.
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

    /// The content of the file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let hashes = &self.hashes;
        let digests: Vec<u8> = hashes.digests.iter().flat_map(Digest::as_bytes).copied().collect();
        let stored = Stored {
            path: self.path.clone(),
            content_type: self.content_type.clone(),
            version: self.version.clone(),
            length: hashes.length,
            piece_length: hashes.piece_length,
            pieces: ByteBuf::from(hashes.pieces.clone()),
            digests: ByteBuf::from(digests),
            root: hashes.root,
            sha256: hashes.sha256,
        };
        let dictionary = bendy::serde::to_bytes(&stored)
            .expect("strings and integers in structs always have a bencoded form");
        let mut bytes = [HEADER, &dictionary].concat();
        let seal = Digest::of(&bytes);
        bytes.extend_from_slice(seal.as_bytes());
        bytes
    }

    /// Reads the content of a file.
    ///
    /// # Errors
    /// See [`RecordError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, RecordError> {
        let (content, seal) =
            bytes.split_last_chunk::<{ Digest::SIZE }>().ok_or(RecordError::Torn)?;
        if Digest::of(content).as_bytes() != seal {
            return Err(RecordError::Torn);
        }
        let dictionary = content.strip_prefix(HEADER).ok_or(RecordError::UnknownFormat)?;
        let stored: Stored = bendy::serde::Deserializer::from_bytes(dictionary)
            .with_forbid_trailing_bytes(true)
            .deserialize()?;
        let (digests, rest) = stored.digests.as_chunks::<{ Digest::SIZE }>();
        let hashes = Hashes {
            length: stored.length,
            piece_length: stored.piece_length,
            pieces: stored.pieces.into_vec(),
            digests: digests.iter().copied().map(Digest::from_bytes).collect(),
            root: stored.root,
            sha256: stored.sha256,
        };
        let version = stored.version;
        let sizes_agree = version.length == hashes.length
            && version.file.is_none_or(|file| file.size == hashes.length);
        if !rest.is_empty() || !sizes_agree || !hashes.is_consistent() {
            return Err(RecordError::Inconsistent);
        }
        Ok(Self { path: stored.path, content_type: stored.content_type, version, hashes })
    }
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
    digests: ByteBuf,
    root: Digest,
    sha256: Digest,
}
