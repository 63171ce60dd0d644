//! One request to the upstream and its answer back.

use std::convert::Infallible;
use std::error::Error as _;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_TYPE, HeaderValue};
use http::request::Parts;
use http::uri::Scheme;
use http::{Method, Request, Response, StatusCode, Version};
use http_body::Body;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_util::client::legacy::{self, Client};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tower_service::Service;

use super::body::UpstreamBody;
use super::config::{HostPolicy, UpstreamConfig};
use super::connect::Connector;
use super::error::{Chain, ConfigError, Failure};
use super::request_body::{Progress, RequestBody, Waiting};
use super::tunnel;
use crate::BoxError;
use crate::forward::{self, Rules};
use crate::listener::Arrival;

/// Lines in the head of an answer.
const MAX_HEADERS: usize = 256;

/// A `tower` service that forwards each request to one site.
///
/// It never fails: a request that may not be passed on is answered with 4xx, a site that cannot be reached
/// or breaks off before its answer with 502, one that takes too long with 504, each with one line of
/// text; the log says whose fault it was. A site that breaks off within its answer makes the body end
/// with an [`UpstreamError`](crate::UpstreamError), never cleanly. Requests that asked for an upgrade are
/// tunnelled once the site agrees; this takes a request that came by [`serve`](crate::serve) or another
/// hyper server.
///
/// Clones share one pool of connections and are cheap. Call it within a tokio runtime.
#[derive(Clone)]
pub struct Upstream(Arc<Shared>);

struct Shared {
    client: Client<Connector, RequestBody>,
    rules: Rules,
    first_byte_timeout: Duration,
    idle_timeout: Duration,
}

impl fmt::Debug for Upstream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Upstream").field("rules", &self.0.rules).finish_non_exhaustive()
    }
}

impl Upstream {
    /// Checks the configuration; connects to nobody yet.
    ///
    /// # Errors
    /// When the URL is not one of an upstream, or TLS has nobody to trust.
    pub fn new(config: UpstreamConfig) -> Result<Self, ConfigError> {
        let (scheme, authority) = config.parse_url()?;
        let policy = config.host.unwrap_or(match scheme == Scheme::HTTPS {
            true => HostPolicy::Upstream,
            false => HostPolicy::Client,
        });
        // HTTP/2 tells the host where the connection goes to and cannot tell another.
        let http2 = policy == HostPolicy::Upstream;
        let extra_roots = config.extra_roots.as_deref();
        let connector = Connector::new(&scheme, http2, config.connect_timeout, extra_roots)?;
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(config.pool_idle_timeout)
            .http1_max_buf_size(config.max_header)
            .http1_max_headers(MAX_HEADERS)
            .http2_max_header_list_size(u32::try_from(config.max_header).unwrap_or(u32::MAX))
            .http2_keep_alive_interval(Duration::from_secs(20))
            .build(connector);
        let host = match policy {
            HostPolicy::Client => None,
            HostPolicy::Upstream => HeaderValue::from_str(authority.as_str()).ok(),
            HostPolicy::Fixed(host) => Some(host),
        };
        let (via, trusted) = (config.via, config.trusted);
        Ok(Self(Arc::new(Shared {
            client,
            rules: Rules { scheme, authority, host, via, trusted },
            first_byte_timeout: config.first_byte_timeout,
            idle_timeout: config.idle_timeout,
        })))
    }
}

impl<B> Service<Request<B>> for Upstream
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<UpstreamBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let shared = self.0.clone();
        let (parts, body) = request.into_parts();
        let progress = Progress::new();
        let body = if body.is_end_stream() {
            RequestBody::Empty
        } else {
            let body = body.map_err(Into::into).boxed_unsync();
            RequestBody::Streaming { body, progress: progress.clone() }
        };
        Box::pin(async move {
            let (method, uri, version) = (parts.method.clone(), parts.uri.clone(), parts.version);
            Ok(shared.forward(parts, body, progress).await.unwrap_or_else(|failure| {
                report(&failure, &method, uri.path());
                answer_for(&failure, version)
            }))
        })
    }
}

