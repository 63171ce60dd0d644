//! Torrents hold the hashes that the BEPs define, or are not made.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod common;

use std::fs;
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::path::Path;

use common::{FILES, PIECE, fifo, found, keep_on, make, options, pattern, reread, tree};
use manyhands_metainfo::{LayoutError, parse};
use manyhands_server::{MakeError, MakeOptions, make_torrent, make_torrent_of_stream};
use sha1::{Digest, Sha1};

/// BEP 3, by nothing but the definition.
fn sha1s(bytes: &[u8]) -> Vec<u8> {
    bytes.chunks(PIECE).flat_map(|piece| <[u8; 20]>::from(Sha1::digest(piece))).collect()
}

fn contents() -> impl Iterator<Item = Vec<u8>> {
    FILES.into_iter().enumerate().map(|(seed, (_, length))| pattern(length, seed))
}

#[test]
fn pieces_run_through_the_files_in_order() {
    let (_dir, root) = tree();
    let torrent = reread(&make(&root, options(false)));
    assert_eq!(torrent.pieces, sha1s(&contents().collect::<Vec<_>>().concat()));
    let paths: Vec<_> = torrent.layout.files().iter().map(|file| file.path.join("/")).collect();
    assert_eq!(paths, FILES.map(|(name, _)| name));
    assert_eq!(torrent.layout.name(), "the tree");
    assert!(torrent.trees.is_none());
}

#[test]
fn a_hybrid_has_both_and_pads_between() {
    let (_dir, root) = tree();
    let made = make(&root, options(true));
    let torrent = reread(&made);
    let mut padded = Vec::new();
    for bytes in contents() {
        padded.resize(padded.len().next_multiple_of(PIECE), 0);
        padded.extend_from_slice(&bytes);
    }
    assert_eq!(torrent.pieces, sha1s(&padded));
    assert!(torrent.info_hash_v2.is_some() && torrent.info_hash_v2 == made.info_hash_v2());
    assert_eq!(torrent.trees.unwrap().len(), FILES.len());
}

#[test]
fn a_file_and_its_stream_have_the_same_torrent() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.bin");
    for length in [1, 65_535, 65_536, 65_537, 131_072, 3_000_000] {
        let bytes = pattern(length, 0);
        fs::write(&path, &bytes).unwrap();
        for hybrid in [false, true] {
            let of_file = make(&path, options(hybrid)).to_bytes();
            let of_stream =
                make_torrent_of_stream(Dribble(&bytes), "x.bin", options(hybrid), keep_on);
            assert_eq!(of_file, of_stream.unwrap().to_bytes(), "{length} {hybrid}");
            assert_eq!(parse(&of_file).unwrap().pieces, sha1s(&bytes));
        }
    }
}

/// Gives what a pipe may give: any number of bytes.
struct Dribble<'a>(&'a [u8]);

impl Read for Dribble<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = (1 + self.0.len() * 7 % 9_973).min(buffer.len()).min(self.0.len());
        let (now, later) = self.0.split_at(length);
        buffer[..length].copy_from_slice(now);
        self.0 = later;
        Ok(length)
    }
}

#[test]
fn without_a_piece_length_it_follows_from_the_length() {
    let (_dir, root) = tree();
    let layout = found(&root).unwrap().layout(MakeOptions::default()).unwrap();
    assert_eq!(layout.piece_length(), 262_144);
    let stream = make_torrent_of_stream(&b"abc"[..], "x", MakeOptions::default(), keep_on).unwrap();
    assert_eq!(stream.layout().piece_length(), 1_048_576);
}

#[test]
fn nothing_but_empty_files_makes_no_torrent() {
    let dir = tempfile::tempdir().unwrap();
    assert!(found(dir.path()).unwrap().layout(options(false)).is_err());
    fs::write(dir.path().join("empty"), "").unwrap();
    let content = found(dir.path()).unwrap();
    assert!(matches!(content.layout(options(false)), Err(MakeError::Layout(LayoutError::Empty))));
    let stream = make_torrent_of_stream(io::empty(), "x", options(false), keep_on);
    assert!(matches!(stream, Err(MakeError::Layout(LayoutError::Empty))));
}

type Change = fn(&Path);

#[test]
fn a_file_that_changes_makes_no_torrent() {
    let changes: [(&str, Change); 5] = [
        ("written over", |path| fs::write(path, pattern(3_000_000, 1)).unwrap()),
        ("appended to", |path| fs::write(path, pattern(3_000_001, 0)).unwrap()),
        ("cut short", |path| fs::write(path, "").unwrap()),
        ("replaced", |path| {
            let other = path.with_extension("other");
            fs::write(&other, pattern(3_000_000, 1)).unwrap();
            fs::rename(other, path).unwrap();
        }),
        ("removed", |path| fs::remove_file(path).unwrap()),
    ];
    for (what, change) in changes {
        // Between finding and hashing, and while it is hashed.
        for late in [false, true] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("file");
            fs::write(&path, pattern(3_000_000, 0)).unwrap();
            let past = fs::FileTimes::new().set_modified(std::time::UNIX_EPOCH);
            fs::File::open(&path).unwrap().set_times(past).unwrap();
            let content = found(&path).unwrap();
            let mut todo = late.then_some(());
            if !late {
                change(&path);
            }
            let made = make_torrent(&content, options(false), |_| {
                if todo.take().is_some() {
                    change(&path);
                }
                ControlFlow::Continue(())
            });
            assert!(matches!(made, Err(MakeError::Changed(_))), "{what}, late: {late}: {made:?}");
        }
    }
}

#[test]
fn a_fifo_in_place_of_the_file_does_not_hang() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    fs::write(&path, pattern(100_000, 0)).unwrap();
    let content = found(&path).unwrap();
    fs::remove_file(&path).unwrap();
    fifo(&path);
    let made = make_torrent(&content, options(false), keep_on);
    assert!(matches!(made, Err(MakeError::Changed(_))));
}

#[test]
fn progress_ends_at_the_length_and_can_break_off() {
    let (_dir, root) = tree();
    let content = found(&root).unwrap();
    let mut last = 0;
    let done = make_torrent(&content, options(false), |bytes| {
        assert!(bytes >= last);
        last = bytes;
        ControlFlow::Continue(())
    });
    assert!(done.is_ok());
    assert_eq!(last, content.length());
    let stopped = make_torrent(&content, options(false), |_| ControlFlow::Break(()));
    assert!(matches!(stopped, Err(MakeError::Cancelled)));
    let stopped = make_torrent_of_stream(io::repeat(7), "x", options(false), |bytes| {
        if bytes < 1 << 20 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    assert!(matches!(stopped, Err(MakeError::Cancelled)));
}

#[test]
fn a_stream_longer_than_a_torrent_ends_the_work() {
    // The greatest number of pieces, of the least length, without hashing 32 GiB: a name that will not
    // do is known before the first byte, as a piece length is.
    for (name, piece_length) in [("a/b", 65_536), ("x", 65_537), ("x", 8_192)] {
        let options = MakeOptions::default().with_piece_length(piece_length);
        let made = make_torrent_of_stream(Untouched, name, options, keep_on);
        assert!(matches!(made, Err(MakeError::Layout(_))), "{name} {piece_length}");
    }
}

struct Untouched;

impl Read for Untouched {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        panic!("read from");
    }
}
