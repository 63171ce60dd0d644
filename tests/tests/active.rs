//! What may run in a page comes from the site alone, whatever it is called and however often it is asked for.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;

use manyhands_testkit::{Asked, Site, content, origin};
use tokio::io::AsyncWriteExt;

/// Names of active files, as somebody might upload them.
const NAMES: [&str; 9] = [
    "evil.svg",
    "evil.html",
    "evil.xhtml",
    "evil.xml",
    "evil.js",
    "evil.mjs",
    "evil.css",
    "evil.wasm",
    "evil.pdf",
];

/// Types that such a file may come with, beside a name of a shared kind.
const TYPES: [&str; 10] = [
    "image/svg+xml",
    "text/html",
    "application/xhtml+xml",
    "application/xml",
    "text/javascript",
    "text/css",
    "application/wasm",
    "application/pdf",
    "application/signed-exchange;v=b3",
    "multipart/x-mixed-replace; boundary=x",
];

async fn is_left_alone(site: &Site, path: &str) {
    for _ in 0..3 {
        let answer = site.get(path, &[]).await;
        assert_eq!(answer.status(), 200);
        assert!(!answer.headers().contains_key("link"), "{path}");
    }
    assert!(site.manifest(path).await.is_none(), "{path}");
    for form in ["torrent", "magnet", "meta4"] {
        let answer = site.get(&format!("/.well-known/manyhands/{form}{path}"), &[]).await;
        assert_eq!(answer.status(), 404, "{form}{path}");
    }
}

#[tokio::test]
async fn files_that_may_run_in_a_page_get_no_manifest() {
    let files = tempfile::tempdir().unwrap();
    for name in NAMES.iter().chain(&["good.zip"]) {
        fs::write(files.path().join(name), content(0, 2 << 20)).unwrap();
    }
    let site = Site::serve(files.path(), |_| {}).await;
    for name in NAMES {
        is_left_alone(&site, &format!("/{name}")).await;
    }
    site.get("/good.zip", &[]).await;
    assert!(site.manifest("/good.zip").await.is_some());

    // Nor does a browser ask: its worker looks at names with these extensions alone.
    let settings = site.get("/.well-known/manyhands/site.json", &[]).await;
    let settings: serde_json::Value = serde_json::from_slice(settings.body()).unwrap();
    let extensions = settings["assets"]["extensions"].as_array().unwrap();
    assert!(extensions.iter().any(|extension| extension == "zip"));
    for name in NAMES {
        let of_file = name.rsplit('.').next().unwrap();
        assert!(extensions.iter().all(|extension| extension != of_file), "{name}");
    }
}

#[tokio::test]
async fn a_harmless_name_does_not_help_an_active_type_nor_an_unknown_type_an_active_name() {
    async fn answer(
        asked: Asked,
        mut socket: tokio::net::TcpStream,
    ) -> Option<tokio::net::TcpStream> {
        // `/3.zip` has the type of that number; all else says no more than \"bytes\".
        let number = asked.target.trim_start_matches('/').split('.').next()?.parse::<usize>();
        let content_type = number.ok().and_then(|number| TYPES.get(number).copied());
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: {}\r\ncontent-length: 1100000\r\netag: \"1\"\r\n\r\n",
            content_type.unwrap_or("application/octet-stream")
        );
        socket.write_all(head.as_bytes()).await.ok()?;
        socket.write_all(&[0; 1_100_000]).await.ok()?;
        Some(socket)
    }
    let site = Site::proxy(origin(answer).await, |_| {}).await;
    for number in 0..TYPES.len() {
        is_left_alone(&site, &format!("/{number}.zip")).await;
    }
    for name in NAMES {
        is_left_alone(&site, &format!("/{name}")).await;
        is_left_alone(&site, &format!("/good.zip.{name}")).await;
    }
    site.get("/good.zip", &[]).await;
    assert!(site.manifest("/good.zip").await.is_some());
}
