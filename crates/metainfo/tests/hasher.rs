//! The one-pass hasher against the definitions of BEP 3 and BEP 52, spelled out naively.
#![allow(clippy::unwrap_used, reason = "test code: a panic is the failure")]

use manyhands_metainfo::{Digest, HashError, Hasher, Hashes, UNIT};
use proptest::prelude::*;
use sha1::Digest as _;

const LEAF: usize = 16_384;
const PIECE: usize = 262_144;

fn content(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i * 31 + (i >> 8) * 7 + (i >> 16) * 13) as u8).collect()
}

fn hash(bytes: &[u8], piece_length: u32) -> Hashes {
    let mut hasher = Hasher::new(bytes.len() as u64, piece_length);
    hasher.update(bytes).unwrap();
    hasher.finish().unwrap()
}

/// BEP 52 by its words: all leaves in one list, filled with zeros to `width`, halved recursively.
fn naive_node(leaves: &[Digest]) -> Digest {
    match leaves {
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(leaves.len() / 2);
            let mut both = naive_node(left).as_bytes().to_vec();
            both.extend_from_slice(naive_node(right).as_bytes());
            Digest::of(&both)
        }
    }
}

fn naive(bytes: &[u8], piece_length: usize) -> Hashes {
    let mut leaves: Vec<_> = bytes.chunks(LEAF).map(Digest::of).collect();
    leaves.resize(leaves.len().next_power_of_two(), Digest::ZERO);
    let units = bytes.len().div_ceil(UNIT as usize);
    Hashes {
        length: bytes.len() as u64,
        piece_length: piece_length as u32,
        pieces: bytes.chunks(piece_length).flat_map(sha1::Sha1::digest).collect(),
        digests: leaves.chunks(4).take(units).map(naive_node).collect(),
        root: naive_node(&leaves),
        sha256: Digest::of(bytes),
    }
}

#[test]
fn agrees_with_the_naive_tree_at_every_edge() {
    let edges = [0, LEAF, 2 * LEAF, 3 * LEAF, 65_536, 81_920, 131_072, 196_608, PIECE, 2 * PIECE];
    for edge in edges {
        for length in [edge.saturating_sub(1), edge, edge + 1] {
            let bytes = content(length);
            for piece_length in [16_384, 32_768, 65_536, PIECE] {
                let ours = hash(&bytes, piece_length as u32);
                let theirs = naive(&bytes, piece_length);
                assert!(ours == theirs, "{length} bytes in pieces of {piece_length}");
                assert!(ours.is_consistent(), "{length}");
            }
        }
    }
}

#[test]
fn agrees_with_the_naive_tree_for_many_units() {
    // 1 to 33 units: every shape of a tree with a ragged right edge, up to six levels.
    for units in 1..=33 {
        let bytes = content(units * UNIT as usize - 12_345);
        assert!(hash(&bytes, 65_536) == naive(&bytes, 65_536), "{units} units");
    }
}

#[test]
fn a_file_of_one_unit_is_its_own_root_and_an_empty_file_has_none() {
    for length in [1, LEAF, LEAF + 1, 3 * LEAF, 65_536] {
        let hashes = hash(&content(length), 262_144);
        assert_eq!(hashes.digests, [hashes.root], "{length}");
    }
    assert_eq!(hash(b"abc", 262_144).root, Digest::of(b"abc"));

    let empty = hash(b"", 262_144);
    assert_eq!((empty.digests.len(), empty.pieces.len()), (0, 0));
    assert_eq!((empty.root, empty.sha256), (Digest::ZERO, Digest::of(b"")));
}

#[test]
fn piece_lengths_that_are_not_powers_of_two_work_and_zero_means_the_default() {
    let bytes = content(100_000);
    for piece_length in [1_000, 16_383, 65_537, 100_000, 100_001] {
        assert!(hash(&bytes, piece_length as u32) == naive(&bytes, piece_length), "{piece_length}");
    }
    assert_eq!(hash(&bytes, 0).piece_length, 262_144);
}

#[test]
fn a_wrong_length_is_an_error_never_a_hash() {
    let mut hasher = Hasher::new(10, 262_144);
    hasher.update(&[0; 9]).unwrap();
    assert_eq!(hasher.position(), 9);
    let short = hasher.clone().finish();
    assert_eq!(short.unwrap_err(), HashError::TooShort { position: 9, length: 10 });
    assert_eq!(hasher.update(&[0; 2]), Err(HashError::TooLong { length: 10 }));
    assert_eq!(hasher.position(), 9);
    hasher.update(&[0; 1]).unwrap();
    hasher.update(&[]).unwrap();
    assert_eq!(hasher.update(&[0]), Err(HashError::TooLong { length: 10 }));
    assert!(hasher.finish().is_ok());

    let mut endless = Hasher::new(u64::MAX, 16 * 1024 * 1024);
    endless.update(&[0; 100]).unwrap();
    assert!(matches!(endless.finish(), Err(HashError::TooShort { position: 100, .. })));
}

#[test]
fn hashes_that_contradict_themselves_are_told_from_good_ones() {
    let good = hash(&content(200_000), 65_536);
    let spoil: [fn(&mut Hashes); 8] = [
        |h| h.length += 65_536,
        |h| h.length -= 65_536,
        |h| h.piece_length = 0,
        |h| h.piece_length = 32_768,
        |h| h.pieces.truncate(h.pieces.len() - 1),
        |h| h.digests.swap(0, 1),
        |h| h.digests.truncate(3),
        |h| h.root = Digest::ZERO,
    ];
    assert!(good.is_consistent());
    for (case, spoil) in spoil.iter().enumerate() {
        let mut bad = good.clone();
        spoil(&mut bad);
        assert!(!bad.is_consistent(), "case {case}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn slices_do_not_matter(
        length in 0..600_000usize,
        piece_exponent in 14..20u32,
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
    ) {
        let bytes = content(length);
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(length + 1)).collect();
        cuts.extend([0, length]);
        cuts.sort_unstable();
        let mut hasher = Hasher::new(length as u64, 1 << piece_exponent);
        for cut in cuts.windows(2) {
            hasher.update(&bytes[cut[0]..cut[1]]).unwrap();
            prop_assert_eq!(hasher.position(), cut[1] as u64);
        }
        prop_assert!(hasher.finish().unwrap() == naive(&bytes, 1 << piece_exponent));
    }
}
