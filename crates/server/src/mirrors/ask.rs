//! One range of one file from a mirror, asked as a visitor would: bounded in bytes and time, nothing followed.
//!
//! Where a mirror is, a stranger says. So names are looked up once, addresses that are not public are refused,
//! and the connection goes to the very address that was judged: nothing within this site's network can be
//! reached by a name that leads there (SSRF, DNS rebinding).

use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, ACCESS_CONTROL_ALLOW_ORIGIN, CONNECTION, CONTENT_ENCODING,
    CONTENT_RANGE, HOST, HeaderName, ORIGIN, RANGE, USER_AGENT,
};
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use manyhands_metainfo::{AssetPath, UNIT};
use manyhands_protocol::mirrors::BaseUrl;
use manyhands_protocol::sdp::{Scope, scope};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;

use super::health::Measured;

/// For each of: name, connection, TLS, head. The body may take as long again as all of them.
const STEP: Duration = Duration::from_secs(5);
const WHOLE: Duration = Duration::from_secs(30);
/// Addresses of one name that are tried.
const MOST_ADDRESSES: usize = 3;
const MOST_HEAD: usize = 32 * 1024;
/// As a browser's: who tells probes from visitors could serve the one and cheat the other.
const AGENT: HeaderValue =
    HeaderValue::from_static("Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0");

/// What may be connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// Public addresses.
    Public,
    /// Those, and private networks: the site is within one itself.
    Lan,
    /// Any: the site is on this machine alone.
    Anywhere,
}

/// A unit, as it came.
#[derive(Debug)]
pub(super) struct Unit {
    pub(super) bytes: Vec<u8>,
    pub(super) measured: Measured,
}

/// Why none came.
#[derive(Debug)]
pub(super) enum AskError {
    /// Status 404 or 410.
    Missing,
    /// A sentence.
    Failed(String),
}

/// Asks mirrors.
#[derive(Debug)]
pub(super) struct Asker {
    reach: Reach,
    /// The site's origin: what its pages send.
    site: HeaderValue,
    tls: OnceLock<Option<Arc<ClientConfig>>>,
}

trait Stream: AsyncRead + AsyncWrite + Send {}
impl<T: AsyncRead + AsyncWrite + Send> Stream for T {}

impl Asker {
    pub(super) fn new(reach: Reach, site: &str) -> Self {
        let site = HeaderValue::from_str(site).unwrap_or(HeaderValue::from_static("null"));
        Self { reach, site, tls: OnceLock::new() }
    }

    /// Unit `unit` of the file at `path`, which is `length` bytes long.
    pub(super) async fn unit(
        &self,
        base: &BaseUrl,
        path: &AssetPath,
        unit: u64,
        length: u64,
    ) -> Result<Unit, AskError> {
        timeout(WHOLE, self.ask(base, path, unit, length)).await.map_err(|_| late("its answer"))?
    }

