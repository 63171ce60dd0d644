use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

const LEAF: usize = 16 << 10;
const UNIT: usize = 64 << 10;

/// What the hashes of some bytes must be, computed apart from the code under test, and simply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// Length in bytes.
    pub length: u64,
    /// Bytes of a piece.
    pub piece_length: u64,
    /// SHA-1 of each piece, one after the other (BEP 3).
    pub pieces: Vec<u8>,
    /// The BEP 52 pieces root.
    pub root: [u8; 32],
    /// SHA-256 of the whole.
    pub sha256: [u8; 32],
    /// SHA-256 tree nodes of 64 KiB each; of a file that is no longer, its root.
    pub units: Vec<[u8; 32]>,
}

impl Expected {
    /// Hashes all of it.
    pub fn of(bytes: &[u8]) -> Self {
        let length = bytes.len() as u64;
        let piece_length = piece_length(length);
        let pieces = bytes.chunks(usize::try_from(piece_length).unwrap());
        let leaves: Vec<[u8; 32]> =
            bytes.chunks(LEAF).map(|leaf| Sha256::digest(leaf).into()).collect();
        // Within a unit, and above the units: absent leaves are zero.
        let depth = (UNIT / LEAF).ilog2();
        let root = tree(leaves.clone(), leaves.len().next_power_of_two().ilog2());
        let mut units: Vec<_> =
            leaves.chunks(UNIT / LEAF).map(|unit| tree(unit.to_vec(), depth)).collect();
        if units.len() == 1 {
            units = vec![root];
        }
        Self {
            length,
            piece_length,
            pieces: pieces.flat_map(|piece| Sha1::digest(piece).to_vec()).collect(),
            root,
            sha256: Sha256::digest(bytes).into(),
            units,
        }
    }

    /// SHA-256 as `Repr-Digest` writes it (RFC 9530).
    pub fn repr_digest(&self) -> String {
        format!("sha-256=:{}:", STANDARD.encode(self.sha256))
    }

    /// The root as a manifest writes it.
    pub fn root_text(&self) -> String {
        self.root.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The project's rule for the length of a piece.
fn piece_length(length: u64) -> u64 {
    length.div_ceil(2048).next_power_of_two().clamp(256 << 10, 16 << 20)
}

/// The root of a tree so many levels high.
fn tree(mut nodes: Vec<[u8; 32]>, height: u32) -> [u8; 32] {
    nodes.resize(1 << height, [0; 32]);
    while nodes.len() > 1 {
        nodes = nodes.chunks(2).map(|pair| Sha256::digest(pair.concat()).into()).collect();
    }
    nodes[0]
}

/// The pieces root and the piece hashes' SHA-1 digests (all but the last alike, and the last) of a file of
/// zeros, however long, without reading it: `(root, full piece, last piece, pieces)`.
pub fn zeros(length: u64) -> ([u8; 32], [u8; 20], [u8; 20], u64) {
    let leaves = length.div_ceil(LEAF as u64);
    let tail = length - (leaves - 1) * LEAF as u64;
    let mut full: [u8; 32] = Sha256::digest([0; LEAF]).into();
    let mut last: [u8; 32] = Sha256::digest(vec![0; usize::try_from(tail).unwrap()]).into();
    let mut absent = [0; 32];
    // Per level: whole nodes before the last, which alone differs; what lies behind it is absent.
    let mut before = leaves - 1;
    for _ in 0..leaves.next_power_of_two().ilog2() {
        let pair = |left: [u8; 32], right: [u8; 32]| -> [u8; 32] {
            Sha256::digest([left, right].concat()).into()
        };
        last = if before % 2 == 1 { pair(full, last) } else { pair(last, absent) };
        (full, absent, before) = (pair(full, full), pair(absent, absent), before / 2);
    }
    let piece = piece_length(length);
    let pieces = length.div_ceil(piece);
    let zeros = vec![0; usize::try_from(piece).unwrap()];
    let short = usize::try_from(length - (pieces - 1) * piece).unwrap();
    (last, Sha1::digest(&zeros).into(), Sha1::digest(&zeros[..short]).into(), pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_are_what_hashing_them_gives() {
        for length in [1, 16_384, 16_385, 65_536, 65_537, 262_144, 300_000, 3_000_000] {
            let expected = Expected::of(&vec![0; length]);
            let (root, full, last, pieces) = zeros(length as u64);
            assert_eq!(root, expected.root, "{length}");
            let mut all = full.repeat(usize::try_from(pieces).unwrap() - 1);
            all.extend_from_slice(&last);
            assert_eq!(all, expected.pieces, "{length}");
        }
    }
}
