//! Pieces hashed one by one, in any slices, are those that hashing the whole file gives.
#![allow(clippy::unwrap_used, reason = "test code: a panic is the failure")]

use manyhands_metainfo::{Digest, FileTree, PieceHasher, PieceHashes, PieceKind};
use proptest::prelude::*;
use sha1::{Digest as _, Sha1};

const LEAF: usize = 16_384;

fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

fn sha1(parts: &[&[u8]]) -> Option<[u8; 20]> {
    Some(Sha1::digest(parts.concat()).into())
}

/// BEP 52 as it is written: all leaves of the file, zeros up to a power of two, pair by pair.
fn root_by_the_book(file: &[u8]) -> Digest {
    let mut nodes: Vec<Digest> = file.chunks(LEAF).map(Digest::of).collect();
    nodes.resize(nodes.len().next_power_of_two(), Digest::ZERO);
    while nodes.len() > 1 {
        let pair =
            |pair: &[Digest]| Digest::of(&[*pair[0].as_bytes(), *pair[1].as_bytes()].concat());
        nodes = nodes.chunks(2).map(pair).collect();
    }
    nodes[0]
}

fn hash(hasher: &mut PieceHasher, piece: &[u8], pad: u64, cut: usize, whole: bool) -> PieceHashes {
    for slice in piece.chunks(cut.max(1)) {
        hasher.update(slice);
    }
    hasher.pad(pad);
    hasher.finish(whole)
}

#[test]
fn each_kind_gives_its_hashes_and_no_other() {
    let piece = bytes(40_000);
    for (kind, v1, v2) in [
        (PieceKind::V1, true, false),
        (PieceKind::V2, false, true),
        (PieceKind::Hybrid, true, true),
    ] {
        let hashes = hash(&mut PieceHasher::new(kind, 65_536), &piece, 0, 1_000, true);
        assert_eq!(hashes.sha1, sha1(&[&piece]).filter(|_| v1), "{kind:?}");
        assert_eq!(hashes.node, v2.then(|| root_by_the_book(&piece)), "{kind:?}");
    }
}

#[test]
fn a_pad_is_zeros_for_version_1_and_nothing_for_version_2() {
    let (piece, zeros) = (bytes(20_000), vec![0; 45_536]);
    let mut hasher = PieceHasher::new(PieceKind::Hybrid, 65_536);
    let hashes = hash(&mut hasher, &piece, zeros.len() as u64, 7_777, true);
    assert_eq!(hashes.sha1, sha1(&[&piece, &zeros]));
    assert_eq!(hashes.node, Some(root_by_the_book(&piece)));
    let pad_alone = hash(&mut hasher, &[], 100_000, 1, true);
    assert_eq!(pad_alone.sha1, sha1(&[&vec![0; 100_000]]));
}

#[test]
fn after_a_piece_that_broke_off_the_next_is_right() {
    for kind in [PieceKind::V1, PieceKind::V2, PieceKind::Hybrid] {
        let mut hasher = PieceHasher::new(kind, 65_536);
        let clean = hash(&mut hasher.clone(), b"abc", 0, 3, false);
        hasher.update(&bytes(50_000));
        hasher.reset();
        assert_eq!(hash(&mut hasher, b"abc", 0, 3, false), clean, "{kind:?}");
    }
}

#[test]
fn trees_of_sizes_around_a_piece() {
    for power in 0..4 {
        let piece_length = LEAF << power;
        for length in [
            1,
            LEAF - 1,
            LEAF,
            LEAF + 1,
            piece_length - 1,
            piece_length,
            piece_length + 1,
            2 * piece_length,
            3 * piece_length + 5,
            5 * piece_length - LEAF,
        ] {
            let file = bytes(length);
            let mut hasher = PieceHasher::new(PieceKind::V2, u32::try_from(piece_length).unwrap());
            let whole = length <= piece_length;
            let nodes = file
                .chunks(piece_length)
                .map(|piece| hash(&mut hasher, piece, 0, 5_000, whole).node.unwrap())
                .collect::<Vec<_>>();
            let tree =
                FileTree::from_pieces(nodes, length as u64, u32::try_from(piece_length).unwrap());
            assert_eq!(tree.root, root_by_the_book(&file), "{length} by {piece_length}");
            assert_eq!(tree.layer.len(), if whole { 0 } else { length.div_ceil(piece_length) });
        }
    }
    assert_eq!(FileTree::from_pieces(Vec::new(), 0, 65_536).root, Digest::ZERO);
}

proptest! {
    #[test]
    fn however_the_bytes_are_cut(length in 0_usize..200_000, cut in 1_usize..100_000, pad in 0_u64..70_000) {
        let piece = bytes(length);
        let whole = hash(&mut PieceHasher::new(PieceKind::Hybrid, 262_144), &piece, pad, 200_000, false);
        let sliced = hash(&mut PieceHasher::new(PieceKind::Hybrid, 262_144), &piece, pad, cut, false);
        prop_assert_eq!(whole, sliced);
    }
}
