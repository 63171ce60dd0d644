//! An old hash never meets new bytes, whatever happens to the file meanwhile.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;

use http::StatusCode;
use manyhands_metainfo::Hashes;
use manyhands_testkit::{Site, content, plain};

const LENGTH: usize = 2 << 20;

fn root_of(version: u8) -> String {
    let bytes = content(version, LENGTH);
    Hashes::of(&bytes, 0).0.root.to_string()
}

/// Replaces the file as careful programs do, and as careless ones do.
fn replace(path: &std::path::Path, version: u8, in_place: bool) {
    if in_place {
        fs::write(path, content(version, LENGTH)).unwrap();
    } else {
        let beside = path.with_extension("new");
        fs::write(&beside, content(version, LENGTH)).unwrap();
        fs::rename(beside, path).unwrap();
    }
}

#[tokio::test]
async fn a_manifest_is_never_older_than_the_file() {
    for in_place in [false, true] {
        let files = tempfile::tempdir().unwrap();
        let file = files.path().join("big.zip");
        replace(&file, 0, in_place);
        let site = Site::serve(files.path(), |_| {}).await;
        for version in 1..8 {
            site.get("/big.zip", &[]).await;
            let (_, manifest) = site.manifest("/big.zip").await.unwrap();
            assert_eq!(manifest["root"], root_of(version - 1));
            replace(&file, version, in_place);
            // Nobody asked for the file since: its manifest is gone all the same.
            let gone = site.get("/.well-known/manyhands/manifest/big.zip", &[]).await;
            assert_eq!(gone.status(), StatusCode::NOT_FOUND, "in place: {in_place}");
        }
    }
}

#[tokio::test]
async fn metainfo_is_found_beside_the_asset_where_that_is_enabled() {
    let files = tempfile::tempdir().unwrap();
    replace(&files.path().join("big.zip"), 0, false);
    fs::write(files.path().join("own.torrent"), "the site's own").unwrap();
    for enabled in [true, false] {
        let site = Site::serve(files.path(), |config| config.site.suffixes = enabled).await;
        site.get("/big.zip", &[]).await;
        site.manifest("/big.zip").await.unwrap();
        for kind in ["torrent", "magnet"] {
            let beside = site.get(&format!("/big.zip.{kind}"), &[]).await;
            let below = site.get(&format!("/.well-known/manyhands/{kind}/big.zip"), &[]).await;
            assert_eq!(beside.body() == below.body(), enabled, "{kind}");
            assert_eq!(beside.status() == StatusCode::OK, enabled, "{kind}");
        }
        assert_eq!(site.get("/own.torrent", &[]).await.body(), "the site's own");
    }
}

#[tokio::test]
async fn a_file_that_turns_private_is_no_longer_offered_until_it_is_public_again() {
    let files = tempfile::tempdir().unwrap();
    let file = files.path().join("big.zip");
    replace(&file, 0, false);
    let site = Site::proxy(plain(files.path()).await, |_| {}).await;
    site.get("/big.zip", &[]).await;
    site.manifest("/big.zip").await.unwrap();
    let away = files.path().join("away");
    fs::rename(&file, &away).unwrap();
    while site.get("/big.zip", &[]).await.status() != StatusCode::NOT_FOUND {}
    for kind in ["manifest", "torrent"] {
        let gone = site.get(&format!("/.well-known/manyhands/{kind}/big.zip"), &[]).await;
        assert_eq!(gone.status(), StatusCode::NOT_FOUND, "{kind}");
    }
    fs::rename(&away, &file).unwrap();
    while site.get("/big.zip", &[]).await.status() != StatusCode::OK {}
    assert!(site.manifest("/big.zip").await.is_some());
}

#[tokio::test]
async fn a_deleted_file_has_no_metainfo() {
    let files = tempfile::tempdir().unwrap();
    let file = files.path().join("big.zip");
    replace(&file, 0, false);
    let site = Site::serve(files.path(), |_| {}).await;
    site.get("/big.zip", &[]).await;
    site.manifest("/big.zip").await.unwrap();
    fs::remove_file(file).unwrap();
    for kind in ["manifest", "torrent", "magnet"] {
        let gone = site.get(&format!("/.well-known/manyhands/{kind}/big.zip"), &[]).await;
        assert_eq!(gone.status(), StatusCode::NOT_FOUND, "{kind}");
    }
}

#[tokio::test]
async fn an_upstream_that_changes_is_met_by_the_next_request() {
    let files = tempfile::tempdir().unwrap();
    let file = files.path().join("big.zip");
    replace(&file, 0, false);
    let site = Site::proxy(plain(files.path()).await, |_| {}).await;
    for version in 1..5 {
        site.get("/big.zip", &[]).await;
        let (_, manifest) = site.manifest("/big.zip").await.unwrap();
        assert_eq!(manifest["root"], root_of(version - 1));
        replace(&file, version, false);
        // A range is enough to see the new version, and too little to be served the old one beside it.
        let seen = loop {
            let range = site.get("/big.zip", &[("range", "bytes=0-9")]).await;
            if range.body()[..] == content(version, LENGTH)[..10] {
                break range;
            }
        };
        assert_eq!(seen.status(), StatusCode::PARTIAL_CONTENT);
        let now = site.get("/.well-known/manyhands/manifest/big.zip", &[]).await;
        if now.status() == StatusCode::OK {
            let manifest: serde_json::Value = serde_json::from_slice(now.body()).unwrap();
            assert_eq!(manifest["root"], root_of(version));
        }
    }
}
