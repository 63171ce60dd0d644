//! What hashing one file yields, and how it is cut: pieces, units, pages.

use crate::{Digest, merkle_root};

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

/// All digests of one file, from one pass over its bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Hashes {
    /// Length of the file in bytes.
    pub length: u64,
    /// Bytes a piece; the last may be shorter.
    pub piece_length: u32,
    /// BEP 3 `pieces`: 20 bytes of SHA-1 for each piece.
    pub pieces: Vec<u8>,
    /// The nodes of the BEP 52 tree at the 64 KiB layer, one a [`UNIT`]. The last unit of a
    /// longer file is filled up to four leaves with zeros; a file of one unit has `root` here.
    pub digests: Vec<Digest>,
    /// The BEP 52 pieces root; [`Digest::ZERO`] for the empty file.
    pub root: Digest,
    /// SHA-256 of the file, for `Repr-Digest` and Metalink.
    pub sha256: Digest,
}

impl Hashes {
    /// Whether counts and root agree with one another. What [`crate::Hasher`] made always does;
    /// what was read from somewhere may not.
    pub fn is_consistent(&self) -> bool {
        let Some(pieces) = piece_count(self.length, self.piece_length) else {
            return false;
        };
        let units = self.length.div_ceil(UNIT);
        (self.pieces.len() / PIECE_HASH) as u64 == pieces
            && self.pieces.len().is_multiple_of(PIECE_HASH)
            && self.digests.len() as u64 == units
            && merkle_root(&self.digests) == self.root
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

/// One page of digests as raw bytes, 32 each; page 0 holds the first [`DIGESTS_PER_PAGE`], the
/// same that the manifest carries inline. `None` beyond the last page.
pub fn digest_page(hashes: &Hashes, page: usize) -> Option<Vec<u8>> {
    let page = hashes.digests.chunks(DIGESTS_PER_PAGE).nth(page)?;
    Some(page.iter().flat_map(Digest::as_bytes).copied().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let mut hashes = Hashes {
            length: 2_050 * UNIT,
            piece_length: 262_144,
            pieces: Vec::new(),
            root: merkle_root(&digests),
            digests,
            sha256: Digest::ZERO,
        };
        let pages: Vec<_> = (0..).map_while(|page| digest_page(&hashes, page)).collect();
        assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [32_768, 32_768, 64]);
        assert_eq!(
            pages[2],
            [hashes.digests[2_048].as_ref(), hashes.digests[2_049].as_ref()].concat()
        );
        assert_eq!(digest_page(&hashes, usize::MAX), None);

        hashes.digests.clear();
        assert_eq!(digest_page(&hashes, 0), None, "the empty file has no page");
    }
}
