use std::time::SystemTime;

use bytes::Bytes;
use http::header::{
    CONNECTION, HOST, ORIGIN, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION,
    UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::socket;
use crate::client::Client;
use crate::config::Foreign;
use crate::engine::Engine;
use crate::reserved::plain;

/// Answers the WebSocket handshake (RFC 6455 section 4.2) and hands the connection to the tracker.
pub(crate) fn upgrade<B>(
    engine: &Engine,
    request: &mut Request<B>,
    client: &Client,
) -> Response<Bytes> {
    let headers = request.headers();
    let Some(key) = handshake_key(request.method(), headers) else {
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
    let known = token.is_some_and(|token| engine.token().admits(token, SystemTime::now()));
    if !(open || known && same_site(headers, &checked.origin)) {
        return plain(StatusCode::FORBIDDEN, "this tracker serves the pages of its own site");
    }
    let (engine, client) = (engine.clone(), *client);
    let accept = derive_accept_key(key.as_bytes());
    let upgraded = hyper::upgrade::on(request);
    tokio::spawn(async move {
        match upgraded.await {
            Ok(stream) => {
                let stream = TokioIo::new(stream);
                socket::run(engine.tracker(), stream, client.address(), client.prefix()).await;
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

fn handshake_key(method: &Method, headers: &HeaderMap) -> Option<HeaderValue> {
    let lists = |name: &HeaderName, token: &str| {
        headers
            .get_all(name)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .any(|item| item.trim().eq_ignore_ascii_case(token))
    };
    let version = headers.get(SEC_WEBSOCKET_VERSION)?;
    let asked = method == Method::GET
        && lists(&CONNECTION, "upgrade")
        && lists(&UPGRADE, "websocket")
        && version == "13";
    headers.get(SEC_WEBSOCKET_KEY).filter(|_| asked).cloned()
}

/// Browsers name the page's origin; it must be ours, or, behind a name the operator did not configure,
/// the one this very request was sent to.
fn same_site(headers: &HeaderMap, origin: &str) -> bool {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let Some(from) = text(ORIGIN) else { return false };
    let host = from.split_once("://").map(|(_, authority)| authority);
    from.eq_ignore_ascii_case(origin) || (host.is_some() && host == text(HOST))
}
