//! What a site lets its mirrors carry.

use manyhands_metainfo::{AssetPath, Digest, InfoHash};
use serde::{Deserialize, Serialize};

use super::address::SiteOrigin;
use super::json::{self, FormatError, MAX_INTEGER, VERSION};

/// The most assets of one page.
pub const MAX_FEED_ASSETS: usize = 1_000;

/// The most pages of one feed: ten million assets.
pub const MAX_FEED_PAGES: u64 = 10_000;

/// The most purged paths that are told.
pub const MAX_PURGED: usize = 1_000;

/// How long a page holds after it was made, in seconds: a site that is silent for longer is no longer
/// carried.
pub const FEED_LIFETIME: u64 = 24 * 60 * 60;

/// One page of a feed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedPage {
    v: u32,
    /// The site's origin.
    pub site: SiteOrigin,
    /// Its reserved prefix, with a slash at both ends.
    pub prefix: AssetPath,
    /// Grows whenever the feed changes; all pages of one feed have the same.
    pub sequence: u64,
    /// When it was made, in seconds since 1970.
    pub made: u64,
    /// Until when it holds: at most [`FEED_LIFETIME`] after it was made.
    pub expires: u64,
    /// Which page this is, from 0.
    pub page: u64,
    /// How many pages the feed has, at least 1.
    pub pages: u64,
    /// At most [`MAX_FEED_ASSETS`], no path twice. What no page lists is not served by a mirror.
    pub assets: Vec<FeedAsset>,
    /// What was withdrawn in the last days: deleted by a mirror at once. On page 0 only.
    #[serde(default)]
    pub purged: Vec<Purge>,
}

/// An asset that mirrors may carry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FeedAsset {
    /// Its path on the site.
    pub path: AssetPath,
    /// Its length in bytes.
    pub length: u64,
    /// Its strong entity tag as sent, quotes included, where there is one.
    pub etag: Option<String>,
    /// Its swarm.
    pub infohash: InfoHash,
    /// What its digests are the leaves of (BEP 52 pieces root).
    pub root: Digest,
    /// Bytes a piece.
    pub piece_length: u32,
    /// Its media type.
    #[serde(rename = "type")]
    pub content_type: String,
    /// Requests for it in the last 24 hours.
    pub demand: u64,
    /// Healthy mirrors that hold it.
    pub copies: u64,
}

/// A path that was withdrawn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Purge {
    /// The path.
    pub path: AssetPath,
    /// When, in seconds since 1970.
    pub at: u64,
}

impl FeedPage {
    /// An empty page 0 of 1, that holds for [`FEED_LIFETIME`] from `made` (seconds since 1970).
    pub fn new(site: SiteOrigin, prefix: AssetPath, sequence: u64, made: u64) -> Self {
        let expires = made.saturating_add(FEED_LIFETIME);
        let (assets, purged) = (Vec::new(), Vec::new());
        Self {
            v: VERSION,
            site,
            prefix,
            sequence,
            made,
            expires,
            page: 0,
            pages: 1,
            assets,
            purged,
        }
    }

    /// The JSON text: what is signed.
    pub fn to_json(&self) -> String {
        json::write(self)
    }

    /// Reads a page. Only an [`Envelope`](super::Envelope) says whose it is.
    ///
    /// # Errors
    /// See [`FormatError`].
    pub fn from_json(bytes: &[u8]) -> Result<Self, FormatError> {
        let page: Self = json::read(bytes, super::MAX_ENVELOPE_BYTES)?;
        page.check().map_err(FormatError::Refused)?;
        Ok(page)
    }

    fn check(&self) -> Result<(), &'static str> {
        let rules = [
            (self.prefix.is_directory(), "the prefix does not end in a slash"),
            (self.sequence <= MAX_INTEGER, "the sequence is beyond 2^53"),
            (self.made < self.expires, "it expires before it is made"),
            (self.expires.saturating_sub(self.made) <= FEED_LIFETIME, "it holds for over a day"),
            (self.pages <= MAX_FEED_PAGES, "it has too many pages"),
            (self.page < self.pages, "the page is beyond the last"),
            (self.assets.len() <= MAX_FEED_ASSETS, "the page has too many assets"),
            (self.purged.len() <= MAX_PURGED, "the page has too many purged paths"),
            (self.page == 0 || self.purged.is_empty(), "purged paths are not on page 0"),
        ];
        for (holds, otherwise) in rules {
            if !holds {
                return Err(otherwise);
            }
        }
        self.assets.iter().try_for_each(FeedAsset::check)?;
        let mut paths: Vec<_> = self.assets.iter().map(|asset| &asset.path).collect();
        paths.sort_unstable();
        if paths.is_sorted_by(|one, next| one < next) {
            Ok(())
        } else {
            Err("a path is there twice")
        }
    }
}

impl FeedAsset {
    /// Whether a page with it can be read: its validator, type and numbers are what they may be.
    pub fn is_sound(&self) -> bool {
        self.check().is_ok()
    }

    fn check(&self) -> Result<(), &'static str> {
        let tag = |tag: &str| {
            let inner = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
            // RFC 9110, section 8.8.3: strong, no quote inside.
            tag.len() <= 1_024 && inner.is_some_and(|inner| inner.bytes().all(is_tag_byte))
        };
        let rules = [
            (!self.path.is_directory(), "a path is a directory's"),
            (self.length <= MAX_INTEGER, "a length is beyond 2^53"),
            (self.etag.as_deref().is_none_or(tag), "an entity tag is not a strong one"),
            (
                self.piece_length.is_power_of_two() && self.piece_length >= 16 * 1024,
                "a piece length is no power of two from 16 KiB",
            ),
            (is_media_type(&self.content_type), "a media type is none"),
            (self.demand <= MAX_INTEGER && self.copies <= MAX_INTEGER, "a count is beyond 2^53"),
        ];
        rules.into_iter().find(|(holds, _)| !holds).map_or(Ok(()), |(_, otherwise)| Err(otherwise))
    }
}

fn is_tag_byte(byte: u8) -> bool {
    byte == 0x21 || (0x23..=0x7e).contains(&byte) || byte >= 0x80
}

/// What may stand in a `Content-Type` as it is.
fn is_media_type(text: &str) -> bool {
    text.len() <= 255 && text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
}
