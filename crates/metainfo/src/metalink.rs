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
        // There must be at least one.
        if !hashes.pieces.is_empty() {
            self.pieces = Some((hashes.piece_length, &hashes.pieces));
        }
        self
    }

    /// Adds the URL of the file. `priority`: 1 is tried first, 999,999 last; what is beyond is
    /// brought back within.
    #[must_use]
    pub fn with_url(mut self, priority: u32, url: impl Into<String>) -> Self {
        self.urls.push((priority.clamp(1, MAX_PRIORITY), url.into()));
        self
    }

    /// Adds the URL of a torrent of the file. It has no priority, which is the least: clients with
    /// BitTorrent take it as well, the others go by the URLs.
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

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://e.org/a%20b.zip?x=1&y='<2>'";

    #[test]
    fn the_document_is_exactly_this() {
        let (hashes, _) = Hashes::of(&vec![7; 70_000], 65_536);
        let document = Metalink::new("ä <b> & 'c' \"d\".zip", hashes.length, hashes.sha256)
            .unwrap()
            .with_pieces(&hashes)
            .with_url(2, URL)
            .with_url(0, "https://m.org/1")
            .with_url(u32::MAX, "https://m.org/2")
            .with_torrent("https://e.org/a%20b.zip.torrent")
            .with_origin("https://e.org/a%20b.zip.meta4?x&y");
        assert_eq!(
            document.to_string(),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>
<metalink xmlns=\"urn:ietf:params:xml:ns:metalink\">
  <origin dynamic=\"true\">https://e.org/a%20b.zip.meta4?x&amp;y</origin>
  <file name=\"ä &lt;b&gt; &amp; &#39;c&#39; &quot;d&quot;.zip\">
    <size>70000</size>
    <hash type=\"sha-256\">SHA256</hash>
    <pieces type=\"sha-1\" length=\"65536\">
      <hash>PIECE1</hash>
      <hash>PIECE2</hash>
    </pieces>
    <metaurl mediatype=\"torrent\">https://e.org/a%20b.zip.torrent</metaurl>
    <url priority=\"2\">https://e.org/a%20b.zip?x=1&amp;y=&#39;&lt;2&gt;&#39;</url>
    <url priority=\"1\">https://m.org/1</url>
    <url priority=\"999999\">https://m.org/2</url>
  </file>
</metalink>
"
            .replace("SHA256", SHA256)
            .replace("PIECE1", PIECES[0])
            .replace("PIECE2", PIECES[1])
        );
    }

    // sha256sum and sha1sum of 70,000 bytes of 7, and of their first 65,536 and last 4,464.
    const SHA256: &str = "4f772cad45a568461aeb93ed8e3451422e5ba92d94c01a3355cb02e75c4b387e";
    const PIECES: [&str; 2] =
        ["a48f60a4c5099a1b00085be3b42c9f0bbb94d1c6", "6e16ce15ebfe5b861126cc85aa7667c9a86aa11d"];

    #[test]
    fn names_do_not_lead_elsewhere() {
        for bad in ["", ".", "..", "/a", "a/b", "../a", "a\\b", "a\nb"] {
            assert_eq!(Metalink::new(bad, 1, Digest::ZERO), Err(NameError), "{bad:?}");
        }
    }

    #[test]
    fn an_empty_file_has_no_pieces() {
        // RFC 5854 wants at least one hash in `pieces`.
        let (hashes, _) = Hashes::of(b"", 65_536);
        let document = Metalink::new("a", 0, hashes.sha256).unwrap().with_pieces(&hashes);
        assert!(!document.to_string().contains("pieces"));
    }

    #[test]
    fn what_xml_cannot_say_is_replaced() {
        let escaped = Escaped("a\u{1}\u{b}\u{85}\u{fffe}\u{ffff}\u{fffd}b\u{1f600}").to_string();
        assert_eq!(escaped, format!("a{}b\u{1f600}", "\u{fffd}".repeat(6)));
    }
}
