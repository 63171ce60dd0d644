//! The one-pass hasher against the definitions of BEP 3 and BEP 52, spelled out naively.
#![allow(clippy::unwrap_used, reason = "test code: a panic is the failure")]

use manyhands_metainfo::{
    Digest, FileIdentity, HashError, Hasher, Hashes, Progress, ProgressError, RecordError, UNIT,
    Validator, Version, merkle_root, page_root,
};
use proptest::prelude::*;
use sha1::Digest as _;

const LEAF: usize = 16_384;
const PIECE: usize = 262_144;

fn content(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i * 31 + (i >> 8) * 7 + (i >> 16) * 13) as u8).collect()
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

fn naive(bytes: &[u8], piece_length: usize) -> (Hashes, Vec<Digest>) {
    let mut leaves: Vec<_> = bytes.chunks(LEAF).map(Digest::of).collect();
    leaves.resize(leaves.len().next_power_of_two(), Digest::ZERO);
    let units = bytes.len().div_ceil(UNIT as usize);
    let root = naive_node(&leaves);
    let pages = leaves.chunks(4 * 1_024).take(units.div_ceil(1_024)).map(naive_node).collect();
    let hashes = Hashes {
        length: bytes.len() as u64,
        piece_length: piece_length as u32,
        pieces: bytes.chunks(piece_length).flat_map(sha1::Sha1::digest).collect(),
        pages,
        root,
        sha256: Digest::of(bytes),
    };
    (hashes, leaves.chunks(4).take(units).map(naive_node).collect())
}

#[test]
fn agrees_with_the_naive_tree_at_every_edge() {
    let edges = [0, LEAF, 2 * LEAF, 3 * LEAF, 65_536, 81_920, 131_072, 196_608, PIECE, 2 * PIECE];
    for edge in edges {
        for length in [edge.saturating_sub(1), edge, edge + 1] {
            let bytes = content(length);
            for piece_length in [16_384, 32_768, 65_536, PIECE] {
                let ours = Hashes::of(&bytes, piece_length as u32);
                let theirs = naive(&bytes, piece_length);
                assert!(ours == theirs, "{length} bytes in pieces of {piece_length}");
                assert!(ours.0.is_consistent(), "{length}");
            }
        }
    }
}

#[test]
fn agrees_with_the_naive_tree_for_many_units() {
    // 1 to 33 units: every shape of a tree with a ragged right edge, up to six levels.
    for units in 1..=33 {
        let bytes = content(units * UNIT as usize - 12_345);
        assert!(Hashes::of(&bytes, 65_536) == naive(&bytes, 65_536), "{units} units");
    }
}

#[test]
fn a_file_of_one_unit_is_its_own_root_and_an_empty_file_has_none() {
    for length in [1, LEAF, LEAF + 1, 3 * LEAF, 65_536] {
        let (hashes, digests) = Hashes::of(&content(length), 262_144);
        assert_eq!((&digests, &hashes.pages), (&vec![hashes.root], &vec![hashes.root]), "{length}");
    }
    assert_eq!(Hashes::of(b"abc", 262_144).0.root, Digest::of(b"abc"));

    let (empty, digests) = Hashes::of(b"", 262_144);
    assert_eq!((digests.len(), empty.pages.len(), empty.pieces.len()), (0, 0, 0));
    assert_eq!((empty.root, empty.sha256), (Digest::ZERO, Digest::of(b"")));
}

#[test]
fn piece_lengths_that_are_not_powers_of_two_work_and_zero_means_the_default() {
    let bytes = content(100_000);
    for piece_length in [1_000, 16_383, 65_537, 100_000, 100_001] {
        assert!(
            Hashes::of(&bytes, piece_length as u32) == naive(&bytes, piece_length),
            "{piece_length}"
        );
    }
    assert_eq!(Hashes::of(&bytes, 0).0.piece_length, 262_144);
}

#[test]
fn a_wrong_length_is_an_error_never_a_hash() {
    let mut digests = Vec::new();
    let mut hasher = Hasher::new(10, 262_144);
    hasher.update(&[0; 9], &mut digests).unwrap();
    assert_eq!(hasher.position(), 9);
    let short = hasher.clone().finish();
    assert_eq!(short.unwrap_err(), HashError::TooShort { position: 9, length: 10 });
    assert_eq!(hasher.update(&[0; 2], &mut digests), Err(HashError::TooLong { length: 10 }));
    assert_eq!(hasher.position(), 9);
    hasher.update(&[0; 1], &mut digests).unwrap();
    hasher.update(&[], &mut digests).unwrap();
    assert_eq!(hasher.update(&[0], &mut digests), Err(HashError::TooLong { length: 10 }));
    assert!(hasher.finish().is_ok());

    let mut endless = Hasher::new(u64::MAX, 16 * 1024 * 1024);
    endless.update(&[0; 100], &mut digests).unwrap();
    assert!(matches!(endless.finish(), Err(HashError::TooShort { position: 100, .. })));
}

