//! What the halves of a torrent say together: one layout, or a refusal.

use super::{
    MAX_PIECES, ParseError,
    files::{Layers, Listed, TreeFiles},
    info::{V1, V1Files},
};
use crate::{
    FileEntry, FileTree, Layout,
    hashes::PIECE_HASH,
    layout::{check_clashes, shown},
};

/// The files of a torrent and all hashes of them.
pub(super) struct Content {
    pub(super) layout: Layout,
    pub(super) pieces: Option<Vec<u8>>,
    pub(super) trees: Option<Vec<FileTree>>,
    pub(super) symlinks: usize,
}

pub(super) fn join(
    name: String,
    piece_length: u32,
    v1: Option<V1>,
    v2: Option<TreeFiles>,
    layers: Option<Layers>,
) -> Result<Content, ParseError> {
    let (placed, trees) = match v2 {
        None => (None, None),
        Some(tree) => {
            let layers = layers.ok_or(ParseError::Missing("piece layers"))?;
            let (placed, trees) = place(tree, piece_length, &layers)?;
            (Some(placed), Some(trees))
        }
    };
    let (layout, symlinks, pieces) = match (v1, placed) {
        (None, None) => return Err(ParseError::Missing("length")),
        (Some(V1 { files: V1Files::Single(length), pieces }), placed) => {
            let layout = Layout::single(name, length, piece_length);
            if let Some(placed) = placed {
                let [FileEntry { path, length: other, .. }] = &*placed.files else {
                    return Err(ParseError::Halves("the number of files"));
                };
                if path.len() != 1 || path[0] != layout.name() {
                    return Err(ParseError::Halves("the name of the file"));
                }
                if *other != length {
                    return Err(ParseError::Halves("the length of the file"));
                }
                (layout.into_hybrid(), 0, Some(pieces))
            } else {
                (layout, 0, Some(pieces))
            }
        }
        (Some(V1 { files: V1Files::Several(listed), pieces }), placed) => {
            if let Some(placed) = &placed {
                compare(&listed, placed, piece_length)?;
            }
            let symlinks = listed.symlinks.len();
            let layout = directory(name, piece_length, listed)?;
            let layout = if placed.is_some() { layout.into_hybrid() } else { layout };
            (layout, symlinks, Some(pieces))
        }
        (None, Some(mut placed)) => {
            let symlinks = placed.symlinks.len();
            let layout = match &mut *placed.files {
                // BEP 52: a tree of one file at its root is a torrent of one file. The name of the
                // torrent is advisory, that of the file is not.
                [FileEntry { path, length, .. }] if path.len() == 1 && symlinks == 0 => {
                    let name = path.pop().unwrap_or(name);
                    Layout::single(name, *length, piece_length)
                }
                _ => directory(name, piece_length, placed)?,
            };
            (layout, symlinks, None)
        }
    };
    if let Some(pieces) = &pieces {
        let whole = pieces.len().is_multiple_of(PIECE_HASH);
        if !whole || (pieces.len() / PIECE_HASH) as u64 != layout.pieces() {
            return Err(ParseError::Bad("number of pieces"));
        }
    }
    Ok(Content { layout, pieces, trees, symlinks })
}

fn directory(name: String, piece_length: u32, listed: Listed) -> Result<Layout, ParseError> {
    if listed.files.is_empty() {
        return Err(ParseError::Missing("file"));
    }
    // A file below a symbolic link would be written wherever that leads.
    let paths = listed.files.iter().map(|file| &*file.path);
    let paths = paths.chain(listed.symlinks.iter().map(|path| &**path));
    check_clashes(paths.collect()).map_err(ParseError::Files)?;
    Ok(Layout::placed(name, listed.files, piece_length, listed.total))
}

/// BEP 52: each file begins at a piece. Its hashes are in `layers` when it is longer than one.
fn place(
    tree: TreeFiles,
    piece_length: u32,
    layers: &Layers,
) -> Result<(Listed, Vec<FileTree>), ParseError> {
    let pieces = tree.files.iter().map(|(_, length, _)| length.div_ceil(piece_length.into()));
    if pieces.fold(0, u64::saturating_add) > MAX_PIECES {
        return Err(ParseError::Bad("number of pieces"));
    }
    let mut placed = Listed::with_symlinks(tree.symlinks);
    let mut trees = Vec::with_capacity(tree.files.len());
    for (path, length, root) in tree.files {
        // Totals have 63 bits at most, so this does not overflow.
        placed.skip(placed.total.next_multiple_of(piece_length.into()) - placed.total)?;
        let layer = if length > piece_length.into() { layers.get(&root) } else { None };
        let tree = FileTree { root, layer: layer.cloned().unwrap_or_default() };
        if !tree.is_consistent(length, piece_length) {
            return Err(ParseError::PieceLayer(shown(&path)));
        }
        trees.push(tree);
        placed.add(path, length)?;
    }
    Ok((placed, trees))
}

/// BEP 52: the same files, in the same order, at the same places. An empty file has no place; and
/// after the last file some programs write a pad, and some do not.
fn compare(v1: &Listed, v2: &Listed, piece_length: u32) -> Result<(), ParseError> {
    if v1.files.len() != v2.files.len() {
        return Err(ParseError::Halves("the number of files"));
    }
    for (one, two) in v1.files.iter().zip(&v2.files) {
        if one.path != two.path {
            return Err(ParseError::Halves("the path of a file"));
        }
        if one.length != two.length {
            return Err(ParseError::Halves("the length of a file"));
        }
        if one.length > 0 && one.offset != two.offset {
            return Err(ParseError::Halves("the place of a file"));
        }
    }
    let end = v2.files.iter().filter(|file| file.length > 0).map(|file| file.offset + file.length);
    let end = end.max().unwrap_or(0);
    if v1.total != end && v1.total != end.next_multiple_of(piece_length.into()) {
        return Err(ParseError::Halves("the end of the last file"));
    }
    Ok(())
}
