//! What visitors get: ranges of verified assets, and nothing else.
//!
//! The listener that speaks TLS, bounds connections and drops slow readers is not here: [`Answers`] is a service to be
//! put behind one. It never answers with a byte that was not verified, an asset that is not listed, or
//! a list of what there is.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::stream;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use manyhands_metainfo::AssetPath;
use tokio::time::Instant;
use tower_service::Service;

use super::Inner;
use super::feed::blocking;
use super::range::{Requested, any_tag, requested};
use super::site::{Shelved, Site};
use crate::store::ReadError;

/// Bytes read from the disk at a time: large enough that going to another thread for them costs little, small
/// enough that a slow reader holds little.
const CHUNK: u64 = 256 * 1024;

/// Requests that one address may send at once, and how many more each second.
const BURST: f64 = 200.0;
const A_SECOND: f64 = 50.0;
/// Addresses that are remembered; beyond that all start anew.
const MOST_ADDRESSES: usize = 20_000;

/// Who sent a request: an extension of it, put there by the listener. Without it, and from loopback (a proxy on
/// the same machine), requests are not limited.
#[derive(Debug, Clone, Copy)]
pub struct Remote(pub SocketAddr);

/// The body of an answer.
pub type AnswerBody = UnsyncBoxBody<Bytes, AnswerError>;

/// Why an answer breaks off. The connection must not end cleanly then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AnswerError {
    /// The asset may no longer be served.
    #[error("the asset was withdrawn")]
    Withdrawn,
    /// The disk.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// The service of a mirror's listener: `/<host[:port]>/<asset path>`.
#[derive(Debug, Clone)]
pub struct Answers {
    inner: Arc<Inner>,
    visitors: Arc<Visitors>,
}

impl Answers {
    pub(super) fn new(inner: Arc<Inner>) -> Self {
        Self { inner, visitors: Arc::default() }
    }

    /// Answers a request by its head: bodies of requests are of no interest.
    pub fn answer<B>(&self, request: &Request<B>) -> Response<AnswerBody> {
        let remote = request.extensions().get::<Remote>().map(|remote| remote.0.ip());
        let mut response = if self.visitors.let_in(remote) {
            self.answered(request.method(), request.uri().path(), request.headers())
        } else {
            let mut response = words(StatusCode::TOO_MANY_REQUESTS, "too many requests");
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
            response
        };
        let headers = response.headers_mut();
        for (name, value) in ALWAYS {
            headers.insert(name, HeaderValue::from_static(value));
        }
        response
    }

    fn answered(&self, method: &Method, path: &str, headers: &HeaderMap) -> Response<AnswerBody> {
        if *method == Method::OPTIONS {
            return preflight();
        }
        if *method != Method::GET && *method != Method::HEAD {
            let mut response = words(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD");
            let methods = HeaderValue::from_static("GET, HEAD, OPTIONS");
            response.headers_mut().insert(header::ALLOW, methods);
            return response;
        }
        let Some((site, shelved)) = self.find(path) else { return absent() };
        self.asset(site, shelved, *method == Method::HEAD, headers)
    }

    fn find(&self, path: &str) -> Option<(Arc<Site>, Shelved)> {
        let (authority, _) = path.strip_prefix('/')?.split_once('/')?;
        let site = self.inner.sites.iter().find(|site| site.address.authority() == authority)?;
        let path = AssetPath::parse(&path[authority.len() + 1..]).ok()?;
        Some((site.clone(), site.shelved(&path)?))
    }

    fn asset(
        &self,
        site: Arc<Site>,
        shelved: Shelved,
        is_head: bool,
        headers: &HeaderMap,
    ) -> Response<AnswerBody> {
        let listed = &shelved.listed;
        let tag = listed.etag.as_deref().map(str::as_bytes);
        let about = |response: &mut Response<AnswerBody>| {
            let headers = response.headers_mut();
            if let Some(Ok(tag)) = tag.map(HeaderValue::from_bytes) {
                headers.insert(header::ETAG, tag);
            }
            headers.insert(
                header::CACHE_CONTROL,
                HeaderValue::from_static("max-age=60, no-transform"),
            );
            headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        };
        if headers.contains_key(header::IF_MATCH)
            && !any_tag(headers, &header::IF_MATCH, tag, false)
        {
            return words(StatusCode::PRECONDITION_FAILED, "another version is here");
        }
        if any_tag(headers, &header::IF_NONE_MATCH, tag, true) {
            let mut response = Response::new(empty());
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            about(&mut response);
            return response;
        }
        let length = listed.length;
        // RFC 9110, section 14.2: a range is of GET only.
        let range = if is_head { Requested::Whole } else { requested(headers, tag, length) };
        let (status, span) = match range {
            Requested::Whole => (StatusCode::OK, 0..length),
            Requested::One(span) => (StatusCode::PARTIAL_CONTENT, span),
            Requested::Unsatisfiable => {
                let mut response = words(StatusCode::RANGE_NOT_SATISFIABLE, "no such range");
                about(&mut response);
                insert(&mut response, header::CONTENT_RANGE, &format!("bytes */{length}"));
                return response;
            }
        };
        // Part of it may be here: what is not verified does not exist.
        if !shelved.asset.holds(&span) {
            return absent();
        }
        let size = span.end - span.start;
        let content_range = format!("bytes {}-{}/{length}", span.start, span.end.saturating_sub(1));
        let content_type = listed.content_type.clone();
        let body = if is_head { empty() } else { self.body(site, shelved.clone(), span) };
        let mut response = Response::new(body);
        *response.status_mut() = status;
        about(&mut response);
        insert(&mut response, header::CONTENT_LENGTH, &size.to_string());
        insert(&mut response, header::CONTENT_TYPE, &content_type);
        // A page opened from here must not run with this host's rights.
        insert(&mut response, header::CONTENT_DISPOSITION, "attachment");
        if status == StatusCode::PARTIAL_CONTENT {
            insert(&mut response, header::CONTENT_RANGE, &content_range);
        }
        response
    }

    fn body(&self, site: Arc<Site>, shelved: Shelved, span: Range<u64>) -> AnswerBody {
        site.counts.note_answer();
        let inner = self.inner.clone();
        let body = stream::try_unfold(span, move |span| {
            let (site, inner, shelved) = (site.clone(), inner.clone(), shelved.clone());
            async move {
                if span.is_empty() {
                    return Ok(None);
                }
                let Shelved { listed, asset } = shelved;
                // Purged, unlisted or banned meanwhile: those who are at it get no more, either.
                if !site.may_go_on(&listed.path, &listed.root) {
                    return Err(AnswerError::Withdrawn);
                }
                let chunk = span.start..span.end.min(span.start.saturating_add(CHUNK));
                let rest = chunk.end..span.end;
                let bytes = blocking(move || asset.read(chunk)).await?;
                inner.upload.pass(bytes.len()).await;
                site.counts.note_sent(bytes.len());
                Ok(Some((Frame::data(bytes), rest)))
            }
        });
        StreamBody::new(body).boxed_unsync()
    }
}

impl<B> Service<Request<B>> for Answers {
    type Response = Response<AnswerBody>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        ready(Ok(self.answer(&request)))
    }
}

