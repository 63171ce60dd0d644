//! Which files a torrent may have, in which order, and where the bytes of each piece come from.
#![allow(clippy::unwrap_used, reason = "test code: a panic is the failure")]

use manyhands_metainfo::{
    Digest, FileTree, Layout, LayoutError, Span, Torrent, TorrentError, parse,
};
use proptest::prelude::*;

const KIB: u32 = 1024;
const PIECE: u32 = 64 * KIB;

fn path(text: &str) -> Vec<String> {
    text.split('/').map(str::to_owned).collect()
}

fn directory(files: &[(&str, u64)], hybrid: bool) -> Result<Layout, LayoutError> {
    let files = files.iter().map(|&(name, length)| (path(name), length)).collect();
    Layout::directory("d", files, PIECE, hybrid)
}

fn paths(layout: &Layout) -> Vec<String> {
    layout.files().iter().map(|file| file.path.join("/")).collect()
}

fn file(file: usize, offset: u64, length: u64) -> Span {
    Span { file: Some(file), offset, length }
}

fn pad(length: u64) -> Span {
    Span { file: None, offset: 0, length }
}

#[test]
fn files_are_in_the_order_of_the_tree_however_they_come() {
    // A sort of whole paths would put "a-b" and "a.b/c" before "a/z", a sort by characters the
    // capital after the small letter.
    let sorted = ["B", "a/Y/1", "a/z", "a-b", "a.b/c", "a0", "z", "ä", "日"];
    let mut files: Vec<_> = sorted.iter().map(|&name| (name, 1)).collect();
    let expected = directory(&files, true).unwrap();
    assert_eq!(paths(&expected), sorted);
    for _ in 0..files.len() {
        files.rotate_left(1);
        assert_eq!(directory(&files, true).unwrap(), expected);
        files.swap(2, 5);
    }
}

#[test]
fn version_1_has_no_gaps() {
    let layout = directory(&[("a", 70_000), ("b", 0), ("c", 1), ("d", 65_536)], false).unwrap();
    assert_eq!((layout.pieces(), layout.total(), layout.length()), (3, 135_537, 135_537));
    let spans = |piece| layout.spans(piece).collect::<Vec<_>>();
    assert_eq!(spans(0), [file(0, 0, 65_536)]);
    assert_eq!(spans(1), [file(0, 65_536, 4_464), file(2, 0, 1), file(3, 0, 61_071)]);
    assert_eq!(spans(2), [file(3, 61_071, 4_465)]);
    assert_eq!(spans(3), []);
    assert_eq!(spans(u64::MAX), []);
}

#[test]
fn hybrids_have_pads_after_each_file_but_the_last() {
    let files =
        [("0", 0), ("a", 70_000), ("b", 0), ("c", 65_536), ("d", 1), ("e", 0), ("f", 65_537)];
    let layout = directory(&files, true).unwrap();
    assert_eq!((layout.pieces(), layout.length()), (6, 201_074));
    let spans = |piece| layout.spans(piece).collect::<Vec<_>>();
    assert_eq!(spans(0), [file(1, 0, 65_536)]);
    assert_eq!(spans(1), [file(1, 65_536, 4_464), pad(61_072)]);
    assert_eq!(spans(2), [file(3, 0, 65_536)]);
    assert_eq!(spans(3), [file(4, 0, 1), pad(65_535)]);
    assert_eq!(spans(4), [file(6, 0, 65_536)]);
    assert_eq!(spans(5), [file(6, 65_536, 1)]);

    // Something follows "a", if only an empty file.
    let layout = directory(&[("a", 1), ("b", 0)], true).unwrap();
    assert_eq!(layout.spans(0).collect::<Vec<_>>(), [file(0, 0, 1), pad(65_535)]);
}

#[test]
fn files_of_whole_pieces_need_no_pads() {
    let layout = directory(&[("a", 131_072), ("b", 65_536)], true).unwrap();
    assert_eq!(layout.total(), layout.length());
    assert_eq!(layout.pieces(), 3);
    assert!(layout.spans(1).eq([file(0, 65_536, 65_536)]));
}

