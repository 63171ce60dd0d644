//! The list of shared assets: who may see it, what it says, how it is cut.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{Response, StatusCode};
use manyhands_metainfo::Digest;
use manyhands_testkit::{Site, content, plain};
use serde_json::Value;

const LENGTH: usize = 1 << 20;
const PAGE: &str = "/.well-known/manyhands/assets";
const JSON: &str = "/.well-known/manyhands/assets.json";
const BETWEEN: (&str, &str) = ("x-forwarded-for", "198.51.100.1");

fn json<B: AsRef<[u8]>>(response: &Response<B>) -> Value {
    serde_json::from_slice(response.body().as_ref()).unwrap()
}

/// A site with these files, all of them shared.
async fn sharing(names: &[&str], list: bool) -> (Site, tempfile::TempDir) {
    let files = tempfile::tempdir().unwrap();
    for (version, name) in names.iter().enumerate() {
        let place = files.path().join(name);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(place, content(version as u8, LENGTH)).unwrap();
    }
    let site = Site::serve(files.path(), |config| config.assets.list = list).await;
    for name in names {
        let path: String =
            name.split('/').map(|segment| format!("/{}", encoded(segment))).collect();
        site.get(&path, &[]).await;
        site.manifest(&path).await.unwrap();
    }
    (site, files)
}

fn encoded(segment: &str) -> String {
    segment.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[tokio::test]
async fn names_that_nobody_linked_to_are_told_to_the_operator_alone() {
    let (site, _files) = sharing(&["secret-name.zip"], false).await;
    for path in [PAGE, JSON] {
        let operator = site.get(path, &[]).await;
        assert_eq!(operator.status(), StatusCode::OK, "{path}");
        assert!(String::from_utf8_lossy(operator.body()).contains("secret-name.zip"));
        assert_eq!(operator.headers()["cache-control"], "no-store", "{path}");
        for strange in [BETWEEN, ("host", "evil.example"), ("authorization", "Bearer 00")] {
            for query in ["", "?limit=1", "?limit=0", "?q=secret"] {
                let stranger = site.get(&format!("{path}{query}"), &[strange]).await;
                assert!(
                    [StatusCode::FORBIDDEN, StatusCode::UNAUTHORIZED].contains(&stranger.status()),
                    "{path}{query} {strange:?}"
                );
                assert!(!String::from_utf8_lossy(stranger.body()).contains("secret"));
            }
        }
    }
    let (site, _files) = sharing(&["a.zip"], true).await;
    for path in [PAGE, JSON] {
        let stranger = site.get(path, &[BETWEEN]).await;
        assert_eq!(stranger.status(), StatusCode::OK, "{path}");
        assert_eq!(stranger.headers()["cache-control"], "public, max-age=0, must-revalidate");
    }
}

#[tokio::test]
async fn programs_are_told_what_the_metainfo_says() {
    let (site, _files) = sharing(&["pub/ä b&c.zip"], true).await;
    let path = "/pub/%C3%A4%20b%26c.zip";
    let (_, manifest) = site.manifest(path).await.unwrap();
    let answer = site.get(JSON, &[]).await;
    assert_eq!(answer.headers()["content-type"], "application/json");
    let list = json(&answer);
    assert_eq!((&list["v"], &list["total"], &list["next"]), (&1.into(), &1.into(), &Value::Null));
    let asset = &list["assets"][0];
    let origin = format!("http://{}", site.address);
    for (member, expected) in [
        ("path", path.to_owned()),
        ("url", format!("{origin}{path}")),
        ("type", "application/zip".to_owned()),
        ("infohash", manifest["infohash"].as_str().unwrap().to_owned()),
        ("root", manifest["root"].as_str().unwrap().to_owned()),
        ("torrent", format!("{origin}/.well-known/manyhands/torrent{path}")),
        ("meta4", format!("{origin}/.well-known/manyhands/meta4{path}")),
    ] {
        assert_eq!(asset[member], expected, "{member}");
    }
    assert_eq!(asset["length"], LENGTH);
    let sha256 = asset["sha256"].as_str().unwrap();
    let magnet = asset["magnet"].as_str().unwrap();
    let below = |form: &str| format!("/.well-known/manyhands/{form}{path}");
    let line = site.get(&below("sha256"), &[]).await;
    assert_eq!(line.body(), &format!("{sha256}  ä b&c.zip\n"));
    let link = site.get(&below("magnet"), &[]).await;
    assert_eq!(link.body(), &format!("{magnet}\n"));
    let metalink = site.get(&below("meta4"), &[]).await;
    let metalink = String::from_utf8(metalink.body().to_vec()).unwrap();
    for part in [
        sha256,
        "name=\"ä b&amp;c.zip\"",
        &format!("<size>{LENGTH}</size>"),
        &format!("<url priority=\"1\">{origin}{path}</url>"),
        &format!("<metaurl mediatype=\"torrent\">{origin}{}</metaurl>", below("torrent")),
    ] {
        assert!(metalink.contains(part), "{part}: {metalink}");
    }
}

#[tokio::test]
async fn the_parts_of_a_list_are_each_asset_once_in_order() {
    let names: Vec<String> = (0..23).map(|n| format!("d{}/f+{:02}.zip", n % 3, n)).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (site, files) = sharing(&names, true).await;
    for limit in [1, 7, 23, 1000] {
        let (mut next, mut paths) = (Some(format!("{JSON}?limit={limit}")), Vec::new());
        while let Some(path) = next {
            let part = json(&site.get(&path, &[]).await);
            let assets = part["assets"].as_array().unwrap();
            assert!(assets.len() <= limit && !assets.is_empty());
            assert_eq!(part["total"], 23);
            paths.extend(assets.iter().map(|asset| asset["path"].as_str().unwrap().to_owned()));
            next = part["next"].as_str().map(str::to_owned);
        }
        let sorted: BTreeSet<_> = paths.iter().cloned().collect();
        assert_eq!((paths.len(), sorted.len()), (23, 23), "{limit}");
        assert!(paths.is_sorted());
    }
    let found = json(&site.get(&format!("{JSON}?q=D1/F%2B"), &[]).await);
    assert_eq!(found["assets"].as_array().unwrap().len(), 8);
    assert_eq!(site.get(&format!("{JSON}?limit=0"), &[]).await.status(), StatusCode::BAD_REQUEST);
    // What changed since is not told of, though nobody asked for it.
    fs::write(files.path().join("d0/f+00.zip"), content(99, LENGTH)).unwrap();
    fs::remove_file(files.path().join("d1/f+01.zip")).unwrap();
    let left = json(&site.get(&format!("{JSON}?limit=1000"), &[]).await);
    assert_eq!(left["assets"].as_array().unwrap().len(), 21);
}

#[tokio::test]
async fn a_list_that_did_not_change_is_not_sent_again() {
    let (site, files) = sharing(&["a.zip", "b.zip"], true).await;
    for path in [PAGE, JSON] {
        let first = site.get(path, &[("accept-encoding", "gzip")]).await;
        assert_eq!(first.headers()["content-encoding"], "gzip");
        assert_eq!(first.headers()["vary"], "accept-encoding");
        let etag = first.headers()["etag"].to_str().unwrap().to_owned();
        let again = site.get(path, &[("if-none-match", &etag)]).await;
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED, "{path}");
        let head = site.ask("HEAD", path, &[]).await;
        assert_eq!((head.status(), head.body().len()), (StatusCode::OK, 0));
        let whole = site.get(path, &[]).await;
        assert_eq!(head.headers()["content-length"], whole.body().len().to_string());
    }
    let etag = site.get(JSON, &[]).await.headers()["etag"].to_str().unwrap().to_owned();
    fs::remove_file(files.path().join("a.zip")).unwrap();
    let changed = site.get(JSON, &[("if-none-match", &etag)]).await;
    assert_eq!(changed.status(), StatusCode::OK);
}