    async fn ask(
        &self,
        base: &BaseUrl,
        path: &AssetPath,
        unit: u64,
        length: u64,
    ) -> Result<Unit, AskError> {
        let first = unit.saturating_mul(UNIT);
        let last = first.saturating_add(UNIT).min(length).saturating_sub(1);
        let request = self.request(base, path, first, last)?;
        let stream = self.connect(base).await?;
        let handshake = http1::Builder::new()
            .max_buf_size(MOST_HEAD)
            .handshake::<_, Empty<Bytes>>(TokioIo::new(stream));
        let (mut sender, connection) = handshake.await.map_err(|error| failed(&error))?;
        // Ends with the sender and the body, both of which go with this call.
        let driver = tokio::spawn(connection);
        let _abort = AbortOnDrop(driver);

        let asked = Instant::now();
        let answer = timeout(STEP, sender.send_request(request)).await;
        let answer = answer.map_err(|_| late("the head of its answer"))?;
        let answer = answer.map_err(|error| failed(&error))?;
        let latency = asked.elapsed();
        judge(answer.status(), answer.headers(), first, last, length)?;
        let readable = self.may_read(answer.headers());

        let wanted = usize::try_from(last + 1 - first).unwrap_or_default();
        let mut bytes = Vec::with_capacity(wanted);
        let mut body = answer.into_body();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| failed(&error))?;
            if let Some(data) = frame.data_ref() {
                if bytes.len() + data.len() > wanted {
                    return Err(AskError::Failed("sent more than was asked for".to_owned()));
                }
                bytes.extend_from_slice(data);
            }
        }
        if bytes.len() < wanted {
            return Err(AskError::Failed("broke off in the middle".to_owned()));
        }
        let transfer = asked.elapsed().saturating_sub(latency);
        let octets = bytes.len() as u64;
        Ok(Unit { bytes, measured: Measured { latency, transfer, octets, readable } })
    }

    fn request(
        &self,
        base: &BaseUrl,
        path: &AssetPath,
        first: u64,
        last: u64,
    ) -> Result<Request<Empty<Bytes>>, AskError> {
        let below = path.as_str().strip_prefix('/').unwrap_or_default();
        let mut request = Request::new(Empty::new());
        *request.uri_mut() =
            format!("{}{below}", base.path()).parse().map_err(|error| failed(&error))?;
        let headers = request.headers_mut();
        let plain = |text: String| HeaderValue::try_from(text).map_err(|error| failed(&error));
        headers.insert(HOST, plain(base.authority().to_owned())?);
        headers.insert(RANGE, plain(format!("bytes={first}-{last}"))?);
        headers.insert(ORIGIN, self.site.clone());
        headers.insert(USER_AGENT, AGENT);
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        Ok(request)
    }

    /// A connection to an address of the host that was judged before.
    async fn connect(&self, base: &BaseUrl) -> Result<Pin<Box<dyn Stream>>, AskError> {
        let (host, port) = base.host_and_port();
        if self.reach != Reach::Anywhere && !is_port_of_web(port) {
            return Err(AskError::Failed(format!("port {port} is none that web servers have")));
        }
        let found = timeout(STEP, lookup_host((host, port))).await;
        let found = found.map_err(|_| late("its name"))?;
        let found = found.map_err(|error| AskError::Failed(format!("{host}: {error}")))?;
        let mut refused = None;
        let mut trouble = None;
        let mut tried = 0;
        for address in found {
            if !self.reach.admits(address.ip()) {
                refused = Some(address.ip());
                continue;
            }
            if tried == MOST_ADDRESSES {
                break;
            }
            tried += 1;
            match tcp(address).await {
                Ok(stream) => return self.secured(base, stream).await,
                Err(error) => trouble = Some(error),
            }
        }
        Err(trouble.unwrap_or_else(|| {
            AskError::Failed(match refused {
                Some(address) => format!("is at {address}, which is no public address"),
                None => format!("{host} has no address"),
            })
        }))
    }

    async fn secured(
        &self,
        base: &BaseUrl,
        stream: TcpStream,
    ) -> Result<Pin<Box<dyn Stream>>, AskError> {
        if !base.is_secure() {
            return Ok(Box::pin(stream));
        }
        let tls = self.tls.get_or_init(tls);
        let tls = tls.as_ref().ok_or_else(|| AskError::Failed("no TLS on this machine".into()))?;
        let name = ServerName::try_from(base.host_and_port().0.to_owned());
        let name = name.map_err(|error| failed(&error))?;
        let secured = TlsConnector::from(Arc::clone(tls)).connect(name, stream);
        let secured = timeout(STEP, secured).await;
        let secured = secured.map_err(|_| late("TLS"))?;
        Ok(Box::pin(secured.map_err(|error| AskError::Failed(format!("TLS: {error}")))?))
    }

    /// Whether a page of the site could read this answer (the Fetch standard's CORS check).
    fn may_read(&self, headers: &HeaderMap) -> bool {
        let mut allowed = headers.get_all(ACCESS_CONTROL_ALLOW_ORIGIN).iter();
        match (allowed.next(), allowed.next()) {
            (Some(allowed), None) => allowed == "*" || *allowed == self.site,
            _ => false,
        }
    }
}

