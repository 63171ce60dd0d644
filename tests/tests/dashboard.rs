//! The dashboard over HTTP: who sees it, what it is sent with, and what is new of it.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use manyhands_testkit::{Site, content};

const DASHBOARD: &str = "/.well-known/manyhands/dashboard";

fn basic(name: &str, key: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{name}:{key}")))
}

fn text(body: &[u8]) -> String {
    String::from_utf8(body.to_vec()).unwrap()
}

#[tokio::test]
async fn a_browser_is_asked_for_the_key_and_let_in_with_it() {
    let files = tempfile::tempdir().unwrap();
    let mut state = None;
    let site = Site::serve(files.path(), |config| {
        config.site.origin = Some("https://example.org".to_owned());
        state = Some(config.state.dir.clone());
    })
    .await;
    let key = fs::read_to_string(state.unwrap().join("operator.key")).unwrap();
    let key = key.trim_end();
    let wrong = "0".repeat(64);
    for (fields, expected) in [
        (None, StatusCode::UNAUTHORIZED),
        (Some(basic("", key)), StatusCode::OK),
        (Some(basic("anybody", key)), StatusCode::OK),
        (Some(basic("anybody", &format!("{key}\n"))), StatusCode::OK),
        (Some(format!("Bearer {key}")), StatusCode::OK),
        (Some(basic("anybody", &wrong)), StatusCode::UNAUTHORIZED),
        (Some(basic(key, "")), StatusCode::UNAUTHORIZED),
        (Some(format!("Bearer {wrong}")), StatusCode::UNAUTHORIZED),
        (Some(format!("Basic {key}")), StatusCode::UNAUTHORIZED),
    ] {
        let fields = fields.as_deref().map(|value| ("authorization", value));
        let got = site.get(DASHBOARD, fields.as_slice()).await;
        assert_eq!(got.status(), expected, "{fields:?}");
        let challenge = got.headers().get("www-authenticate").map(|it| it.to_str().unwrap());
        let asked = "Basic realm=\"Manyhands, operator of example.org\", charset=\"UTF-8\"";
        assert_eq!(challenge, (expected != StatusCode::OK).then_some(asked));
        assert_eq!(got.headers()["cache-control"], "no-store");
        assert_eq!(got.headers()["cross-origin-resource-policy"], "same-origin");
        assert_eq!(got.headers()["x-content-type-options"], "nosniff");
        assert_eq!(text(got.body()).contains("example.org</h1>"), expected == StatusCode::OK);
    }
    // The key opens the rest as well, as Basic too.
    let right = basic("me", key);
    let status = site.get("/.well-known/manyhands/status.json", &[("authorization", &right)]).await;
    assert_eq!(status.status(), StatusCode::OK);
}

#[tokio::test]
async fn it_is_sent_with_a_policy_of_its_own_and_only_when_it_is_new() {
    let files = tempfile::tempdir().unwrap();
    fs::write(files.path().join("a.zip"), content(0, 1 << 20)).unwrap();
    let site = Site::serve(files.path(), |_| {}).await;
    let first = site.get(DASHBOARD, &[]).await;
    assert_eq!(first.status(), StatusCode::OK);
    assert_eq!(first.headers()["content-type"], "text/html; charset=utf-8");
    assert_eq!(first.headers()["referrer-policy"], "no-referrer");
    let policy = first.headers()["content-security-policy"].to_str().unwrap();
    for part in [
        "default-src 'none'; style-src 'sha256-",
        "; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ] {
        assert!(policy.contains(part), "{policy}");
    }
    let etag = first.headers()["etag"].to_str().unwrap().to_owned();
    let again = site.get(DASHBOARD, &[("if-none-match", &etag)]).await;
    assert_eq!((again.status(), again.body().len()), (StatusCode::NOT_MODIFIED, 0));
    // A picture is left alone; that is counted, and shown.
    fs::write(files.path().join("a.png"), content(0, 2 << 20)).unwrap();
    site.get("/a.png", &[]).await;
    let changed = site.get(DASHBOARD, &[("if-none-match", &etag)]).await;
    assert_eq!(changed.status(), StatusCode::OK);
    assert!(text(changed.body()).contains("Files of this type are not shared"));
    let head = site.ask("HEAD", DASHBOARD, &[]).await;
    assert_eq!((head.status(), head.body().len()), (StatusCode::OK, 0));
    let other = site.ask("POST", DASHBOARD, &[]).await;
    assert_eq!(other.status(), StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn without_an_experiment_it_says_so_and_how_to_have_one() {
    let files = tempfile::tempdir().unwrap();
    let site = Site::serve(files.path(), |_| {}).await;
    let page = text(site.get(DASHBOARD, &[]).await.body());
    assert!(page.contains("No saving can be stated: it is not being measured"), "{page}");
    assert!(page.contains("[experiment]\ndesign = &quot;crossover&quot;"), "{page}");
}
