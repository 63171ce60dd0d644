//! What the tests of torrents share.
#![allow(dead_code, reason = "each test file uses a part")]

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use manyhands_metainfo::{ParsedTorrent, Torrent, parse};
use manyhands_server::{ContentError, MakeOptions, TorrentContent, make_torrent};

pub(crate) const PIECE: usize = 65_536;

/// Bytes that differ from place to place and from seed to seed.
pub(crate) fn pattern(length: usize, seed: usize) -> Vec<u8> {
    (0..length).map(|at| ((at + 7 * seed).wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

pub(crate) fn keep_on(_: u64) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// Pieces of 64 KiB.
pub(crate) fn options(hybrid: bool) -> MakeOptions {
    MakeOptions::default().with_piece_length(65_536).with_hybrid(hybrid)
}

pub(crate) fn found(path: &Path) -> Result<TorrentContent, ContentError> {
    TorrentContent::find(path, false)
}

pub(crate) fn make(path: &Path, options: MakeOptions) -> Torrent<'static> {
    make_torrent(&found(path).unwrap(), options, keep_on).unwrap()
}

pub(crate) fn reread(torrent: &Torrent<'_>) -> ParsedTorrent {
    parse(&torrent.to_bytes()).unwrap()
}

pub(crate) fn fifo(path: &Path) {
    let mode = rustix::fs::Mode::from(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
}

/// Files around the length of a piece, in the order of a torrent: by the bytes of their names, level by
/// level.
pub(crate) const FILES: [(&str, usize); 7] = [
    ("A large one", 5_000_000),
    ("a/b/deep", 65_536),
    ("a/b.txt", 65_537),
    ("a/größe", 65_535),
    ("a-dash", 200_000),
    ("empty", 0),
    ("z", 1),
];

/// A directory of [`FILES`], written in another order.
pub(crate) fn tree() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("the tree");
    for (seed, (name, length)) in FILES.into_iter().enumerate().rev() {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, pattern(length, seed)).unwrap();
    }
    (dir, root)
}
