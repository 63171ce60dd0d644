//! Where the bytes of each piece come from: the files of a torrent, in order, and the pads between.

mod name;

pub use name::NameError;
pub(crate) use name::{MAX_DEPTH, MAX_NAME, is_file_name, is_path, shown};

use crate::{
    hashes::{LEAF, PIECE_HASH, UNIT, piece_count},
    parse::MAX_METAINFO,
};

/// Most files in a torrent.
pub(crate) const MAX_FILES: usize = 500_000;
/// Greatest piece length written: what clients agree on.
const MAX_PIECE_LENGTH: u32 = 16 * 1024 * 1024;
/// Most pieces written: libtorrent reads no more.
const MAX_PIECES: u64 = 2_097_152;
/// Most bytes written, pads included: libtorrent counts in 48 bits.
const MAX_TOTAL: u64 = (1 << 48) - 1;
/// What is left for URLs and comment of a torrent that is as long as it may be.
const ROOM_FOR_URLS: u64 = 4 * 1024 * 1024;
/// How the names of BitComet's pads begin, which is older than BEP 47. Other clients know them by that.
pub(crate) const BITCOMET_PAD: &str = "_____padding_file_";
/// The folder that BEP 47 recommends for pads.
pub(crate) const PAD_FOLDER: &str = ".pad";

/// Why there can be no torrent of these files. Paths are relative to the torrent, and cut to 200
/// characters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LayoutError {
    /// Clients agree on powers of two from 16 KiB to 16 MiB only.
    #[error("a piece length of {0} bytes is no power of two from 16 KiB to 16 MiB")]
    PieceLength(u32),
    /// BEP 52 hashes are kept for units of 64 KiB, so no layer below is known.
    #[error("a piece length of {0} bytes is too small for a hybrid torrent: at least 64 KiB")]
    HybridPieceLength(u32),
    /// The name of the torrent is not that of a file.
    #[error("{0:?} cannot be the name of a torrent: {NameError}")]
    Name(String),
    /// A path that a client could not, or must not, create.
    #[error(
        "{0:?} cannot be in a torrent: a path has 1 to {MAX_DEPTH} plain names of at most 255 \
         bytes each, 4096 in all"
    )]
    Path(String),
    /// The same path twice.
    #[error("{0:?} is there twice")]
    Duplicate(String),
    /// A file has the path of a folder.
    #[error("{0:?} is a file and a folder")]
    FileAndFolder(String),
    /// Two paths that are one where case does not count: on Windows and macOS each download of one
    /// would destroy the other.
    #[error("{0:?} and {1:?} are one path on systems that ignore case")]
    Case(String, String),
    /// A file that clients would take for padding, and not write: named as BitComet names pads, or,
    /// in a hybrid, in the folder of its own pads.
    #[error("{0:?} cannot be in this torrent: clients take such a name for padding")]
    Padding(String),
    /// Not one file.
    #[error("there is no file in the directory")]
    NoFiles,
    /// Not one byte in all files. libtorrent and Transmission refuse such a torrent.
    #[error("there is nothing to share: no file has any content")]
    Empty,
    /// Over 500,000 files.
    #[error("more than {MAX_FILES} files")]
    TooManyFiles,
    /// Over 256 TiB.
    #[error("more than 256 TiB in all")]
    TooLong,
    /// Over 2,097,152 pieces, which other clients refuse.
    #[error("{0} pieces: at most {MAX_PIECES} are possible, so take longer ones")]
    TooManyPieces(u64),
    /// The metainfo would be longer than [`parse`](crate::parse()) reads.
    #[error("the torrent itself would be longer than 64 MiB: take longer pieces or fewer files")]
    MetainfoTooLong,
}

/// One file of a torrent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileEntry {
    /// The names below the torrent's own, folders first; empty in a torrent of one file.
    pub path: Vec<String>,
    /// Length in bytes.
    pub length: u64,
    /// Where it begins, counted from the start of the first piece, pads included.
    pub offset: u64,
}

/// A part of one piece: bytes of a file, or zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Index of the file in [`Layout::files`]; `None` for a pad, which is zeros and no file.
    pub file: Option<usize>,
    /// Where the part begins in its file; 0 for a pad.
    pub offset: u64,
    /// Length in bytes; never 0.
    pub length: u64,
}

