//! The kill switch of the running site: who turns it, what follows at once, and what outlives the process.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::PathBuf;

use futures_util::StreamExt;
use http::StatusCode;
use manyhands_testkit::{Server, Site, content};
use serde_json::Value;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::{Error, Message};

const SWITCH: &str = "/.well-known/manyhands/switch";
const JSON: (&str, &str) = ("content-type", "application/json");
const HTML: (&str, &str) = ("accept", "text/html");
/// A field that a proxy in between leaves.
const BETWEEN: (&str, &str) = ("x-forwarded-for", "198.51.100.1");

async fn site() -> (tempfile::TempDir, Site, PathBuf) {
    let files = tempfile::tempdir().unwrap();
    let page = "<!doctype html><html><head><title>t</title></head><body></body></html>";
    fs::write(files.path().join("index.html"), page).unwrap();
    fs::write(files.path().join("a.zip"), content(0, 1 << 20)).unwrap();
    let mut state = None;
    let site = Site::serve(files.path(), |config| state = Some(config.state.dir.clone())).await;
    site.get("/a.zip", &[]).await;
    site.manifest("/a.zip").await.unwrap();
    (files, site, state.unwrap())
}

async fn body(site: &Site, path: &str) -> String {
    let got = site.get(path, &[HTML]).await;
    String::from_utf8(got.body().to_vec()).unwrap()
}

async fn json(site: &Site, name: &str) -> Value {
    serde_json::from_str(&body(site, &format!("/.well-known/manyhands/{name}")).await).unwrap()
}

async fn turn(site: &Site, to: &str) {
    let done = site.ask("POST", &format!("{SWITCH}?sharing={to}"), &[JSON]).await;
    assert_eq!(done.status(), StatusCode::OK, "{to}");
    assert_eq!(done.body(), &format!("{{\"sharing\": \"{to}\"}}\n"));
    assert_eq!(done.headers()["content-type"], "application/json");
    assert_eq!(done.headers()["cache-control"], "no-store");
}

/// Tag in pages, worker, `site.json`, swarm in the manifest, `status.json`.
async fn everything_says(site: &Site, on: bool) {
    assert_eq!(body(site, "/").await.contains("/loader.js"), on);
    let worker = body(site, "/.well-known/manyhands/sw.js").await;
    assert_eq!(worker.contains("unregister()") && worker.len() < 1_000, !on, "{worker}");
    assert_eq!(json(site, "site.json").await["disabled"], !on);
    let (headers, _) = site.manifest("/a.zip").await.unwrap();
    assert_eq!(headers["manyhands-swarm"] != "off", on);
    assert_eq!(json(site, "status.json").await["sharing"], if on { "on" } else { "off" });
    let dashboard = body(site, "/.well-known/manyhands/dashboard").await;
    assert_eq!(dashboard.contains("Sharing is switched off."), !on);
}

#[tokio::test]
async fn off_is_off_at_once_everywhere_and_on_again_as_before() {
    let (_files, site, state) = site().await;
    let tracker = format!("ws://{}/.well-known/manyhands/tracker", site.address);
    everything_says(&site, true).await;
    let (mut member, _) = connect_async(&tracker).await.unwrap();

    turn(&site, "off").await;
    everything_says(&site, false).await;
    assert!(state.join("sharing-off").is_file());
    match member.next().await.unwrap().unwrap() {
        Message::Close(Some(frame)) => {
            assert_eq!((u16::from(frame.code), &*frame.reason), (1001, "sharing is switched off"));
        }
        other => panic!("{other:?}"),
    }
    match connect_async(&tracker).await {
        Err(Error::Http(refused)) => assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE),
        other => panic!("{other:?}"),
    }

    turn(&site, "on").await;
    everything_says(&site, true).await;
    assert!(!state.join("sharing-off").exists());
    connect_async(&tracker).await.unwrap();
}

#[tokio::test]
async fn a_switch_that_was_not_meant_is_not_turned() {
    let (_files, site, state) = site().await;
    let key = fs::read_to_string(state.join("operator.key")).unwrap();
    let right = format!("Bearer {}", key.trim_end());
    let off = "?sharing=off";
    for (method, query, fields, expected) in [
        ("GET", off, vec![JSON], StatusCode::METHOD_NOT_ALLOWED),
        ("OPTIONS", off, vec![("origin", "https://evil.example")], StatusCode::METHOD_NOT_ALLOWED),
        ("POST", off, vec![], StatusCode::UNSUPPORTED_MEDIA_TYPE),
        (
            "POST",
            off,
            vec![("content-type", "application/x-www-form-urlencoded")],
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ),
        (
            "POST",
            off,
            vec![JSON, ("sec-fetch-site", "cross-site")],
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ),
        ("POST", off, vec![("authorization", &*right)], StatusCode::UNSUPPORTED_MEDIA_TYPE),
        ("POST", off, vec![JSON, ("host", "evil.example")], StatusCode::FORBIDDEN),
        ("POST", off, vec![JSON, BETWEEN], StatusCode::FORBIDDEN),
        ("POST", off, vec![JSON, ("authorization", "Basic YTpi")], StatusCode::UNAUTHORIZED),
        ("POST", "", vec![JSON], StatusCode::BAD_REQUEST),
        ("POST", "?sharing=of", vec![JSON], StatusCode::BAD_REQUEST),
        ("POST", "?sharing=off&sharing=on", vec![JSON], StatusCode::BAD_REQUEST),
    ] {
        let refused = site.ask(method, &format!("{SWITCH}{query}"), &fields).await;
        assert_eq!(refused.status(), expected, "{method} {query} {fields:?}");
        for name in refused.headers().keys() {
            assert!(!name.as_str().starts_with("access-control"), "{name}");
        }
    }
    everything_says(&site, true).await;
    // The same with the key from afar is meant.
    let fields = [JSON, BETWEEN, ("authorization", &*right)];
    let done = site.ask("POST", &format!("{SWITCH}{off}"), &fields).await;
    assert_eq!(done.status(), StatusCode::OK);
}

#[tokio::test]
async fn what_the_configuration_disables_stays_so_and_says_why() {
    let files = tempfile::tempdir().unwrap();
    let site = Site::serve(files.path(), |config| config.site.disabled = true).await;
    let refused = site.ask("POST", &format!("{SWITCH}?sharing=on"), &[JSON]).await;
    assert_eq!(refused.status(), StatusCode::CONFLICT);
    let why = String::from_utf8(refused.body().to_vec()).unwrap();
    assert!(why.contains("[site] disabled = false"), "{why}");
    assert_eq!(json(&site, "status.json").await["sharing"], "disabled");
    assert_eq!(json(&site, "site.json").await["disabled"], true);
    let tracker = format!("ws://{}/.well-known/manyhands/tracker", site.address);
    assert!(connect_async(&tracker).await.is_err());
}

/// The word outlives the process, whose settings say nothing of it.
#[tokio::test]
async fn a_restart_keeps_what_was_switched() {
    let files = tempfile::tempdir().unwrap();
    let state = tempfile::tempdir().unwrap();
    let state = state.path().join("state");
    for (to, then) in [("off", "off"), ("on", "on")] {
        let server = Server::serve(files.path(), &state, "");
        let mut client = server.connect().await;
        client.ask("POST", &format!("{SWITCH}?sharing={to}"), &[JSON]).await.unwrap();
        assert_eq!(client.answer().await.unwrap().status, 200);
        server.kill();
        let server = Server::serve(files.path(), &state, "");
        assert_eq!(server.status().await["sharing"], then);
        server.kill();
    }
}
