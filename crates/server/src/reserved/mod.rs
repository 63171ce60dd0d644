//! The reserved prefix: what this software answers itself.
//!
//! Front door: [`answer`]. It knows every path below the prefix; each answer is small and in memory.

mod encoded;
mod scripts;
mod site;
mod status;
mod suffix;

pub(crate) use encoded::Encoded;
pub(crate) use scripts::Scripts;
pub(crate) use site::{SiteDocument, Token};
pub(crate) use status::Counters;
pub(crate) use suffix::answer as suffix_answer;

use bytes::Bytes;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, ETAG, IF_NONE_MATCH,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use manyhands_metainfo::{AssetPath, Digest};

use crate::assets::Ready;
use crate::client::Client;
use crate::engine::Engine;

const NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const IMMUTABLE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
/// Bounds how long a client may act on a manifest after the asset changed.
const BRIEF: HeaderValue = HeaderValue::from_static("public, max-age=0, must-revalidate");
const SWARM: HeaderName = HeaderName::from_static("manyhands-swarm");

/// Answers a request below the reserved prefix; `path` is what follows the prefix.
pub(crate) fn answer<B>(
    engine: &Engine,
    path: &str,
    request: &mut Request<B>,
    client: &Client,
) -> Response<Bytes> {
    if path == "tracker" {
        return crate::tracker::upgrade(engine, request, client);
    }
    if request.method() != Method::GET && request.method() != Method::HEAD {
        let mut response =
            plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD are answered here");
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    let mut response = route(engine, path, request.headers(), client);
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if response.headers().get(ETAG).is_some_and(|etag| matches(request.headers(), etag)) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response.body_mut().clear();
        response.headers_mut().remove(CONTENT_TYPE);
    }
    response
}

fn route(engine: &Engine, path: &str, headers: &HeaderMap, client: &Client) -> Response<Bytes> {
    match path {
        "loader.js" | "client.js" | "sw.js" => engine.scripts().answer(path, headers),
        "site.json" => site::answer(engine, headers),
        "status.json" => status::answer(engine, client),
        _ => match path.split_once('/') {
            Some(("manifest", asset)) => manifest(engine, asset, headers),
            Some(("torrent", asset)) => metainfo(engine, asset, torrent_of),
            Some(("magnet", asset)) => metainfo(engine, asset, magnet_of),
            Some(("digests", rest)) => digests(engine, rest),
            _ => plain(StatusCode::NOT_FOUND, "nothing is served under this path"),
        },
    }
}

fn manifest(engine: &Engine, asset: &str, headers: &HeaderMap) -> Response<Bytes> {
    let Some(ready) = asset_path(asset).and_then(|path| engine.ready(&path)) else {
        return unshared();
    };
    let mut response = ready.manifest.answer(headers, "application/json");
    response.headers_mut().insert(CACHE_CONTROL, BRIEF);
    let swarm = engine.tracker().swarm_header(&ready.info_hash);
    response.headers_mut().insert(SWARM, swarm);
    response
}

fn metainfo(
    engine: &Engine,
    asset: &str,
    answer: fn(&Ready) -> Response<Bytes>,
) -> Response<Bytes> {
    match asset_path(asset).and_then(|path| engine.ready(&path)) {
        Some(ready) => answer(&ready),
        None => unshared(),
    }
}

fn torrent_of(ready: &Ready) -> Response<Bytes> {
    let mut response = Response::new(ready.torrent.clone());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-bittorrent"));
    headers.insert(CACHE_CONTROL, BRIEF);
    let plain_name: String = ready
        .path()
        .file_name()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || ".-_ ".contains(c) { c } else { '_' })
        .collect();
    let disposition = format!("attachment; filename=\"{plain_name}.torrent\"");
    if let Ok(disposition) = HeaderValue::try_from(disposition) {
        headers.insert(CONTENT_DISPOSITION, disposition);
    }
    response
}

fn magnet_of(ready: &Ready) -> Response<Bytes> {
    let mut response = plain(StatusCode::OK, &ready.magnet);
    response.headers_mut().insert(CACHE_CONTROL, BRIEF);
    response
}

/// `<root>/<page>`: found by content, so that it may be kept for ever.
fn digests(engine: &Engine, rest: &str) -> Response<Bytes> {
    let page = rest.split_once('/').and_then(|(root, page)| {
        let (root, number): (Digest, usize) = (root.parse().ok()?, page.parse().ok()?);
        // One address a page: it may be kept for a year.
        if number.to_string() != page {
            return None;
        }
        engine.digest_page(&root, number)
    });
    let Some(page) = page else { return unshared() };
    let mut response = Response::new(page);
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    response.headers_mut().insert(CACHE_CONTROL, IMMUTABLE);
    response
}

fn asset_path(rest: &str) -> Option<AssetPath> {
    AssetPath::parse(&format!("/{rest}")).ok()
}

fn unshared() -> Response<Bytes> {
    let mut response = plain(StatusCode::NOT_FOUND, "no metainfo: not shared, or not yet");
    response.headers_mut().insert(CACHE_CONTROL, NO_STORE);
    response
}

pub(crate) fn plain(status: StatusCode, text: &str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(format!("{text}\n")));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

/// Weak comparison of RFC 9110 section 13.1.2; our own tags hold no comma.
fn matches(headers: &HeaderMap, etag: &HeaderValue) -> bool {
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let Ok(etag) = etag.to_str().map(opaque) else { return false };
    let mut fields = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    fields.any(|value| value.split(',').any(|tag| tag.trim() == "*" || opaque(tag) == etag))
}
