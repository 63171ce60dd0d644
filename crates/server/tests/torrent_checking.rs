//! A comparison with a torrent names everything that is not there or not right.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod common;

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use common::{keep_on, make, options, pattern, reread, tree};
use manyhands_metainfo::ParsedTorrent;
use manyhands_server::{FileCheckState, TorrentCheck, verify_torrent};

fn check(torrent: &ParsedTorrent, path: &Path) -> TorrentCheck {
    verify_torrent(torrent, path, keep_on)
}

/// The files that are not whole, by their last names.
fn wrong(check: &TorrentCheck) -> Vec<(&str, FileCheckState)> {
    let wrong = check.files.iter().filter(|file| file.state != FileCheckState::Whole);
    wrong
        .map(|file| (file.path.file_name().unwrap().to_str().unwrap(), file.state.clone()))
        .collect()
}

#[test]
fn what_was_made_is_whole_under_all_names_of_its_place() {
    let (dir, root) = tree();
    for hybrid in [false, true] {
        let torrent = reread(&make(&root, options(hybrid)));
        for path in [&*root, dir.path()] {
            let check = check(&torrent, path);
            assert!(check.is_whole(), "{check:?}");
            assert!(check.extra.is_empty());
        }
        let file = root.join("a-dash");
        let torrent = reread(&make(&file, options(hybrid)));
        for path in [&*file, &root] {
            assert!(check(&torrent, path).is_whole(), "{path:?}");
        }
    }
    let torrent = reread(&make(&root, options(false)));
    let moved = dir.path().join("elsewhere");
    fs::rename(&root, &moved).unwrap();
    assert!(check(&torrent, &moved).is_whole());
}

#[test]
fn one_wrong_byte_is_one_bad_piece() {
    let (_dir, root) = tree();
    for hybrid in [false, true] {
        let torrent = reread(&make(&root, options(hybrid)));
        let large = root.join("A large one");
        let mut bytes = fs::read(&large).unwrap();
        bytes[3 * 65_536] ^= 1;
        fs::write(&large, &bytes).unwrap();
        let check = check(&torrent, &root);
        assert_eq!((check.bad.as_slice(), check.missing.len()), ([3].as_slice(), 0));
        assert_eq!(wrong(&check), [("A large one", FileCheckState::Damaged)]);
        assert_eq!(check.files[0].damaged, [3]);
        assert!(!check.is_whole());
        bytes[3 * 65_536] ^= 1;
        fs::write(&large, &bytes).unwrap();
    }
}

#[test]
fn both_halves_of_a_hybrid_are_checked() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    fs::write(&path, pattern(200_000, 0)).unwrap();
    let old = reread(&make(&path, options(true)));
    fs::write(&path, pattern(200_000, 1)).unwrap();
    let new = reread(&make(&path, options(true)));
    for (pieces, trees) in [(&new, &old), (&old, &new)] {
        let mut mixed = new.clone();
        mixed.pieces.clone_from(&pieces.pieces);
        mixed.trees.clone_from(&trees.trees);
        assert_eq!(check(&mixed, &path).bad, [0, 1, 2, 3]);
    }
    // Version 2 by itself.
    let mut second = new;
    (second.info_hash, second.pieces) = (None, Vec::new());
    assert!(check(&second, &path).is_whole());
    second.trees = old.trees;
    assert_eq!(check(&second, &path).bad, [0, 1, 2, 3]);
}

#[test]
fn everything_wrong_is_named_and_nothing_stops_it() {
    use FileCheckState::{Damaged, Length, Missing, NotAFile};
    for hybrid in [false, true] {
        let (_dir, root) = tree();
        let torrent = reread(&make(&root, options(hybrid)));
        fs::remove_file(root.join("a/b/deep")).unwrap();
        fs::write(root.join("a/b.txt"), pattern(10, 0)).unwrap();
        let long = [fs::read(root.join("a-dash")).unwrap(), vec![0; 7]].concat();
        fs::write(root.join("a-dash"), long).unwrap();
        fs::remove_file(root.join("z")).unwrap();
        fs::create_dir(root.join("z")).unwrap();
        fs::remove_file(root.join("empty")).unwrap();
        common::fifo(&root.join("empty"));
        fs::create_dir(root.join(".pad")).unwrap();
        fs::write(root.join(".pad/65535"), "written by a client").unwrap();
        fs::write(root.join("z/extra"), "x").unwrap();
        fs::write(root.join(".extra"), "x").unwrap();

        let check = check(&torrent, &root);
        // In version 1 what shares a piece with a missing file cannot be known to be right.
        let shared = [("A large one", Damaged), ("größe", Damaged)];
        let mut expected = vec![
            ("deep", Missing),
            ("b.txt", Length { actual: 10 }),
            ("a-dash", Length { actual: 200_007 }),
            ("empty", NotAFile("FIFO")),
            ("z", NotAFile("directory")),
        ];
        expected.extend(shared.into_iter().filter(|_| !hybrid));
        expected.sort_by_key(|(name, _)| *name);
        let mut found = wrong(&check);
        found.sort_by_key(|(name, _)| *name);
        assert_eq!(found, expected, "hybrid: {hybrid}");
        assert_eq!(check.extra, [root.join(".extra"), root.join("z/extra")]);
        assert!(!check.is_whole() && !check.missing.is_empty() && check.bad.is_empty());
    }
}

#[test]
fn of_what_is_not_there_all_is_missing() {
    let (_dir, root) = tree();
    let torrent = reread(&make(&root, options(false)));
    let check = check(&torrent, Path::new("/nowhere"));
    assert!(check.files.iter().all(|file| file.state == FileCheckState::Missing));
    assert_eq!(check.missing, (0..check.pieces).collect::<Vec<_>>());
}

#[test]
fn a_missing_or_lengthened_empty_file_is_not_whole_though_it_has_no_piece() {
    let (_dir, root) = tree();
    let torrent = reread(&make(&root, options(false)));
    fs::write(root.join("empty"), "x").unwrap();
    assert_eq!(wrong(&check(&torrent, &root)), [("empty", FileCheckState::Length { actual: 1 })]);
    fs::remove_file(root.join("empty")).unwrap();
    let check = check(&torrent, &root);
    assert_eq!(wrong(&check), [("empty", FileCheckState::Missing)]);
    assert!(!check.is_whole() && check.missing.is_empty());
}

#[test]
fn a_check_broken_off_says_nothing_is_whole() {
    let (_dir, root) = tree();
    let torrent = reread(&make(&root, options(false)));
    let check = verify_torrent(&torrent, &root, |_| ControlFlow::Break(()));
    assert!(!check.complete && !check.is_whole());
}
