//! The walk lists exactly what a visitor could get, and no more than it may look at.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod common;

use std::os::unix::fs::symlink;

use common::{get, open};
use manyhands_origin::{StaticOptions, StaticRoot};

fn site() -> tempfile::TempDir {
    let site = tempfile::tempdir().unwrap();
    let at = |path: &str| site.path().join(path);
    for directory in ["a/b", ".git", ".well-known", "z"] {
        std::fs::create_dir_all(at(directory)).unwrap();
    }
    for file in [
        "index.html",
        "a/x.zip",
        "a/b/100%.txt",
        "a/b/what?#.txt",
        "a/b/\u{e9}.txt",
        ".env",
        ".git/config",
        ".well-known/security.txt",
        "z/y.mp4",
        "back\\slash",
        "a/[1] x.bin",
    ] {
        std::fs::write(at(file), file).unwrap();
    }
    symlink("a/x.zip", at("link.zip")).unwrap();
    symlink("..", at("a/circle")).unwrap();
    symlink("/etc/passwd", at("escape.txt")).unwrap();
    symlink("nowhere", at("dangling.txt")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, at("pipe"), rustix::fs::Mode::from_raw_mode(0o600))
        .unwrap();
    site
}

#[tokio::test]
async fn what_is_listed_is_what_is_served() {
    let site = site();
    let root = open(site.path());
    let entries: Vec<_> = root.walk(1_000).collect();
    let paths: Vec<_> = entries.iter().map(|entry| entry.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "/index.html",
            "/link.zip",
            "/.well-known/security.txt",
            "/a/%5B1%5D%20x.bin",
            "/a/x.zip",
            "/a/b/%C3%A9.txt",
            "/a/b/100%25.txt",
            "/a/b/what%3F%23.txt",
            "/z/y.mp4",
        ]
    );
    for entry in entries {
        let answer = get(&root, entry.path.as_str(), &[]).await;
        assert_eq!(answer.status, 200, "{}", entry.path);
        assert_eq!(answer.header("etag"), entry.etag.as_deref());
        assert_eq!(answer.header("content-type"), Some(&*entry.content_type));
        assert_eq!(answer.local, Some(entry.file));
    }
}

#[test]
fn the_walk_is_bounded() {
    let site = site();
    let root = open(site.path());
    assert_eq!(root.walk(0).count(), 0);
    assert!(root.walk(3).count() <= 3);
    let deep = site.path().join("deep/".repeat(80));
    std::fs::create_dir_all(&deep).unwrap();
    std::fs::write(deep.join("file"), "deep").unwrap();
    assert!(root.walk(10_000).all(|entry| !entry.path.as_str().ends_with("/file")));
}

#[test]
fn a_young_file_is_listed_without_a_tag() {
    let site = site();
    let root = StaticRoot::open(site.path(), StaticOptions::default()).unwrap();
    std::fs::write(site.path().join("a/x.zip"), "young").unwrap();
    let young = root.walk(1_000).find(|entry| entry.path.as_str() == "/a/x.zip").unwrap();
    assert_eq!(young.etag, None);
    assert_eq!(young.file.identity.size, 5);
}
