use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use manyhands::{Config, ManyhandsLayer, PeerAddress};
use manyhands_origin::{StaticOptions, StaticRoot};
use manyhands_proxy::{Listener, ServeOptions, Upstream, UpstreamConfig};
use tower::Layer;

/// Files count as settled a minute later: tests can't wait for theirs.
fn later() -> SystemTime {
    SystemTime::now() + Duration::from_secs(60)
}

/// A site on loopback with the layer around it; it ends when dropped.
pub struct Site {
    /// Where it listens.
    pub address: SocketAddr,
    /// The layer, for what the engine knows.
    pub layer: ManyhandsLayer,
    client: Client<HttpConnector, Empty<Bytes>>,
    _state: tempfile::TempDir,
    _stop: tokio::sync::oneshot::Sender<()>,
}

fn config(state: &Path, address: SocketAddr) -> Config {
    let mut config = Config::dev();
    config.site.origin = Some(format!("http://{address}"));
    config.state.dir = state.to_owned();
    config
}

fn root(directory: &Path) -> StaticRoot {
    StaticRoot::open(directory, StaticOptions::default().with_clock(later)).unwrap()
}

/// Serves a directory with no layer around it.
pub async fn plain(directory: &Path) -> SocketAddr {
    let listener = Listener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_address().unwrap();
    let root = root(directory);
    tokio::spawn(manyhands_proxy::serve(
        listener,
        root,
        ServeOptions::default(),
        |_, _| {},
        std::future::pending(),
    ));
    address
}

impl Site {
    /// Serves a directory, with development settings adjusted by `adjust`.
    pub async fn serve(directory: &Path, adjust: impl FnOnce(&mut Config)) -> Self {
        Self::start(Source::Root(root(directory)), adjust).await
    }

    /// Stands in front of another server.
    pub async fn proxy(upstream: SocketAddr, adjust: impl FnOnce(&mut Config)) -> Self {
        let upstream = Upstream::new(UpstreamConfig::new(format!("http://{upstream}"))).unwrap();
        Self::start(Source::Upstream(upstream), adjust).await
    }

    async fn start(source: Source, adjust: impl FnOnce(&mut Config)) -> Self {
        let state = tempfile::tempdir().unwrap();
        let listener = Listener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_address().unwrap();
        let mut config = config(state.path(), address);
        adjust(&mut config);
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let stopped = async move {
            let _ = stopped.await;
        };
        let prepare = |peer, extensions: &mut http::Extensions| {
            extensions.insert(PeerAddress(peer));
        };
        let options = ServeOptions::default();
        let layer = match source {
            Source::Root(root) => {
                let layer = ManyhandsLayer::new(config).unwrap();
                let service = layer.layer(root);
                tokio::spawn(manyhands_proxy::serve(listener, service, options, prepare, stopped));
                layer
            }
            Source::Upstream(upstream) => {
                let layer = ManyhandsLayer::with_fetch(config, Arc::new(upstream.clone())).unwrap();
                let service = layer.layer(upstream);
                tokio::spawn(manyhands_proxy::serve(listener, service, options, prepare, stopped));
                layer
            }
        };
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { address, layer, client, _state: state, _stop: stop }
    }

    /// A GET, its body collected.
    pub async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Response<Bytes> {
        self.ask("GET", path, headers).await
    }

    /// A GET whose body may break off: `None` when it does.
    pub async fn try_get(&self, path: &str) -> Option<Bytes> {
        let request = Request::get(format!("http://{}{path}", self.address));
        let request = request.body(Empty::new()).unwrap();
        let response = self.client.request(request).await.unwrap();
        Some(response.into_body().collect().await.ok()?.to_bytes())
    }

    /// Any request, its answer's body collected.
    pub async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Response<Bytes> {
        let url = format!("http://{}{path}", self.address);
        let mut request = Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.client.request(request.body(Empty::new()).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        Response::from_parts(parts, body.collect().await.unwrap().to_bytes())
    }

    /// The manifest of an asset, once no hash job is under way any more.
    pub async fn manifest(&self, path: &str) -> Option<(HeaderMap, serde_json::Value)> {
        loop {
            let idle = self.layer.engine().pending().0 == 0;
            let response = self.get(&format!("/.well-known/manyhands/manifest{path}"), &[]).await;
            if response.status() == StatusCode::OK {
                let json = serde_json::from_slice(response.body()).unwrap();
                return Some((response.headers().clone(), json));
            }
            if idle {
                return None;
            }
        }
    }
}

enum Source {
    Root(StaticRoot),
    Upstream(Upstream),
}

/// Bytes that differ from place to place and from `version` to version.
pub fn content(version: u8, length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 31 + (at >> 8) * 7 + (at >> 16) * 13) as u8 ^ version).collect()
}
