//! The path that names an asset: one spelling for all the ways to write it, or a refusal.

use std::{
    borrow::{Borrow, Cow},
    fmt,
    str::FromStr,
    sync::Arc,
};

use percent_encoding::percent_decode_str;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::layout::MAX_NAME;

/// The longest path, in bytes, as written and as normalised.
const MAX_PATH: usize = 2_048;

/// Why a path names no asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// No bytes at all.
    #[error("path is empty")]
    Empty,
    /// Over 2,048 bytes, as written or once normalised.
    #[error("path is longer than {MAX_PATH} bytes")]
    TooLong,
    /// Does not start with a slash.
    #[error("path does not start with a slash")]
    NotAbsolute,
    /// Two slashes in a row: some servers merge them, some do not.
    #[error("path has an empty segment")]
    EmptySegment,
    /// `..` where there is nothing left to go up from.
    #[error("path climbs above the root")]
    Climbs,
    /// A percent sign that two hexadecimal digits do not follow.
    #[error("path has a malformed percent escape")]
    BadEscape,
    /// `%2F`: a slash for some servers, an ordinary byte for others.
    #[error("path has an encoded slash")]
    EncodedSlash,
    /// A backslash, raw or encoded: a separator on some systems.
    #[error("path has a backslash")]
    Backslash,
    /// A control character (NUL, CR, LF ...), raw or encoded.
    #[error("path has a control character")]
    Control,
    /// `?` or `#`, which end a path.
    #[error("path has a query or a fragment")]
    NotAPath,
    /// Not UTF-8 after one round of percent decoding: overlong forms, Latin-1, stray bytes.
    #[error("path is not UTF-8 when decoded")]
    NotUtf8,
}

/// The path of an asset on its site: absolute, normalised as RFC 3986 section 6.2.2 says, in
/// percent-encoded form, for instance `/a/b%20c.zip`.
///
/// Dot segments are gone, escapes are upper-case, unreserved characters stand for themselves and
/// all that may not stand in a path is escaped. Escapes are decoded exactly once: `%252e` is the
/// three characters `%2e`. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AssetPath(Arc<str>);

impl AssetPath {
    /// Normalises the path of a request target, without its query.
    ///
    /// # Errors
    /// Whatever two servers might read in two ways is refused: see [`PathError`].
    pub fn parse(raw_path_without_query: &str) -> Result<Self, PathError> {
        let raw = raw_path_without_query;
        if raw.is_empty() {
            return Err(PathError::Empty);
        }
        if raw.len() > MAX_PATH {
            return Err(PathError::TooLong);
        }
        let relative = raw.strip_prefix('/').ok_or(PathError::NotAbsolute)?;

        let mut segments: Vec<String> = Vec::new();
        let mut directory = false;
        let mut rest = relative.split('/').peekable();
        while let Some(raw_segment) = rest.next() {
            let last = rest.peek().is_none();
            if raw_segment.is_empty() && !last {
                return Err(PathError::EmptySegment);
            }
            let segment = normalise_segment(raw_segment)?;
            directory = matches!(&*segment, "" | "." | "..");
            match &*segment {
                "" | "." => {}
                ".." => drop(segments.pop().ok_or(PathError::Climbs)?),
                _ => segments.push(segment),
            }
        }

        let mut path = String::with_capacity(raw.len());
        for segment in &segments {
            path.push('/');
            path.push_str(segment);
        }
        if directory || path.is_empty() {
            path.push('/');
        }
        if path.len() > MAX_PATH {
            return Err(PathError::TooLong);
        }
        Ok(Self(path.into()))
    }

    /// The normalised path, percent-encoded: fit for a URL as it is.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it ends in a slash: such a path names no file.
    pub fn is_directory(&self) -> bool {
        self.0.ends_with('/')
    }

    /// The last segment, decoded: the name of the torrent. Never empty, `.` or `..`, and without
    /// slash, backslash or control character. The root, which has no segment, is called `index`;
    /// of a name longer than file systems take, the last 255 bytes are kept, with the extension.
    pub fn file_name(&self) -> String {
        let name = self.decoded_segments().last().unwrap_or(Cow::Borrowed("index"));
        let excess = name.len().saturating_sub(MAX_NAME);
        let start = (excess..name.len()).find(|&index| name.is_char_boundary(index));
        name[start.unwrap_or(0)..].to_owned()
    }

    /// The segments from the root down, each decoded once: what to open below a directory.
    pub fn decoded_segments(&self) -> impl Iterator<Item = Cow<'_, str>> {
        self.0
            .split('/')
            .filter(|segment| !segment.is_empty())
            // `parse` saw that this is UTF-8, so nothing is lost.
            .map(|segment| percent_decode_str(segment).decode_utf8_lossy())
    }
}

/// So that a map is asked by the text.
impl Borrow<str> for AssetPath {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AssetPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for AssetPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AssetPath({:?})", &self.0)
    }
}

impl AsRef<str> for AssetPath {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl FromStr for AssetPath {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        Self::parse(text)
    }
}

impl Serialize for AssetPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for AssetPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(D::Error::custom)
    }
}

/// One segment in its only spelling. Decodes and encodes each byte once, so an escaped percent
/// sign stays escaped and nothing is decoded twice.
fn normalise_segment(raw: &str) -> Result<String, PathError> {
    let mut decoded = Vec::with_capacity(raw.len());
    let mut normalised = String::with_capacity(raw.len());
    let mut bytes = raw.bytes();
    while let Some(byte) = bytes.next() {
        let (byte, escaped) = match byte {
            b'%' => (escape(&mut bytes)?, true),
            b'?' | b'#' => return Err(PathError::NotAPath),
            _ => (byte, false),
        };
        match byte {
            b'/' => return Err(PathError::EncodedSlash),
            b'\\' => return Err(PathError::Backslash),
            _ => {}
        }
        decoded.push(byte);
        // RFC 3986: an escaped sub-delimiter is another path than the raw one; an escaped
        // unreserved character is the same.
        if is_unreserved(byte) || (!escaped && is_delimiter_in_path(byte)) {
            normalised.push(char::from(byte));
        } else {
            normalised.push('%');
            normalised.push(hex_digit(byte >> 4));
            normalised.push(hex_digit(byte & 0xf));
        }
    }
    let decoded = std::str::from_utf8(&decoded).map_err(|_| PathError::NotUtf8)?;
    if decoded.chars().any(char::is_control) {
        return Err(PathError::Control);
    }
    Ok(normalised)
}

fn escape(bytes: &mut std::str::Bytes<'_>) -> Result<u8, PathError> {
    let mut digit = || {
        let digit = bytes.next().and_then(|byte| char::from(byte).to_digit(16));
        digit.and_then(|digit| u8::try_from(digit).ok()).ok_or(PathError::BadEscape)
    };
    let high = digit()?;
    Ok(high << 4 | digit()?)
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// What RFC 3986 lets stand for itself in a segment beside the unreserved: sub-delims, `:`, `@`.
fn is_delimiter_in_path(byte: u8) -> bool {
    b"!$&'()*+,;=:@".contains(&byte)
}

fn hex_digit(value: u8) -> char {
    char::from_digit(value.into(), 16).unwrap_or('0').to_ascii_uppercase()
}