impl Reach {
    fn admits(self, address: IpAddr) -> bool {
        match scope(address.to_canonical()) {
            Scope::Public => true,
            Scope::Private => self != Self::Public,
            Scope::Never => self == Self::Anywhere,
        }
    }
}

/// The well-known ports below 1024 that are not the web's are other services: no HTTP is spoken at them, not
/// even by mistake.
fn is_port_of_web(port: u16) -> bool {
    matches!(port, 80 | 443) || port >= 1_024
}

async fn tcp(address: SocketAddr) -> Result<TcpStream, AskError> {
    match timeout(STEP, TcpStream::connect(address)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(AskError::Failed(format!("can't be connected to: {error}"))),
        Err(_) => Err(late("a connection")),
    }
}

/// The system's authorities; without any, no certificate is good.
fn tls() -> Option<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().ok()?;
    let mut tls = versions.with_root_certificates(roots).with_no_client_auth();
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    Some(Arc::new(tls))
}

/// Only exactly the range that was asked for is an answer.
fn judge(
    status: StatusCode,
    headers: &HeaderMap,
    first: u64,
    last: u64,
    length: u64,
) -> Result<(), AskError> {
    let failed = |text: &str| Err(AskError::Failed(text.to_owned()));
    match status {
        StatusCode::PARTIAL_CONTENT => {}
        StatusCode::NOT_FOUND | StatusCode::GONE => return Err(AskError::Missing),
        StatusCode::OK => return failed("does not serve ranges (200 instead of 206)"),
        status if status.is_redirection() => {
            return failed("redirects, which readers would not follow");
        }
        status => {
            return Err(AskError::Failed(format!("answered with status {}", status.as_u16())));
        }
    }
    let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    if text(&CONTENT_ENCODING).is_some_and(|coding| !coding.eq_ignore_ascii_case("identity")) {
        return failed("compresses what it serves");
    }
    let range = text(&CONTENT_RANGE).unwrap_or_default();
    let (part, whole) =
        range.strip_prefix("bytes ").and_then(|range| range.split_once('/')).unwrap_or_default();
    if whole.parse::<u64>().is_ok_and(|whole| whole != length) {
        return failed("has another version of the file, of another length");
    }
    if part != format!("{first}-{last}") {
        return failed("answered with another range than was asked for");
    }
    Ok(())
}

fn late(what: &str) -> AskError {
    AskError::Failed(format!("kept us waiting for {what}"))
}

fn failed(error: &dyn std::error::Error) -> AskError {
    let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
    AskError::Failed(format!("{error}{cause}"))
}

