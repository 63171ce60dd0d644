//! Queries: fields by name, decoded once.

use percent_encoding::percent_decode_str;

/// The fields of a query, each with its value as it stands there.
pub(super) fn fields(query: &str) -> impl Iterator<Item = (&str, &str)> {
    let fields = query.split('&').filter(|field| !field.is_empty());
    fields.map(|field| field.split_once('=').unwrap_or((field, "")))
}

/// A value, percent-decoded; `+` is a plus, as paths have it. `None` when it is not UTF-8.
pub(super) fn decoded(value: &str) -> Option<String> {
    percent_decode_str(value).decode_utf8().ok().map(Into::into)
}

/// A value as a form sends it: `+` is a space.
pub(super) fn typed(value: &str) -> Option<String> {
    decoded(&value.replace('+', " "))
}