#[test]
fn piece_lengths_are_those_that_clients_agree_on() {
    for (piece_length, v1, hybrid) in [
        (0, false, false),
        (1, false, false),
        (8 * KIB, false, false),
        (16 * KIB - 1, false, false),
        (16 * KIB, true, false),
        (32 * KIB, true, false),
        (48 * KIB, false, false),
        (64 * KIB, true, true),
        (16 * KIB * KIB, true, true),
        (32 * KIB * KIB, false, false),
        (u32::MAX, false, false),
    ] {
        assert_eq!(Layout::file("f", 1, piece_length, false).is_ok(), v1, "{piece_length}");
        assert_eq!(Layout::file("f", 1, piece_length, true).is_ok(), hybrid, "{piece_length}");
        let files = || vec![(path("f"), 1)];
        assert_eq!(Layout::directory("d", files(), piece_length, false).is_ok(), v1);
        assert_eq!(Layout::directory("d", files(), piece_length, true).is_ok(), hybrid);
    }
    let small = Layout::file("f", 1, 16 * KIB, true);
    assert_eq!(small, Err(LayoutError::HybridPieceLength(16 * KIB)));
}

#[test]
fn paths_are_those_that_every_client_can_create() {
    let long = "𐍈".repeat(64);
    for bad in ["", ".", "..", "a/../b", "a//b", "/a", "a/", "./a", "a\\b", "a\nb", "a\0", &long] {
        let refused = directory(&[("good", 1), (bad, 1)], false);
        assert_eq!(refused, Err(LayoutError::Path(bad.to_owned())), "{bad:?}");
    }
    assert!(Layout::directory("d", vec![(Vec::new(), 1)], PIECE, false).is_err(), "no name at all");
    assert!(directory(&[(&"x".repeat(255), 1)], true).is_ok());
    let deep = |levels: usize| vec!["a"; levels].join("/");
    assert!(directory(&[(&deep(64), 1)], true).is_ok());
    assert!(directory(&[(&deep(65), 1)], true).is_err());
    let wide = |bytes: usize| [&"b".repeat(bytes), &*vec!["a".repeat(255); 15].join("/")].join("/");
    assert!(directory(&[(&wide(255), 1)], true).is_ok(), "{}", wide(255).len());
    assert!(directory(&[(&format!("c/{}", wide(255)), 1)], true).is_err());

    for bad in ["", ".", "..", "a/b", "a\\b", "\u{7f}", &long] {
        let name = LayoutError::Name(bad.to_owned());
        assert_eq!(Layout::file(bad, 1, PIECE, false), Err(name.clone()));
        assert_eq!(Layout::directory(bad, vec![(path("a"), 1)], PIECE, true), Err(name));
    }
}

#[test]
fn no_two_files_share_a_path() {
    let refused = |files: &[(&str, u64)]| directory(files, false).unwrap_err();
    let duplicate = |name: &str| LayoutError::Duplicate(name.to_owned());
    assert_eq!(refused(&[("a/b", 1), ("c", 1), ("a/b", 2)]), duplicate("a/b"));
    let folder = |name: &str| LayoutError::FileAndFolder(name.to_owned());
    assert_eq!(refused(&[("a/b/c", 1), ("a", 1)]), folder("a"));
    // Neighbours in the order of whole paths are not neighbours in the tree.
    assert_eq!(refused(&[("a/b/c", 1), ("a/b-", 1), ("a-b", 1), ("a/b", 1)]), folder("a/b"));
    let case = |one: &str, two: &str| LayoutError::Case(one.to_owned(), two.to_owned());
    assert_eq!(refused(&[("x/a", 1), ("X/A", 1)]), case("X/A", "x/a"));
    assert_eq!(refused(&[("Ä", 1), ("ä", 1)]), case("Ä", "ä"));
    assert_eq!(refused(&[("A/b", 1), ("a", 1)]), case("a", "A/b"));
    // Folders that only differ in case become one where case does not count, and no file is lost.
    assert!(directory(&[("A/b", 1), ("a/c", 1)], true).is_ok());
}

#[test]
fn no_file_is_taken_for_a_pad() {
    for name in [".pad/1", ".pad", ".PAD/1"] {
        assert!(directory(&[(name, 1)], false).is_ok());
        assert_eq!(directory(&[(name, 1)], true), Err(LayoutError::Padding(name.to_owned())));
    }
    for name in ["_____padding_file_0_", "a/_____padding_file_0_/b"] {
        assert_eq!(directory(&[(name, 1)], false), Err(LayoutError::Padding(name.to_owned())));
    }
    assert!(Layout::file("_____padding_file_0_", 1, PIECE, false).is_err());
    assert!(directory(&[("padding_file", 1)], true).is_ok());
    assert!(directory(&[("a/.pad/1", 1)], true).is_ok());
}