/// The files of a torrent in their order, and how they fill the pieces.
///
/// Files stand in the order of the BEP 52 file tree: by the bytes of their names, level by level.
/// In a hybrid each file but the last is followed by a pad (BEP 47) up to the next piece, so that no
/// piece has bytes of two files. The same files give the same layout, in whatever order they come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    name: String,
    /// Sorted by offset; empty files take no room.
    files: Vec<FileEntry>,
    piece_length: u32,
    /// Bytes of all pieces: gaps between files, and after the last, are pads.
    total: u64,
    single: bool,
    hybrid: bool,
}

impl Layout {
    /// Of a single file. `piece_length`: a power of two from 16 KiB, in a hybrid 64 KiB, to 16 MiB.
    ///
    /// # Errors
    /// See [`LayoutError`].
    pub fn file(
        name: &str,
        length: u64,
        piece_length: u32,
        hybrid: bool,
    ) -> Result<Self, LayoutError> {
        check_piece_length(piece_length, hybrid)?;
        check_name(name)?;
        let layout = Self { hybrid, ..Self::single(name.to_owned(), length, piece_length) };
        layout.check_limits()?;
        Ok(layout)
    }

    /// Of a directory: the paths below it, split into names, and the length of each file. The order
    /// given does not matter.
    ///
    /// # Errors
    /// See [`LayoutError`].
    pub fn directory(
        name: &str,
        mut files: Vec<(Vec<String>, u64)>,
        piece_length: u32,
        hybrid: bool,
    ) -> Result<Self, LayoutError> {
        check_piece_length(piece_length, hybrid)?;
        check_name(name)?;
        if files.is_empty() {
            return Err(LayoutError::NoFiles);
        }
        if files.len() > MAX_FILES {
            return Err(LayoutError::TooManyFiles);
        }
        files.sort_unstable();
        for (path, _) in &files {
            if !is_path(path) {
                return Err(LayoutError::Path(shown(path)));
            }
            let bitcomet = path.iter().any(|name| name.contains(BITCOMET_PAD));
            if bitcomet || (hybrid && path[0].to_lowercase() == PAD_FOLDER) {
                return Err(LayoutError::Padding(shown(path)));
            }
        }
        check_clashes(files.iter().map(|(path, _)| &**path).collect())?;
        check_case(&files)?;

        let mut total = 0_u64;
        let mut entries = Vec::with_capacity(files.len());
        for (path, length) in files {
            let offset = if hybrid {
                total.checked_next_multiple_of(piece_length.into())
            } else {
                Some(total)
            };
            let offset = offset.ok_or(LayoutError::TooLong)?;
            total = offset.checked_add(length).ok_or(LayoutError::TooLong)?;
            entries.push(FileEntry { path, length, offset });
        }
        let name = name.to_owned();
        let layout = Self { name, files: entries, piece_length, total, single: false, hybrid };
        layout.check_limits()?;
        Ok(layout)
    }

    /// Of a single file, of any piece length.
    pub(crate) fn single(name: String, length: u64, piece_length: u32) -> Self {
        let files = vec![FileEntry { path: Vec::new(), length, offset: 0 }];
        Self { name, files, piece_length, total: length, single: true, hybrid: false }
    }

    /// Of files that have their places, in order, none overlapping another.
    pub(crate) fn placed(
        name: String,
        files: Vec<FileEntry>,
        piece_length: u32,
        total: u64,
    ) -> Self {
        Self { name, files, piece_length, total, single: false, hybrid: false }
    }

    /// The same, as the layout of both versions.
    pub(crate) fn into_hybrid(self) -> Self {
        Self { hybrid: true, ..self }
    }

    /// The name of the torrent: that of the file, or of the directory.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether this is a file, not a directory.
    pub fn is_single_file(&self) -> bool {
        self.single
    }

    /// Whether this is for a torrent of both versions.
    pub fn is_hybrid(&self) -> bool {
        self.hybrid
    }

    /// The files, in the order of the torrent, without pads.
    pub fn files(&self) -> &[FileEntry] {
        &self.files
    }

    /// Bytes a piece; the last may be shorter.
    pub fn piece_length(&self) -> u32 {
        self.piece_length
    }

    /// How many pieces there are.
    pub fn pieces(&self) -> u64 {
        piece_count(self.total, self.piece_length).unwrap_or(0)
    }

    /// Bytes of all pieces, pads included.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Bytes of all files.
    pub fn length(&self) -> u64 {
        self.files.iter().map(|file| file.length).sum()
    }