#[test]
fn hashes_that_contradict_themselves_are_told_from_good_ones() {
    let good = Hashes::of(&content(200_000), 65_536).0;
    let spoil: [fn(&mut Hashes); 8] = [
        |h| h.length += 65_536,
        |h| h.length -= 65_536,
        |h| h.piece_length = 0,
        |h| h.piece_length = 32_768,
        |h| h.pieces.truncate(h.pieces.len() - 1),
        |h| h.pages[0] = Digest::ZERO,
        |h| h.pages.clear(),
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
        let mut digests = Vec::new();
        let mut hasher = Hasher::new(length as u64, 1 << piece_exponent);
        for cut in cuts.windows(2) {
            hasher.update(&bytes[cut[0]..cut[1]], &mut digests).unwrap();
            prop_assert_eq!(hasher.position(), cut[1] as u64);
        }
        let ours = (hasher.finish().unwrap(), digests);
        prop_assert!(ours == naive(&bytes, 1 << piece_exponent));
    }

    #[test]
    fn what_was_put_aside_goes_on_as_if_nothing_had_happened(
        length in 1..900_000usize,
        piece_exponent in 14..19u32,
        stop in any::<prop::sample::Index>(),
    ) {
        let bytes = content(length);
        let step = (1 << piece_exponent).max(UNIT as usize);
        let stop = stop.index(length) / step * step;
        let (mut digests, mut later) = (Vec::new(), Vec::new());
        let mut hasher = Hasher::new(length as u64, 1 << piece_exponent);
        hasher.update(&bytes[..stop], &mut digests).unwrap();
        let aside = hasher.progress(&version(length as u64), "a").unwrap().to_bytes();
        let taken_up = Progress::from_bytes(&aside).unwrap();
        prop_assert_eq!(taken_up.position(), stop as u64);
        prop_assert_eq!(taken_up.last_page(), &digests);
        let mut hasher = taken_up.into_hasher();
        hasher.update(&bytes[stop..], &mut later).unwrap();
        digests.extend(later);
        prop_assert!((hasher.finish().unwrap(), digests) == naive(&bytes, 1 << piece_exponent));
    }
}

fn version(length: u64) -> Version {
    let file = FileIdentity { device: 1, inode: 2, size: length, mtime_ns: 3, ctime_ns: 4 };
    Version { validator: Validator::Etag("\"v\"".to_owned()), length, file: Some(file) }
}

#[test]
fn work_is_put_aside_between_pieces_only() {
    let mut hasher = Hasher::new(300_000, 131_072);
    let mut digests = Vec::new();
    for (more, between) in
        [(0, true), (65_536, false), (65_536, true), (1, false), (168_927, false)]
    {
        hasher.update(&vec![0; more], &mut digests).unwrap();
        let aside = hasher.progress(&version(300_000), "a");
        assert_eq!(aside.is_some(), between, "{}", hasher.position());
    }
}

/// More than a page of units: full pages are kept as their roots alone.
#[test]
fn full_pages_are_proved_by_their_roots() {
    let length = 3 * 1_024 * UNIT + 5;
    let (zeros, mut digests) = (vec![0; 1 << 20], Vec::new());
    let mut hasher = Hasher::new(length, 1 << 20);
    for _ in 0..2 * 64 + 3 {
        hasher.update(&zeros, &mut digests).unwrap();
    }
    let aside = hasher.progress(&version(length), "spool").unwrap();
    let aside = Progress::from_bytes(&aside.to_bytes()).unwrap();
    assert_eq!((aside.version.clone(), &*aside.digests_file), (version(length), "spool"));
    assert_eq!((aside.pages().len(), aside.last_page().len()), (2, 3 * 16));
    for (page, root) in digests.chunks(1_024).zip(aside.pages()) {
        assert_eq!(page_root(page, false), *root);
    }
    let mut hasher = aside.into_hasher();
    for _ in 2 * 64 + 3..3 * 64 {
        hasher.update(&zeros, &mut digests).unwrap();
    }
    hasher.update(&zeros[..5], &mut digests).unwrap();
    let hashes = hasher.finish().unwrap();
    assert!(hashes.is_consistent());
    assert_eq!(hashes.root, merkle_root(&digests));
    assert!(digests.chunks(1_024).enumerate().all(|(number, page)| hashes.has_page(number, page)));
}

#[test]
fn what_was_put_aside_is_whole_or_refused() {
    let mut hasher = Hasher::new(300_000, 65_536);
    hasher.update(&[9; 131_072], &mut Vec::new()).unwrap();
    let bytes = hasher.progress(&version(300_000), "a").unwrap().to_bytes();
    let mut altered = bytes.clone();
    for index in 0..bytes.len() {
        altered[index] ^= 1;
        assert!(matches!(
            Progress::from_bytes(&altered),
            Err(ProgressError::Unreadable(RecordError::Torn))
        ));
        altered[index] = bytes[index];
        assert!(Progress::from_bytes(&bytes[..index]).is_err(), "cut to {index}");
    }
    let content = &bytes[..bytes.len() - 32];
    let sealed = |content: &[u8]| [content, Digest::of(content).as_bytes()].concat();
    assert!(Progress::from_bytes(&sealed(content)).is_ok());
    for (from, to) in [
        ("8:positioni131072e", "8:positioni65536e"),
        ("8:positioni131072e", "8:positioni131073e"),
        ("8:positioni131072e", "8:positioni393216e"),
        ("12:piece_lengthi65536e", "12:piece_lengthi0e"),
        ("12:piece_lengthi65536e", "12:piece_lengthi131072e"),
        ("6:lengthi300000e", "6:lengthi131072e"),
    ] {
        let at = content.windows(from.len()).position(|w| w == from.as_bytes()).unwrap();
        let (before, after) = (&content[..at], &content[at + from.len()..]);
        let read = Progress::from_bytes(&sealed(&[before, to.as_bytes(), after].concat()));
        assert!(matches!(read, Err(ProgressError::Inconsistent)), "{from} -> {to}");
    }
}
