//! What only the operator may see and do, and who that is.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;

use http::StatusCode;
use manyhands_testkit::{Site, content, plain};
use serde_json::Value;

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

/// nginx's plain `proxy_pass` adds no field and sends a loopback `Host`; whatever forwards TCP lets the
/// visitor choose it. Behind both the whole world comes from loopback.
#[tokio::test]
async fn without_the_key_nobody_is_the_operator_of_a_public_site() {
    let files = tempfile::tempdir().unwrap();
    let mut state = None;
    let site = Site::serve(files.path(), |config| {
        config.site.origin = Some("https://example.org".to_owned());
        config.assets.list = false;
        state = Some(config.state.dir.clone());
    })
    .await;
    let key = fs::read_to_string(state.unwrap().join("operator.key")).unwrap();
    let right = format!("Bearer {}", key.trim_end());
    let port = site.address.port();
    let purge = format!("{PURGE}?path=/*");
    for host in [format!("127.0.0.1:{port}"), "localhost".to_owned(), "example.org".to_owned()] {
        for (method, path) in [
            ("GET", STATUS),
            ("GET", "/.well-known/manyhands/assets"),
            ("GET", "/.well-known/manyhands/assets.json"),
            ("POST", &*purge),
        ] {
            let got = site.ask(method, path, &[JSON, ("host", &host)]).await;
            assert_eq!(got.status(), StatusCode::FORBIDDEN, "{host} {path}");
            let fields = [JSON, ("host", &*host), ("authorization", &right)];
            let got = site.ask(method, path, &fields).await;
            assert_eq!(got.status(), StatusCode::OK, "{host} {path}");
        }
    }
}

const PURGE: &str = "/.well-known/manyhands/purge";
const JSON: (&str, &str) = ("content-type", "application/json");

/// A site whose files are all shared; its key.
async fn sharing(names: &[&str]) -> (Site, tempfile::TempDir, String) {
    let (site, files, key) = site().await;
    for (version, name) in names.iter().enumerate() {
        let place = files.path().join(name);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(place, content(version as u8, 1 << 20)).unwrap();
        let path = format!("/{}", name.replace(' ', "%20"));
        site.get(&path, &[]).await;
        site.manifest(&path).await.unwrap();
    }
    (site, files, key)
}

async fn shared(site: &Site, path: &str) -> bool {
    let mut all = Vec::new();
    for form in ["manifest", "torrent", "magnet", "meta4", "sha256"] {
        let got = site.get(&format!("/.well-known/manyhands/{form}{path}"), &[]).await;
        all.push(got.status() == StatusCode::OK);
    }
    assert!(all.iter().all(|one| *one == all[0]), "{all:?}");
    all[0]
}

#[tokio::test]
async fn what_is_purged_is_gone_at_once_and_starts_anew() {
    let (site, _files, key) =
        sharing(&["a.zip", "b c.zip", "old/a.zip", "old/x/b.zip", "older.zip"]).await;
    let (_, manifest) = site.manifest("/a.zip").await.unwrap();
    let digests =
        format!("/.well-known/manyhands/digests/{}/0", manifest["root"].as_str().unwrap());
    assert_eq!(site.get(&digests, &[]).await.status(), StatusCode::OK);
    let right = format!("Bearer {key}");
    for (query, fields, purged) in [
        ("path=/a.zip&path=/none.zip", vec![JSON], 1),
        ("path=%2Fb%20c.zip", vec![JSON, BETWEEN, ("authorization", &*right)], 1),
        ("path=/old/*", vec![JSON], 2),
        ("path=/old/*", vec![JSON], 0),
    ] {
        let done = site.ask("POST", &format!("{PURGE}?{query}"), &fields).await;
        assert_eq!(done.status(), StatusCode::OK, "{query}");
        assert_eq!(done.body(), &format!("{{\"purged\": {purged}}}\n"), "{query}");
        assert_eq!(done.headers()["content-type"], "application/json");
    }
    for path in ["/a.zip", "/b%20c.zip", "/old/a.zip", "/old/x/b.zip"] {
        assert!(!shared(&site, path).await, "{path}");
    }
    assert_eq!(site.get(&digests, &[]).await.status(), StatusCode::NOT_FOUND);
    assert!(shared(&site, "/older.zip").await);
    site.get("/a.zip", &[]).await;
    assert!(site.manifest("/a.zip").await.is_some());
}

