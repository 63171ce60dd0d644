//! Reading metainfo that somebody else may have written: version 1 (BEP 3), version 2 (BEP 52) and
//! both in one.

mod files;
mod halves;
mod info;
mod values;

use bendy::decoding::{Decoder, Error};

use crate::{
    Digest, FileTree, InfoHash, Layout, LayoutError,
    layout::{MAX_DEPTH, MAX_FILES},
};

/// Longest metainfo. A hybrid of a directory of 100,000 files takes 19 MiB and more; libtorrent reads up
/// to 80 MB.
pub(crate) const MAX_METAINFO: usize = 64 * 1024 * 1024;
/// Deepest nesting: a path at its deepest, with what is around it in a file tree.
const MAX_LEVELS: usize = MAX_DEPTH + 8;
/// Most pieces of version 2, whose number the length of the metainfo does not bound: equal files
/// share their hashes.
const MAX_PIECES: u64 = 2_097_152;

/// Why metainfo was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ParseError {
    /// Longer than 64 MiB.
    #[error("metainfo is longer than {MAX_METAINFO} bytes")]
    TooLong,
    /// Not canonical bencode, too deep, or a value of the wrong kind.
    #[error("metainfo is not canonical bencode of the expected shape: {0}")]
    Bencode(Error),
    /// Bytes after the end of the dictionary.
    #[error("metainfo is followed by other bytes")]
    TrailingBytes,
    /// A `meta version` other than 2.
    #[error("metainfo of version {0} is not supported: only 1 and 2 are")]
    UnknownVersion(i64),
    /// A mandatory key is not there.
    #[error("metainfo has no {0}")]
    Missing(&'static str),
    /// A value that is out of range, or does not fit the others.
    #[error("metainfo has a bad {0}")]
    Bad(&'static str),
    /// A name in another encoding. Which one is anybody's guess, so that nobody else would make the
    /// same file names of it.
    #[error("metainfo has a {0} that is not UTF-8")]
    NotUtf8(&'static str),
    /// A path that a client must not create: it leads out of the download's folder, exists twice, or
    /// no file system takes it.
    #[error("metainfo has a file that cannot be: {0}")]
    Files(LayoutError),
    /// Over 500,000 files, or paths of over 64 MiB in all.
    #[error("metainfo has more than {MAX_FILES} files, or too many long paths")]
    TooManyFiles,
    /// The hashes of a file's pieces are not there, or they do not hash to its root.
    #[error("the piece layer of {0:?} is missing, or does not hash to its root")]
    PieceLayer(String),
    /// The two halves of a hybrid describe different files: clients of version 1 and 2 would get
    /// different bytes under one name.
    #[error("versions 1 and 2 of this hybrid torrent disagree about {0}")]
    Halves(&'static str),
}

impl From<Error> for ParseError {
    fn from(error: Error) -> Self {
        Self::Bencode(error)
    }
}

/// What a `.torrent` says. Every field is checked against the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParsedTorrent {
    /// Name, files, and where the bytes of each piece come from. Every name is one that a client may
    /// create: 1 to 255 bytes of UTF-8, not `.` or `..`, no slash, backslash or control character.
    pub layout: Layout,
    /// SHA-1 of the info dictionary as it stands in the file; `None` where there is version 2 only.
    pub info_hash: Option<InfoHash>,
    /// SHA-256 of the info dictionary; `None` where there is version 1 only.
    pub info_hash_v2: Option<Digest>,
    /// 20 bytes of SHA-1 for each piece of the layout; empty where there is version 2 only.
    pub pieces: Vec<u8>,
    /// BEP 52 hashes, one a file in the order of the layout; `None` where there is version 1 only.
    /// Each layer hashes to its root.
    pub trees: Option<Vec<FileTree>>,
    /// BEP 27: peers from the tracker only.
    pub private: bool,
    /// Where a later version is to be had (BEP 39).
    pub update_url: Option<String>,
    /// BEP 47 symbolic links, which are in no layout: they have no bytes, and are not followed.
    pub symlinks: usize,
    /// BEP 19 URLs.
    pub web_seeds: Vec<String>,
    /// BEP 12 tiers; `announce` alone makes one tier of one.
    pub trackers: Vec<Vec<String>>,
    /// A comment for people. As it stands in the file: control characters and all.
    pub comment: Option<String>,
    /// The program that made it, likewise.
    pub created_by: Option<String>,
    /// When it was made, seconds since the epoch.
    pub creation_date: Option<i64>,
}

/// Parses the metainfo of a file or a directory, of version 1 (BEP 3), 2 (BEP 52) or both.
///
/// Lenient where no harm is done, so that what other programs write can be shown and checked:
/// unknown keys are ignored, any piece length goes for version 1, files may come in any order, pads
/// (BEP 47) may be anywhere, and names that are only unfortunate somewhere (`CON`, `a:b`, a dot at
/// the end, two names that differ in case) are taken. Strict in all else: canonical bencode only, at
/// most 64 MiB and 72 levels, nothing after the end; no path that leads elsewhere or clashes with
/// another; every piece layer hashes to its root; and the halves of a hybrid describe the same files
/// at the same places.
///
/// # Errors
/// See [`ParseError`].
pub fn parse(metainfo: &[u8]) -> Result<ParsedTorrent, ParseError> {
    if metainfo.len() > MAX_METAINFO {
        return Err(ParseError::TooLong);
    }
    let mut decoder = Decoder::new(metainfo).with_max_depth(MAX_LEVELS);
    let top = decoder.next_object()?.ok_or(ParseError::Missing("content"))?;
    let mut top = top.try_into_dictionary()?;

    let (mut info, mut layers) = (None, None);
    let (mut announce, mut trackers, mut web_seeds) = (None, Vec::new(), Vec::new());
    let (mut comment, mut created_by, mut creation_date) = (None, None, None);
    while let Some((key, value)) = top.next_pair()? {
        match key {
            b"announce" => announce = Some(values::url(value, "announce")?),
            b"announce-list" => trackers = values::tiers(value.try_into_list()?)?,
            b"comment" => comment = Some(values::lossy_text(value)?),
            b"created by" => created_by = Some(values::lossy_text(value)?),
            b"creation date" => creation_date = values::integer(value, "creation date").ok(),
            b"info" => info = Some(value.try_into_dictionary()?.into_raw()?),
            b"piece layers" => layers = Some(files::layers(value.try_into_dictionary()?)?),
            b"url-list" => web_seeds = values::web_seeds(value)?,
            _ => values::skip(value)?,
        }
    }
    drop(top);
    // `next_object` sees either the end of input or another value; both are checked.
    match decoder.next_object() {
        Ok(None) => {}
        Ok(Some(_)) | Err(_) => return Err(ParseError::TrailingBytes),
    }

    if trackers.is_empty() {
        trackers.extend(announce.filter(|url| !url.is_empty()).map(|url| vec![url]));
    }
    let raw = info.ok_or(ParseError::Missing("info"))?;
    let info = info::read(raw)?;
    let content = halves::join(info.name, info.piece_length, info.v1, info.v2, layers)?;
    Ok(ParsedTorrent {
        info_hash: content.pieces.is_some().then(|| InfoHash::of_info(raw)),
        info_hash_v2: content.trees.is_some().then(|| Digest::of(raw)),
        layout: content.layout,
        pieces: content.pieces.unwrap_or_default(),
        trees: content.trees,
        private: info.private,
        update_url: info.update_url,
        symlinks: content.symlinks,
        web_seeds,
        trackers,
        comment,
        created_by,
        creation_date,
    })
}
