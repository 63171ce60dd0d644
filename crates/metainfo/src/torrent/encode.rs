//! Canonical bencode of a torrent.

use std::collections::BTreeMap;

use bendy::encoding::{Encoder, Error, SingleItemEncoder};

use super::Torrent;
use crate::{
    FileEntry, FileTree,
    layout::{MAX_DEPTH, PAD_FOLDER},
};

/// Levels beside those of a path: top, info, file tree, the properties of a file.
const MAX_LEVELS: usize = MAX_DEPTH + 8;

impl Torrent<'_> {
    pub(super) fn encode(&self) -> Vec<u8> {
        encoded(|item| {
            item.emit_dict(|mut top| {
                if let Some(first) = self.trackers.first().and_then(|tier| tier.first()) {
                    top.emit_pair(b"announce", first)?;
                    top.emit_pair(b"announce-list", &self.trackers)?;
                }
                if let Some(comment) = &self.comment {
                    top.emit_pair(b"comment", comment)?;
                }
                if let Some(program) = &self.created_by {
                    top.emit_pair(b"created by", program)?;
                }
                top.emit_pair_with(b"info", |item| self.info(item))?;
                if let Some(trees) = &self.trees {
                    top.emit_pair_with(b"piece layers", |item| layers(item, trees))?;
                }
                match &*self.web_seeds {
                    [] => Ok(()),
                    // Old clients know the string form only.
                    [one] => top.emit_pair(b"url-list", one),
                    several => top.emit_pair(b"url-list", several),
                }
            })
        })
    }

    pub(super) fn encode_info(&self) -> Vec<u8> {
        encoded(|item| self.info(item))
    }

    fn info(&self, item: SingleItemEncoder<'_>) -> Result<(), Error> {
        item.emit_dict(|mut info| {
            if let Some(trees) = &self.trees {
                info.emit_pair_with(b"file tree", |item| self.file_tree(item, trees))?;
            }
            if self.layout.is_single_file() {
                info.emit_pair(b"length", self.layout.total())?;
            } else {
                info.emit_pair_with(b"files", |item| self.files(item))?;
            }
            if self.trees.is_some() {
                info.emit_pair(b"meta version", 2)?;
            }
            info.emit_pair(b"name", self.layout.name())?;
            info.emit_pair(b"piece length", self.layout.piece_length())?;
            info.emit_pair_with(b"pieces", |item| item.emit_bytes(&self.pieces))?;
            if self.private {
                info.emit_pair(b"private", 1)?;
            }
            match &self.update_url {
                Some(url) => info.emit_pair(b"update-url", url),
                None => Ok(()),
            }
        })
    }

    /// BEP 3, with the pads of BEP 47.
    fn files(&self, item: SingleItemEncoder<'_>) -> Result<(), Error> {
        let pad = |list: &mut Encoder, length: u64| match length {
            0 => Ok(()),
            _ => list.emit_dict(|mut entry| {
                entry.emit_pair(b"attr", "p")?;
                entry.emit_pair(b"length", length)?;
                entry.emit_pair(b"path", [PAD_FOLDER, &length.to_string()].as_slice())
            }),
        };
        let (first, pads) = self.layout.pads();
        item.emit_list(|list| {
            pad(list, first)?;
            for (file, after) in self.layout.files().iter().zip(pads) {
                list.emit_dict(|mut entry| {
                    entry.emit_pair(b"length", file.length)?;
                    entry.emit_pair(b"path", &file.path)
                })?;
                pad(list, after)?;
            }
            Ok(())
        })
    }

    /// BEP 52.
    fn file_tree(&self, item: SingleItemEncoder<'_>, trees: &[FileTree]) -> Result<(), Error> {
        let files = self.layout.files();
        if !self.layout.is_single_file() {
            return folder(item, files, trees, 0);
        }
        item.emit_dict(|mut tree| match (files, trees) {
            ([file], [hashes]) => {
                tree.emit_pair_with(self.layout.name().as_bytes(), |item| leaf(item, file, hashes))
            }
            _ => Ok(()),
        })
    }
}

/// The files below one folder of the tree, which all agree in the first `depth` names.
fn folder(
    item: SingleItemEncoder<'_>,
    mut files: &[FileEntry],
    mut trees: &[FileTree],
    depth: usize,
) -> Result<(), Error> {
    item.emit_dict(|mut folder_entries| {
        while let Some(name) = files.first().and_then(|file| file.path.get(depth)) {
            let alike = files.iter().take_while(|file| file.path.get(depth) == Some(name)).count();
            let (inside, beyond) = files.split_at(alike);
            let (hashes, hashes_beyond) = trees.split_at(alike);
            folder_entries.emit_pair_with(name.as_bytes(), |item| match (inside, hashes) {
                ([file], [hashes]) if file.path.len() == depth + 1 => leaf(item, file, hashes),
                _ => folder(item, inside, hashes, depth + 1),
            })?;
            (files, trees) = (beyond, hashes_beyond);
        }
        Ok(())
    })
}

/// The properties of a file, under the empty name.
fn leaf(item: SingleItemEncoder<'_>, file: &FileEntry, tree: &FileTree) -> Result<(), Error> {
    item.emit_dict(|mut properties| {
        properties.emit_pair_with(b"", |item| {
            item.emit_dict(|mut properties| {
                properties.emit_pair(b"length", file.length)?;
                if file.length == 0 {
                    return Ok(());
                }
                properties
                    .emit_pair_with(b"pieces root", |item| item.emit_bytes(tree.root.as_ref()))
            })
        })
    })
}

/// Equal files have one layer.
fn layers(item: SingleItemEncoder<'_>, trees: &[FileTree]) -> Result<(), Error> {
    let layers: BTreeMap<_, _> = trees
        .iter()
        .filter(|tree| !tree.layer.is_empty())
        .map(|tree| (tree.root, &tree.layer))
        .collect();
    item.emit_dict(|mut entries| {
        for (root, layer) in layers {
            entries.emit_pair_with(root.as_ref(), |item| {
                item.emit_bytes(
                    layer.iter().flat_map(|node| *node.as_bytes()).collect::<Vec<_>>().as_slice(),
                )
            })?;
        }
        Ok(())
    })
}

fn encoded(content: impl FnOnce(SingleItemEncoder<'_>) -> Result<(), Error>) -> Vec<u8> {
    let mut encoder = Encoder::new().with_max_depth(MAX_LEVELS);
    encoder
        .emit_with(content)
        .and_then(|()| encoder.get_output())
        .expect("a layout is sorted, without clashes, and not deeper than allowed")
}