    /// The parts of a piece, in order; their lengths add up to that of the piece. Nothing beyond
    /// the last piece.
    pub fn spans(&self, piece: u64) -> impl Iterator<Item = Span> + '_ {
        let start = piece.saturating_mul(self.piece_length.into());
        let end = start.saturating_add(self.piece_length.into()).min(self.total);
        let first = self.files.partition_point(|file| file.offset + file.length <= start);
        let mut files = self.files.iter().enumerate().skip(first).peekable();
        let mut at = start;
        std::iter::from_fn(move || {
            if at >= end {
                return None;
            }
            while files.next_if(|(_, file)| file.offset + file.length <= at).is_some() {}
            let span = match files.peek() {
                Some(&(index, file)) if file.offset <= at => {
                    let length = (file.offset + file.length).min(end) - at;
                    Span { file: Some(index), offset: at - file.offset, length }
                }
                next => {
                    let pad_end = next.map_or(end, |(_, file)| file.offset.min(end));
                    Span { file: None, offset: 0, length: pad_end - at }
                }
            };
            at += span.length;
            Some(span)
        })
    }

    /// The pad before the first file and after each, in bytes; 0 for none.
    pub(crate) fn pads(&self) -> (u64, impl Iterator<Item = u64> + '_) {
        let first = self.files.first().map_or(0, |file| file.offset);
        let next = self.files.iter().skip(1).map(|file| file.offset).chain([self.total]);
        (first, self.files.iter().zip(next).map(|(file, next)| next - file.offset - file.length))
    }

    fn check_limits(&self) -> Result<(), LayoutError> {
        if self.total == 0 {
            return Err(LayoutError::Empty);
        }
        if self.total > MAX_TOTAL {
            return Err(LayoutError::TooLong);
        }
        if self.pieces() > MAX_PIECES {
            return Err(LayoutError::TooManyPieces(self.pieces()));
        }
        // An upper bound: all that is not a name or a hash is below 200 bytes a file and kind.
        let mut size = self.pieces() * PIECE_HASH as u64;
        for file in &self.files {
            let names: usize = file.path.iter().map(|name| name.len() + 8).sum();
            size += names as u64 + 200;
            if self.hybrid {
                size += names as u64 + 200 + 32 * file.length.div_ceil(self.piece_length.into());
            }
        }
        if size > MAX_METAINFO as u64 - ROOM_FOR_URLS {
            return Err(LayoutError::MetainfoTooLong);
        }
        Ok(())
    }
}

fn check_name(name: &str) -> Result<(), LayoutError> {
    if name.contains(BITCOMET_PAD) {
        return Err(LayoutError::Padding(shown(&[name])));
    }
    if is_file_name(name) { Ok(()) } else { Err(LayoutError::Name(shown(&[name]))) }
}

fn check_piece_length(piece_length: u32, hybrid: bool) -> Result<(), LayoutError> {
    if !piece_length.is_power_of_two()
        || piece_length > MAX_PIECE_LENGTH
        || u64::from(piece_length) < LEAF
    {
        return Err(LayoutError::PieceLength(piece_length));
    }
    if hybrid && u64::from(piece_length) < UNIT {
        return Err(LayoutError::HybridPieceLength(piece_length));
    }
    Ok(())
}

/// The same path twice, or a file where others need a folder.
pub(crate) fn check_clashes(mut paths: Vec<&[String]>) -> Result<(), LayoutError> {
    paths.sort_unstable();
    let Some(clash) = first_clash(&paths) else { return Ok(()) };
    let path = shown(paths[clash]);
    if paths[clash] == paths[clash + 1] {
        Err(LayoutError::Duplicate(path))
    } else {
        Err(LayoutError::FileAndFolder(path))
    }
}

/// The same, where case does not count.
fn check_case(files: &[(Vec<String>, u64)]) -> Result<(), LayoutError> {
    let lowered = |path: &[String]| path.iter().map(|name| name.to_lowercase()).collect::<Vec<_>>();
    let mut paths: Vec<_> = files.iter().map(|(path, _)| (lowered(path), path)).collect();
    paths.sort_unstable();
    let lowered: Vec<_> = paths.iter().map(|(path, _)| &**path).collect();
    match first_clash(&lowered) {
        None => Ok(()),
        Some(clash) => Err(LayoutError::Case(shown(paths[clash].1), shown(paths[clash + 1].1))),
    }
}

/// Index of a path that is the next one, or leads to it. Where names are compared one by one, all
/// that is below a path follows it at once.
fn first_clash(sorted: &[&[String]]) -> Option<usize> {
    sorted.windows(2).position(|pair| pair[1].starts_with(pair[0]))
}
