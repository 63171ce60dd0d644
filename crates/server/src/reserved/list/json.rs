use bytes::Bytes;
use http::Response;
use serde::Serialize;

use super::{Shown, Wanted};
use crate::assets::Listed;
use crate::reserved::{Asked, Encoded};

/// `assets.json`: stable; a program ignores members it does not know.
#[derive(Serialize)]
struct Document<'a> {
    v: u8,
    /// Assets in all, not in this part.
    total: usize,
    /// Where the next part is, from the root of the site; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    assets: Vec<Asset<'a>>,
}

#[derive(Serialize)]
struct Asset<'a> {
    path: &'a str,
    url: String,
    length: u64,
    #[serde(rename = "type")]
    content_type: &'a str,
    sha256: String,
    infohash: String,
    /// BEP 52 pieces root.
    root: String,
    magnet: &'a str,
    torrent: String,
    meta4: String,
}

impl<'a> Asset<'a> {
    fn of(listed: &'a Listed, origin: &str, prefix: &str) -> Self {
        Self {
            path: listed.path.as_str(),
            url: format!("{origin}{}", listed.path),
            length: listed.length,
            content_type: &listed.content_type,
            sha256: listed.sha256.to_string(),
            infohash: listed.info_hash.to_string(),
            root: listed.root.to_string(),
            magnet: &listed.magnet,
            torrent: format!("{origin}{prefix}/torrent{}", listed.path),
            meta4: format!("{origin}{prefix}/meta4{}", listed.path),
        }
    }
}

pub(super) fn answer(asked: &Asked<'_>, wanted: &Wanted, shown: &Shown) -> Response<Bytes> {
    let checked = asked.engine.checked();
    let (origin, prefix) = (&checked.origin, checked.policy.prefix());
    let next = shown.next.as_ref();
    let document = Document {
        v: 1,
        total: shown.total,
        next: next.map(|path| format!("{prefix}/assets.json?{}", wanted.next(path))),
        assets: shown.assets.iter().map(|listed| Asset::of(listed, origin, prefix)).collect(),
    };
    let json = serde_json::to_vec(&document).unwrap_or_default();
    Encoded::for_once(json).answer(asked.headers, "application/json")
}
