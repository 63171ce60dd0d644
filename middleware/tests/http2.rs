//! What is counted over HTTP/2, where a transfer ends by the reset of its stream and the connection goes on.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, header};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use manyhands::{Config, ManyhandsLayer, PeerAddress};
use tower::util::MapRequest;
use tower::{Layer, service_fn};

const LENGTH: usize = 32 << 20;
/// The windows of stream and connection, and what the server's side holds of a stream.
const BUFFERS: u64 = 4 << 20;

/// A file in frames of 16 KiB.
struct Chunks(Bytes);

impl Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let most = self.0.len().min(16 << 10);
        let chunk = self.0.split_to(most);
        Poll::Ready((most > 0).then(|| Ok(Frame::data(chunk))))
    }
}

struct Site {
    connection: SendRequest<Empty<Bytes>>,
    _state: tempfile::TempDir,
}

impl Site {
    /// One connection to a site on this machine, through so narrow a pipe that a body is never ahead by much.
    async fn start() -> Self {
        let state = tempfile::tempdir().unwrap();
        let mut config = Config::dev();
        config.site.origin = Some("http://127.0.0.1:1".to_owned());
        config.state.dir = state.path().to_owned();
        let bytes: Bytes = vec![7; LENGTH].into();
        let site = ManyhandsLayer::new(config).unwrap().layer(service_fn(move |_| {
            let answer = Response::builder()
                .header(header::CONTENT_TYPE, "application/zip")
                .header(header::CONTENT_LENGTH, LENGTH)
                .header(header::ETAG, "\"v1\"")
                .body(Chunks(bytes.clone()));
            async move { Ok::<_, Infallible>(answer.unwrap()) }
        }));
        let site = MapRequest::new(site, |mut request: Request<Incoming>| {
            let peer = PeerAddress("127.0.0.1:9".parse().unwrap());
            request.extensions_mut().insert(peer);
            request
        });
        let (ours, theirs) = tokio::io::duplex(64 << 10);
        let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
            .serve_connection(TokioIo::new(ours), TowerToHyperService::new(site));
        tokio::spawn(server);
        let client = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
        let (connection, driver) = client.handshake(TokioIo::new(theirs)).await.unwrap();
        tokio::spawn(driver);
        Self { connection, _state: state }
    }

    async fn get(&mut self, path: &str) -> Response<Incoming> {
        let request = Request::get(format!("http://127.0.0.1:1{path}")).body(Empty::new()).unwrap();
        self.connection.send_request(request).await.unwrap()
    }

    /// Octets of assets that were counted, shared or not.
    async fn counted(&mut self) -> u64 {
        let answer = self.get("/.well-known/manyhands/metrics").await;
        let text = answer.into_body().collect().await.unwrap().to_bytes();
        let text = String::from_utf8(text.to_vec()).unwrap();
        let of_assets = text
            .lines()
            .filter_map(|line| line.strip_prefix("manyhands_sent_bytes_total{kind=\"asset_"));
        of_assets.map(|line| line.split_once(' ').unwrap().1.parse::<u64>().unwrap()).sum()
    }
}

#[tokio::test]
async fn streams_that_end_are_counted_to_the_octet_and_those_that_are_reset_within_the_windows() {
    let mut site = Site::start().await;
    for round in 1..=3 {
        let body = site.get("/a.zip").await.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body.len(), LENGTH);
        assert_eq!(site.counted().await, round * LENGTH as u64);
    }
    let before = 3 * LENGTH as u64;
    let mut delivered = 0;
    {
        let mut body = site.get("/a.zip").await.into_body();
        while delivered < 1 << 20 {
            let frame = body.frame().await.unwrap().unwrap();
            delivered += frame.data_ref().map_or(0, |data| data.len() as u64);
        }
    }
    // The reset takes a moment to arrive; what was counted comes to rest.
    let mut last = 0;
    let rest = async {
        loop {
            let now = site.counted().await;
            if now == last {
                return now;
            }
            last = now;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let counted = tokio::time::timeout(Duration::from_secs(30), rest).await.unwrap() - before;
    assert!((delivered..delivered + BUFFERS).contains(&counted), "{counted} for {delivered}");
}
