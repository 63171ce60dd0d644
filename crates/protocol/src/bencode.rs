//! What readers of bencoded dictionaries of strangers have in common.

use std::str::FromStr;

use bendy::decoding::{Error, Object};

/// An integer; `None` for one that is none of this kind (too great, or negative): what it says is then as good as unsaid.
pub(crate) fn number<T: FromStr>(value: Object<'_, '_>) -> Result<Option<T>, Error> {
    Ok(value.try_into_integer()?.parse().ok())
}

/// Reads over a value. Dropping it would do so too, but would swallow the error.
pub(crate) fn skip(value: Object<'_, '_>) -> Result<(), Error> {
    match value {
        Object::List(mut list) => list.consume_all(),
        Object::Dict(mut dictionary) => dictionary.consume_all(),
        Object::Integer(_) | Object::Bytes(_) => Ok(()),
    }
}
