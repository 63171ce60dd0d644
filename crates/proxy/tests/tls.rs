//! TLS on both sides, HTTP/2 by ALPN, and what HTTP/2 means for aborts.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod common;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use common::{answering, config, fields, serving, soon, status};
use http::{Request, Version};
use http_body_util::{BodyExt, Full};
use manyhands_proxy::{
    HostPolicy, Listener, ServeOptions, TlsFiles, Upstream, UpstreamBody, UpstreamConfig,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tower::ServiceExt;

struct Certificate {
    directory: tempfile::TempDir,
}

impl Certificate {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(["localhost".into()]).unwrap();
        std::fs::write(directory.path().join("cert.pem"), made.cert.pem()).unwrap();
        std::fs::write(directory.path().join("key.pem"), made.signing_key.serialize_pem()).unwrap();
        Self { directory }
    }

    fn path(&self) -> std::path::PathBuf {
        self.directory.path().join("cert.pem")
    }

    fn files(&self) -> TlsFiles {
        TlsFiles { cert: self.path(), key: self.directory.path().join("key.pem") }
    }
}

/// The proxy over TLS in front of `origin`.
async fn secure(origin: std::net::SocketAddr, certificate: &Certificate) -> common::Proxy {
    let listener = Listener::bind("127.0.0.1:0").await.unwrap();
    let listener = listener.with_tls(&certificate.files()).unwrap();
    assert!(listener.is_secure());
    serving(listener, Upstream::new(config(origin)).unwrap(), ServeOptions::default())
}

/// A client that trusts the certificate: the upstream service itself.
fn client(port: u16, roots: &Path, host: HostPolicy) -> Upstream {
    let config = UpstreamConfig::new(format!("https://localhost:{port}"))
        .with_extra_roots(Some(roots.to_owned()))
        .with_via(None)
        .with_host(host);
    Upstream::new(config).unwrap()
}

async fn ask(client: &Upstream, path: &str) -> http::Response<UpstreamBody> {
    let request = Request::get(path).header("host", "site.example").body(Full::<Bytes>::default());
    soon(client.clone().oneshot(request.unwrap())).await.unwrap()
}

#[tokio::test]
async fn http2_and_http1_by_choice_of_the_client() {
    let certificate = Certificate::new();
    let (origin, asked) = answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    let proxy = secure(origin, &certificate).await;
    let port = proxy.address.port();
    for (host, told, via) in [
        (HostPolicy::Upstream, format!("host: localhost:{port}"), "via: 2.0 manyhands"),
        (HostPolicy::Client, "host: site.example".to_owned(), "via: 1.1 manyhands"),
    ] {
        let response = ask(&client(port, &certificate.path(), host), "/x").await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.version(), Version::HTTP_11);
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "ok");
        let request = asked.all().pop().unwrap();
        for line in [&*told, via, "x-forwarded-proto: https"] {
            assert!(fields(&request).iter().any(|field| field == line), "{line}: {request}");
        }
    }
}

#[tokio::test]
async fn a_stranger_is_not_trusted() {
    let (certificate, other) = (Certificate::new(), Certificate::new());
    let (origin, asked) = answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    let proxy = secure(origin, &certificate).await;
    let client = client(proxy.address.port(), &other.path(), HostPolicy::Upstream);
    assert_eq!(ask(&client, "/").await.status(), 502);
    assert!(asked.all().is_empty());
}

#[tokio::test]
async fn an_answer_that_broke_off_resets_its_stream_only() {
    let certificate = Certificate::new();
    let origin = common::origin(|mut socket| async move {
        let request = common::read_request(&mut socket).await;
        let answer: &[u8] = if request.contains("/cut") {
            b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort"
        } else {
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
        };
        socket.write_all(answer).await.unwrap();
    })
    .await;
    let proxy = secure(origin, &certificate).await;
    let client = client(proxy.address.port(), &certificate.path(), HostPolicy::Upstream);
    for _ in 0..3 {
        assert!(ask(&client, "/cut").await.into_body().collect().await.is_err());
        let whole = ask(&client, "/whole").await.into_body().collect().await.unwrap();
        assert_eq!(whole.to_bytes(), "ok");
    }
}

#[tokio::test]
async fn a_cut_answer_over_tls_has_no_proper_end() {
    let certificate = Certificate::new();
    let cut = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n";
    let (origin, _) = answering(cut).await;
    let proxy = secure(origin, &certificate).await;
    let mut roots = rustls::RootCertStore::empty();
    let pem = std::fs::read(certificate.path()).unwrap();
    let der = rustls::pki_types::pem::PemObject::from_pem_slice(&pem).unwrap();
    roots.add(der).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let socket = proxy.connect().await;
    let name = "localhost".try_into().unwrap();
    let mut socket =
        tokio_rustls::TlsConnector::from(Arc::new(tls)).connect(name, socket).await.unwrap();
    socket.write_all(b"GET / HTTP/1.0\r\nHost: a\r\n\r\n").await.unwrap();
    let mut bytes = Vec::new();
    assert!(soon(socket.read_to_end(&mut bytes)).await.is_err(), "a proper end");
}

#[tokio::test]
async fn a_handshake_that_does_not_come_is_not_waited_for() {
    let certificate = Certificate::new();
    let (origin, _) = answering("").await;
    let listener =
        Listener::bind("127.0.0.1:0").await.unwrap().with_tls(&certificate.files()).unwrap();
    let options = ServeOptions::default().with_handshake_timeout(Duration::from_millis(100));
    let proxy = serving(listener, Upstream::new(config(origin)).unwrap(), options);
    let mut silent = proxy.connect().await;
    let mut rest = Vec::new();
    soon(silent.read_to_end(&mut rest)).await.ok();
    let plain = proxy.exchange("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_ne!(status(&plain), "200");
}
