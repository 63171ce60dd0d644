//! What hashing one file yields, and how it is cut: pieces, units, pages.

use crate::merkle::{page_root, root_of_pages};
use crate::{Digest, Hasher};

/// Bytes of a file that are verified together: the BEP 52 layer that manifests publish.
pub const UNIT: u64 = 65_536;

/// Digests in one page: 32 KiB of digests for 64 MiB of file.
pub const DIGESTS_PER_PAGE: usize = 1_024;

/// The BEP 52 block: a leaf of the Merkle tree.
pub(crate) const LEAF: u64 = 16_384;

/// Bytes of one SHA-1 in `pieces`.
pub(crate) const PIECE_HASH: usize = 20;

const MIN_PIECE: u64 = 256 * 1024;
const MAX_PIECE: u64 = 16 * 1024 * 1024;
/// At most so many pieces, where the greatest piece length allows it: about 40 KB of metainfo.
const MAX_PIECES: u64 = 2_048;

/// The piece length of a file: the least power of two that makes at most 2,048 pieces, within
/// 256 KiB and 16 MiB.
///
/// A function of the length alone, so that every replica makes the same info-hash.
pub fn piece_length(length: u64) -> u32 {
    let wanted = length.div_ceil(MAX_PIECES).clamp(MIN_PIECE, MAX_PIECE);
    // Both bounds are powers of two that fit, so this is exact.
    u32::try_from(wanted.next_power_of_two()).unwrap_or(u32::MAX)
}

/// What one pass over a file yields, without the digests of its units: those of a file of 10 TB take
/// 5 GB, so [`crate::Hasher`] hands them on as they come, and [`Hashes::has_page`] proves them page by page.
#[derive(Clone, PartialEq, Eq)]
pub struct Hashes {
    /// Length of the file in bytes.
    pub length: u64,
    /// Bytes a piece; the last may be shorter.
    pub piece_length: u32,
    /// BEP 3 `pieces`: 20 bytes of SHA-1 for each piece.
    pub pieces: Vec<u8>,
    /// The root over each page of [`DIGESTS_PER_PAGE`] digests: the nodes of the BEP 52 tree at the
    /// 64 MiB layer; of a file with one page, its pieces root.
    pub pages: Vec<Digest>,
    /// The BEP 52 pieces root; [`Digest::ZERO`] for the empty file.
    pub root: Digest,
    /// SHA-256 of the file, for `Repr-Digest` and Metalink.
    pub sha256: Digest,
}

impl Hashes {
    /// The hashes of a file in memory, and the digests of its units; a piece length of zero means
    /// [`piece_length`] of its length.
    pub fn of(bytes: &[u8], piece_length: u32) -> (Self, Vec<Digest>) {
        let mut digests = Vec::new();
        let mut hasher = Hasher::new(bytes.len() as u64, piece_length);
        let hashes = hasher.update(bytes, &mut digests).and_then(|()| hasher.finish());
        (hashes.expect("these are all the bytes that were announced"), digests)
    }

    /// Whether counts and root agree with one another. What [`crate::Hasher`] made always does;
    /// what was read from somewhere may not.
    pub fn is_consistent(&self) -> bool {
        let Some(pieces) = piece_count(self.length, self.piece_length) else {
            return false;
        };
        (self.pieces.len() / PIECE_HASH) as u64 == pieces
            && self.pieces.len().is_multiple_of(PIECE_HASH)
            && self.pages.len() as u64 == self.units().div_ceil(DIGESTS_PER_PAGE as u64)
            && root_of_pages(&self.pages) == self.root
    }

    /// How many digests the file has, one a [`UNIT`].
    pub fn units(&self) -> u64 {
        self.length.div_ceil(UNIT)
    }

    /// How many digests page `page` holds: [`DIGESTS_PER_PAGE`], fewer at the end, none beyond it.
    pub fn page_size(&self, page: usize) -> usize {
        let before = (page as u64).saturating_mul(DIGESTS_PER_PAGE as u64);
        let left = self.units().saturating_sub(before).min(DIGESTS_PER_PAGE as u64);
        usize::try_from(left).unwrap_or(DIGESTS_PER_PAGE)
    }

    /// Whether these are the digests of page `page`.
    pub fn has_page(&self, page: usize, digests: &[Digest]) -> bool {
        digests.len() == self.page_size(page)
            && self.pages.get(page) == Some(&page_root(digests, self.pages.len() == 1))
    }
}

impl std::fmt::Debug for Hashes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hashes")
            .field("length", &self.length)
            .field("piece_length", &self.piece_length)
            .field("root", &self.root)
            .finish_non_exhaustive()
    }
}

/// How many pieces a file has; `None` for a piece length of zero.
pub(crate) fn piece_count(length: u64, piece_length: u32) -> Option<u64> {
    (piece_length != 0).then(|| length.div_ceil(piece_length.into()))
}

/// Digests as raw bytes, 32 each: what a page under `digests/` and the asset store hold.
pub fn digest_bytes(digests: &[Digest]) -> Vec<u8> {
    digests.iter().flat_map(Digest::as_bytes).copied().collect()
}

/// The digests in raw bytes; `None` when those are no multiple of 32.
pub fn digests_of(bytes: &[u8]) -> Option<Vec<Digest>> {
    let (digests, rest) = bytes.as_chunks::<{ Digest::SIZE }>();
    rest.is_empty().then(|| digests.iter().copied().map(Digest::from_bytes).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merkle_root;

    const KIB: u64 = 1024;
    const MIB: u64 = 1024 * KIB;
    const GIB: u64 = 1024 * MIB;

    #[test]
    fn piece_lengths() {
        for (length, expected) in [
            (0, 256 * KIB),
            (1, 256 * KIB),
            (512 * MIB, 256 * KIB),
            (512 * MIB + 1, 512 * KIB),
            (GIB, 512 * KIB),
            (GIB + 1, MIB),
            (4 * GIB + 1, 4 * MIB),
            (32 * GIB, 16 * MIB),
            (32 * GIB + 1, 16 * MIB),
            (u64::MAX, 16 * MIB),
        ] {
            assert_eq!(u64::from(piece_length(length)), expected, "{length}");
        }
    }

    #[test]
    fn pages_split_the_digests_and_end() {
        let digests: Vec<_> = (0..2_050u32).map(|n| Digest::of(&n.to_be_bytes())).collect();
        let pages: Vec<_> =
            digests.chunks(DIGESTS_PER_PAGE).map(|it| page_root(it, false)).collect();
        let hashes = Hashes {
            length: 2_050 * UNIT,
            piece_length: 1 << 20,
            pieces: vec![0; PIECE_HASH * 129],
            root: merkle_root(&digests),
            pages,
            sha256: Digest::ZERO,
        };
        assert!(hashes.is_consistent());
        assert_eq!([0, 1, 2, 3].map(|page| hashes.page_size(page)), [1_024, 1_024, 2, 0]);
        assert_eq!(hashes.page_size(usize::MAX), 0);
        for (page, digests) in digests.chunks(DIGESTS_PER_PAGE).enumerate() {
            assert!(hashes.has_page(page, digests), "{page}");
            assert!(!hashes.has_page(page + 1, digests), "{page}");
            assert!(!hashes.has_page(page, &digests[1..]), "{page}");
            assert_eq!(digests_of(&digest_bytes(digests)).as_deref(), Some(digests));
        }
        assert!(!hashes.has_page(3, &[]));
        assert_eq!(digests_of(&[0; 33]), None);
    }
}
