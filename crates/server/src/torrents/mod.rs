//! Torrents of files at hand, as `manyhands torrent` makes and checks them. Threads of its own, no
//! terminal, no runtime.
//!
//! Front doors: [`TorrentContent::find`] looks at a path, [`make_torrent`] hashes what it found (and
//! [`make_torrent_of_stream`] what has no path), [`verify_torrent`] compares files with a torrent. What
//! must never happen here: a FIFO or device opened, a file read whole into memory, a torrent made of a
//! file that changed meanwhile.

mod content;
mod make;
mod pieces;
mod verify;

pub use content::{ContentError, LeftOut, TorrentContent};
pub use make::{MakeError, MakeOptions, STREAM_PIECE_LENGTH, make_torrent, make_torrent_of_stream};
pub use verify::{FileCheck, FileCheckState, TorrentCheck, verify_torrent};
