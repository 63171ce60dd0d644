//! The BEP 52 hashes of one file at the layer that a torrent publishes.

use crate::{
    Digest,
    hashes::{LEAF, UNIT},
    merkle::{root_of_layer, zero_subtree},
    merkle_root,
};

/// What a torrent of BEP 52 says of one file: the root of its SHA-256 tree, and the nodes that stand
/// for one piece each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileTree {
    /// `pieces root`; [`Digest::ZERO`] for an empty file, which has none.
    pub root: Digest,
    /// `piece layers`: one node a piece of the file; empty when the file is no longer than a piece.
    pub layer: Vec<Digest>,
}

impl FileTree {
    /// From the digests of the 64 KiB layer, one a unit, as [`Hasher`](crate::Hasher) gives them.
    /// `piece_length`: a power of two, at least 64 KiB.
    pub fn from_units(digests: &[Digest], length: u64, piece_length: u32) -> Self {
        let mut builder = FileTreeBuilder::new(length, piece_length);
        builder.push(digests);
        builder.finish()
    }

    /// From the nodes that stand for its pieces, one each, as [`PieceHasher`](crate::PieceHasher) gives
    /// them; of a file no longer than a piece that is its root. `piece_length`: a power of two, at least
    /// 16 KiB.
    pub fn from_pieces(nodes: Vec<Digest>, length: u64, piece_length: u32) -> Self {
        if length <= piece_length.into() {
            return Self { root: root_of_layer(&nodes, Digest::ZERO), layer: Vec::new() };
        }
        let height = piece_length.max(1).ilog2().saturating_sub(LEAF.ilog2());
        Self { root: root_of_layer(&nodes, zero_subtree(height)), layer: nodes }
    }

    /// Whether the layer has the right size and hashes to the root.
    pub(crate) fn is_consistent(&self, length: u64, piece_length: u32) -> bool {
        if length <= piece_length.into() {
            return self.layer.is_empty() && (length == 0) == (self.root == Digest::ZERO);
        }
        if !piece_length.is_power_of_two() || u64::from(piece_length) < LEAF {
            return false;
        }
        let height = piece_length.ilog2() - LEAF.ilog2();
        self.layer.len() as u64 == length.div_ceil(piece_length.into())
            && root_of_layer(&self.layer, zero_subtree(height)) == self.root
    }
}

/// Makes a [`FileTree`] while the file is hashed: a file of 10 TB has 5 GB of digests, which need
/// not be in memory at the same time.
#[derive(Debug, Clone)]
pub struct FileTreeBuilder {
    whole: bool,
    units_a_piece: usize,
    units: Vec<Digest>,
    layer: Vec<Digest>,
}

impl FileTreeBuilder {
    /// For a file of `length` bytes. `piece_length`: a power of two, at least 64 KiB; what is less
    /// counts as 64 KiB.
    pub fn new(length: u64, piece_length: u32) -> Self {
        let units = (u64::from(piece_length) / UNIT).max(1);
        Self {
            whole: length <= piece_length.into() || length <= UNIT,
            units_a_piece: usize::try_from(units).unwrap_or(usize::MAX),
            units: Vec::new(),
            layer: Vec::new(),
        }
    }

    /// Takes the next digests, in slices of any size.
    pub fn push(&mut self, digests: &[Digest]) {
        for digest in digests {
            self.units.push(*digest);
            if !self.whole && self.units.len() == self.units_a_piece {
                self.close_piece();
            }
        }
    }

    /// The tree, once all digests are in.
    pub fn finish(mut self) -> FileTree {
        if self.whole {
            return FileTree { root: merkle_root(&self.units), layer: self.layer };
        }
        if !self.units.is_empty() {
            self.close_piece();
        }
        let height = self.height_of_piece();
        FileTree { root: root_of_layer(&self.layer, zero_subtree(height)), layer: self.layer }
    }

    fn close_piece(&mut self) {
        // A piece of a longer file is filled up to its whole width.
        let unit = zero_subtree(UNIT.ilog2() - LEAF.ilog2());
        self.units.resize(self.units_a_piece, unit);
        self.layer.push(root_of_layer(&self.units, unit));
        self.units.clear();
    }

    fn height_of_piece(&self) -> u32 {
        UNIT.ilog2() - LEAF.ilog2() + self.units_a_piece.ilog2()
    }
}
