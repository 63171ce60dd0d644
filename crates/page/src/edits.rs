//! Changes to a head: a list, so that a host that holds no [`HeaderMap`] can carry it out as well.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{HeaderMap, HeaderName, HeaderValue, LINK};
use manyhands_metainfo::{AssetPath, Digest};

/// One change to a head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderEdit {
    /// Remove every line of this field.
    Remove(HeaderName),
    /// Replace every line of this field by one.
    Set(HeaderName, HeaderValue),
    /// Add a line, after those that are there.
    Append(HeaderName, HeaderValue),
}

/// Changes to a head, to be made in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderEdits(Vec<HeaderEdit>);

impl HeaderEdits {
    pub(crate) fn remove(&mut self, name: HeaderName) {
        self.0.push(HeaderEdit::Remove(name));
    }

    pub(crate) fn set(&mut self, name: HeaderName, value: HeaderValue) {
        self.0.push(HeaderEdit::Set(name, value));
    }

    pub(crate) fn append(&mut self, name: HeaderName, value: HeaderValue) {
        self.0.push(HeaderEdit::Append(name, value));
    }

    /// Carries the changes out.
    pub fn apply(&self, headers: &mut HeaderMap) {
        for edit in &self.0 {
            match edit {
                HeaderEdit::Remove(name) => {
                    headers.remove(name);
                }
                HeaderEdit::Set(name, value) => {
                    headers.insert(name.clone(), value.clone());
                }
                HeaderEdit::Append(name, value) => {
                    headers.append(name.clone(), value.clone());
                }
            }
        }
    }

    /// The changes in order, for hosts with header lists of their own.
    pub fn iter(&self) -> std::slice::Iter<'_, HeaderEdit> {
        self.0.iter()
    }

    /// Whether there is nothing to change.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'a> IntoIterator for &'a HeaderEdits {
    type Item = &'a HeaderEdit;
    type IntoIter = std::slice::Iter<'a, HeaderEdit>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// What a response with a *ready* asset carries besides the site's own fields: where its torrent
/// and its Metalink are (`Link`, RFC 8288 and RFC 6249) and the digest of the whole file (`Repr-Digest`,
/// RFC 9530).
///
/// The host calls this only when the catalog holds exactly the version being sent. `prefix` is the
/// reserved prefix without a trailing slash ([`Policy::prefix`](crate::Policy::prefix)).
pub fn asset_edits(path: &AssetPath, sha256: &Digest, prefix: &str) -> HeaderEdits {
    let mut edits = HeaderEdits::default();
    for (kind, content_type) in
        [("torrent", "application/x-bittorrent"), ("meta4", "application/metalink4+xml")]
    {
        let target = format!("{prefix}/{kind}{}", path.as_str());
        // '<' and '>' would end the reference early; a normalised path holds neither.
        let delimited =
            target.bytes().all(|byte| byte.is_ascii_graphic() && !b"<>\"".contains(&byte));
        let link = format!("<{target}>; rel=\"describedby\"; type=\"{content_type}\"");
        if let (true, Ok(link)) = (delimited, HeaderValue::try_from(link)) {
            edits.append(LINK, link);
        }
    }

    let digest = format!("sha-256=:{}:", STANDARD.encode(sha256.as_bytes()));
    if let Ok(digest) = HeaderValue::try_from(digest) {
        edits.append(HeaderName::from_static("repr-digest"), digest);
    }
    edits
}

/// The additions that say where else an asset is: `Link: <url>; rel="duplicate"; pri=1` and so on (RFC 6249,
/// section 6), the best first. What is no plain URL is left out.
pub fn duplicate_edits(urls: &[String]) -> HeaderEdits {
    let mut edits = HeaderEdits::default();
    for (url, priority) in urls.iter().zip(1..) {
        let delimited = url.bytes().all(|byte| byte.is_ascii_graphic() && !b"<>\"".contains(&byte));
        let link = format!("<{url}>; rel=\"duplicate\"; pri={priority}");
        if let (true, Ok(link)) = (delimited, HeaderValue::try_from(link)) {
            edits.append(LINK, link);
        }
    }
    edits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_carried_out_in_order() {
        let mut headers = HeaderMap::new();
        headers.append("vary", HeaderValue::from_static("a"));
        headers.append("age", HeaderValue::from_static("1"));
        headers.append("age", HeaderValue::from_static("2"));
        headers.append("etag", HeaderValue::from_static("\"x\""));

        let mut edits = HeaderEdits::default();
        edits.remove(http::header::AGE);
        edits.set(http::header::ETAG, HeaderValue::from_static("W/\"x\""));
        edits.append(http::header::VARY, HeaderValue::from_static("b"));
        edits.apply(&mut headers);

        assert!(!headers.contains_key("age"));
        assert_eq!(headers["etag"], "W/\"x\"");
        assert_eq!(headers.get_all("vary").iter().collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn a_ready_asset_names_its_metainfo_and_its_digest() {
        let path = AssetPath::parse("/pub/a%20b.zip").unwrap();
        let mut headers = HeaderMap::new();
        asset_edits(&path, &Digest::from_bytes([0; 32]), "/.well-known/manyhands")
            .apply(&mut headers);

        let links: Vec<_> = headers.get_all("link").iter().collect();
        assert_eq!(
            links,
            [
                "</.well-known/manyhands/torrent/pub/a%20b.zip>; rel=\"describedby\"; \
                 type=\"application/x-bittorrent\"",
                "</.well-known/manyhands/meta4/pub/a%20b.zip>; rel=\"describedby\"; \
                 type=\"application/metalink4+xml\"",
            ]
        );
        assert_eq!(
            headers["repr-digest"],
            "sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:"
        );
    }

    #[test]
    fn duplicates_are_named_in_order_and_only_as_plain_urls() {
        let urls = ["https://m.example/a%20b.iso", "https://n.example/>", "https://o.example/a"];
        let mut headers = HeaderMap::new();
        duplicate_edits(&urls.map(str::to_owned)).apply(&mut headers);
        let links: Vec<_> = headers.get_all(LINK).iter().collect();
        assert_eq!(
            links,
            [
                "<https://m.example/a%20b.iso>; rel=\"duplicate\"; pri=1",
                "<https://o.example/a>; rel=\"duplicate\"; pri=3",
            ]
        );
    }
}
