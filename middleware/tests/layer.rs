//! What a wrapped service answers: pages with the tag, assets with metainfo, everything else as it was.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::convert::Infallible;
use std::net::SocketAddr;

use bytes::Bytes;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HOST, LINK,
    SET_COOKIE, VARY,
};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use manyhands::{Config, Manyhands, ManyhandsLayer, PeerAddress};
use tower::util::BoxCloneService;
use tower::{Layer, ServiceExt, service_fn};

const PAGE: &str = "<!doctype html><html><head><title>t</title></head><body>text</body></html>";
const TAG: &str = "<script defer src=\"/.well-known/manyhands/loader.js\"></script>";

fn asset() -> Bytes {
    (0..3_000_000_u32).map(|i| (i * 31 + (i >> 8) * 7) as u8).collect()
}

/// A site with one page, one large file and one private large file.
fn site(request: &Request<Full<Bytes>>) -> Response<Full<Bytes>> {
    let coding = request.headers().get(ACCEPT_ENCODING).cloned();
    let response = Response::builder();
    match request.uri().path() {
        "/" => response
            .header(CONTENT_TYPE, "text/html; charset=utf-8")
            .header(CONTENT_LENGTH, PAGE.len())
            .header(ETAG, "\"page\"")
            .header("asked", coding.unwrap_or_else(|| "nothing".parse().unwrap()))
            .body(Full::from(PAGE)),
        "/long" => response
            .header(CONTENT_TYPE, "text/html; charset=utf-8")
            .body(Full::from(PAGE.replace("text", &"text ".repeat(1_000)))),
        "/big.zip" | "/mine.zip" => {
            let response = response
                .header(CONTENT_TYPE, "application/zip")
                .header(CONTENT_LENGTH, asset().len())
                .header(ETAG, "\"v1\"");
            let response = match request.uri().path() {
                "/mine.zip" => response.header(SET_COOKIE, "id=1"),
                _ => response,
            };
            response.body(Full::from(asset()))
        }
        _ => response.status(StatusCode::NOT_FOUND).body(Full::from("nothing here")),
    }
    .unwrap()
}

type Inner = BoxCloneService<Request<Full<Bytes>>, Response<Full<Bytes>>, Infallible>;

struct Site {
    service: Manyhands<Inner>,
    layer: ManyhandsLayer,
    _state: tempfile::TempDir,
}

fn wrapped(adjust: impl FnOnce(&mut Config)) -> Site {
    let state = tempfile::tempdir().unwrap();
    let mut config = Config::default();
    config.site.origin = Some("https://example.org".to_owned());
    config.state.dir = state.path().to_owned();
    config.admission.requests = 1;
    config.admission.prefixes = 1;
    adjust(&mut config);
    let layer = ManyhandsLayer::new(config).unwrap();
    let inner = service_fn(|request| {
        let response = site(&request);
        async move { Ok::<_, Infallible>(response) }
    });
    Site { service: layer.layer(BoxCloneService::new(inner)), layer, _state: state }
}

fn get(path: &str, headers: &[(http::HeaderName, &str)]) -> Request<Full<Bytes>> {
    let mut request = Request::get(path);
    for (name, value) in headers {
        request = request.header(name, *value);
    }
    let address: SocketAddr = "203.0.113.9:4000".parse().unwrap();
    request.extension(PeerAddress(address)).body(Full::default()).unwrap()
}

async fn body<B>(response: Response<B>) -> Bytes
where
    B: http_body::Body<Data = Bytes>,
    B::Error: std::fmt::Debug,
{
    response.into_body().collect().await.unwrap().to_bytes()
}

