//! The reserved prefix: what this software answers itself.
//!
//! Front door: [`answer`]. It knows every path below the prefix; each answer is small and in memory.
//! [`beside`] gives the metainfo of an asset under the asset's own address.

mod answer;
mod beacon;
mod disposition;
mod document;
mod encoded;
mod experiment;
mod in_flight;
mod list;
mod metainfo;
mod metrics;
mod mirrors;
mod operator;
mod purge;
mod query;
mod scripts;
mod site;
mod status;
mod suffix;
mod switch;

pub use answer::{Answer, AwaitedBody, Ours};
pub(crate) use beacon::Beacons;
pub(crate) use document::Document;
pub(crate) use encoded::Encoded;
pub(crate) use in_flight::InFlight;
pub(crate) use operator::OperatorKey;
pub(crate) use scripts::Scripts;
pub(crate) use site::{SiteDocument, Token};
pub(crate) use status::Counters;
pub(crate) use suffix::beside;

pub(crate) use metainfo::forms;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use manyhands_experiment::Arm;
use manyhands_metainfo::{AssetPath, Digest};

use self::metainfo::Form;
use crate::assets::Ready;
use crate::client::Client;
use crate::config::ConsentMode;
use crate::engine::Engine;
use crate::ledger::{Assignment, Visitor, seconds_now};

const NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const IMMUTABLE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
/// Bounds how long a client may act on a manifest after the asset changed.
const BRIEF: HeaderValue = HeaderValue::from_static("public, max-age=0, must-revalidate");
const BRIEF_PRIVATE: HeaderValue = HeaderValue::from_static("private, max-age=0, must-revalidate");
const SWARM: HeaderName = HeaderName::from_static("manyhands-swarm");

/// A request below the prefix, without its body.
pub(super) struct Asked<'a> {
    engine: &'a Engine,
    method: &'a Method,
    uri: &'a Uri,
    headers: &'a HeaderMap,
    client: &'a Client,
    visitor: Visitor,
    /// What the host says of this request's part of the site, in the configuration's stead.
    consent: Option<ConsentMode>,
}

/// Answers a request below the reserved prefix; `path` is what follows the prefix.
pub(crate) fn answer<B>(
    engine: &Engine,
    path: &str,
    request: &mut Request<B>,
    client: &Client,
) -> Answer {
    let visitor = engine.visitor(request.headers(), client);
    if path == "tracker" {
        let response = crate::tracker::upgrade(engine, request, client);
        return Answer::Ready(answer::ours(engine, visitor, &Method::GET, path, response));
    }
    let (method, uri, headers) = (request.method(), request.uri(), request.headers());
    let consent = request.extensions().get().copied();
    let asked = Asked { engine, method, uri, headers, client, visitor, consent };
    let awaited = (*method == Method::POST).then(|| answer::awaited(&asked, path)).flatten();
    let refused = match awaited {
        Some(Ok(awaited)) => return Answer::Awaited(awaited),
        Some(Err(refusal)) => Some(refusal),
        None => None,
    };
    let mut response = match (path, method) {
        _ if let Some(refusal) = refused => *refusal,
        ("mirrors/decide", &Method::POST) => mirrors::decide(&asked),
        ("mirrors/announce" | "mirrors/doubt" | "mirrors/decide", _) => not_allowed("POST"),
        ("purge", &Method::POST) => purge::answer(&asked),
        ("switch", &Method::POST) => switch::answer(&asked),
        ("purge" | "switch", _) => not_allowed("POST"),
        (_, &Method::GET | &Method::HEAD) => document::finish(method, headers, route(&asked, path)),
        _ => not_allowed("GET, HEAD"),
    };
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let response = engine.in_flight().carry(response);
    Answer::Ready(answer::ours(engine, visitor, method, path, response))
}

fn route(asked: &Asked<'_>, path: &str) -> Response<Bytes> {
    let Asked { engine, headers, .. } = *asked;
    match path {
        "loader.js" | "client.js" | "diagnostics.js" | "sw.js" => {
            engine.scripts().answer(path, engine.sharing(), headers)
        }
        "site.json" => site::answer(asked),
        "beacon" => beacon::token(asked),
        "experiment.json" => experiment::answer(asked, experiment::Form::Json),
        "experiment.csv" => experiment::answer(asked, experiment::Form::Csv),
        "metrics" => metrics::answer(asked),
        "assets" => list::for_people(asked),
        "dashboard" => dashboard(asked),
        "assets.json" => list::for_programs(asked),
        "status.json" => status::answer(asked),
        "mirrors.json" => mirrors::list(asked),
        _ => match path.split_once('/') {
            Some(("mirrors", rest)) if let Some(page) = rest.strip_prefix("feed/") => {
                mirrors::feed(asked, page)
            }
            Some(("manifest", asset)) => manifest(asked, asset),
            Some(("digests", rest)) => digests(engine, rest),
            Some((form, asset)) if let Some(form) = Form::of(form) => {
                metainfo::answer(asked, form, asset)
            }
            _ => plain(StatusCode::NOT_FOUND, "nothing is served under this path"),
        },
    }
}

fn dashboard(asked: &Asked<'_>) -> Response<Bytes> {
    if !operator::asks(asked) {
        return operator::asked_for_key(asked);
    }
    let figures = asked.engine.keeper().figures();
    let mut response = crate::operator::dashboard(asked.engine, asked.headers, &figures);
    operator::for_the_operator(&mut response);
    response
}

fn manifest(asked: &Asked<'_>, asset: &str) -> Response<Bytes> {
    let Asked { engine, headers, .. } = *asked;
    let Some(path) = asset_path(asset) else { return unshared() };
    let Some(ready) = engine.ready(&path) else { return unshared() };
    let ledger = engine.ledger();
    // A client asks once a page view and asset, whatever the answer; when it asks again it says so.
    if *asked.method == Method::GET && asked.uri.query() != Some("again") {
        engine.mirrors().wanted(&path, seconds_now());
        ledger.demand(&path, ready.record.hashes.length, &asked.visitor);
    }
    let mut response = manifest_of(engine, &ready, headers);
    let swarm = match ledger.arm(&path, &asked.visitor) {
        Arm::P2p if engine.sharing().is_on() => engine.tracker().swarm_header(&ready.info_hash),
        Arm::P2p | Arm::Http | Arm::Untouched => HeaderValue::from_static("off"),
    };
    let holders = mirrors::holders(&engine.holders_for(&path, &asked.visitor));
    response.headers_mut().insert(SWARM, swarm);
    response.headers_mut().insert(mirrors::MIRRORS, holders);
    response
}

/// A manifest, but for the swarm.
fn manifest_of(engine: &Engine, ready: &Ready, headers: &HeaderMap) -> Response<Bytes> {
    let mut response = ready.manifest.answer(headers, "application/json");
    // Where visitors are in arms, the next one may be in another.
    let by_visitor = engine.ledger().assignment().is_some_and(Assignment::is_by_visitor);
    let kept = if by_visitor { BRIEF_PRIVATE } else { BRIEF };
    response.headers_mut().insert(CACHE_CONTROL, kept);
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
