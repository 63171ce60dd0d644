//! The layer around a directory and the proxy in front of it give the same answers.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;

use http::HeaderMap;
use manyhands_testkit::{Site, content, plain};

const PAGE: &str =
    "<!doctype html><html><head><title>t</title></head><body>some text</body></html>";

const HTML: (&str, &str) = ("accept", "text/html");

/// Method, path, header fields.
type Case = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

/// What a proxy may add or a clock may change.
const OF_THE_HOP: [&str; 4] = ["date", "via", "connection", "keep-alive"];

fn comparable(headers: &HeaderMap, origin: &str) -> Vec<(String, String)> {
    let mut fields: Vec<_> = headers
        .iter()
        .filter(|(name, _)| !OF_THE_HOP.contains(&name.as_str()))
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().replace(origin, "ORIGIN")))
        .collect();
    fields.sort();
    fields
}

#[tokio::test]
async fn one_origin_answer_gives_the_same_bytes_and_headers_in_both_hosts() {
    let files = tempfile::tempdir().unwrap();
    fs::write(files.path().join("index.html"), PAGE).unwrap();
    fs::write(files.path().join("long.html"), PAGE.replace("text", &"text ".repeat(2_000)))
        .unwrap();
    fs::write(files.path().join("fragment.html"), "<p>no document").unwrap();
    fs::write(files.path().join("style.css"), "p { color: red }").unwrap();
    fs::write(files.path().join("big.zip"), content(0, 3_000_000)).unwrap();
    fs::write(files.path().join("big.zip.meta4"), "the site's own").unwrap();
    let layer = Site::serve(files.path(), |config| config.site.suffixes = true).await;
    let proxy = Site::proxy(plain(files.path()).await, |config| config.site.suffixes = true).await;
    for site in [&layer, &proxy] {
        site.get("/big.zip", &[]).await;
        site.manifest("/big.zip").await.unwrap();
    }
    let cases: &[Case] = &[
        ("GET", "/", &[HTML]),
        ("HEAD", "/", &[HTML]),
        ("GET", "/", &[]),
        ("GET", "/", &[("sec-fetch-dest", "document"), ("accept-encoding", "br, gzip")]),
        ("GET", "/long.html", &[HTML, ("accept-encoding", "gzip")]),
        ("GET", "/long.html", &[HTML, ("accept-encoding", "br")]),
        ("HEAD", "/long.html", &[HTML, ("accept-encoding", "br")]),
        ("GET", "/long.html", &[HTML, ("range", "bytes=0-99")]),
        ("GET", "/fragment.html", &[HTML]),
        ("GET", "/style.css", &[("accept-encoding", "gzip")]),
        ("GET", "/big.zip", &[]),
        ("HEAD", "/big.zip", &[]),
        ("GET", "/big.zip", &[("range", "bytes=1000000-1999999")]),
        ("GET", "/big.zip", &[("range", "bytes=-5")]),
        ("GET", "/big.zip", &[("range", "bytes=9999999-")]),
        ("GET", "/big.zip?x=1", &[]),
        ("GET", "/missing", &[HTML]),
        ("POST", "/", &[]),
        ("GET", "/.well-known/manyhands/loader.js", &[("accept-encoding", "br")]),
        ("GET", "/.well-known/manyhands/manifest/big.zip", &[]),
        ("GET", "/.well-known/manyhands/nothing", &[]),
        ("GET", "/.well-known/manyhands/sha256/big.zip", &[]),
        ("HEAD", "/.well-known/manyhands/sha256/big.zip", &[]),
        ("GET", "/big.zip.sha256", &[]),
        ("HEAD", "/big.zip.sha256", &[]),
        ("GET", "/big.zip.sha256", &[HTML, ("accept-encoding", "gzip")]),
        ("GET", "/big.zip.sha256", &[("range", "bytes=0-9")]),
        ("GET", "/big.zip.meta4", &[]),
        ("HEAD", "/big.zip.meta4", &[]),
        ("POST", "/big.zip.sha256", &[]),
        ("GET", "/missing.zip.sha256", &[HTML]),
    ];
    for (method, path, headers) in cases {
        let first = layer.ask(method, path, headers).await;
        let second = proxy.ask(method, path, headers).await;
        let case = format!("{method} {path} {headers:?}");
        assert_eq!(first.status(), second.status(), "{case}");
        assert_eq!(first.body(), second.body(), "{case}");
        let of = |site: &Site| format!("http://{}", site.address);
        assert_eq!(
            comparable(first.headers(), &of(&layer)),
            comparable(second.headers(), &of(&proxy)),
            "{case}"
        );
    }
}