#[test]
fn there_is_something_to_share_and_not_too_much() {
    assert_eq!(directory(&[], false), Err(LayoutError::NoFiles));
    assert_eq!(directory(&[("a", 0), ("b", 0)], true), Err(LayoutError::Empty));
    assert_eq!(Layout::file("f", 0, PIECE, false), Err(LayoutError::Empty));

    let longest = 16 * KIB * KIB;
    let tib = 1 << 40;
    assert!(Layout::file("f", 10 * tib, longest, true).is_ok(), "10 TiB");
    assert!(matches!(
        Layout::file("f", 40 * tib, longest, false),
        Err(LayoutError::TooManyPieces(2_621_440))
    ));
    assert!(matches!(Layout::file("f", 1 << 48, longest, false), Err(LayoutError::TooLong)));
    assert_eq!(directory(&[("a", u64::MAX), ("b", 1)], true), Err(LayoutError::TooLong));
    // 30 TiB in 1,966,080 pieces: 39 MB of SHA-1, and as much again and a half of SHA-256.
    assert!(Layout::file("f", 30 * tib, longest, false).is_ok());
    assert_eq!(Layout::file("f", 30 * tib, longest, true), Err(LayoutError::MetainfoTooLong));

    let many = |count: usize| (0..count).map(|n| (vec![n.to_string()], 1)).collect();
    let refused = Layout::directory("d", many(500_001), PIECE, false);
    assert_eq!(refused, Err(LayoutError::TooManyFiles));
}

#[test]
fn a_hundred_thousand_files_are_written_and_read() {
    let names = (0..100_000).map(|n| vec![format!("folder {:03}", n % 300), format!("{n}.bin")]);
    let files: Vec<_> = names.zip(0..).map(|(path, n)| (path, n % 3 * 50_000)).collect();
    for hybrid in [false, true] {
        let layout = Layout::directory("d", files.clone(), PIECE, hybrid).unwrap();
        let tree = |length: u64| {
            let digests = vec![Digest::of(b"unit"); length.div_ceil(65_536) as usize];
            FileTree::from_units(&digests, length, PIECE)
        };
        let known = [0, 50_000, 100_000].map(|length| (length, tree(length)));
        let tree_of = |length| known.iter().find(|(known, _)| *known == length).unwrap().1.clone();
        let trees = || layout.files().iter().map(|file| tree_of(file.length)).collect();
        let pieces = vec![7; layout.pieces() as usize * 20];
        let torrent = Torrent::from_layout(&layout, pieces, hybrid.then(trees)).unwrap();
        let parsed = parse(&torrent.to_bytes()).unwrap();
        assert_eq!(parsed.layout, layout);
        assert_eq!(parsed.info_hash, Some(torrent.info_hash()));
    }
}

#[test]
fn hashes_must_fit_the_layout() {
    let hybrid = directory(&[("a", 70_000), ("b", 1)], true).unwrap();
    let trees = || {
        let units = [Digest::of(b"1"), Digest::of(b"2")];
        vec![
            FileTree::from_units(&units, 70_000, PIECE),
            FileTree::from_units(&units[..1], 1, PIECE),
        ]
    };
    let build = |pieces: usize, trees| {
        Torrent::from_layout(&hybrid, vec![0; pieces], trees).map(|torrent| torrent.to_bytes())
    };
    assert!(build(60, Some(trees())).is_ok());
    assert_eq!(build(40, Some(trees())), Err(TorrentError::Pieces { expected: 60, got: 40 }));
    assert_eq!(build(60, None), Err(TorrentError::Trees));
    assert_eq!(build(60, Some(trees()[..1].to_vec())), Err(TorrentError::Trees));
    let swapped = trees().into_iter().rev().collect();
    assert_eq!(build(60, Some(swapped)), Err(TorrentError::Tree(0)));
    let mut altered = trees();
    altered[0].layer[1] = Digest::ZERO;
    assert_eq!(build(60, Some(altered)), Err(TorrentError::Tree(0)));
    let mut empty = trees();
    empty[1].root = Digest::ZERO;
    assert_eq!(build(60, Some(empty)), Err(TorrentError::Tree(1)));

    let plain = directory(&[("a", 70_000), ("b", 1)], false).unwrap();
    let torrent = Torrent::from_layout(&plain, vec![0; 40], Some(trees()));
    assert_eq!(torrent.map(|torrent| torrent.to_bytes()), Err(TorrentError::Trees));
}

