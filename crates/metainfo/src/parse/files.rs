//! The files of a torrent: the list of version 1, the tree of version 2, and the layers.

use std::collections::BTreeMap;

use bendy::decoding::{DictDecoder, ListDecoder};

use super::{MAX_METAINFO, ParseError, values};
use crate::{
    Digest, FileEntry, LayoutError,
    layout::{BITCOMET_PAD, MAX_DEPTH, MAX_FILES, is_path, shown},
};

/// `piece layers`, by root.
pub(super) type Layers = BTreeMap<Digest, Vec<Digest>>;

/// Files in their order, placed one after another.
#[derive(Default)]
pub(super) struct Listed {
    pub(super) files: Vec<FileEntry>,
    pub(super) symlinks: Vec<Vec<String>>,
    pub(super) total: u64,
    names: usize,
}

/// The files of a tree, each with its root. They are not placed yet.
#[derive(Default)]
pub(super) struct TreeFiles {
    pub(super) files: Vec<(Vec<String>, u64, Digest)>,
    pub(super) symlinks: Vec<Vec<String>>,
    names: usize,
}

impl Listed {
    pub(super) fn with_symlinks(symlinks: Vec<Vec<String>>) -> Self {
        Self { symlinks, ..Self::default() }
    }

    pub(super) fn add(&mut self, path: Vec<String>, length: u64) -> Result<(), ParseError> {
        check_room(self.files.len(), &mut self.names, &path)?;
        let offset = self.total;
        self.skip(length)?;
        self.files.push(FileEntry { path, length, offset });
        Ok(())
    }

    pub(super) fn skip(&mut self, length: u64) -> Result<(), ParseError> {
        let total = self.total.checked_add(length).filter(|&total| i64::try_from(total).is_ok());
        self.total = total.ok_or(ParseError::Bad("total length"))?;
        Ok(())
    }
}

/// `files` (BEP 3, BEP 47).
pub(super) fn file_list(mut list: ListDecoder<'_, '_>) -> Result<Listed, ParseError> {
    let mut listed = Listed::default();
    while let Some(entry) = list.next_object()? {
        let mut entry = entry.try_into_dictionary()?;
        let (mut attributes, mut length) = (Attributes::default(), None);
        let (mut path, mut legacy_path) = (None, None);
        while let Some((key, value)) = entry.next_pair()? {
            match key {
                b"attr" => attributes = Attributes::read(value.try_into_bytes()?),
                b"length" => length = Some(values::length(value)?),
                b"path" => legacy_path = Some(names(value.try_into_list()?)?),
                b"path.utf-8" => path = Some(names(value.try_into_list()?)?),
                _ => values::skip(value)?,
            }
        }
        let path = path.or(legacy_path);
        if attributes.pad {
            // BEP 47: the path of a pad is for old clients, and may be missing.
            listed.skip(length.ok_or(ParseError::Missing("length"))?)?;
            continue;
        }
        let path = checked_path(&path.ok_or(ParseError::Missing("path"))?)?;
        if attributes.symlink {
            check_room(listed.symlinks.len(), &mut listed.names, &path)?;
            listed.symlinks.push(path);
        } else if path.last().is_some_and(|name| name.starts_with(BITCOMET_PAD)) {
            listed.skip(length.ok_or(ParseError::Missing("length"))?)?;
        } else {
            listed.add(path, length.ok_or(ParseError::Missing("length"))?)?;
        }
    }
    Ok(listed)
}

/// `file tree` (BEP 52). Sorted keys make its order the only one.
pub(super) fn file_tree(root: DictDecoder<'_, '_>) -> Result<TreeFiles, ParseError> {
    let mut tree = TreeFiles::default();
    folder(root, &mut Vec::new(), &mut tree)?;
    Ok(tree)
}

