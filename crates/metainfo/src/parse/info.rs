//! The info dictionary.

use bendy::decoding::{Decoder, DictDecoder};

use super::{
    MAX_LEVELS, ParseError,
    files::{Listed, TreeFiles, file_list, file_tree},
    values,
};
use crate::{hashes::LEAF, layout::is_file_name};

/// What the info dictionary says, not yet compared.
pub(super) struct Info {
    pub(super) name: String,
    pub(super) piece_length: u32,
    pub(super) v1: Option<V1>,
    pub(super) v2: Option<TreeFiles>,
    pub(super) private: bool,
    pub(super) update_url: Option<String>,
}

/// The half that BEP 3 defines.
pub(super) struct V1 {
    pub(super) files: V1Files,
    pub(super) pieces: Vec<u8>,
}

pub(super) enum V1Files {
    Single(u64),
    Several(Listed),
}

pub(super) fn read(raw: &[u8]) -> Result<Info, ParseError> {
    let version = meta_version(raw)?;
    // The tree comes before the piece length, which says where its files begin.
    let (mut name, mut legacy_name) = (None, None);
    let (mut piece_length, mut pieces) = (None, None);
    let (mut length, mut files, mut tree) = (None, None, None);
    let (mut private, mut update_url) = (false, None);
    let mut decoder = Decoder::new(raw).with_max_depth(MAX_LEVELS);
    let mut info = dictionary(&mut decoder)?;
    while let Some((key, value)) = info.next_pair()? {
        match key {
            b"file tree" => tree = Some(file_tree(value.try_into_dictionary()?)?),
            b"files" => files = Some(file_list(value.try_into_list()?)?),
            b"length" => length = Some(values::length(value)?),
            b"name" => legacy_name = Some(value.try_into_bytes()?),
            b"name.utf-8" => name = Some(value.try_into_bytes()?),
            b"piece length" => {
                piece_length = Some(values::integer::<u32>(value, "piece length")?);
            }
            b"pieces" => pieces = Some(value.try_into_bytes()?.to_vec()),
            b"private" => private = values::integer::<i64>(value, "private")? == 1,
            b"update-url" => update_url = Some(values::url(value, "update-url")?),
            _ => values::skip(value)?,
        }
    }

    let name = name.or(legacy_name).ok_or(ParseError::Missing("name"))?;
    let name = values::text(name, "name")?;
    if !is_file_name(&name) {
        return Err(ParseError::Bad("name"));
    }
    let piece_length = piece_length.ok_or(ParseError::Missing("piece length"))?;
    let good = match version {
        1 => piece_length != 0,
        _ => piece_length.is_power_of_two() && u64::from(piece_length) >= LEAF,
    };
    if !good {
        return Err(ParseError::Bad("piece length"));
    }
    let v1_files = match (length, files) {
        (Some(_), Some(_)) => return Err(ParseError::Bad("length beside files")),
        (Some(length), None) => Some(V1Files::Single(length)),
        (None, Some(files)) => Some(V1Files::Several(files)),
        (None, None) => None,
    };
    let v1 = match (v1_files, pieces) {
        (Some(files), Some(pieces)) => Some(V1 { files, pieces }),
        (None, None) if version == 2 => None,
        (None, _) => return Err(ParseError::Missing("length")),
        (Some(_), None) => return Err(ParseError::Missing("pieces")),
    };
    match (version, &tree) {
        (1, Some(_)) => Err(ParseError::Missing("meta version")),
        (2, None) => Err(ParseError::Missing("file tree")),
        _ => Ok(Info { name, piece_length, v1, v2: tree, private, update_url }),
    }
}

/// BEP 52 wants this checked before all else, so that a later version is called that.
fn meta_version(raw: &[u8]) -> Result<i64, ParseError> {
    let mut version = 1;
    let mut decoder = Decoder::new(raw).with_max_depth(MAX_LEVELS);
    let mut info = dictionary(&mut decoder)?;
    while let Some((key, value)) = info.next_pair()? {
        match key {
            b"meta version" => match values::integer(value, "meta version")? {
                2 => version = 2,
                other => return Err(ParseError::UnknownVersion(other)),
            },
            _ => values::skip(value)?,
        }
    }
    Ok(version)
}

fn dictionary<'obj, 'ser>(
    decoder: &'obj mut Decoder<'ser>,
) -> Result<DictDecoder<'obj, 'ser>, ParseError> {
    let object = decoder.next_object()?.ok_or(ParseError::Missing("info"))?;
    Ok(object.try_into_dictionary()?)
}