/// Asks until the manifest of an asset is there, or the hash jobs are done without it.
async fn manifest(site: &Site, path: &str) -> Option<(http::HeaderMap, serde_json::Value)> {
    loop {
        let idle = site.layer.engine().pending().0 == 0;
        let url = format!("/.well-known/manyhands/manifest{path}");
        let response = site.service.clone().oneshot(get(&url, &[])).await.unwrap();
        if response.status() == StatusCode::OK {
            let headers = response.headers().clone();
            return Some((headers, serde_json::from_slice(&body(response).await).unwrap()));
        }
        if idle {
            return None;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_page_gets_the_tag_and_agrees_with_its_head() {
    let site = wrapped(|_| {});
    let request = get("/", &[(ACCEPT, "text/html")]);
    let response = site.service.clone().oneshot(request).await.unwrap();
    assert_eq!(response.headers()["asked"], "identity");
    assert_eq!(response.headers()[ETAG], "W/\"page\"");
    assert!(!response.headers().contains_key(CONTENT_LENGTH));
    assert_eq!(body(response).await, PAGE.replace("<head>", &format!("<head>{TAG}")));
}

#[tokio::test]
async fn a_page_is_compressed_again_as_the_visitor_asked() {
    let site = wrapped(|_| {});
    let request = get("/long", &[(ACCEPT, "text/html"), (ACCEPT_ENCODING, "gzip")]);
    let response = site.service.clone().oneshot(request).await.unwrap();
    assert_eq!(response.headers()[CONTENT_ENCODING], "gzip");
    assert!(response.headers()[VARY].to_str().unwrap().eq_ignore_ascii_case("accept-encoding"));
    let coded = body(response).await;
    let mut plain = String::new();
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&coded[..]), &mut plain)
        .unwrap();
    let page = PAGE.replace("text", &"text ".repeat(1_000));
    assert_eq!(plain, page.replace("<head>", &format!("<head>{TAG}")));
}

#[tokio::test]
async fn a_fetch_of_a_page_is_left_alone() {
    let site = wrapped(|_| {});
    let request = get("/", &[(ACCEPT, "*/*"), (ACCEPT_ENCODING, "br")]);
    let response = site.service.clone().oneshot(request).await.unwrap();
    assert_eq!(response.headers()["asked"], "br");
    assert_eq!(response.headers()[ETAG], "\"page\"");
    assert_eq!(body(response).await, PAGE);
}

#[tokio::test]
async fn an_asset_is_hashed_as_it_passes_and_announced_from_then_on() {
    let site = wrapped(|_| {});
    let first = site.service.clone().oneshot(get("/big.zip", &[])).await.unwrap();
    assert!(!first.headers().contains_key(LINK));
    assert_eq!(body(first).await, asset());
    let (headers, manifest) = manifest(&site, "/big.zip").await.unwrap();
    assert_eq!(headers["manyhands-swarm"], "0/0");
    assert_eq!(manifest["etag"], "\"v1\"");
    assert_eq!(manifest["length"], 3_000_000);
    let second = site.service.clone().oneshot(get("/big.zip", &[])).await.unwrap();
    let link = second.headers()[LINK].to_str().unwrap().to_owned();
    assert!(link.contains("/.well-known/manyhands/torrent/big.zip"), "{link}");
    assert!(second.headers().contains_key("repr-digest"));
}

#[tokio::test]
async fn an_aborted_transfer_publishes_nothing_and_the_next_whole_one_does() {
    let site = wrapped(|_| {});
    let first = site.service.clone().oneshot(get("/big.zip", &[])).await.unwrap();
    drop(first);
    assert!(manifest(&site, "/big.zip").await.is_none());
    let second = site.service.clone().oneshot(get("/big.zip", &[])).await.unwrap();
    body(second).await;
    assert!(manifest(&site, "/big.zip").await.is_some());
}

#[tokio::test]
async fn a_private_answer_never_becomes_a_torrent() {
    let site = wrapped(|_| {});
    for _ in 0..5 {
        let response = site.service.clone().oneshot(get("/mine.zip", &[])).await.unwrap();
        assert_eq!(body(response).await, asset());
    }
    let cookie = http::header::COOKIE;
    for _ in 0..5 {
        let request = get("/big.zip", &[(cookie.clone(), "session=1")]);
        body(site.service.clone().oneshot(request).await.unwrap()).await;
    }
    assert!(manifest(&site, "/mine.zip").await.is_none());
    assert!(manifest(&site, "/big.zip").await.is_none());
}

#[tokio::test]
async fn metainfo_survives_a_restart_but_waits_for_confirmation() {
    let site = wrapped(|_| {});
    body(site.service.clone().oneshot(get("/big.zip", &[])).await.unwrap()).await;
    manifest(&site, "/big.zip").await.unwrap();
    let second = ManyhandsLayer::new({
        let mut config = Config::dev();
        config.site.origin = Some("https://example.org".to_owned());
        config.state.dir = site._state.path().to_owned();
        config
    });
    assert!(second.unwrap_err().to_string().contains("another process serves the same site"));
    let Site { service, layer, _state: state } = site;
    drop((service, layer));
    let again = wrapped(|config| config.state.dir = state.path().to_owned());
    assert!(manifest(&again, "/big.zip").await.is_none());
    let response = again.service.clone().oneshot(get("/big.zip", &[])).await.unwrap();
    assert!(response.headers().contains_key(LINK), "not hashed again");
    assert!(manifest(&again, "/big.zip").await.is_some());
}

#[tokio::test]
async fn a_forged_host_changes_nothing_that_is_emitted() {
    let site = wrapped(|config| config.swarm.foreign = manyhands::Foreign::Open);
    body(site.service.clone().oneshot(get("/big.zip", &[])).await.unwrap()).await;
    manifest(&site, "/big.zip").await.unwrap();
    for path in ["torrent/big.zip", "magnet/big.zip", "manifest/big.zip", "loader.js", "sw.js"] {
        let url = format!("/.well-known/manyhands/{path}");
        let honest = get(&url, &[(HOST, "example.org")]);
        let forged = get(&url, &[(HOST, "evil.example")]);
        let honest = body(site.service.clone().oneshot(honest).await.unwrap()).await;
        let forged = body(site.service.clone().oneshot(forged).await.unwrap()).await;
        assert_eq!(honest, forged, "{path}");
    }
    let url = "/.well-known/manyhands/torrent/big.zip";
    let torrent = body(site.service.clone().oneshot(get(url, &[])).await.unwrap()).await;
    let parsed = manyhands_metainfo::parse(&torrent).unwrap();
    assert_eq!(parsed.web_seeds, ["https://example.org/big.zip"]);
    assert_eq!(parsed.trackers.concat(), ["wss://example.org/.well-known/manyhands/tracker"]);
}

#[tokio::test]
async fn the_tracker_refuses_strangers_unless_opened() {
    let closed = wrapped(|_| {});
    let shake = |token: &str, origin: &str| {
        let url = format!("/.well-known/manyhands/tracker{token}");
        let mut request = get(&url, &[]);
        for (name, value) in [
            ("connection", "Upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("origin", origin),
        ] {
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        request
    };
    let site = closed.service.clone().oneshot(get("/.well-known/manyhands/site.json", &[]));
    let site: serde_json::Value = serde_json::from_slice(&body(site.await.unwrap()).await).unwrap();
    let token = site["tracker"].as_str().unwrap().split_once("tracker").unwrap().1.to_owned();
    for (token, origin, expected) in [
        (token.as_str(), "https://example.org", StatusCode::SWITCHING_PROTOCOLS),
        (token.as_str(), "https://evil.example", StatusCode::FORBIDDEN),
        ("", "https://example.org", StatusCode::FORBIDDEN),
        ("?token=1.00", "https://example.org", StatusCode::FORBIDDEN),
    ] {
        let response = closed.service.clone().oneshot(shake(token, origin)).await.unwrap();
        assert_eq!(response.status(), expected, "{token} {origin}");
    }
    let open = wrapped(|config| config.swarm.foreign = manyhands::Foreign::Open);
    let response = open.service.clone().oneshot(shake("", "https://evil.example")).await.unwrap();
    assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
    assert_eq!(response.headers()["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

#[tokio::test]
async fn the_operator_is_told_what_happened_and_strangers_are_not() {
    let site = wrapped(|config| config.site.origin = Some("http://localhost".to_owned()));
    let get = |path: &str, headers: &[(http::HeaderName, &str)]| {
        let mut request = get(path, headers);
        request.headers_mut().insert(HOST, "localhost".parse().unwrap());
        request
    };
    let headers = [(ACCEPT, "text/html")];
    body(site.service.clone().oneshot(get("/", &headers)).await.unwrap()).await;
    body(site.service.clone().oneshot(get("/", &[])).await.unwrap()).await;
    body(site.service.clone().oneshot(get("/mine.zip", &[])).await.unwrap()).await;
    let mut request = get("/.well-known/manyhands/status.json", &[]);
    let stranger = site.service.clone().oneshot(request.clone()).await.unwrap();
    assert_eq!(stranger.status(), StatusCode::FORBIDDEN);
    let here: SocketAddr = "127.0.0.1:4000".parse().unwrap();
    request.extensions_mut().insert(PeerAddress(here));
    let status = site.service.clone().oneshot(request.clone()).await.unwrap();
    let status: serde_json::Value = serde_json::from_slice(&body(status).await).unwrap();
    assert_eq!(status["pages"], 1);
    let passed = status["passed_through"].as_array().unwrap();
    let names: Vec<_> = passed.iter().map(|it| it["reason"].as_str().unwrap()).collect();
    assert_eq!(names, ["not_navigation", "set_cookie"]);
    assert!(passed.iter().all(|it| it["sentence"].as_str().unwrap().len() > 20));
    // A proxy in front that was not declared: loopback is not the operator then.
    request.headers_mut().insert("x-forwarded-for", "198.51.100.1".parse().unwrap());
    let proxied = site.service.clone().oneshot(request).await.unwrap();
    assert_eq!(proxied.status(), StatusCode::FORBIDDEN);
}

/// Not every host cuts the bodies of HEAD answers.
#[tokio::test]
async fn a_head_has_no_body_and_the_length_of_the_get() {
    let site = wrapped(|config| config.site.suffixes = true);
    body(site.service.clone().oneshot(get("/big.zip", &[])).await.unwrap()).await;
    manifest(&site, "/big.zip").await.unwrap();
    for path in [
        "/big.zip.torrent",
        "/.well-known/manyhands/torrent/big.zip",
        "/.well-known/manyhands/manifest/big.zip",
        "/.well-known/manyhands/loader.js",
        "/.well-known/manyhands/nothing",
    ] {
        let whole = site.service.clone().oneshot(get(path, &[])).await.unwrap();
        let mut request = get(path, &[]);
        *request.method_mut() = http::Method::HEAD;
        let head = site.service.clone().oneshot(request).await.unwrap();
        assert_eq!(head.status(), whole.status(), "{path}");
        let length = head.headers()[CONTENT_LENGTH].to_str().unwrap().to_owned();
        assert_eq!(body(head).await, "", "{path}");
        assert_eq!(length, body(whole).await.len().to_string(), "{path}");
    }
}

#[tokio::test]
async fn the_kill_switch_stops_injecting_and_recalls_the_worker() {
    let on = wrapped(|_| {});
    let off = wrapped(|config| config.site.disabled = true);
    let page = off.service.clone().oneshot(get("/", &[(ACCEPT, "text/html")])).await.unwrap();
    assert_eq!(body(page).await, PAGE);
    let worker =
        |site: &Site| site.service.clone().oneshot(get("/.well-known/manyhands/sw.js", &[]));
    let (on, recalled) = (worker(&on).await.unwrap(), worker(&off).await.unwrap());
    assert_eq!(recalled.headers()["service-worker-allowed"], "/");
    assert_eq!(recalled.headers()["cache-control"], "no-cache");
    assert_ne!(body(on).await, body(recalled).await);
    let site = off.service.clone().oneshot(get("/.well-known/manyhands/site.json", &[]));
    let site: serde_json::Value = serde_json::from_slice(&body(site.await.unwrap()).await).unwrap();
    assert_eq!(site["disabled"], true);
}
