//! The HTTP client of `doctor`, `purge` and `status`: HTTP/1.1, one connection a request, nothing followed.
//!
//! One connection a request, because a balancer in front shows its other servers only to new ones.
//! HTTP/1.1 is enough: it is what a WebSocket needs, and servers answer the same questions over HTTP/2.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::header::{HOST, HeaderName, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;

use super::connect::Connector;
use super::failure::Failure;
use super::target::Target;

/// Who asks, as servers log it.
const AGENT: HeaderValue = HeaderValue::from_static(concat!(
    "Mozilla/5.0 (compatible; manyhands-doctor/",
    env!("CARGO_PKG_VERSION"),
    ")"
));
/// Most of a head that is read, and most field lines.
const MOST_HEAD: usize = 128 * 1024;
const MOST_FIELDS: usize = 256;
/// A whole body may take so many times the limit of one step.
const BODY_LIMITS: u32 = 3;

/// What to ask.
#[derive(Clone, Debug)]
pub(crate) struct Ask<'a> {
    pub(crate) method: Method,
    pub(crate) target: &'a Target,
    pub(crate) fields: &'a [(&'a str, &'a str)],
    /// Most of the body that is read; the connection is closed after that.
    pub(crate) most: usize,
    /// This one address of the host alone.
    pub(crate) address: Option<SocketAddr>,
}

impl<'a> Ask<'a> {
    /// A GET that reads the head only.
    pub(crate) fn get(target: &'a Target, fields: &'a [(&'a str, &'a str)]) -> Self {
        Self { method: Method::GET, target, fields, most: 0, address: None }
    }

    pub(crate) fn reading(mut self, most: usize) -> Self {
        self.most = most;
        self
    }
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// As much as was asked for.
    pub(crate) body: Vec<u8>,
    /// Whether that is all of it.
    pub(crate) whole: bool,
    /// The request's fields, as they were sent.
    pub(crate) asked: HeaderMap,
    pub(crate) address: SocketAddr,
    /// Addresses that did not answer before this one did.
    pub(crate) dead: Vec<Failure>,
    /// After a 101.
    pub(crate) upgraded: Option<Upgraded>,
}

impl Answer {
    /// A field as text; `None` when absent. Lines of one name are joined.
    pub(crate) fn field(&self, name: &str) -> Option<String> {
        let mut lines = self.headers.get_all(name).iter().peekable();
        lines.peek()?;
        let lines: Vec<_> =
            lines.map(|line| String::from_utf8_lossy(line.as_bytes()).into_owned()).collect();
        Some(lines.join(", "))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The media type without its parameters, in lower case.
    pub(crate) fn media_type(&self) -> String {
        let field = self.field("content-type").unwrap_or_default();
        field.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }
}

pub(crate) struct Client {
    connector: Connector,
    limit: Duration,
}

impl Client {
    pub(crate) fn new(ca: Option<&Path>, limit: Duration) -> anyhow::Result<Self> {
        Ok(Self { connector: Connector::new(ca, limit)?, limit })
    }

    pub(crate) fn limit(&self) -> Duration {
        self.limit
    }

    /// Where the host is.
    pub(crate) async fn addresses(&self, target: &Target) -> Result<Vec<SocketAddr>, Failure> {
        self.connector.addresses(target).await
    }

    /// Asks once. Redirects are answers like any other.
    pub(crate) async fn ask(&self, ask: Ask<'_>) -> Result<Answer, Failure> {
        let addresses = match ask.address {
            Some(address) => vec![address],
            None => self.connector.addresses(ask.target).await?,
        };
        let (stream, address, dead) = self.connector.connect(ask.target, &addresses).await?;
        let request = request(&ask);
        let asked = request.headers().clone();
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(MOST_HEAD)
            .max_headers(MOST_FIELDS)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(Failure::NotHttp)?;
        // Ends with the sender and the body, or with the upgraded connection.
        tokio::spawn(connection.with_upgrades());
        let answering = tokio::time::timeout(self.limit, sender.send_request(request));
        let mut response = answering
            .await
            .map_err(|_| Failure::AnswerTimeout { limit: self.limit })?
            .map_err(blame)?;
        let upgraded = match response.status() {
            StatusCode::SWITCHING_PROTOCOLS => hyper::upgrade::on(&mut response).await.ok(),
            _ => None,
        };
        let (parts, incoming) = response.into_parts();
        let (body, whole) = match ask.most {
            0 => (Vec::new(), false),
            most => self.read(incoming, most).await?,
        };
        let (status, headers) = (parts.status, parts.headers);
        Ok(Answer { status, headers, body, whole, asked, address, dead, upgraded })
    }

    async fn read(&self, mut body: Incoming, most: usize) -> Result<(Vec<u8>, bool), Failure> {
        let mut bytes = Vec::new();
        let reading = async {
            loop {
                let frame = tokio::time::timeout(self.limit, body.frame());
                let frame = frame.await.map_err(|_| Failure::Stalled { limit: self.limit })?;
                let Some(frame) = frame else { return Ok(true) };
                if let Ok(data) = frame.map_err(Failure::BrokeOff)?.into_data() {
                    let room = most - bytes.len();
                    bytes.extend_from_slice(data.get(..room).unwrap_or(&data));
                    if data.len() > room {
                        return Ok(false);
                    }
                }
            }
        };
        let limit = self.limit * BODY_LIMITS;
        let whole = tokio::time::timeout(limit, reading).await;
        let whole = whole.map_err(|_| Failure::Stalled { limit })??;
        Ok((bytes, whole))
    }
}

fn request(ask: &Ask<'_>) -> Request<Empty<Bytes>> {
    let mut request = Request::new(Empty::new());
    *request.method_mut() = ask.method.clone();
    *request.uri_mut() = ask.target.path_and_query().parse().unwrap_or_default();
    let headers = request.headers_mut();
    if let Ok(host) = HeaderValue::try_from(ask.target.authority()) {
        headers.insert(HOST, host);
    }
    headers.insert(USER_AGENT, AGENT);
    for (name, value) in ask.fields {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::try_from(*value)) {
            headers.append(name, value);
        }
    }
    request
}

fn blame(error: hyper::Error) -> Failure {
    if error.is_parse() { Failure::NotHttp(error) } else { Failure::BrokeOff(error) }
}
