//! Building metainfo: the same files and settings, the same bytes every time.

mod encode;

use std::borrow::Cow;

use crate::{
    Digest, FileTree, Hashes, InfoHash, Layout, NameError, hashes::PIECE_HASH, layout::is_file_name,
};

/// Why hashes make no torrent of these files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TorrentError {
    /// Not 20 bytes for each piece of the layout.
    #[error("{got} bytes of piece hashes where the files ask for {expected}")]
    Pieces {
        /// Bytes that the layout asks for.
        expected: u64,
        /// Bytes given.
        got: u64,
    },
    /// File trees without a hybrid layout, a hybrid layout without trees, or not one a file.
    #[error("a hybrid torrent has one file tree a file, any other torrent has none")]
    Trees,
    /// The tree of a file does not have the size that its length asks for, or another root.
    #[error("the file tree of file {0} does not fit its length")]
    Tree(usize),
}

/// The metainfo of a file or a directory: version 1 (BEP 3) or hybrid (BEP 52), with web seeds
/// (BEP 19) and trackers (BEP 12).
///
/// The info dictionary holds names, lengths and hashes alone, and nothing depends on the time: same
/// files, names and piece length, same info-hash. The one setting that changes it is
/// [`with_update_url`](Self::with_update_url).
#[derive(Debug, Clone)]
pub struct Torrent<'a> {
    layout: Layout,
    pieces: Cow<'a, [u8]>,
    trees: Option<Vec<FileTree>>,
    update_url: Option<String>,
    private: bool,
    web_seeds: Vec<String>,
    trackers: Vec<Vec<String>>,
    comment: Option<String>,
    created_by: Option<String>,
}

impl Torrent<'static> {
    /// A torrent of these files. `pieces`: 20 bytes of SHA-1 for each piece of the layout, pads
    /// hashed as zeros; `trees`: for a hybrid layout one a file, in the order of the layout.
    ///
    /// # Errors
    /// See [`TorrentError`].
    pub fn from_layout(
        layout: &Layout,
        pieces: Vec<u8>,
        trees: Option<Vec<FileTree>>,
    ) -> Result<Self, TorrentError> {
        let expected = layout.pieces().saturating_mul(PIECE_HASH as u64);
        if pieces.len() as u64 != expected {
            return Err(TorrentError::Pieces { expected, got: pieces.len() as u64 });
        }
        if trees.as_ref().map(Vec::len) != layout.is_hybrid().then_some(layout.files().len()) {
            return Err(TorrentError::Trees);
        }
        for (index, (file, tree)) in layout.files().iter().zip(trees.iter().flatten()).enumerate() {
            if !tree.is_consistent(file.length, layout.piece_length()) {
                return Err(TorrentError::Tree(index));
            }
        }
        Ok(Self::build(layout.clone(), Cow::Owned(pieces), trees))
    }
}

impl<'a> Torrent<'a> {
    /// A version 1 torrent of the file with these hashes.
    /// [`AssetPath::file_name`](crate::AssetPath) always gives a good name.
    ///
    /// # Errors
    /// [`NameError`] when the name is not that of a file.
    pub fn new(name: &str, hashes: &'a Hashes) -> Result<Self, NameError> {
        if is_file_name(name) { Ok(Self::named(name.to_owned(), hashes)) } else { Err(NameError) }
    }

    /// For names that were checked before.
    pub(crate) fn named(name: String, hashes: &'a Hashes) -> Self {
        let layout = Layout::single(name, hashes.length, hashes.piece_length);
        Self::build(layout, Cow::Borrowed(&hashes.pieces), None)
    }

    fn build(layout: Layout, pieces: Cow<'a, [u8]>, trees: Option<Vec<FileTree>>) -> Self {
        Self {
            layout,
            pieces,
            trees,
            update_url: None,
            private: false,
            web_seeds: Vec::new(),
            trackers: Vec::new(),
            comment: None,
            created_by: None,
        }
    }

    /// Adds a web seed: the whole percent-encoded URL of the file, not a redirect to it. For a
    /// directory: the URL that its name and the paths below are added to, with a slash at the end.
    #[must_use]
    pub fn with_web_seed(mut self, url: impl Into<String>) -> Self {
        self.web_seeds.push(url.into());
        self
    }

    /// Adds a tier of trackers; the first of the first tier is also `announce`. An empty tier is
    /// ignored.
    #[must_use]
    pub fn with_tracker_tier<U: Into<String>>(mut self, urls: impl IntoIterator<Item = U>) -> Self {
        let tier: Vec<String> = urls.into_iter().map(Into::into).collect();
        if !tier.is_empty() {
            self.trackers.push(tier);
        }
        self
    }

    /// Where clients ask for a later version of this torrent (BEP 39). It is part of the info
    /// dictionary, so **it changes the info-hash**: the same files with another URL, or none, are
    /// another swarm.
    #[must_use]
    pub fn with_update_url(mut self, url: impl Into<String>) -> Self {
        self.update_url = Some(url.into());
        self
    }

    /// Peers from the torrent's own trackers only (BEP 27). It is part of the info dictionary, so **it
    /// changes the info-hash**.
    #[must_use]
    pub fn with_private(mut self, private: bool) -> Self {
        self.private = private;
        self
    }

    /// A comment for people.
    #[must_use]
    pub fn with_comment(mut self, comment: impl Into<String>) -> Self {
        self.comment = Some(comment.into());
        self
    }

    /// The program that made the torrent. There is no date: it would make two torrents of the same
    /// files differ.
    #[must_use]
    pub fn with_created_by(mut self, program: impl Into<String>) -> Self {
        self.created_by = Some(program.into());
        self
    }

    /// The name of the file or directory.
    pub fn name(&self) -> &str {
        self.layout.name()
    }

    /// The files, and how they fill the pieces.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// SHA-1 of the info dictionary. Web seeds, trackers and comments do not change it; an update
    /// URL does.
    pub fn info_hash(&self) -> InfoHash {
        InfoHash::of_info(&self.encode_info())
    }

    /// SHA-256 of the info dictionary, which names the swarm of BEP 52 clients; `None` for version 1.
    pub fn info_hash_v2(&self) -> Option<Digest> {
        self.trees.as_ref().map(|_| Digest::of(&self.encode_info()))
    }

    /// The `.torrent` file: canonical bencode.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.encode()
    }
}
