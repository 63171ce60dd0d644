//! Reading BEP 3 metainfo that somebody else may have written.

use bendy::decoding::{Decoder, Error, ListDecoder, Object};

use crate::{
    Digest, FileTree, InfoHash, Layout,
    hashes::{PIECE_HASH, piece_count},
    layout::is_file_name,
};

/// Longest metainfo.
pub(crate) const MAX_METAINFO: usize = 64 * 1024 * 1024;
/// Deepest nesting. Ours has three levels; foreign keys may have some more.
const MAX_DEPTH: usize = 8;
/// Most web seeds, and most trackers.
const MAX_URLS: usize = 256;
/// Longest URL.
const MAX_URL: usize = 4_096;

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
    /// A torrent of several files, or of BEP 52.
    #[error("only version 1 torrents of a single file are supported")]
    NotSingleFileV1,
    /// A mandatory key is not there.
    #[error("metainfo has no {0}")]
    Missing(&'static str),
    /// A value that is out of range, or does not fit the others.
    #[error("metainfo has a bad {0}")]
    Bad(&'static str),
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

/// Parses the metainfo of a single file, version 1 (BEP 3).
///
/// Unknown keys are ignored, so that what other programs write can be shown; everything else is
/// strict: canonical bencode only, at most 64 MiB and eight levels, nothing after the end.
///
/// # Errors
/// See [`ParseError`].
pub fn parse(metainfo: &[u8]) -> Result<ParsedTorrent, ParseError> {
    if metainfo.len() > MAX_METAINFO {
        return Err(ParseError::TooLong);
    }
    let mut decoder = Decoder::new(metainfo).with_max_depth(MAX_DEPTH);
    let top = decoder.next_object()?.ok_or(ParseError::Missing("content"))?;
    let mut top = top.try_into_dictionary()?;

    let mut info = None;
    let mut announce = None;
    let mut tiers = Vec::new();
    let mut web_seeds = Vec::new();
    while let Some((key, value)) = top.next_pair()? {
        match key {
            b"info" => info = Some(value.try_into_dictionary()?.into_raw()?),
            b"announce" => announce = Some(url(value, "announce")?),
            b"announce-list" => tiers = read_tiers(value.try_into_list()?)?,
            b"url-list" => web_seeds = read_web_seeds(value)?,
            _ => skip(value)?,
        }
    }
    drop(top);
    // `next_object` sees either the end of input or another value; both are checked.
    match decoder.next_object() {
        Ok(None) => {}
        Ok(Some(_)) | Err(_) => return Err(ParseError::TrailingBytes),
    }

    if tiers.is_empty() {
        tiers.extend(announce.filter(|url| !url.is_empty()).map(|url| vec![url]));
    }
    let raw_info = info.ok_or(ParseError::Missing("info"))?;
    let info = read_info(raw_info)?;
    Ok(ParsedTorrent {
        layout: Layout::single(info.name, info.length, info.piece_length),
        info_hash: Some(InfoHash::of_info(raw_info)),
        info_hash_v2: None,
        pieces: info.pieces,
        trees: None,
        private: info.private,
        update_url: None,
        symlinks: 0,
        web_seeds,
        trackers: tiers,
        comment: None,
        created_by: None,
        creation_date: None,
    })
}

struct Info {
    name: String,
    length: u64,
    piece_length: u32,
    pieces: Vec<u8>,
    private: bool,
}

fn read_info(raw: &[u8]) -> Result<Info, ParseError> {
    let mut decoder = Decoder::new(raw).with_max_depth(MAX_DEPTH);
    let object = decoder.next_object()?.ok_or(ParseError::Missing("info"))?;
    let mut dictionary = object.try_into_dictionary()?;
    let (mut name, mut length, mut piece_length, mut pieces) = (None, None, None, None);
    let mut private = false;
    while let Some((key, value)) = dictionary.next_pair()? {
        match key {
            b"files" | b"file tree" | b"meta version" => return Err(ParseError::NotSingleFileV1),
            b"length" => length = Some(integer::<i64>(value, "length")?),
            b"name" => name = Some(text(value, "name")?),
            b"piece length" => piece_length = Some(integer::<u32>(value, "piece length")?),
            b"pieces" => pieces = Some(value.try_into_bytes()?.to_vec()),
            b"private" => private = integer::<i64>(value, "private")? == 1,
            _ => skip(value)?,
        }
    }
    let name = name.ok_or(ParseError::Missing("name"))?;
    if !is_file_name(&name) {
        return Err(ParseError::Bad("name"));
    }
    let length = length.ok_or(ParseError::Missing("length"))?;
    let length = u64::try_from(length).map_err(|_| ParseError::Bad("length"))?;
    let piece_length = piece_length.ok_or(ParseError::Missing("piece length"))?;
    let count = piece_count(length, piece_length).ok_or(ParseError::Bad("piece length"))?;
    let pieces = pieces.ok_or(ParseError::Missing("pieces"))?;
    if !pieces.len().is_multiple_of(PIECE_HASH) || (pieces.len() / PIECE_HASH) as u64 != count {
        return Err(ParseError::Bad("number of pieces"));
    }
    Ok(Info { name, length, piece_length, pieces, private })
}

/// BEP 19: one string or a list of them. Some programs write an empty string for none.
fn read_web_seeds(value: Object<'_, '_>) -> Result<Vec<String>, ParseError> {
    let mut urls = match value {
        Object::List(list) => read_urls(list, "url-list")?,
        other => vec![url(other, "url-list")?],
    };
    urls.retain(|url| !url.is_empty());
    Ok(urls)
}

fn read_tiers(mut list: ListDecoder<'_, '_>) -> Result<Vec<Vec<String>>, ParseError> {
    let mut tiers = Vec::new();
    let mut total = 0;
    while let Some(tier) = list.next_object()? {
        let tier = read_urls(tier.try_into_list()?, "announce-list")?;
        total += tier.len().max(1);
        if total > MAX_URLS {
            return Err(ParseError::Bad("announce-list"));
        }
        if !tier.is_empty() {
            tiers.push(tier);
        }
    }
    Ok(tiers)
}

fn read_urls(mut list: ListDecoder<'_, '_>, key: &'static str) -> Result<Vec<String>, ParseError> {
    let mut urls = Vec::new();
    while let Some(item) = list.next_object()? {
        if urls.len() == MAX_URLS {
            return Err(ParseError::Bad(key));
        }
        urls.push(url(item, key)?);
    }
    Ok(urls)
}

fn url(value: Object<'_, '_>, key: &'static str) -> Result<String, ParseError> {
    let url = text(value, key)?;
    if url.len() > MAX_URL || url.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(ParseError::Bad(key));
    }
    Ok(url)
}

fn text(value: Object<'_, '_>, key: &'static str) -> Result<String, ParseError> {
    let bytes = value.try_into_bytes()?;
    std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| ParseError::Bad(key))
}

fn integer<T: std::str::FromStr>(
    value: Object<'_, '_>,
    key: &'static str,
) -> Result<T, ParseError> {
    value.try_into_integer()?.parse().map_err(|_| ParseError::Bad(key))
}

/// Reads over a value. Dropping it would do so too, but would swallow the error.
fn skip(value: Object<'_, '_>) -> Result<(), ParseError> {
    match value {
        Object::List(mut list) => list.consume_all()?,
        Object::Dict(mut dictionary) => dictionary.consume_all()?,
        Object::Integer(_) | Object::Bytes(_) => {}
    }
    Ok(())
}
