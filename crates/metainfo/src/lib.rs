//! What one asset is, in bytes and digests: the BEP 3 metainfo and BEP 52 hashes of a file, its
//! normalised path, the manifest that browsers read and the record that the asset store keeps.
//!
//! Layer L0: no clock, thread, file, socket, lock or ambient randomness. Bytes come in as slices,
//! results go out as values.
//!
//! Entry types: [`AssetPath`] names an asset; [`Hasher`] turns its bytes, in one pass, into
//! [`Hashes`]. Everything else is made of these two: [`Torrent`], [`Magnet`], [`Manifest`] and
//! [`Record`]. [`Progress`] is a pass over a file put aside. [`Metalink`] names other places that have
//! the file.
//!
//! Torrents of directories and hybrids (BEP 52) begin with a [`Layout`]: which files, in which order,
//! and by [`Layout::spans`] which bytes of them make up each piece. Its hashes, with a [`FileTree`] a
//! file in a hybrid, make a [`Torrent`]. [`parse`] goes the other way, for torrents of anybody.
//!
//! ```
//! use manyhands_metainfo::{AssetPath, Hasher, Torrent, piece_length};
//!
//! let path = AssetPath::parse("/files/./hello%7eworld.txt")?;
//! assert_eq!(path.as_str(), "/files/hello~world.txt");
//!
//! let mut digests = Vec::new();
//! let mut hasher = Hasher::new(5, piece_length(5));
//! hasher.update(b"hel", &mut digests)?;
//! hasher.update(b"lo", &mut digests)?;
//! let hashes = hasher.finish()?;
//! assert!(hashes.has_page(0, &digests));
//!
//! let torrent = Torrent::new(&path.file_name(), &hashes)?
//!     .with_web_seed("https://example.org/files/hello~world.txt");
//! assert_eq!(torrent.info_hash().to_string().len(), 40);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod digest;
mod file_tree;
mod hasher;
mod hashes;
mod layout;
mod magnet;
mod manifest;
mod merkle;
mod metalink;
mod parse;
mod path;
mod progress;
mod record;
mod segment;
mod torrent;
mod version;

pub use digest::{Digest, HexError, InfoHash};
pub use file_tree::{FileTree, FileTreeBuilder};
pub use hasher::{HashError, Hasher};
pub use hashes::{DIGESTS_PER_PAGE, Hashes, UNIT, digest_bytes, digests_of, piece_length};
pub use layout::{FileEntry, Layout, LayoutError, NameError, Span};
pub use magnet::Magnet;
pub use manifest::{Manifest, ManifestError};
pub use merkle::{digest_of_unit, merkle_root, page_root, root_of_pages};
pub use metalink::Metalink;
pub use parse::{ParseError, ParsedTorrent, parse};
pub use path::{AssetPath, PathError};
pub use progress::{Progress, ProgressError};
pub use record::{Record, RecordError};
pub use segment::{PieceHasher, PieceHashes, PieceKind};
pub use torrent::{Torrent, TorrentError};
pub use version::{FileIdentity, LocalFile, Validator, Version};