/// No part of a name acts, whoever named the file.
#[tokio::test]
async fn the_page_shows_names_and_runs_nothing() {
    let (site, _files) =
        sharing(&["<script>alert(1)<\u{200f}\u{202e}.zip", "'\"onload=x.zip"], true).await;
    let page = site.get(PAGE, &[("accept", "text/html")]).await;
    let html = String::from_utf8(page.body().to_vec()).unwrap();
    assert!(!html.contains("<script"), "{html}");
    assert!(html.contains("&lt;script&gt;alert(1)&lt;"), "{html}");
    assert!(html.contains("&#39;&quot;onload=x.zip"), "{html}");
    assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
    assert_eq!(page.headers()["x-content-type-options"], "nosniff");
    let policy = page.headers()["content-security-policy"].to_str().unwrap();
    let style = html.split_once("<style>").unwrap().1.split_once("</style>").unwrap().0;
    let digest = STANDARD.encode(Digest::of(style.as_bytes()));
    let expected = format!("default-src 'none'; style-src 'sha256-{digest}'; ");
    assert!(policy.starts_with(&expected), "{policy}");
    assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"), "{policy}");
    assert!(!html.contains("://"), "every address is of this site: {html}");
}

#[tokio::test]
async fn the_proxy_lists_as_the_layer_does() {
    let (layer, files) = sharing(&["a.zip", "b/c.zip"], true).await;
    let upstream = plain(files.path()).await;
    let proxy = Site::proxy(upstream, |config| config.assets.list = true).await;
    for path in ["/a.zip", "/b/c.zip"] {
        proxy.get(path, &[]).await;
        proxy.manifest(path).await.unwrap();
    }
    for path in [PAGE, JSON] {
        let [first, second] = [(&layer, path), (&proxy, path)].map(|(site, path)| async move {
            let body = site.get(path, &[]).await.into_body();
            let text = String::from_utf8(body.to_vec()).unwrap();
            let address = site.address.to_string();
            text.replace(&address, "SITE").replace(&encoded_address(&address), "SITE")
        });
        assert_eq!(first.await, second.await);
    }
}

fn encoded_address(address: &str) -> String {
    address.replace(':', "%3A")
}