/// One level of the tree. The decoder bounds the depth, and thereby the recursion.
fn folder<'ser>(
    mut entries: DictDecoder<'_, 'ser>,
    path: &mut Vec<&'ser [u8]>,
    tree: &mut TreeFiles,
) -> Result<(), ParseError> {
    let mut is_file = false;
    while let Some((name, value)) = entries.next_pair()? {
        if is_file {
            return Err(ParseError::Files(LayoutError::FileAndFolder(shown(path))));
        }
        if name.is_empty() {
            // The empty name, which is the least of all, makes its folder a file. The root is none.
            if path.is_empty() {
                return Err(ParseError::Bad("file tree"));
            }
            properties(value.try_into_dictionary()?, path, tree)?;
            is_file = true;
        } else {
            path.push(name);
            folder(value.try_into_dictionary()?, path, tree)?;
            path.pop();
        }
    }
    Ok(())
}

fn properties(
    mut entry: DictDecoder<'_, '_>,
    path: &[&[u8]],
    tree: &mut TreeFiles,
) -> Result<(), ParseError> {
    let (mut attributes, mut length, mut root) = (Attributes::default(), None, None);
    while let Some((key, value)) = entry.next_pair()? {
        match key {
            b"attr" => attributes = Attributes::read(value.try_into_bytes()?),
            b"length" => length = Some(values::length(value)?),
            b"pieces root" => root = Some(digest(value.try_into_bytes()?)?),
            _ => values::skip(value)?,
        }
    }
    let path = checked_path(path)?;
    if attributes.pad {
        return Err(ParseError::Bad("pad in the file tree"));
    }
    check_room(tree.files.len() + tree.symlinks.len(), &mut tree.names, &path)?;
    if attributes.symlink {
        tree.symlinks.push(path);
        return Ok(());
    }
    let length = length.ok_or(ParseError::Missing("length"))?;
    let root = match (length, root) {
        (0, _) => Digest::ZERO,
        (_, Some(root)) => root,
        (_, None) => return Err(ParseError::Missing("pieces root")),
    };
    tree.files.push((path, length, root));
    Ok(())
}

/// `piece layers` (BEP 52). Whether they hash to their roots is seen when the files are known.
pub(super) fn layers(mut entries: DictDecoder<'_, '_>) -> Result<Layers, ParseError> {
    let mut layers = Layers::new();
    while let Some((root, layer)) = entries.next_pair()? {
        let (nodes, rest) = layer.try_into_bytes()?.as_chunks::<{ Digest::SIZE }>();
        if !rest.is_empty() {
            return Err(ParseError::Bad("piece layers"));
        }
        layers.insert(digest(root)?, nodes.iter().copied().map(Digest::from_bytes).collect());
    }
    Ok(layers)
}

/// BEP 47 `attr`.
#[derive(Default)]
struct Attributes {
    pad: bool,
    symlink: bool,
}

impl Attributes {
    fn read(letters: &[u8]) -> Self {
        Self { pad: letters.contains(&b'p'), symlink: letters.contains(&b'l') }
    }
}

fn digest(bytes: &[u8]) -> Result<Digest, ParseError> {
    bytes.try_into().map(Digest::from_bytes).map_err(|_| ParseError::Bad("root"))
}

/// A `path`. No further than it may be deep: two bytes of metainfo make a name of none, which takes a
/// multiple of that here.
fn names<'ser>(mut list: ListDecoder<'_, 'ser>) -> Result<Vec<&'ser [u8]>, ParseError> {
    let mut names = Vec::new();
    while let Some(item) = list.next_object()? {
        if names.len() == MAX_DEPTH {
            return Err(ParseError::Files(LayoutError::Path(shown(&names))));
        }
        names.push(item.try_into_bytes()?);
    }
    Ok(names)
}

fn checked_path(path: &[&[u8]]) -> Result<Vec<String>, ParseError> {
    let names = path.iter().map(|name| values::text(name, "path"));
    let names = names.collect::<Result<Vec<_>, _>>()?;
    if is_path(&names) { Ok(names) } else { Err(ParseError::Files(LayoutError::Path(shown(path)))) }
}

/// A tree names a folder once, and its files each take a copy of the whole path: without a bound on
/// those, 64 MiB could become gigabytes.
fn check_room(files: usize, names: &mut usize, path: &[String]) -> Result<(), ParseError> {
    *names = path.iter().fold(*names, |sum, name| sum.saturating_add(name.len() + 8));
    if files >= MAX_FILES || *names > MAX_METAINFO {
        return Err(ParseError::TooManyFiles);
    }
    Ok(())
}
