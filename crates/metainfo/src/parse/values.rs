//! Single values of metainfo: numbers, text, URLs.

use bendy::decoding::{ListDecoder, Object};

use super::ParseError;

/// Most web seeds, and most trackers.
const MAX_URLS: usize = 256;
/// Longest URL.
const MAX_URL: usize = 4_096;

/// BEP 19: one string or a list of them. Some programs write an empty string for none.
pub(super) fn web_seeds(value: Object<'_, '_>) -> Result<Vec<String>, ParseError> {
    let mut found = match value {
        Object::List(list) => urls(list, "url-list")?,
        other => vec![url(other, "url-list")?],
    };
    found.retain(|url| !url.is_empty());
    Ok(found)
}

pub(super) fn tiers(mut list: ListDecoder<'_, '_>) -> Result<Vec<Vec<String>>, ParseError> {
    let mut tiers = Vec::new();
    let mut total = 0;
    while let Some(tier) = list.next_object()? {
        let tier = urls(tier.try_into_list()?, "announce-list")?;
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

fn urls(mut list: ListDecoder<'_, '_>, key: &'static str) -> Result<Vec<String>, ParseError> {
    let mut urls = Vec::new();
    while let Some(item) = list.next_object()? {
        if urls.len() == MAX_URLS {
            return Err(ParseError::Bad(key));
        }
        urls.push(url(item, key)?);
    }
    Ok(urls)
}

pub(super) fn url(value: Object<'_, '_>, key: &'static str) -> Result<String, ParseError> {
    let url = text(value.try_into_bytes()?, key)?;
    if url.len() > MAX_URL || url.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(ParseError::Bad(key));
    }
    Ok(url)
}

pub(super) fn text(bytes: &[u8], key: &'static str) -> Result<String, ParseError> {
    std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| ParseError::NotUtf8(key))
}

/// For what is only ever shown.
pub(super) fn lossy_text(value: Object<'_, '_>) -> Result<String, ParseError> {
    Ok(String::from_utf8_lossy(value.try_into_bytes()?).into_owned())
}

pub(super) fn integer<T: std::str::FromStr>(
    value: Object<'_, '_>,
    key: &'static str,
) -> Result<T, ParseError> {
    value.try_into_integer()?.parse().map_err(|_| ParseError::Bad(key))
}

/// A length in bytes: clients count in 63 bits.
pub(super) fn length(value: Object<'_, '_>) -> Result<u64, ParseError> {
    u64::try_from(integer::<i64>(value, "length")?).map_err(|_| ParseError::Bad("length"))
}

/// Reads over a value. Dropping it would do so too, but would swallow the error.
pub(super) fn skip(value: Object<'_, '_>) -> Result<(), ParseError> {
    match value {
        Object::List(mut list) => list.consume_all()?,
        Object::Dict(mut dictionary) => dictionary.consume_all()?,
        Object::Integer(_) | Object::Bytes(_) => {}
    }
    Ok(())
}
