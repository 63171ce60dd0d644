//! Metalink 4: one file, its hashes and all the places to get it from.

use std::fmt;

use crate::{Digest, Hashes, NameError, hashes::PIECE_HASH, layout::is_file_name};

/// A Metalink document of one file (RFC 5854, `application/metalink4+xml`, `.meta4`).
///
/// [`Display`](fmt::Display) writes the XML. It depends on what was given alone: there is no date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metalink<'a> {
    name: String,
    length: u64,
    sha256: Digest,
    pieces: Option<(u32, &'a [u8])>,
    origin: Option<String>,
    urls: Vec<(u32, String)>,
    torrents: Vec<String>,
}

impl<'a> Metalink<'a> {
    /// A document that tells what the file is, but not yet where. The name is that of a file, as in
    /// a torrent.
    ///
    /// # Errors
    /// [`NameError`]: RFC 5854 forbids names that lead out of the folder of the download.
    pub fn new(name: &str, length: u64, sha256: Digest) -> Result<Self, NameError> {
        if !is_file_name(name) {
            return Err(NameError);
        }
        Ok(Self {
            name: name.to_owned(),
            length,
            sha256,
            pieces: None,
            origin: None,
            urls: Vec::new(),
            torrents: Vec::new(),
        })
    }

    /// Adds the SHA-1 of each piece, so that a client can find the part that is broken.
    #[must_use]
    pub fn with_pieces(mut self, hashes: &'a Hashes) -> Self {
        self.pieces = Some((hashes.piece_length, &hashes.pieces));
        self
    }

    /// Adds the URL of the file. `priority`: 1 is tried first, 999,999 last; what is beyond is
    /// brought back within.
    #[must_use]
    pub fn with_url(mut self, priority: u32, url: impl Into<String>) -> Self {
        self.urls.push((priority.clamp(1, MAX_PRIORITY), url.into()));
        self
    }

    /// Adds the URL of a torrent of the file.
    #[must_use]
    pub fn with_torrent(mut self, url: impl Into<String>) -> Self {
        self.torrents.push(url.into());
        self
    }

    /// The URL of this document itself, where it may change later.
    #[must_use]
    pub fn with_origin(mut self, url: impl Into<String>) -> Self {
        self.origin = Some(url.into());
        self
    }
}

/// RFC 5854, section 4.2.16.1.
const MAX_PRIORITY: u32 = 999_999;

impl fmt::Display for Metalink<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n")?;
        f.write_str("<metalink xmlns=\"urn:ietf:params:xml:ns:metalink\">\n")?;
        if let Some(origin) = &self.origin {
            writeln!(f, "  <origin dynamic=\"true\">{}</origin>", Escaped(origin))?;
        }
        writeln!(f, "  <file name=\"{}\">", Escaped(&self.name))?;
        writeln!(f, "    <size>{}</size>", self.length)?;
        writeln!(f, "    <hash type=\"sha-256\">{}</hash>", self.sha256)?;
        if let Some((piece_length, pieces)) = self.pieces {
            writeln!(f, "    <pieces type=\"sha-1\" length=\"{piece_length}\">")?;
            for piece in pieces.chunks_exact(PIECE_HASH) {
                f.write_str("      <hash>")?;
                piece.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
                f.write_str("</hash>\n")?;
            }
            f.write_str("    </pieces>\n")?;
        }
        for url in &self.torrents {
            writeln!(f, "    <metaurl mediatype=\"torrent\">{}</metaurl>", Escaped(url))?;
        }
        for (priority, url) in &self.urls {
            writeln!(f, "    <url priority=\"{priority}\">{}</url>", Escaped(url))?;
        }
        f.write_str("  </file>\n</metalink>\n")
    }
}

/// Text of an element or of an attribute.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        self.0.chars().try_for_each(|c| match c {
            '&' => f.write_str("&amp;"),
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '"' => f.write_str("&quot;"),
            '\'' => f.write_str("&#39;"),
            // XML 1.0 has no way to write these two, and most controls.
            '\u{fffe}' | '\u{ffff}' => f.write_char('\u{fffd}'),
            c if c.is_control() => f.write_char('\u{fffd}'),
            c => f.write_char(c),
        })
    }
}