impl Shared {
    async fn forward(
        &self,
        mut parts: Parts,
        body: RequestBody,
        progress: Progress,
    ) -> Result<Response<UpstreamBody>, Failure> {
        let arrival = parts.extensions.get::<Arrival>().copied();
        let upgrade = forward::request(&mut parts, arrival.as_ref(), &self.rules)
            .map_err(Failure::Refused)?;
        let from_client = parts.extensions.remove::<hyper::upgrade::OnUpgrade>();
        // What stands between may have left things for itself; none of it concerns the client below.
        parts.extensions.clear();
        // Many servers don't read a body that a method gives no meaning to (RFC 9110 9.3.1), and would take
        // it for the next request on this connection: another visitor's.
        let gives_no_meaning = matches!(parts.method, Method::GET | Method::HEAD | Method::DELETE)
            || parts.method == Method::OPTIONS;
        if gives_no_meaning && !matches!(body, RequestBody::Empty) && upgrade.is_none() {
            parts.headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }

        let answer = self.ask_again(parts, body, &progress).await?;
        let (mut parts, body) = answer.into_parts();
        let can_upgrade = upgrade.is_some() && from_client.is_some();
        forward::response(&mut parts, can_upgrade, self.rules.via.as_deref())
            .map_err(Failure::Broken)?;
        let from_upstream = parts.extensions.remove::<hyper::upgrade::OnUpgrade>();
        if parts.status != StatusCode::SWITCHING_PROTOCOLS {
            let body = UpstreamBody::streaming(body, self.idle_timeout);
            return Ok(Response::from_parts(parts, body));
        }
        if let (Some(client), Some(upstream)) = (from_client, from_upstream) {
            tokio::spawn(tunnel::run(client, upstream));
        }
        Ok(Response::from_parts(parts, UpstreamBody::text("")))
    }

    /// Asks once more when a kept connection was closed just as it was used, which is nobody's fault,
    /// and when asking twice does no harm (RFC 9110 9.2.2).
    async fn ask_again(
        &self,
        parts: Parts,
        body: RequestBody,
        progress: &Progress,
    ) -> Result<Response<Incoming>, Failure> {
        let is_harmless = matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS)
            && matches!(body, RequestBody::Empty);
        let again = is_harmless.then(|| parts.clone());
        match (self.ask(Request::from_parts(parts, body), progress).await, again) {
            (Err(Failure::NoAnswer(error)), Some(parts)) if !is_garbled(&error) => {
                self.ask(Request::from_parts(parts, RequestBody::Empty), progress).await
            }
            (outcome, _) => outcome,
        }
    }

    async fn ask(
        &self,
        request: Request<RequestBody>,
        progress: &Progress,
    ) -> Result<Response<Incoming>, Failure> {
        let mut asking = pin!(self.client.request(request));
        loop {
            let (since, _) = progress.last();
            let deadline = since + self.first_byte_timeout;
            match tokio::time::timeout_at(deadline, asking.as_mut()).await {
                Ok(answer) => return answer.map_err(|error| blame(error, progress)),
                Err(_) => match progress.last() {
                    (later, _) if later > since => {}
                    (_, Waiting::Upstream) => return Err(Failure::FirstByteTimeout),
                    (_, Waiting::Client | Waiting::Nobody) => return Err(Failure::ClientStalled),
                },
            }
        }
    }
}

/// Asking again would only bring the same.
fn is_garbled(error: &legacy::Error) -> bool {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<hyper::Error>());
    cause.is_some_and(hyper::Error::is_parse)
}

fn blame(error: legacy::Error, progress: &Progress) -> Failure {
    if progress.last().1 == Waiting::Nobody {
        return Failure::ClientBrokeOff(error);
    }
    if !error.is_connect() {
        return Failure::NoAnswer(error);
    }
    let mut cause = error.source();
    while let Some(inner) = cause {
        let io = inner.downcast_ref::<io::Error>();
        if io.is_some_and(|error| error.kind() == io::ErrorKind::TimedOut) {
            return Failure::ConnectTimeout(error);
        }
        cause = inner.source();
    }
    Failure::Connect(error)
}

fn report(failure: &Failure, method: &Method, path: &str) {
    let (status, error) = (failure.status().as_u16(), Chain(failure));
    if failure.is_the_clients() {
        tracing::debug!(fault = "client", status, %method, path, %error, "request refused");
    } else {
        tracing::warn!(fault = "upstream", status, %method, path, %error, "request failed");
    }
}

fn answer_for(failure: &Failure, version: Version) -> Response<UpstreamBody> {
    let status = failure.status();
    let reason = status.canonical_reason().unwrap_or("Error");
    let text = format!("{} {reason}: {failure}\n", status.as_str());
    let mut response = Response::new(UpstreamBody::text(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    if failure.is_the_clients() && version < Version::HTTP_2 {
        // Where its next request begins is in doubt.
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
