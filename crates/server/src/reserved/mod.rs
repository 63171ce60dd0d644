//! The reserved prefix: what this software answers itself.
//!
//! Front door: [`answer`]. It knows every path below the prefix; each answer is small and in memory.
//! [`beside`] gives the metainfo of an asset under the asset's own address.

mod disposition;
mod document;
mod encoded;
mod in_flight;
mod list;
mod metainfo;
mod operator;
mod purge;
mod query;
mod scripts;
mod site;
mod status;
mod suffix;

pub(crate) use document::Document;
pub(crate) use encoded::Encoded;
pub(crate) use in_flight::InFlight;
pub(crate) use operator::OperatorKey;
pub(crate) use scripts::Scripts;
pub(crate) use site::{SiteDocument, Token};
pub(crate) use status::Counters;
pub(crate) use suffix::beside;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use manyhands_metainfo::{AssetPath, Digest};

use self::metainfo::Form;
use crate::client::Client;
use crate::engine::Engine;

const NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const IMMUTABLE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
/// Bounds how long a client may act on a manifest after the asset changed.
const BRIEF: HeaderValue = HeaderValue::from_static("public, max-age=0, must-revalidate");
const SWARM: HeaderName = HeaderName::from_static("manyhands-swarm");

/// A request below the prefix, without its body: none of the answers needs one.
pub(super) struct Asked<'a> {
    engine: &'a Engine,
    uri: &'a Uri,
    headers: &'a HeaderMap,
    client: &'a Client,
}

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
    let (method, uri, headers) = (request.method(), request.uri(), request.headers());
    let asked = Asked { engine, uri, headers, client };
    let mut response = match (path, method) {
        ("purge", &Method::POST) => purge::answer(&asked),
        ("purge", _) => not_allowed("POST"),
        (_, &Method::GET | &Method::HEAD) => document::finish(method, headers, route(&asked, path)),
        _ => not_allowed("GET, HEAD"),
    };
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn route(asked: &Asked<'_>, path: &str) -> Response<Bytes> {
    let Asked { engine, headers, .. } = *asked;
    match path {
        "loader.js" | "client.js" | "sw.js" => engine.scripts().answer(path, headers),
        "site.json" => site::answer(engine, headers),
        "assets" => list::for_people(asked),
        "assets.json" => list::for_programs(asked),
        "status.json" => status::answer(asked),
        _ => match path.split_once('/') {
            Some(("manifest", asset)) => manifest(engine, asset, headers),
            Some(("digests", rest)) => digests(engine, rest),
            Some((form, asset)) if let Some(form) = Form::of(form) => {
                metainfo::answer(asked, form, asset)
            }
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

fn not_allowed(methods: &'static str) -> Response<Bytes> {
    let text = match methods {
        "POST" => "only POST is answered here",
        _ => "only GET and HEAD are answered here",
    };
    let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, text);
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(methods));
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