/// Whatever a page open in the operator's browser can send is refused, and changes nothing.
#[tokio::test]
async fn a_purge_that_was_not_meant_purges_nothing() {
    let (site, _files, key) = sharing(&["a.zip"]).await;
    let right = format!("Bearer {key}");
    let all = "?path=/*";
    for (method, query, fields, expected) in [
        ("GET", all, vec![JSON], StatusCode::METHOD_NOT_ALLOWED),
        ("PUT", all, vec![JSON], StatusCode::METHOD_NOT_ALLOWED),
        (
            "OPTIONS",
            all,
            vec![
                ("origin", "https://evil.example"),
                ("access-control-request-method", "POST"),
                ("access-control-request-headers", "content-type"),
            ],
            StatusCode::METHOD_NOT_ALLOWED,
        ),
        ("POST", all, vec![], StatusCode::UNSUPPORTED_MEDIA_TYPE),
        ("POST", all, vec![("content-type", "text/plain")], StatusCode::UNSUPPORTED_MEDIA_TYPE),
        (
            "POST",
            all,
            vec![JSON, ("sec-fetch-site", "cross-site")],
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ),
        (
            "POST",
            all,
            vec![JSON, ("sec-fetch-site", "same-site")],
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ),
        ("POST", all, vec![("authorization", &right)], StatusCode::UNSUPPORTED_MEDIA_TYPE),
        ("POST", all, vec![JSON, ("host", "evil.example")], StatusCode::FORBIDDEN),
        ("POST", all, vec![JSON, ("host", "example.org")], StatusCode::FORBIDDEN),
        ("POST", all, vec![JSON, BETWEEN], StatusCode::FORBIDDEN),
        ("POST", all, vec![JSON, ("authorization", "Bearer 00")], StatusCode::UNAUTHORIZED),
        ("POST", "", vec![JSON], StatusCode::BAD_REQUEST),
        ("POST", "?path=/a.zip&path=//", vec![JSON], StatusCode::BAD_REQUEST),
    ] {
        let refused = site.ask(method, &format!("{PURGE}{query}"), &fields).await;
        assert_eq!(refused.status(), expected, "{method} {query} {fields:?}");
        for name in refused.headers().keys() {
            assert!(!name.as_str().starts_with("access-control"), "{name}");
        }
    }
    assert!(shared(&site, "/a.zip").await);
    let long = format!("{PURGE}?path=/{}", "a".repeat(8 << 10));
    assert_eq!(site.ask("POST", &long, &[JSON]).await.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn the_status_says_of_each_file_whether_it_is_shared_and_why_not() {
    let files = tempfile::tempdir().unwrap();
    for name in ["asked.zip", "gone.zip", "once.zip", "pub/b.zip"] {
        fs::create_dir_all(files.path().join("pub")).unwrap();
        fs::write(files.path().join(name), content(0, 1 << 20)).unwrap();
    }
    let site = Site::proxy(plain(files.path()).await, |config| config.admission.requests = 2).await;
    for path in ["/asked.zip", "/gone.zip", "/pub/b.zip"] {
        for _ in 0..2 {
            site.get(path, &[]).await;
        }
        site.manifest(path).await.unwrap();
    }
    site.get("/once.zip", &[]).await;
    fs::remove_file(files.path().join("gone.zip")).unwrap();
    while site.get("/gone.zip", &[]).await.status() != StatusCode::NOT_FOUND {}
    let status = |query: &'static str| {
        let path = format!("{STATUS}{query}");
        let site = &site;
        async move { serde_json::from_slice::<Value>(site.get(&path, &[]).await.body()).unwrap() }
    };
    let all = status("").await;
    let summary: Vec<_> = all["assets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|asset| {
            let member = |name: &str| asset[name].as_str().unwrap_or("-").to_owned();
            ["path", "state", "swarm", "reason"].map(member).join(" ")
        })
        .collect();
    assert_eq!(
        summary,
        [
            "/gone.zip hidden - unconfirmed",
            "/asked.zip ready 0/0 -",
            "/pub/b.zip ready 0/0 -",
            "/once.zip cold - demand",
        ]
    );
    assert_eq!(
        all["counts"],
        serde_json::json!({
            "cold": 1, "queued": 0, "hashing": 0, "ready": 2, "hidden": 1, "refused": 0
        })
    );
    assert_eq!((&all["v"], &all["pending"], &all["omitted"]), (&1.into(), &0.into(), &0.into()));
    assert_eq!(all["jobs"], serde_json::json!([]));
    let below = status("?under=%2Fpub/").await;
    assert_eq!(below["assets"].as_array().unwrap().len(), 1);
    assert_eq!(below["counts"], all["counts"]);
}
