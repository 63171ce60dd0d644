//! The grammar that fields share: tokens, quoted strings, lists and parameters (RFC 9110, section 5.6).

use std::borrow::Cow;

use smallvec::SmallVec;

use super::Unclear;

/// RFC 9110 `tchar`.
pub(crate) fn is_token_byte(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z')
        || matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~')
}

/// Strips optional white space: spaces and tabs.
pub(super) fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// A token that makes up all of `value`, in lower case; nothing is copied that is so already.
pub(super) fn token(value: &[u8]) -> Result<Cow<'_, str>, Unclear> {
    if is_token(value) { lower_case(value) } else { Err(Unclear) }
}

pub(super) fn is_token(value: &[u8]) -> bool {
    !value.is_empty() && value.iter().all(|&byte| is_token_byte(byte))
}

/// Text in lower case; what is no text is unclear.
pub(super) fn lower_case(value: &[u8]) -> Result<Cow<'_, str>, Unclear> {
    let text = std::str::from_utf8(value).map_err(|_| Unclear)?;
    Ok(match text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => Cow::Owned(text.to_ascii_lowercase()),
        false => Cow::Borrowed(text),
    })
}

/// The elements of a list. Few fields have more than one.
pub(super) type Elements<'a> = SmallVec<[&'a [u8]; 4]>;

/// Splits at `separator` outside quoted strings, trims, and leaves empty elements out. A quotation
/// mark that is never closed, and control characters, are unclear.
pub(super) fn split(value: &[u8], separator: u8) -> Result<Elements<'_>, Unclear> {
    let mut elements = Elements::new();
    let (mut start, mut quoted, mut escaped) = (0, false, false);
    for (index, &byte) in value.iter().enumerate() {
        if (byte < b' ' && byte != b'\t') || byte == 0x7f {
            return Err(Unclear);
        }
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if byte == separator && !quoted => {
                elements.push(trim(value.get(start..index).ok_or(Unclear)?));
                start = index + 1;
            }
            _ => {}
        }
    }
    if quoted {
        return Err(Unclear);
    }
    elements.push(trim(value.get(start..).ok_or(Unclear)?));
    elements.retain(|element| !element.is_empty());
    Ok(elements)
}

/// A name in lower case, and a quoted value unescaped.
pub(super) type Parameter<'a, V = Cow<'a, [u8]>> = (Cow<'a, str>, V);

/// `name=value`, where the value is a token or a quoted string and nothing stands around the `=`.
/// Without `=` the value is `None`.
pub(super) fn name_value(element: &[u8]) -> Result<Parameter<'_, Option<Cow<'_, [u8]>>>, Unclear> {
    let Some(equals) = element.iter().position(|&byte| byte == b'=') else {
        return Ok((token(element)?, None));
    };
    let (name, value) = element.split_at_checked(equals).ok_or(Unclear)?;
    let value = match value {
        [b'=', b'"', inner @ .., b'"'] => unescape(inner)?,
        [b'=', plain @ ..] if !plain.is_empty() && plain.iter().all(|&b| is_token_byte(b)) => {
            Cow::Borrowed(plain)
        }
        _ => return Err(Unclear),
    };
    Ok((token(name)?, Some(value)))
}

/// The inside of a quoted string.
fn unescape(inner: &[u8]) -> Result<Cow<'_, [u8]>, Unclear> {
    if !inner.iter().any(|byte| b"\"\\".contains(byte)) {
        return Ok(Cow::Borrowed(inner));
    }
    let mut bytes = inner.iter().copied();
    let mut value = Vec::with_capacity(inner.len());
    while let Some(byte) = bytes.next() {
        value.push(match byte {
            b'"' => return Err(Unclear),
            b'\\' => bytes.next().ok_or(Unclear)?,
            byte => byte,
        });
    }
    Ok(Cow::Owned(value))
}

/// `; name=value` parameters after the first element; a name without value, or a name twice, is
/// unclear. (An empty parameter, as in a trailing `;`, is allowed.)
pub(super) fn parameters<'a>(elements: &[&'a [u8]]) -> Result<Vec<Parameter<'a>>, Unclear> {
    let mut parameters: Vec<Parameter<'a>> = Vec::new();
    for element in elements {
        let (name, value) = name_value(element)?;
        if parameters.iter().any(|(known, _)| *known == name) {
            return Err(Unclear);
        }
        parameters.push((name, value.ok_or(Unclear)?));
    }
    Ok(parameters)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_split_outside_quotes_only() {
        let found = split(br#" a ,"b,\",c",, d"#, b',').unwrap();
        assert_eq!(found[..], [&b"a"[..], br#""b,\",c""#, b"d"]);
        assert!(split(b"", b',').unwrap().is_empty());
        for bad in [&b"\"a"[..], b"a, \"b", b"\"a\\\"", b"a\0b", b"a\nb", b"a\x7f"] {
            assert_eq!(split(bad, b','), Err(Unclear));
        }
    }

    #[test]
    fn values_are_tokens_or_quoted_strings() {
        assert_eq!(name_value(b"A"), Ok(("a".into(), None)));
        assert_eq!(name_value(b"A=b"), Ok(("a".into(), Some(b"b".into()))));
        assert_eq!(name_value(br#"a="b\"c""#), Ok(("a".into(), Some(b"b\"c".into()))));
        for bad in ["", "=", "a=", "a =b", "a= b", "a=b c", "a=\"b", "a=b\"", "a=\"b\"c", "ä=1"] {
            assert_eq!(name_value(bad.as_bytes()), Err(Unclear), "{bad}");
        }
    }
}
