//! The forms in which an asset's metainfo is had, below the prefix and beside the asset.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use http::StatusCode;
use manyhands_testkit::{Site, content, plain};

const LENGTH: usize = 2 << 20;
const FORMS: [&str; 4] = ["torrent", "magnet", "meta4", "sha256"];

async fn ready(site: &Site, path: &str) {
    site.get(path, &[]).await;
    site.manifest(path).await.unwrap();
}

fn below(form: &str, path: &str) -> String {
    format!("/.well-known/manyhands/{form}{path}")
}

/// A mirror often has checksums and torrents of its own: those are what a visitor gets.
#[tokio::test]
async fn what_the_site_has_under_a_name_wins_over_ours() {
    let files = tempfile::tempdir().unwrap();
    fs::write(files.path().join("big.iso"), content(0, LENGTH)).unwrap();
    for form in FORMS {
        fs::write(files.path().join(format!("big.iso.{form}")), "the site's own").unwrap();
    }
    fs::write(files.path().join("bare.iso"), content(1, LENGTH)).unwrap();
    let layer = Site::serve(files.path(), |config| config.site.suffixes = true).await;
    let proxy = Site::proxy(plain(files.path()).await, |config| config.site.suffixes = true).await;
    for site in [&layer, &proxy] {
        ready(site, "/big.iso").await;
        ready(site, "/bare.iso").await;
        for form in FORMS {
            let own = site.get(&format!("/big.iso.{form}"), &[]).await;
            assert_eq!(own.body(), "the site's own", "{form}");
            let head = site.ask("HEAD", &format!("/big.iso.{form}"), &[]).await;
            assert_eq!(head.headers()["content-length"], "14", "{form}");
            let ours = site.get(&format!("/bare.iso.{form}"), &[]).await;
            assert_eq!(ours.status(), StatusCode::OK, "{form}");
            assert_eq!(
                ours.body(),
                site.get(&below(form, "/bare.iso"), &[]).await.body(),
                "{form}"
            );
            let query = site.get(&format!("/bare.iso.{form}?x"), &[]).await;
            assert_eq!(query.status(), StatusCode::NOT_FOUND, "{form}");
        }
        fs::remove_file(files.path().join("big.iso.sha256")).unwrap();
        while site.get("/big.iso.sha256", &[]).await.body() == "the site's own" {}
        assert_eq!(site.get("/big.iso.sha256", &[]).await.status(), StatusCode::OK);
        fs::write(files.path().join("big.iso.sha256"), "the site's own").unwrap();
    }
}

#[tokio::test]
async fn the_head_of_an_answer_agrees_with_the_answer() {
    let files = tempfile::tempdir().unwrap();
    fs::write(files.path().join("big.iso"), content(0, LENGTH)).unwrap();
    let site = Site::serve(files.path(), |config| config.site.suffixes = true).await;
    ready(&site, "/big.iso").await;
    for path in FORMS.iter().flat_map(|form| [below(form, "/big.iso"), format!("/big.iso.{form}")])
    {
        let got = site.get(&path, &[]).await;
        let head = site.ask("HEAD", &path, &[]).await;
        assert_eq!(head.status(), StatusCode::OK, "{path}");
        assert!(head.body().is_empty(), "{path}");
        for name in ["content-type", "content-length", "content-disposition", "etag", "repr-digest"]
        {
            assert_eq!(head.headers()[name], got.headers()[name], "{path} {name}");
        }
        assert_eq!(got.headers()["content-length"], got.body().len().to_string());
        assert_eq!(got.headers()["x-content-type-options"], "nosniff", "{path}");
        let etag = got.headers()["etag"].to_str().unwrap();
        for method in ["GET", "HEAD"] {
            let again = site.ask(method, &path, &[("if-none-match", etag)]).await;
            assert_eq!(again.status(), StatusCode::NOT_MODIFIED, "{path}");
            assert_eq!(again.headers()["etag"], etag, "{path}");
            assert!(again.body().is_empty(), "{path}");
        }
        let other = site.get(&path, &[("if-none-match", "\"other\"")]).await;
        assert_eq!(other.status(), StatusCode::OK, "{path}");
    }
    for (form, content_type, disposition) in [
        ("torrent", "application/x-bittorrent", "attachment; filename=\"big.iso.torrent\""),
        ("magnet", "text/plain; charset=utf-8", "inline; filename=\"big.iso.magnet\""),
        ("meta4", "application/metalink4+xml", "attachment; filename=\"big.iso.meta4\""),
        ("sha256", "text/plain; charset=utf-8", "inline; filename=\"big.iso.sha256\""),
    ] {
        let got = site.get(&below(form, "/big.iso"), &[]).await;
        assert_eq!(got.headers()["content-type"], content_type);
        assert_eq!(got.headers()["content-disposition"], disposition);
    }
}

/// `sha256sum -c FILE`, in a directory.
fn check(directory: &Path, file: &str) -> bool {
    let mut command = Command::new("sha256sum");
    command.args(["--check", "--strict", file]).current_dir(directory);
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success()
}

#[tokio::test]
async fn coreutils_checks_a_file_by_its_saved_checksum() {
    let files = tempfile::tempdir().unwrap();
    let names =
        ["plain.iso", "a b.iso", "ä日本.iso", "it's \"quoted\" 100% & <b>.iso", "-.iso", "*.iso"];
    for (version, name) in names.iter().enumerate() {
        fs::write(files.path().join(name), content(version as u8, LENGTH)).unwrap();
    }
    let site = Site::serve(files.path(), |_| {}).await;
    let saved = tempfile::tempdir().unwrap();
    for name in names {
        let path: String = name.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let path = format!("/{path}");
        let file = site.get(&path, &[]).await;
        site.manifest(&path).await.unwrap();
        let line = site.get(&below("sha256", &path), &[]).await;
        fs::write(saved.path().join(name), file.body()).unwrap();
        fs::write(saved.path().join("sums"), line.body()).unwrap();
        assert!(check(saved.path(), "sums"), "{name}: {line:?}");
        fs::write(saved.path().join(name), "other").unwrap();
        assert!(!check(saved.path(), "sums"), "{name}");
    }
}
