use std::io::{self, Read};
use std::ops::ControlFlow;
use std::path::PathBuf;

use manyhands_metainfo::{
    Digest, FileEntry, FileTree, Layout, LayoutError, PieceHasher, PieceHashes, PieceKind, Torrent,
    TorrentError, piece_length,
};

use super::content::{ContentError, TorrentContent};
use super::pieces::{BUFFER, News, TroubleKind, hash_pieces, is_unchanged};

/// Piece length of a stream, whose length is not known before its end: 2,048 pieces in 2 GiB, and
/// 2 TiB at most.
pub const STREAM_PIECE_LENGTH: u32 = 1 << 20;

/// Why there is no torrent. Names in messages are quoted and escaped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MakeError {
    /// The path holds nothing to make one of.
    #[error(transparent)]
    Content(#[from] ContentError),
    /// The files, or their names, fit no torrent, or there is not one byte in them.
    #[error("cannot make a torrent of these files: {0}")]
    Layout(#[from] LayoutError),
    /// What was hashed is not what was found: the torrent would fit neither.
    #[error("{0:?} changed while it was hashed: run it again when nobody writes to it")]
    Changed(PathBuf),
    /// A file could not be read.
    #[error("cannot read {path:?}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// The stream could not be read.
    #[error("cannot read the standard input")]
    Stream(#[source] io::Error),
    /// The caller said so.
    #[error("stopped before the end")]
    Cancelled,
    /// Hashes that do not fit the files: not possible unless this program is wrong.
    #[error("the hashes do not fit the files")]
    Inconsistent(#[from] TorrentError),
}

/// What a torrent is made like. Default: version 1, the piece length by the length of the content.
#[derive(Debug, Clone, Copy, Default)]
pub struct MakeOptions {
    piece_length: Option<u32>,
    hybrid: bool,
}

impl MakeOptions {
    /// Bytes a piece: a power of two from 16 KiB (hybrid: 64 KiB) to 16 MiB.
    #[must_use]
    pub fn with_piece_length(mut self, bytes: u32) -> Self {
        self.piece_length = Some(bytes);
        self
    }

    /// Both versions, BEP 3 and BEP 52, in one torrent. Costs two hashes instead of one, and a pad
    /// (BEP 47) after each file of several; some clients (Transmission 3) open version 1 only.
    #[must_use]
    pub fn with_hybrid(mut self, hybrid: bool) -> Self {
        self.hybrid = hybrid;
        self
    }

    fn kind(self) -> PieceKind {
        if self.hybrid { PieceKind::Hybrid } else { PieceKind::V1 }
    }
}

impl TorrentContent {
    /// How the files fill the pieces. Without a piece length in the options: the least power of two that
    /// makes at most 2,048 pieces of all files together, within 256 KiB and 16 MiB.
    ///
    /// # Errors
    /// When there is nothing in the files, or they, their names or the options fit no torrent.
    pub fn layout(&self, options: MakeOptions) -> Result<Layout, MakeError> {
        let name = self.name()?;
        let piece_length = options.piece_length.unwrap_or_else(|| piece_length(self.length()));
        let layout = if self.is_file() {
            Layout::file(name, self.length(), piece_length, options.hybrid)
        } else {
            let files = self.files().iter().map(|file| (file.names.clone(), file.identity.size));
            Layout::directory(name, files.collect(), piece_length, options.hybrid)
        };
        Ok(layout?)
    }
}

/// Hashes files on all cores, one pass over each, and makes their torrent. For version 1 that is SHA-1
/// alone. Same files, name and piece length, same info-hash.
///
/// `progress` is called on this thread with the bytes hashed so far, several times a second;
/// `Break` ends the work.
///
/// # Errors
/// See [`MakeError`]. A file that is not the same before and after makes no torrent.
pub fn make_torrent(
    content: &TorrentContent,
    options: MakeOptions,
    mut progress: impl FnMut(u64) -> ControlFlow<()>,
) -> Result<Torrent<'static>, MakeError> {
    let layout = content.layout(options)?;
    let files = content.files();
    let places: Vec<_> = files.iter().map(|file| Some(file.place())).collect();

    let mut hashes = Collected::new(layout.pieces());
    let mut failed = None;
    hash_pieces(&layout, &places, options.kind(), |news, read| {
        match news {
            News::Piece(piece, Ok(found)) => hashes.put(piece, &found),
            News::Piece(_, Err(trouble)) => {
                failed = Some(Some(trouble));
                return ControlFlow::Break(());
            }
            News::Tick => {}
        }
        let go_on = progress(read);
        if go_on.is_break() {
            failed = Some(None);
        }
        go_on
    });
    match failed {
        None => {}
        Some(None) => return Err(MakeError::Cancelled),
        Some(Some(trouble)) => {
            let path = files.get(trouble.file).map(|file| file.path.clone()).unwrap_or_default();
            return Err(match trouble.kind {
                TroubleKind::Read(cause) => MakeError::Read { path, cause },
                TroubleKind::Changed | TroubleKind::Absent => MakeError::Changed(path),
            });
        }
    }
    if let Some(place) = places.iter().flatten().find(|place| !is_unchanged(place)) {
        return Err(MakeError::Changed(place.path.to_owned()));
    }
    let trees = options.hybrid.then(|| hashes.trees(&layout));
    Ok(Torrent::from_layout(&layout, hashes.pieces, trees)?)
}

/// Makes the torrent of a stream, read once, from its start to its end, on this thread. The piece
/// length is [`STREAM_PIECE_LENGTH`] unless the options say otherwise.
///
/// # Errors
/// As [`make_torrent`]; [`MakeError::Layout`] as soon as the stream is longer than a torrent of this
/// piece length can be.
pub fn make_torrent_of_stream(
    mut stream: impl Read,
    name: &str,
    options: MakeOptions,
    mut progress: impl FnMut(u64) -> ControlFlow<()>,
) -> Result<Torrent<'static>, MakeError> {
    let piece_length = options.piece_length.unwrap_or(STREAM_PIECE_LENGTH);
    let layout_of = |length| Layout::file(name, length, piece_length, options.hybrid);
    // Before the first byte is read: a name or a piece length that will not do.
    layout_of(1)?;
    let mut hasher = PieceHasher::new(options.kind(), piece_length);
    let mut hashes = Collected::new(0);
    let (mut buffer, mut length, mut in_piece) = (vec![0; BUFFER], 0_u64, 0_u32);
    loop {
        let room = usize::try_from(piece_length - in_piece).unwrap_or(BUFFER).min(BUFFER);
        let space = buffer.get_mut(..room).unwrap_or_default();
        let read = match stream.read(space) {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(MakeError::Stream(error)),
        };
        let ended = read == 0;
        hasher.update(space.get(..read).unwrap_or_default());
        length += read as u64;
        in_piece += u32::try_from(read).unwrap_or(0);
        if in_piece == piece_length || (ended && in_piece > 0) {
            hashes.push(&hasher.finish(length <= piece_length.into()));
            in_piece = 0;
            layout_of(length)?;
        }
        if ended {
            break;
        }
        if progress(length).is_break() {
            return Err(MakeError::Cancelled);
        }
    }
    let layout = layout_of(length)?;
    let trees = options.hybrid.then(|| hashes.trees(&layout));
    Ok(Torrent::from_layout(&layout, hashes.pieces, trees)?)
}

/// The hashes of all pieces, in the order of the layout.
struct Collected {
    pieces: Vec<u8>,
    nodes: Vec<Digest>,
}

const SHA1: usize = 20;

impl Collected {
    fn new(count: u64) -> Self {
        let count = usize::try_from(count).unwrap_or(0);
        Self { pieces: vec![0; count * SHA1], nodes: vec![Digest::ZERO; count] }
    }

    fn put(&mut self, piece: u64, hashes: &PieceHashes) {
        let Ok(index) = usize::try_from(piece) else { return };
        let (places, _) = self.pieces.as_chunks_mut::<SHA1>();
        if let (Some(place), Some(sha1)) = (places.get_mut(index), hashes.sha1) {
            *place = sha1;
        }
        if let (Some(place), Some(node)) = (self.nodes.get_mut(index), hashes.node) {
            *place = node;
        }
    }

    fn push(&mut self, hashes: &PieceHashes) {
        self.pieces.extend(hashes.sha1.into_iter().flatten());
        self.nodes.extend(hashes.node);
    }

    /// In a hybrid each file begins at a piece of its own, so its nodes are those of its pieces.
    fn trees(&self, layout: &Layout) -> Vec<FileTree> {
        let piece_length = u64::from(layout.piece_length()).max(1);
        let tree = |file: &FileEntry| {
            let index = |bytes: u64| usize::try_from(bytes.div_ceil(piece_length)).unwrap_or(0);
            let first = index(file.offset);
            let nodes = self.nodes.get(first..first + index(file.length)).unwrap_or_default();
            FileTree::from_pieces(nodes.to_vec(), file.length, layout.piece_length())
        };
        layout.files().iter().map(tree).collect()
    }
}
