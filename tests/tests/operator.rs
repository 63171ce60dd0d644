//! What only the operator may see and do, and who that is.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;

use http::StatusCode;
use manyhands_testkit::Site;

const STATUS: &str = "/.well-known/manyhands/status.json";

/// A field that a proxy in between leaves: without the key, nobody behind it is the operator.
const BETWEEN: (&str, &str) = ("x-forwarded-for", "198.51.100.1");

async fn site() -> (Site, tempfile::TempDir, String) {
    let files = tempfile::tempdir().unwrap();
    let mut state = None;
    let site = Site::serve(files.path(), |config| state = Some(config.state.dir.clone())).await;
    let line = fs::read_to_string(state.unwrap().join("operator.key")).unwrap();
    let key = line.trim_end().to_owned();
    assert_eq!((key.len(), line.len()), (64, 65));
    (site, files, key)
}

#[tokio::test]
async fn the_key_opens_from_anywhere_and_a_wrong_one_from_nowhere() {
    let (site, _files, key) = site().await;
    let right = format!("Bearer {key}");
    let wrong = format!("Bearer {}", "0".repeat(64));
    for (fields, expected) in [
        (vec![], StatusCode::OK),
        (vec![("authorization", &*right)], StatusCode::OK),
        (vec![("authorization", &*wrong)], StatusCode::UNAUTHORIZED),
        (vec![("authorization", "Basic YTpi")], StatusCode::UNAUTHORIZED),
        (vec![BETWEEN], StatusCode::FORBIDDEN),
        (vec![BETWEEN, ("authorization", &*right)], StatusCode::OK),
        (vec![BETWEEN, ("authorization", &*wrong)], StatusCode::UNAUTHORIZED),
        (vec![("via", "1.1 cache"), ("authorization", &*right)], StatusCode::OK),
    ] {
        let got = site.get(STATUS, &fields).await;
        assert_eq!(got.status(), expected, "{fields:?}");
        assert_eq!(
            got.headers().contains_key("www-authenticate"),
            expected == StatusCode::UNAUTHORIZED
        );
        assert!(!got.headers().contains_key("access-control-allow-origin"));
        if expected == StatusCode::OK {
            assert_eq!(got.headers()["cache-control"], "no-store");
            assert_eq!(got.headers()["cross-origin-resource-policy"], "same-origin");
        }
    }
}

/// A stranger's page whose name leads to this machine (DNS rebinding) can't change `Host`; a proxy in
/// front that names nobody sends the site's own.
#[tokio::test]
async fn on_this_machine_the_name_asked_for_must_be_of_this_machine() {
    let (site, _files, key) = site().await;
    let port = site.address.port();
    let right = format!("Bearer {key}");
    for (host, expected) in [
        (format!("127.0.0.1:{port}"), StatusCode::OK),
        (format!("localhost:{port}"), StatusCode::OK),
        (format!("LOCALHOST:{port}"), StatusCode::OK),
        (format!("[::1]:{port}"), StatusCode::OK),
        ("evil.example".to_owned(), StatusCode::FORBIDDEN),
        (format!("localhost.evil.example:{port}"), StatusCode::FORBIDDEN),
        (format!("127.0.0.1.evil.example:{port}"), StatusCode::FORBIDDEN),
        ("example.org".to_owned(), StatusCode::FORBIDDEN),
    ] {
        let got = site.get(STATUS, &[("host", &host)]).await;
        assert_eq!(got.status(), expected, "{host}");
        let got = site.get(STATUS, &[("host", &host), ("authorization", &right)]).await;
        assert_eq!(got.status(), StatusCode::OK, "{host}");
    }
}
