//! The BEP 52 Merkle tree: SHA-256, two branches, 16 KiB leaves, zeros beyond the end.

use sha2::{Digest as _, Sha256};

use crate::Digest;

/// Leaves of one 64 KiB unit.
pub(crate) const LEAVES_PER_UNIT: usize = 4;

/// The BEP 52 pieces root, from the digests of the 64 KiB layer.
///
/// One digest is its own root; none, the empty file, gives [`Digest::ZERO`].
pub fn merkle_root(digests: &[Digest]) -> Digest {
    let height = digests.len().next_power_of_two().ilog2();
    // What stands for a whole missing subtree at each height: at this layer, four zero leaves.
    let mut missing = vec![tree(&[Digest::ZERO; LEAVES_PER_UNIT], 2, &[])];
    for below in 0..height as usize {
        missing.push(node(missing[below], missing[below]));
    }
    match digests {
        [] => Digest::ZERO,
        _ => tree(digests, height, &missing),
    }
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

pub(crate) fn node(left: Digest, right: Digest) -> Digest {
    let hash = Sha256::new().chain_update(left).chain_update(right).finalize();
    Digest::from_bytes(hash.into())
}
