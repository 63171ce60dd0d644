//! Hashing some pieces of a torrent, wherever they lie: the part of a file that one thread takes.

use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use crate::{
    Digest,
    hashes::{LEAF, PIECE_HASH},
    merkle::root_of_layer,
};

/// What pads are hashed from, a slice at a time.
static ZEROS: [u8; 16_384] = [0; 16_384];

/// Which hashes of a piece are wanted; what is not wanted costs nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PieceKind {
    /// SHA-1 (BEP 3).
    V1,
    /// The node of the SHA-256 tree (BEP 52).
    V2,
    /// Both, as a hybrid torrent has them.
    Hybrid,
}

/// The hashes of one piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PieceHashes {
    /// SHA-1 of the piece, pads included; `None` unless asked for.
    pub sha1: Option<[u8; PIECE_HASH]>,
    /// The node that stands for the piece in the tree of its file, which is the root of a file that
    /// is no longer than a piece; `None` unless asked for.
    pub node: Option<Digest>,
}

/// Hashes pieces one after the other, each from its bytes in order, in slices of any size.
///
/// Pieces do not depend on one another, so that several of these can share out a file. Keeps 32
/// bytes for each 16 KiB of a piece in version 2, and nothing that grows in version 1.
#[derive(Debug, Clone)]
pub struct PieceHasher {
    kind: PieceKind,
    leaves_a_piece: usize,
    sha1: Sha1,
    leaf: Sha256,
    leaf_filled: u64,
    leaves: Vec<Digest>,
}

impl PieceHasher {
    /// For pieces of this length. Version 2 asks for a power of two, at least 16 KiB.
    pub fn new(kind: PieceKind, piece_length: u32) -> Self {
        let leaves = (u64::from(piece_length) / LEAF).max(1);
        Self {
            kind,
            leaves_a_piece: usize::try_from(leaves).unwrap_or(usize::MAX),
            sha1: Sha1::new(),
            leaf: Sha256::new(),
            leaf_filled: 0,
            leaves: Vec::new(),
        }
    }

    /// Takes the next bytes of a file.
    pub fn update(&mut self, mut bytes: &[u8]) {
        if self.kind == PieceKind::V1 {
            return self.sha1.update(bytes);
        }
        while !bytes.is_empty() {
            // A leaf at most: both hashes read it while it is in the first-level cache.
            let room = usize::try_from(LEAF - self.leaf_filled).unwrap_or(usize::MAX);
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            if self.kind == PieceKind::Hybrid {
                self.sha1.update(now);
            }
            self.leaf.update(now);
            self.leaf_filled += now.len() as u64;
            if self.leaf_filled == LEAF {
                self.close_leaf();
            }
            bytes = later;
        }
    }

    /// Takes a pad (BEP 47): so many zeros, which belong to no file and so to no tree.
    pub fn pad(&mut self, mut length: u64) {
        while self.kind != PieceKind::V2 && length > 0 {
            let step = length.min(ZEROS.len() as u64);
            self.sha1.update(&ZEROS[..usize::try_from(step).unwrap_or(ZEROS.len())]);
            length -= step;
        }
    }

    /// The hashes of the piece; what comes then is the next one. `whole_file`: the piece is all of
    /// its file, whose tree then is only as wide as it needs to be.
    pub fn finish(&mut self, whole_file: bool) -> PieceHashes {
        if self.leaf_filled > 0 {
            self.close_leaf();
        }
        if !whole_file && self.kind != PieceKind::V1 {
            self.leaves.resize(self.leaves_a_piece, Digest::ZERO);
        }
        let hashes = PieceHashes {
            sha1: (self.kind != PieceKind::V2).then(|| self.sha1.finalize_reset().into()),
            node: (self.kind != PieceKind::V1).then(|| root_of_layer(&self.leaves, Digest::ZERO)),
        };
        self.leaves.clear();
        hashes
    }

    /// Forgets what came of a piece that could not be read to its end.
    pub fn reset(&mut self) {
        self.sha1 = Sha1::new();
        self.leaf = Sha256::new();
        self.leaf_filled = 0;
        self.leaves.clear();
    }

    fn close_leaf(&mut self) {
        self.leaves.push(Digest::from_bytes(self.leaf.finalize_reset().into()));
        self.leaf_filled = 0;
    }
}
