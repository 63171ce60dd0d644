//! The metainfo of one asset, in the forms that other programs read.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use http::{HeaderValue, Response};
use manyhands_metainfo::Metalink;

use super::disposition::Disposition;
use super::document::Document;
use super::{Asked, BRIEF, asset_path, unshared};
use crate::assets::Ready;
use crate::engine::Engine;

/// More pieces (a file of 64 GiB has so many) would make a Metalink of over 256 KiB; it then says what the
/// whole file is, and its torrent what the pieces are.
const MOST_PIECES: u64 = 4_096;

/// A form of an asset's metainfo: `<prefix>/<form>/<asset path>` or `<asset path>.<form>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// BEP 3.
    Torrent,
    /// A magnet link, as text.
    Magnet,
    /// Metalink 4 (RFC 5854).
    Meta4,
    /// The line that `sha256sum` prints, for `sha256sum -c` beside the file.
    Sha256,
}

impl Form {
    pub(crate) fn of(name: &str) -> Option<Self> {
        [Self::Torrent, Self::Magnet, Self::Meta4, Self::Sha256]
            .into_iter()
            .find(|form| form.name() == name)
    }

    /// The name in addresses, and of the files.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Torrent => "torrent",
            Self::Magnet => "magnet",
            Self::Meta4 => "meta4",
            Self::Sha256 => "sha256",
        }
    }

    fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Torrent => "application/x-bittorrent",
            Self::Meta4 => "application/metalink4+xml",
            Self::Magnet | Self::Sha256 => "text/plain; charset=utf-8",
        })
    }

    fn disposition(self) -> Disposition {
        match self {
            Self::Torrent | Self::Meta4 => Disposition::Attachment,
            // A person looks at these; programs that save them want the name all the same.
            Self::Magnet | Self::Sha256 => Disposition::Inline,
        }
    }

    fn document(self, engine: &Engine, ready: &Ready, mirrors: &[String]) -> Document {
        match self {
            Self::Torrent if mirrors.is_empty() => ready.torrent.clone(),
            Self::Torrent => engine.torrent_with(ready, mirrors),
            Self::Magnet if mirrors.is_empty() => {
                Document::new(format!("{}\n", ready.magnet).into())
            }
            Self::Magnet => {
                Document::new(format!("{}\n", engine.magnet_with(ready, mirrors)).into())
            }
            Self::Meta4 => Document::new(metalink(engine, ready, mirrors).into()),
            Self::Sha256 => {
                let sha256 = ready.record.hashes.sha256.to_string();
                let line = checksum_line(&sha256, &ready.path().file_name());
                Document::new(line.into())
            }
        }
    }

    /// The answer for an asset that is ready, and is at these mirrors, too.
    pub(crate) fn answer(
        self,
        engine: &Engine,
        ready: &Ready,
        mirrors: &[String],
    ) -> Response<Bytes> {
        let mut response = self.document(engine, ready, mirrors).answer();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, self.content_type());
        headers.insert(CACHE_CONTROL, BRIEF);
        let name = format!("{}.{}", ready.path().file_name(), self.name());
        headers.insert(CONTENT_DISPOSITION, self.disposition().named(&name));
        response
    }
}

/// What is answered of an asset, whoever asks: its manifest, but for the swarm, and every form, uncompressed.
/// Without mirrors: what is handed out so is kept, and a mirror may be out in a minute.
pub(crate) fn forms(engine: &Engine, ready: &Ready) -> [Response<Bytes>; 5] {
    let of = |form: Form| form.answer(engine, ready, &[]);
    let manifest = super::manifest_of(engine, ready, &http::HeaderMap::new());
    [manifest, of(Form::Torrent), of(Form::Magnet), of(Form::Meta4), of(Form::Sha256)]
}

/// Answers below the prefix.
pub(super) fn answer(asked: &Asked<'_>, form: Form, asset: &str) -> Response<Bytes> {
    ready(asked.engine, asset).map_or_else(unshared, |ready| {
        let mirrors = asked.engine.duplicates(ready.path());
        form.answer(asked.engine, &ready, &mirrors)
    })
}

fn ready(engine: &Engine, asset: &str) -> Option<std::sync::Arc<Ready>> {
    engine.ready(&asset_path(asset)?)
}

/// Mirrors first, in order of health, and the site last (RFC 5854, section 4.2.16.3: the lowest priority first):
/// they are there so that it need not send. Torrent clients take the rest.
fn metalink(engine: &Engine, ready: &Ready, mirrors: &[String]) -> String {
    let checked = engine.checked();
    let (origin, prefix) = (&checked.origin, checked.policy.prefix());
    let (path, hashes) = (ready.path(), &ready.record.hashes);
    let metalink = Metalink::new(&path.file_name(), hashes.length, hashes.sha256)
        .expect("the last segment of an asset's path is always the name of a file")
        .with_origin(format!("{origin}{prefix}/meta4{path}"))
        .with_torrent(format!("{origin}{prefix}/torrent{path}"));
    let urls = mirrors.iter().cloned().chain([format!("{origin}{path}")]);
    let metalink =
        urls.zip(1..).fold(metalink, |metalink, (url, priority)| metalink.with_url(priority, url));
    let pieces = hashes.length.div_ceil(u64::from(hashes.piece_length).max(1));
    let metalink = if pieces <= MOST_PIECES { metalink.with_pieces(hashes) } else { metalink };
    metalink.to_string()
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
        for form in [Form::Torrent, Form::Magnet, Form::Meta4, Form::Sha256] {
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
