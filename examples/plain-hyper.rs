//! The layer around a bare hyper service, with the settings of a public site: the origin is named, and
//! the service says which address a request came from.
//!
//! ```console
//! $ cargo run --release -p manyhands-examples --example plain-hyper
//! ```
use std::convert::Infallible;

use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use manyhands::{Config, ManyhandsLayer, PeerAddress};
use tower::{Layer, ServiceExt, service_fn};

const PAGE: &str = "<!doctype html><html><head><title>plain</title></head><body>\
                    <a href=/noise.zip download>noise.zip</a></body></html>";

async fn site(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut response = Response::new(Full::from(PAGE));
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, header::HeaderValue::from_static("text/html"));
    if request.uri().path() == "/noise.zip" {
        // Eight MiB that compress badly; a real site streams its file.
        let noise = (0..8_u32 << 20).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8);
        response = Response::new(Full::from(noise.collect::<Bytes>()));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/zip"));
        headers.insert(header::CONTENT_LENGTH, header::HeaderValue::from(8_u32 << 20));
        headers.insert(header::ETAG, header::HeaderValue::from_static("\"noise-1\""));
    }
    Ok(response)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut config = Config::default();
    config.site.origin = Some("http://127.0.0.1:3001".to_owned());
    let service = ManyhandsLayer::new(config)?.layer(service_fn(site));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3001").await?;
    println!("http://127.0.0.1:3001");
    loop {
        let (socket, address) = listener.accept().await?;
        let service = service.clone();
        tokio::spawn(async move {
            let answer = hyper::service::service_fn(move |mut request: Request<Incoming>| {
                request.extensions_mut().insert(PeerAddress(address));
                service.clone().oneshot(request)
            });
            // The tracker is a WebSocket: without upgrades no browser hears of another.
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(socket), answer)
                .with_upgrades();
            if let Err(error) = connection.await {
                eprintln!("connection: {error}");
            }
        });
    }
}
