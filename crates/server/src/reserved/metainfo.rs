//! The metainfo of one asset, in the forms that other programs read.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use http::{HeaderValue, Response};

use super::disposition::Disposition;
use super::document::Document;
use super::{Asked, BRIEF, asset_path, unshared};
use crate::assets::Ready;
use crate::engine::Engine;

/// A form of an asset's metainfo: `<prefix>/<form>/<asset path>` or `<asset path>.<form>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// BEP 3.
    Torrent,
    /// A magnet link, as text.
    Magnet,
    /// The line that `sha256sum` prints, for `sha256sum -c` beside the file.
    Sha256,
}

impl Form {
    pub(crate) fn of(name: &str) -> Option<Self> {
        [Self::Torrent, Self::Magnet, Self::Sha256].into_iter().find(|form| form.name() == name)
    }

    /// The name in addresses, and of the files.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Torrent => "torrent",
            Self::Magnet => "magnet",
            Self::Sha256 => "sha256",
        }
    }

    fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Torrent => "application/x-bittorrent",
            Self::Magnet | Self::Sha256 => "text/plain; charset=utf-8",
        })
    }

    fn disposition(self) -> Disposition {
        match self {
            Self::Torrent => Disposition::Attachment,
            // A person looks at these; programs that save them want the name all the same.
            Self::Magnet | Self::Sha256 => Disposition::Inline,
        }
    }

    fn document(self, ready: &Ready) -> Document {
        let name = || ready.path().file_name();
        match self {
            Self::Torrent => ready.torrent.clone(),
            Self::Magnet => Document::new(format!("{}\n", ready.magnet).into()),
            Self::Sha256 => {
                let line = checksum_line(&ready.record.hashes.sha256.to_string(), &name());
                Document::new(line.into())
            }
        }
    }

    /// The answer for an asset that is ready.
    pub(crate) fn answer(self, ready: &Ready) -> Response<Bytes> {
        let mut response = self.document(ready).answer();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, self.content_type());
        headers.insert(CACHE_CONTROL, BRIEF);
        let name = format!("{}.{}", ready.path().file_name(), self.name());
        headers.insert(CONTENT_DISPOSITION, self.disposition().named(&name));
        response
    }
}

/// Answers below the prefix.
pub(super) fn answer(asked: &Asked<'_>, form: Form, asset: &str) -> Response<Bytes> {
    ready(asked.engine, asset).map_or_else(unshared, |ready| form.answer(&ready))
}

fn ready(engine: &Engine, asset: &str) -> Option<std::sync::Arc<Ready>> {
    engine.ready(&asset_path(asset)?)
}

/// What coreutils' `sha256sum` prints: a name with a backslash or a line break is escaped, and a
/// backslash before the digest says so.
fn checksum_line(digest: &str, name: &str) -> String {
    let escaped = name.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r");
    let mark = if escaped == name { "" } else { "\\" };
    format!("{mark}{digest}  {escaped}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_found_by_the_name_they_go_by() {
        for form in [Form::Torrent, Form::Magnet, Form::Sha256] {
            assert_eq!(Form::of(form.name()), Some(form));
        }
        for other in ["", "Torrent", "torrents", "md5"] {
            assert_eq!(Form::of(other), None);
        }
    }

    #[test]
    fn a_checksum_line_is_what_coreutils_prints() {
        for (name, expected) in [
            ("a b.iso", "00  a b.iso\n"),
            ("ä.iso", "00  ä.iso\n"),
            ("a\\b", "\\00  a\\\\b\n"),
            ("a\nb\r", "\\00  a\\nb\\r\n"),
        ] {
            assert_eq!(checksum_line("00", name), expected);
        }
    }
}
