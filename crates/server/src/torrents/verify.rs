use std::collections::HashSet;
use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use manyhands_metainfo::{Digest, FileIdentity, FileTree, ParsedTorrent, PieceHashes, PieceKind};

use super::content::kind;
use super::pieces::{News, Place, TroubleKind, hash_pieces, is_unchanged};

/// Most names that are looked at to find what is not in the torrent.
const MAX_NAMES: usize = 2_000_000;

/// What a directory or file has of a torrent.
#[derive(Debug)]
pub struct TorrentCheck {
    /// How many pieces the torrent has.
    pub pieces: u64,
    /// Pieces that were read and are not what the torrent says, in order. Counted from 0.
    pub bad: Vec<u64>,
    /// Pieces that could not be read to their end, in order: the file is missing, too short,
    /// unreadable, or was written to.
    pub missing: Vec<u64>,
    /// One for each file of the torrent, in its order.
    pub files: Vec<FileCheck>,
    /// Paths below the directory that are not in the torrent, sorted. They do no harm to it.
    pub extra: Vec<PathBuf>,
    /// False when the caller broke off: pieces that were not looked at are counted nowhere.
    pub complete: bool,
}

impl TorrentCheck {
    /// Whether all bytes of the torrent are there.
    pub fn is_whole(&self) -> bool {
        let whole = |file: &FileCheck| file.state == FileCheckState::Whole;
        self.complete
            && self.bad.is_empty()
            && self.missing.is_empty()
            && self.files.iter().all(whole)
    }
}

/// What is there of one file.
#[derive(Debug)]
pub struct FileCheck {
    /// The path in the file system.
    pub path: PathBuf,
    /// What is wrong with it.
    pub state: FileCheckState,
    /// Pieces with bytes of this file that are bad or missing. Where a piece has bytes of several
    /// files (never in version 2) it counts for each.
    pub damaged: Vec<u64>,
}

/// What is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileCheckState {
    /// Nothing.
    Whole,
    /// It has the right length, but some pieces are not what they should be.
    Damaged,
    /// There is nothing of this name.
    Missing,
    /// It is shorter or longer than it should be.
    Length {
        /// Its length in bytes.
        actual: u64,
    },
    /// There is something else of this name: what it is.
    NotAFile(&'static str),
    /// The system did not let us read it: what it said.
    Unreadable(String),
    /// Somebody wrote to it while it was read.
    Changed,
}

/// Compares files with a torrent, by all hashes it has: SHA-1 pieces (BEP 3) and SHA-256 trees (BEP 52).
/// Reads on all cores and stops at nothing: the result names every piece and file that is not there, or
/// not right, and what else lies in the directory.
///
/// `path`: of a torrent of one file, the file, or the directory it lies in. Of a directory, the
/// directory; where `path` goes by another name and has a directory of the torrent's name in it, that.
///
/// `progress` as in [`make_torrent`](super::make_torrent).
pub fn verify_torrent(
    torrent: &ParsedTorrent,
    path: &Path,
    mut progress: impl FnMut(u64) -> ControlFlow<()>,
) -> TorrentCheck {
    let layout = &torrent.layout;
    let base = base(torrent, path);
    let mut states = Vec::with_capacity(layout.files().len());
    let mut found = Vec::with_capacity(layout.files().len());
    for file in layout.files() {
        let path: PathBuf =
            [base.as_path()].into_iter().chain(file.path.iter().map(Path::new)).collect();
        let (identity, state) = look(&path, file.length);
        found.push((path, identity));
        states.push(state);
    }
    let places: Vec<_> = found
        .iter()
        .map(|(path, identity)| identity.map(|identity| Place { path, identity }))
        .collect();

    let expected = Expected::new(torrent);
    let (mut bad, mut missing, mut complete) = (Vec::new(), Vec::new(), true);
    hash_pieces(layout, &places, expected.kind(), |news, read| {
        match news {
            News::Piece(piece, Ok(hashes)) if expected.is_met(piece, &hashes) => {}
            News::Piece(piece, Ok(_)) => bad.push(piece),
            News::Piece(piece, Err(trouble)) => {
                missing.push(piece);
                if let Some(state @ FileCheckState::Whole) = states.get_mut(trouble.file) {
                    *state = trouble.kind.into();
                }
            }
            News::Tick => {}
        }
        let go_on = progress(read);
        complete = go_on.is_continue();
        go_on
    });
    bad.sort_unstable();
    missing.sort_unstable();

    let mut damaged = vec![Vec::new(); layout.files().len()];
    let mut both: Vec<u64> = bad.iter().chain(&missing).copied().collect();
    both.sort_unstable();
    for piece in both {
        for file in layout.spans(piece).filter_map(|span| span.file) {
            if let Some(damaged) = damaged.get_mut(file) {
                damaged.push(piece);
            }
        }
    }
    let files = places.iter().zip(&found).zip(states.into_iter().zip(damaged));
    let files = files.map(|((place, (path, _)), (state, damaged))| {
        let state = match state {
            FileCheckState::Whole if place.is_some_and(|place| !is_unchanged(&place)) => {
                FileCheckState::Changed
            }
            FileCheckState::Whole if !damaged.is_empty() => FileCheckState::Damaged,
            state => state,
        };
        FileCheck { path: path.clone(), state, damaged }
    });
    let files: Vec<_> = files.collect();
    let extra = if layout.is_single_file() {
        Vec::new()
    } else {
        extra(&base, files.iter().map(|file| file.path.as_path()).collect())
    };
    TorrentCheck { pieces: layout.pieces(), bad, missing, files, extra, complete }
}