/// Files in a few folders, whose names sort otherwise than their paths, with lengths around that of a
/// piece.
fn files() -> impl Strategy<Value = Vec<(Vec<String>, u64)>> {
    let folder = prop::sample::select(vec!["a", "b", "a-", "c.d", "ü"]).prop_map(str::to_owned);
    let length = prop_oneof![Just(0), 1..5u64, 65_530..65_540u64, 0..300_000u64];
    prop::collection::vec((prop::collection::vec(folder, 0..4), length), 1..20).prop_map(|files| {
        let named = files.into_iter().enumerate().map(|(index, (mut path, length))| {
            path.push(format!("b{}", index * 7 % 20));
            (path, length)
        });
        named.chain([(vec!["b-".to_owned()], 1)]).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_024))]

    #[test]
    fn spans_cover_all_bytes_exactly_once(files in files(), hybrid: bool, small: bool) {
        let piece_length = if small && !hybrid { 16 * KIB } else { PIECE };
        let layout = Layout::directory("d", files, piece_length, hybrid).unwrap();
        let mut at = vec![0; layout.files().len()];
        let (mut last, mut total) = (None, 0);
        for piece in 0..layout.pieces() {
            let expected = u64::from(piece_length).min(layout.total() - total);
            let mut length = 0;
            for span in layout.spans(piece) {
                prop_assert!(span.length > 0);
                length += span.length;
                match span.file {
                    Some(file) => {
                        prop_assert!(last <= Some(file), "in order");
                        prop_assert_eq!(span.offset, at[file], "without gap or overlap");
                        at[file] += span.length;
                        prop_assert!(!hybrid || span.offset % u64::from(piece_length) == 0);
                        last = Some(file);
                    }
                    None => prop_assert!(hybrid && last < Some(layout.files().len() - 1)),
                }
            }
            prop_assert_eq!(length, expected);
            total += length;
        }
        prop_assert_eq!(total, layout.total());
        for (file, at) in layout.files().iter().zip(at) {
            prop_assert_eq!(file.length, at);
        }
    }

    #[test]
    fn what_is_written_is_read(files in files(), hybrid: bool, seed: u8) {
        let layout = Layout::directory("d", files, PIECE, hybrid).unwrap();
        let pieces = vec![seed; layout.pieces() as usize * 20];
        let digest = |file: usize, unit: u64| Digest::of(&[seed, file as u8, unit as u8]);
        let trees = hybrid.then(|| layout.files().iter().enumerate().map(|(index, file)| {
            let digests: Vec<_> =
                (0..file.length.div_ceil(65_536)).map(|unit| digest(index, unit)).collect();
            FileTree::from_units(&digests, file.length, PIECE)
        }).collect::<Vec<_>>());
        let torrent = Torrent::from_layout(&layout, pieces.clone(), trees.clone()).unwrap()
            .with_comment("c").with_created_by("p").with_web_seed("http://w/");
        let bytes = torrent.to_bytes();
        let parsed = parse(&bytes).unwrap();
        prop_assert_eq!(&parsed.layout, &layout);
        prop_assert_eq!(&parsed.pieces, &pieces);
        prop_assert_eq!(&parsed.trees, &trees);
        prop_assert_eq!(parsed.info_hash, Some(torrent.info_hash()));
        prop_assert_eq!(parsed.info_hash_v2, torrent.info_hash_v2());
        prop_assert_eq!(parsed.comment.as_deref(), Some("c"));
        prop_assert_eq!(parsed.created_by.as_deref(), Some("p"));
        prop_assert_eq!(parsed.creation_date, None);
        let again = Torrent::from_layout(&parsed.layout, parsed.pieces, parsed.trees).unwrap()
            .with_comment("c").with_created_by("p").with_web_seed("http://w/");
        prop_assert_eq!(again.to_bytes(), bytes);
    }
}