/// What every answer says: any page may read it, and no browser takes it for a page.
const ALWAYS: [(HeaderName, &str); 5] = [
    (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    (
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        "Accept-Ranges, Content-Length, Content-Range, ETag, Retry-After",
    ),
    (HeaderName::from_static("cross-origin-resource-policy"), "cross-origin"),
    (HeaderName::from_static("timing-allow-origin"), "*"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
];

fn preflight() -> Response<AnswerBody> {
    let mut response = Response::new(empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    insert(&mut response, header::ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD");
    insert(
        &mut response,
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        "Range, If-Range, If-Match, If-None-Match",
    );
    insert(&mut response, header::ACCESS_CONTROL_MAX_AGE, "86400");
    response
}

fn absent() -> Response<AnswerBody> {
    words(StatusCode::NOT_FOUND, "not here")
}

fn words(status: StatusCode, text: &'static str) -> Response<AnswerBody> {
    let body = Full::new(Bytes::from_static(text.as_bytes())).map_err(|never| match never {});
    let mut response = Response::new(body.boxed_unsync());
    *response.status_mut() = status;
    insert(&mut response, header::CONTENT_TYPE, "text/plain; charset=utf-8");
    insert(&mut response, header::CACHE_CONTROL, "no-store");
    response
}

fn empty() -> AnswerBody {
    Full::new(Bytes::new()).map_err(|never| match never {}).boxed_unsync()
}

fn insert(response: &mut Response<AnswerBody>, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
        response.headers_mut().insert(name, value);
    }
}

/// Requests of each address, as tokens that come back with time.
#[derive(Debug, Default)]
struct Visitors(Mutex<HashMap<IpAddr, (f64, Instant)>>);

impl Visitors {
    fn let_in(&self, remote: Option<IpAddr>) -> bool {
        let Some(address) = remote.map(subscriber).filter(|it| !it.is_loopback()) else {
            return true;
        };
        let now = Instant::now();
        let mut visitors = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if visitors.len() >= MOST_ADDRESSES && !visitors.contains_key(&address) {
            visitors.clear();
        }
        let (tokens, since) = visitors.entry(address).or_insert((BURST, now));
        *tokens = (*tokens + now.duration_since(*since).as_secs_f64() * A_SECOND).min(BURST);
        *since = now;
        let is_in = *tokens >= 1.0;
        if is_in {
            *tokens -= 1.0;
        }
        is_in
    }
}

/// What one subscriber can be assumed to hold: an IPv4 address, an IPv6 /64.
fn subscriber(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) if !v6.is_loopback() => IpAddr::V6((u128::from(v6) >> 64 << 64).into()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn one_address_has_its_share_and_others_theirs() {
        let visitors = Visitors::default();
        let of = |text: &str| Some(text.parse().unwrap());
        let mut let_in = 0;
        for number in 0..1_000 {
            let_in += u32::from(visitors.let_in(of(&format!("2001:db8::{number:x}"))));
        }
        assert_eq!(f64::from(let_in), BURST);
        assert!(visitors.let_in(of("2001:db8:0:1::1")) && visitors.let_in(of("192.0.2.1")));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(visitors.let_in(of("2001:db8::1")));
        for _ in 0..1_000 {
            assert!(visitors.let_in(of("127.0.0.1")) && visitors.let_in(None));
        }
    }
}
