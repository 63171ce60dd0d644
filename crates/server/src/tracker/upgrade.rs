use std::time::SystemTime;

use bytes::Bytes;
use http::header::{
    CONNECTION, CONTENT_LENGTH, ORIGIN, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_VERSION, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version};
use hyper_util::rt::TokioIo;
use manyhands_experiment::Arm;
use manyhands_protocol::mirrors::{MirrorState, PublicKey};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::socket;
use crate::client::Client;
use crate::config::{Checked, Foreign};
use crate::engine::Engine;
use crate::ledger::What;
use crate::reserved::plain;

/// Answers the WebSocket handshake (RFC 6455 section 4.2) and hands the connection to the tracker.
pub(crate) fn upgrade<B>(
    engine: &Engine,
    request: &mut Request<B>,
    client: &Client,
) -> Response<Bytes> {
    let headers = request.headers();
    let Some(key) = handshake_key(request) else {
        let mut response = plain(StatusCode::UPGRADE_REQUIRED, "this is a WebSocket tracker");
        response.headers_mut().insert(UPGRADE, HeaderValue::from_static("websocket"));
        response.headers_mut().insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        return response;
    };
    let checked = engine.checked();
    let open = checked.config.swarm.foreign == Foreign::Open;
    let token = request
        .uri()
        .query()
        .and_then(|query| query.split('&').find_map(|field| field.strip_prefix("token=")));
    let mirror = token.and_then(|token| mirror(engine, token));
    let known = token.is_some_and(|token| engine.token().admits(token, SystemTime::now()));
    if !(open || mirror.is_some() || known && same_site(headers, checked)) {
        return plain(StatusCode::FORBIDDEN, "this tracker serves the pages of its own site");
    }
    if !engine.tracker().is_open() {
        return plain(StatusCode::SERVICE_UNAVAILABLE, "sharing is switched off on this site");
    }
    let visitor = engine.visitor(headers, client);
    let arm = visitor.bucket.zip(engine.ledger().assignment());
    let visits = mirror.is_none();
    if visits
        && arm.is_some_and(|(bucket, assignment)| assignment.arm_of_bucket(bucket) != Arm::P2p)
    {
        return plain(StatusCode::FORBIDDEN, "this visitor takes no part");
    }
    let mut meter = engine.meter(visitor, What::Overhead(None));
    let (engine, client) = (engine.clone(), *client);
    let accept = derive_accept_key(key.as_bytes());
    let upgraded = hyper::upgrade::on(request);
    tokio::spawn(async move {
        match upgraded.await {
            Ok(stream) => {
                let stream = TokioIo::new(stream);
                let (address, prefix) = (client.address(), client.prefix());
                socket::run(engine.tracker(), stream, address, prefix, mirror, &mut meter).await;
            }
            Err(error) => tracing::debug!(%error, "a tracker connection was not upgraded"),
        }
    });
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    if let Ok(accept) = HeaderValue::try_from(accept) {
        headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    }
    response
}

/// The mirror that a token was given to, if it may still take part.
fn mirror(engine: &Engine, token: &str) -> Option<PublicKey> {
    if engine.checked().config.swarm.foreign == Foreign::Closed {
        return None;
    }
    let key = engine.token().mirror(token, SystemTime::now())?;
    let approved = engine.mirrors().state_of(&key) == Some(MirrorState::Approved);
    approved.then_some(key)
}

fn handshake_key<B>(request: &Request<B>) -> Option<HeaderValue> {
    let headers = request.headers();
    let lists = |name: &HeaderName, token: &str| {
        headers
            .get_all(name)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .any(|item| item.trim().eq_ignore_ascii_case(token))
    };
    let version = headers.get(SEC_WEBSOCKET_VERSION)?;
    // HTTP/1.0 has no upgrades (RFC 9110 section 7.8), and a handshake has no body.
    let asked = request.method() == Method::GET
        && request.version() == Version::HTTP_11
        && ![CONTENT_LENGTH, TRANSFER_ENCODING].iter().any(|name| headers.contains_key(name))
        && lists(&CONNECTION, "upgrade")
        && lists(&UPGRADE, "websocket")
        && version == "13";
    headers.get(SEC_WEBSOCKET_KEY).filter(|_| asked).cloned()
}

/// Browsers name the page's origin; it must be this site's. What the request calls us (`Host`) proves
/// nothing: any name can be made to lead here.
fn same_site(headers: &HeaderMap, site: &Checked) -> bool {
    let Some(from) = headers.get(ORIGIN).and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let Some((scheme, authority)) = from.split_once("://") else { return false };
    site.origin.starts_with(&format!("{scheme}://")) && site.policy.is_site(authority.as_bytes())
}
