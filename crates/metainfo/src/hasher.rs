//! One pass over a file, every hash of it.

use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use crate::{
    DIGESTS_PER_PAGE, Digest, Hashes,
    hashes::{LEAF, UNIT, piece_length as default_piece_length},
    merkle::{LEAVES_PER_UNIT, page_root, root_of_pages, unit_digest},
};

/// The bytes given are not those announced: what was hashed is not the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HashError {
    /// More bytes than the length given at the start. None of the last slice was taken.
    #[error("more than the announced {length} bytes")]
    TooLong {
        /// The length given at the start.
        length: u64,
    },
    /// Finished before the length given at the start.
    #[error("ended after {position} of {length} bytes")]
    TooShort {
        /// Bytes that came.
        position: u64,
        /// The length given at the start.
        length: u64,
    },
}

/// Hashes a file of known length as its bytes come by, in slices of any size: SHA-1 of the pieces
/// (BEP 3), the 64 KiB layer of the SHA-256 tree (BEP 52) and SHA-256 of the whole.
///
/// Keeps 20 bytes a piece and 32 bytes a page of units, grown as bytes come, so a length that lies
/// costs nothing; the digests of units go into the caller's buffer. Between two pieces the work so far
/// can be put aside, see [`Hasher::progress`].
#[derive(Debug, Clone)]
pub struct Hasher {
    pub(crate) length: u64,
    pub(crate) piece_length: u32,
    pub(crate) position: u64,
    pub(crate) piece: Sha1,
    pub(crate) pieces: Vec<u8>,
    pub(crate) leaf: Sha256,
    pub(crate) leaves: Vec<Digest>,
    /// Digests of the page that is not full yet.
    pub(crate) page: Vec<Digest>,
    pub(crate) pages: Vec<Digest>,
    pub(crate) whole: Sha256,
}

impl Hasher {
    /// For a file of exactly `length` bytes. A piece length of zero means
    /// [`piece_length(length)`](crate::piece_length).
    pub fn new(length: u64, piece_length: u32) -> Self {
        let piece_length =
            if piece_length == 0 { default_piece_length(length) } else { piece_length };
        Self {
            length,
            piece_length,
            position: 0,
            piece: Sha1::new(),
            pieces: Vec::new(),
            leaf: Sha256::new(),
            leaves: Vec::with_capacity(LEAVES_PER_UNIT),
            page: Vec::new(),
            pages: Vec::new(),
            whole: Sha256::new(),
        }
    }

    /// Takes the next bytes of the file, and adds the digest of each unit that is complete to `digests`:
    /// the nodes of the BEP 52 tree at the 64 KiB layer. The last unit of a longer file is filled up to
    /// four leaves with zeros; a file of one unit has its root there.
    ///
    /// # Errors
    /// [`HashError::TooLong`] when they go past the length; the hasher is then of no more use.
    pub fn update(&mut self, mut bytes: &[u8], digests: &mut Vec<Digest>) -> Result<(), HashError> {
        if bytes.len() as u64 > self.length - self.position {
            return Err(HashError::TooLong { length: self.length });
        }
        while !bytes.is_empty() {
            // Steps of at most one leaf: all three hashes read it while it is in the first-level
            // cache.
            let step = self.to_boundary(self.piece_length.into()).min(self.to_boundary(LEAF));
            let step = usize::try_from(step).unwrap_or(usize::MAX).min(bytes.len());
            let (now, later) = bytes.split_at(step);
            self.piece.update(now);
            self.leaf.update(now);
            self.whole.update(now);
            self.position += now.len() as u64;
            self.close_what_is_full(digests);
            bytes = later;
        }
        Ok(())
    }

    /// Bytes taken so far.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Bytes to the end of the current piece, or of the file: never zero before its end.
    pub fn to_piece_end(&self) -> u64 {
        self.to_boundary(self.piece_length.into()).min(self.length - self.position)
    }

    /// The hashes of the file.
    ///
    /// # Errors
    /// [`HashError::TooShort`] when bytes are missing.
    pub fn finish(self) -> Result<Hashes, HashError> {
        let Self { length, piece_length, position, pieces, mut pages, page, whole, .. } = self;
        if position != length {
            return Err(HashError::TooShort { position, length });
        }
        if !page.is_empty() {
            pages.push(page_root(&page, pages.is_empty()));
        }
        Ok(Hashes {
            length,
            piece_length,
            pieces,
            root: root_of_pages(&pages),
            pages,
            sha256: Digest::from_bytes(whole.finalize().into()),
        })
    }

    fn to_boundary(&self, size: u64) -> u64 {
        size - self.position % size
    }

    fn close_what_is_full(&mut self, digests: &mut Vec<Digest>) {
        let at_end = self.position == self.length;
        if at_end || self.position.is_multiple_of(self.piece_length.into()) {
            self.pieces.extend_from_slice(&self.piece.finalize_reset());
        }
        if at_end || self.position.is_multiple_of(LEAF) {
            self.leaves.push(Digest::from_bytes(self.leaf.finalize_reset().into()));
        }
        if at_end || self.position.is_multiple_of(UNIT) {
            let digest = unit_digest(&self.leaves, self.length <= UNIT);
            self.leaves.clear();
            digests.push(digest);
            self.page.push(digest);
        }
        // A page that ends with the file may be the only one: `finish` knows.
        if !at_end && self.page.len() == DIGESTS_PER_PAGE {
            self.pages.push(page_root(&self.page, false));
            self.page.clear();
        }
    }
}
