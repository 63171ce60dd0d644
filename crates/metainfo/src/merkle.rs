//! The BEP 52 Merkle tree: SHA-256, two branches, 16 KiB leaves, zeros beyond the end.

use sha2::{Digest as _, Sha256};

use crate::{DIGESTS_PER_PAGE, Digest, hashes::LEAF};

/// Leaves of one 64 KiB unit.
pub(crate) const LEAVES_PER_UNIT: usize = 4;

/// Levels between a leaf and a unit.
const UNIT_HEIGHT: u32 = LEAVES_PER_UNIT.ilog2();
/// Levels between a unit and a page of units.
const PAGE_HEIGHT: u32 = DIGESTS_PER_PAGE.ilog2();

/// The BEP 52 pieces root, from the digests of the 64 KiB layer.
///
/// One digest is its own root; none, the empty file, gives [`Digest::ZERO`].
pub fn merkle_root(digests: &[Digest]) -> Digest {
    root_of_layer(digests, zero_subtree(UNIT_HEIGHT))
}

/// The root over one page of digests. `only` says that the file has no other page, and then this is its
/// pieces root; else a short last page is filled up with zeros to [`DIGESTS_PER_PAGE`].
pub fn page_root(digests: &[Digest], only: bool) -> Digest {
    if only {
        return merkle_root(digests);
    }
    tree(digests, PAGE_HEIGHT, &missing_subtrees(zero_subtree(UNIT_HEIGHT), PAGE_HEIGHT))
}

/// The BEP 52 pieces root, from the roots of all pages.
pub fn root_of_pages(pages: &[Digest]) -> Digest {
    root_of_layer(pages, zero_subtree(UNIT_HEIGHT + PAGE_HEIGHT))
}

/// The root over all nodes of one layer; `missing` is what stands there beyond the end of the file.
pub(crate) fn root_of_layer(nodes: &[Digest], missing: Digest) -> Digest {
    let height = nodes.len().next_power_of_two().ilog2();
    match nodes {
        [] => Digest::ZERO,
        _ => tree(nodes, height, &missing_subtrees(missing, height)),
    }
}

/// What stands for a missing subtree at each height above a layer, from the layer up.
fn missing_subtrees(layer: Digest, height: u32) -> Vec<Digest> {
    let above = (0..height).scan(layer, |below, _| {
        *below = node(*below, *below);
        Some(*below)
    });
    std::iter::once(layer).chain(above).collect()
}

/// The root over `1 << height` zero leaves.
pub(crate) fn zero_subtree(height: u32) -> Digest {
    (0..height).fold(Digest::ZERO, |below, _| node(below, below))
}

/// The digest of one unit from its leaves, one to four.
///
/// A unit that is the whole file is its root, so BEP 52 fills it up only to the next power of two;
/// a unit of a longer file always has four leaves.
pub(crate) fn unit_digest(leaves: &[Digest], whole_file: bool) -> Digest {
    let width = if whole_file { leaves.len().next_power_of_two() } else { LEAVES_PER_UNIT };
    let two = node(Digest::ZERO, Digest::ZERO);
    tree(leaves, width.ilog2(), &[Digest::ZERO, two])
}

/// The digest of one 64 KiB unit from its bytes: what stands for it in a manifest. `whole_file` says that it
/// is all of its file. Of no bytes, [`Digest::ZERO`].
pub fn digest_of_unit(bytes: &[u8], whole_file: bool) -> Digest {
    let leaves: Vec<Digest> = bytes.chunks(LEAF as usize).map(Digest::of).collect();
    if leaves.is_empty() { Digest::ZERO } else { unit_digest(&leaves, whole_file) }
}

/// The root of a tree of this height whose first leaves are given. `missing[h]` stands for a
/// subtree of height `h` without any leaf.
fn tree(leaves: &[Digest], height: u32, missing: &[Digest]) -> Digest {
    match leaves {
        [] => missing[height as usize],
        [leaf] if height == 0 => *leaf,
        _ => {
            let half = 1 << (height - 1);
            let (left, right) = leaves.split_at(half.min(leaves.len()));
            node(tree(left, height - 1, missing), tree(right, height - 1, missing))
        }
    }
}

fn node(left: Digest, right: Digest) -> Digest {
    let hash = Sha256::new().chain_update(left).chain_update(right).finalize();
    Digest::from_bytes(hash.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Hashes, UNIT};

    #[test]
    fn a_unit_alone_has_the_digest_that_the_hasher_gives_it() {
        let bytes: Vec<u8> = (0..3 * UNIT + 1).map(|at| (at * 7 + at / 256) as u8).collect();
        for length in [1, LEAF, LEAF + 1, 3 * LEAF, UNIT, UNIT + 1, UNIT + LEAF + 1, 3 * UNIT + 1] {
            let (_, digests) = Hashes::of(&bytes[..length as usize], 0);
            let units = bytes[..length as usize].chunks(UNIT as usize);
            let alone: Vec<_> = units.map(|unit| digest_of_unit(unit, length <= UNIT)).collect();
            assert_eq!(alone, digests, "{length}");
        }
        assert_eq!(digest_of_unit(&[], true), Digest::ZERO);
    }
}