/// A connection must not outlive who asked.
struct AbortOnDrop(tokio::task::JoinHandle<Result<(), hyper::Error>>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    fn path() -> AssetPath {
        AssetPath::parse("/a b.iso").unwrap()
    }

    async fn ask(reach: Reach, base: &str) -> Result<Unit, String> {
        let asker = Asker::new(reach, "https://example.org");
        let asked = asker.unit(&base.parse().unwrap(), &path(), 1, 70_000).await;
        asked.map_err(|error| match error {
            AskError::Missing => "missing".to_owned(),
            AskError::Failed(text) => text,
        })
    }

    /// A mirror that answers once with `head` and as many bytes.
    async fn mirror(head: &str, bytes: usize) -> (String, tokio::task::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}/pub/", listener.local_addr().unwrap());
        let head = format!("HTTP/1.1 {head}\r\nconnection: close\r\n\r\n");
        let asked = tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 4_096];
            let read = socket.read(&mut request).await.unwrap();
            socket.write_all(head.as_bytes()).await.unwrap();
            let _ = socket.write_all(&vec![7; bytes]).await;
            String::from_utf8_lossy(&request[..read]).into_owned()
        });
        (base, asked)
    }

    const RANGE_OF_LAST: &str = "content-range: bytes 65536-69999/70000";

    #[tokio::test]
    async fn the_last_unit_is_asked_for_as_a_visitor_would() {
        let head = format!("206 x\r\n{RANGE_OF_LAST}\r\naccess-control-allow-origin: *");
        let (base, asked) = mirror(&head, 4_464).await;
        let unit = ask(Reach::Anywhere, &base).await.unwrap();
        assert_eq!(unit.bytes, [7; 4_464]);
        assert!(unit.measured.readable);
        let asked = asked.await.unwrap();
        assert!(asked.starts_with("GET /pub/a%20b.iso HTTP/1.1\r\n"), "{asked}");
        for field in ["range: bytes=65536-69999", "origin: https://example.org"] {
            assert!(asked.contains(&format!("\r\n{field}\r\n")), "{asked}");
        }
        assert!(!asked.to_lowercase().contains("manyhands"), "{asked}");
    }

    #[tokio::test]
    async fn anything_but_the_range_is_no_answer() {
        for (head, bytes, why) in [
            ("404 x\r\ncontent-length: 0", 0, "missing"),
            ("200 x", 70_000, "does not serve ranges (200 instead of 206)"),
            (
                "302 x\r\nlocation: http://127.0.0.1/",
                0,
                "redirects, which readers would not follow",
            ),
            ("503 x", 0, "answered with status 503"),
            ("206 x", 4_464, "answered with another range than was asked for"),
            (
                "206 x\r\ncontent-range: bytes 0-4463/70000",
                4_464,
                "answered with another range than was asked for",
            ),
            (
                "206 x\r\ncontent-range: bytes 65536-69999/70001",
                4_464,
                "has another version of the file, of another length",
            ),
            (
                &format!("206 x\r\n{RANGE_OF_LAST}\r\ncontent-encoding: gzip"),
                4_464,
                "compresses what it serves",
            ),
            (&format!("206 x\r\n{RANGE_OF_LAST}"), 4_463, "broke off in the middle"),
            (&format!("206 x\r\n{RANGE_OF_LAST}"), 1 << 20, "sent more than was asked for"),
        ] {
            let (base, _asked) = mirror(head, bytes).await;
            assert_eq!(ask(Reach::Anywhere, &base).await.unwrap_err(), why, "{head}");
        }
    }

    #[tokio::test]
    async fn addresses_that_strangers_have_no_business_at_are_refused() {
        for (base, why) in [
            ("https://127.0.0.1:8443/", "is at 127.0.0.1, which is no public address"),
            ("https://10.0.0.1/", "is at 10.0.0.1, which is no public address"),
            ("https://169.254.169.254/", "is at 169.254.169.254, which is no public address"),
            ("https://[::1]/", "is at ::1, which is no public address"),
            ("https://[fd00::1]/", "is at fd00::1, which is no public address"),
            ("https://[::ffff:10.0.0.1]/", "is at ::ffff:10.0.0.1, which is no public address"),
            // The name leads to this machine: what counts is where it leads.
            ("http://localhost:8080/", "no public address"),
            ("https://93.184.216.34:22/", "port 22 is none that web servers have"),
        ] {
            let refused = ask(Reach::Public, base).await.unwrap_err();
            assert!(refused.ends_with(why), "{base}: {refused}");
        }
        let lan = |text: &str| Reach::Lan.admits(text.parse().unwrap());
        assert!(lan("192.168.1.1") && lan("203.0.113.9") && lan("fd00::1"));
        assert!(!lan("127.0.0.1") && !lan("169.254.169.254") && !lan("::ffff:127.0.0.1"));
        assert!(Reach::Anywhere.admits("127.0.0.1".parse().unwrap()));
    }
}
