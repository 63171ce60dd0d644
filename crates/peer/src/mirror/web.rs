//! Asking the site over HTTP: feed, digests, ranges of assets, announces.
//!
//! No redirect is ever followed, so a site can make a mirror ask nobody but the site. Answers are read up to a
//! limit that the caller knows beforehand, and given up when nothing of them comes for a while. The site's own
//! `Date` tells its time: this machine's clock may be wrong, or jump.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, DATE, HeaderMap, HeaderName, HeaderValue,
    RETRY_AFTER, USER_AGENT,
};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use manyhands_protocol::mirrors::{Credentials, SecretKey, SignedRequest, SiteOrigin};

/// Until the head of an answer is there.
const PATIENCE: Duration = Duration::from_secs(30);
/// Until the next bytes of a body are.
pub(super) const STALL: Duration = Duration::from_secs(20);
/// A site that asks for more patience than this is asked again anyway.
const MOST_PATIENCE: Duration = Duration::from_secs(60 * 60);

const AGENT: &str = concat!("manyhands-mirror/", env!("CARGO_PKG_VERSION"));

/// Why the site did not give what was asked for.
#[derive(Debug, thiserror::Error)]
pub(super) enum WebError {
    #[error("{site} can't be reached: {reason}")]
    Unreachable { site: String, reason: String },
    #[error("{0} does not answer in time")]
    Silent(String),
    #[error("the answer for {0} is longer than it may be")]
    TooLong(String),
    #[error("the answer for {0} broke off")]
    Broken(String),
    #[error("{0} is not a URL of the site")]
    Target(String),
}

/// An answer, its body read.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// One site.
#[derive(Debug)]
pub(super) struct Web {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    site: SiteOrigin,
    key: SecretKey,
    /// Seconds that the site's clock is ahead of this machine's.
    ahead: AtomicI64,
    /// The time that was signed last.
    signed: AtomicU64,
}

impl Web {
    pub(super) fn new(site: SiteOrigin, key: SecretKey) -> Result<Self, rustls::Error> {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_connect_timeout(Some(Duration::from_secs(10)));
        let mut roots = rustls::RootCertStore::empty();
        if site.as_str().starts_with("https://") {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
        let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_all_versions()
            .wrap_connector(http);
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(60))
            .pool_max_idle_per_host(8)
            .build(connector);
        let (ahead, signed) = (AtomicI64::new(0), AtomicU64::new(0));
        Ok(Self { client, site, key, ahead, signed })
    }

    /// The site's time in seconds since 1970, as far as it is known.
    pub(super) fn time(&self) -> u64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        now.saturating_add_signed(self.ahead.load(Ordering::Relaxed))
    }

    /// A signed GET, its body read up to `limit` bytes.
    pub(super) async fn get(
        &self,
        target: &str,
        headers: &[(HeaderName, &str)],
        limit: usize,
    ) -> Result<Answer, WebError> {
        let response = self.send(Method::GET, target, headers, Bytes::new(), true).await?;
        self.read(target, response, limit).await
    }

    /// A signed POST of JSON.
    pub(super) async fn post(
        &self,
        target: &str,
        json: String,
        limit: usize,
    ) -> Result<Answer, WebError> {
        let headers = [(CONTENT_TYPE, "application/json")];
        let response = self.send(Method::POST, target, &headers, json.into(), true).await?;
        self.read(target, response, limit).await
    }

    /// A GET as any visitor's, its body left to the caller.
    pub(super) async fn open(
        &self,
        target: &str,
        headers: &[(HeaderName, &str)],
    ) -> Result<Response<Incoming>, WebError> {
        self.send(Method::GET, target, headers, Bytes::new(), false).await
    }

    async fn send(
        &self,
        method: Method,
        target: &str,
        headers: &[(HeaderName, &str)],
        body: Bytes,
        is_signed: bool,
    ) -> Result<Response<Incoming>, WebError> {
        let bad = || WebError::Target(target.to_owned());
        let mut request = Request::builder()
            .method(method.clone())
            .uri(format!("{}{target}", self.site))
            .header(USER_AGENT, AGENT)
            .header(ACCEPT_ENCODING, "identity");
        if is_signed {
            let signed = SignedRequest {
                site: self.site.as_str(),
                method: method.as_str(),
                target,
                body: &body,
            };
            let credentials = Credentials::sign(&self.key, signed, self.time_to_sign());
            request = request.header(AUTHORIZATION, credentials.to_string());
        }
        for (name, value) in headers {
            let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| bad())?;
            request = request.header(name, value);
        }
        let request = request.body(Full::new(body)).map_err(|_| bad())?;
        let site = || self.site.to_string();
        let response = tokio::time::timeout(PATIENCE, self.client.request(request)).await;
        let response = response.map_err(|_| WebError::Silent(site()))?;
        let response = response
            .map_err(|error| WebError::Unreachable { site: site(), reason: innermost(&error) })?;
        self.note_time(response.headers());
        Ok(response)
    }

    async fn read(
        &self,
        target: &str,
        response: Response<Incoming>,
        limit: usize,
    ) -> Result<Answer, WebError> {
        let (parts, mut body) = response.into_parts();
        let mut bytes = Vec::new();
        loop {
            let frame = tokio::time::timeout(STALL, body.frame()).await;
            let Some(frame) = frame.map_err(|_| WebError::Silent(self.site.to_string()))? else {
                break;
            };
            let frame = frame.map_err(|_| WebError::Broken(target.to_owned()))?;
            if let Some(data) = frame.data_ref() {
                if bytes.len() + data.len() > limit {
                    return Err(WebError::TooLong(target.to_owned()));
                }
                bytes.extend_from_slice(data);
            }
        }
        Ok(Answer { status: parts.status, headers: parts.headers, body: bytes.into() })
    }

    /// Every signature has a later time than the one before it: the site takes no announce twice.
    fn time_to_sign(&self) -> u64 {
        let now = self.time();
        let next = |last: u64| Some(if now > last || last - now > 60 { now } else { last + 1 });
        let last = self.signed.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
        let last = last.unwrap_or_else(|last| last);
        next(last).unwrap_or(now)
    }

    fn note_time(&self, headers: &HeaderMap) {
        let date = headers.get(DATE).and_then(|date| date.to_str().ok());
        let date = date.and_then(|date| httpdate::parse_http_date(date).ok());
        let seconds = |time: SystemTime| {
            time.duration_since(UNIX_EPOCH).ok().and_then(|time| i64::try_from(time.as_secs()).ok())
        };
        if let (Some(theirs), Some(ours)) = (date.and_then(seconds), seconds(SystemTime::now())) {
            // A second is what dates are rounded by.
            let ahead = theirs - ours;
            self.ahead.store(if ahead.abs() <= 2 { 0 } else { ahead }, Ordering::Relaxed);
        }
    }
}

/// How long the site asks to be left alone.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match value.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let until = httpdate::parse_http_date(value).ok()?;
            until.duration_since(SystemTime::now()).unwrap_or_default()
        }
    };
    Some(wait.min(MOST_PATIENCE))
}

/// The cause that says most: a library's own words for "it failed" say nothing.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(cause) = innermost.source() {
        innermost = cause;
    }
    innermost.to_string()
}