/// The file of a torrent of one file, or the directory of one of several.
fn base(torrent: &ParsedTorrent, path: &Path) -> PathBuf {
    let name = torrent.layout.name();
    let named = path.join(name);
    if torrent.layout.is_single_file() {
        return if path.is_dir() { named } else { path.to_owned() };
    }
    let own_name = path.canonicalize().ok();
    let own_name = own_name.as_deref().unwrap_or(path).file_name();
    if own_name.is_some_and(|own_name| own_name == name) || !named.is_dir() {
        path.to_owned()
    } else {
        named
    }
}

fn look(path: &Path, length: u64) -> (Option<FileIdentity>, FileCheckState) {
    match fs::metadata(path) {
        Ok(metadata) if !metadata.is_file() => (None, FileCheckState::NotAFile(kind(&metadata))),
        Ok(metadata) => {
            let identity = FileIdentity::from_metadata(&metadata);
            let state = if identity.size == length {
                FileCheckState::Whole
            } else {
                FileCheckState::Length { actual: identity.size }
            };
            (Some(identity), state)
        }
        Err(error)
            if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
        {
            (None, FileCheckState::Missing)
        }
        Err(error) => (None, FileCheckState::Unreadable(error.to_string())),
    }
}

impl From<TroubleKind> for FileCheckState {
    fn from(trouble: TroubleKind) -> Self {
        match trouble {
            TroubleKind::Absent => Self::Missing,
            TroubleKind::Changed => Self::Changed,
            TroubleKind::Read(error) => Self::Unreadable(error.to_string()),
        }
    }
}

/// What the torrent says of its pieces.
struct Expected<'a> {
    sha1s: Option<&'a [[u8; 20]]>,
    /// One a piece; where a file is empty there is no piece.
    nodes: Option<Vec<Digest>>,
}

impl<'a> Expected<'a> {
    fn new(torrent: &'a ParsedTorrent) -> Self {
        let nodes = |trees: &Vec<FileTree>| {
            let files = torrent.layout.files().iter().zip(trees);
            let nodes = files.filter(|(file, _)| file.length > 0).flat_map(|(_, tree)| {
                // A file of one piece has no layer: its root is that piece.
                if tree.layer.is_empty() { std::slice::from_ref(&tree.root) } else { &tree.layer }
            });
            nodes.copied().collect()
        };
        Self {
            sha1s: torrent.info_hash.is_some().then(|| torrent.pieces.as_chunks().0),
            nodes: torrent.trees.as_ref().map(nodes),
        }
    }

    fn kind(&self) -> PieceKind {
        match (&self.sha1s, &self.nodes) {
            (_, None) => PieceKind::V1,
            (None, Some(_)) => PieceKind::V2,
            (Some(_), Some(_)) => PieceKind::Hybrid,
        }
    }

    fn is_met(&self, piece: u64, hashes: &PieceHashes) -> bool {
        let Ok(index) = usize::try_from(piece) else { return false };
        let sha1 = self.sha1s.is_none_or(|sha1s| sha1s.get(index) == hashes.sha1.as_ref());
        let node = self.nodes.as_ref().is_none_or(|nodes| nodes.get(index) == hashes.node.as_ref());
        sha1 && node
    }
}

/// All that lies below a directory and is no directory, but for what is known and for pads (BEP 47) that
/// a client wrote to disk. What cannot be looked into is passed over: a file of the torrent in there has
/// been named already.
fn extra(base: &Path, known: HashSet<&Path>) -> Vec<PathBuf> {
    let mut extra = Vec::new();
    let mut directories = vec![base.to_owned()];
    let mut looked_at = 0;
    while let Some(directory) = directories.pop() {
        let Ok(entries) = fs::read_dir(&directory) else { continue };
        for entry in entries.flatten() {
            looked_at += 1;
            if looked_at > MAX_NAMES {
                break;
            }
            let path = entry.path();
            // Of the entry itself: links are not walked into.
            if entry.file_type().is_ok_and(|file_type| file_type.is_dir()) {
                directories.push(path);
            } else if !known.contains(path.as_path()) && !is_pad(base, &path) {
                extra.push(path);
            }
        }
    }
    extra.sort_unstable();
    extra
}

fn is_pad(base: &Path, path: &Path) -> bool {
    path.strip_prefix(base.join(".pad"))
        .is_ok_and(|rest| rest.to_str().is_some_and(|name| name.parse::<u64>().is_ok()))
}
