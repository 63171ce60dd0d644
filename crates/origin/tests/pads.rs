//! Pad files of hybrid torrents: zeros that lie on no disk, and nothing else below a dot name.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod common;

use common::{get, head, open};

fn site() -> tempfile::TempDir {
    let site = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(site.path().join("album/disc 1")).unwrap();
    std::fs::create_dir_all(site.path().join(".hidden")).unwrap();
    std::fs::create_dir_all(site.path().join("real/.pad")).unwrap();
    std::fs::write(site.path().join("real/.pad/5"), "SECRET").unwrap();
    std::fs::write(site.path().join("real/.pad/notes"), "SECRET").unwrap();
    std::fs::write(site.path().join("file"), "x").unwrap();
    std::os::unix::fs::symlink("album", site.path().join("inside")).unwrap();
    std::os::unix::fs::symlink("/tmp", site.path().join("outside")).unwrap();
    site
}

#[tokio::test]
async fn a_pad_is_so_many_zeros_with_ranges_and_conditions() {
    let site = site();
    let root = open(site.path());
    for (path, length) in [
        ("/.pad/1", 1),
        ("/album/.pad/262143", 262_143),
        ("/album/disc%201/.pad/65536", 65_536),
        ("/inside/.pad/7", 7),
        ("/real/.pad/5", 5),
        ("/album/.pad/16777216", 16_777_216),
    ] {
        let answer = get(&root, path, &[]).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.header("content-length"), Some(&*length.to_string()));
        assert_eq!(answer.header("content-type"), Some("application/octet-stream"));
        assert_eq!(answer.header("cache-control"), Some("no-transform"));
        assert!(answer.body.len() == length && answer.body.iter().all(|&byte| byte == 0), "{path}");
        assert!(answer.local.is_none(), "there is no file to hash");
        let tag = answer.header("etag").unwrap();
        assert!(tag.starts_with('"'), "{tag} is strong");
        let again = get(&root, path, &[("if-none-match", tag)]).await;
        assert_eq!((again.status.as_u16(), again.body.len()), (304, 0));
        let told = head(&root, path, &[]).await;
        assert_eq!(told.header("content-length"), Some(&*length.to_string()));
        assert!(told.body.is_empty());
    }
    let part = [("range", "bytes=100000-199999"), ("if-range", "\"pad-262143\"")];
    let answer = get(&root, "/album/.pad/262143", &part).await;
    assert_eq!(answer.status, 206);
    assert_eq!(answer.header("content-range"), Some("bytes 100000-199999/262143"));
    assert!(answer.body.len() == 100_000 && answer.body.iter().all(|&byte| byte == 0));
    let answer = get(&root, "/album/.pad/9", &[("range", "bytes=9-")]).await;
    assert_eq!((answer.status.as_u16(), answer.header("content-range")), (416, Some("bytes */9")));
}

#[tokio::test]
async fn all_else_below_a_dot_name_stays_hidden() {
    let site = site();
    let root = open(site.path());
    for path in [
        "/.pad",
        "/.pad/",
        "/.pad/0",
        "/.pad/01",
        "/.pad/16777217",
        "/.pad/5/",
        "/.pad/5/.pad",
        "/.pad/.pad/5",
        "/.hidden/.pad/5",
        "/nowhere/.pad/5",
        "/file/.pad/5",
        "/outside/.pad/5",
        "/real/.pad/notes",
        "/real/.pad/",
        "/real/.pad",
    ] {
        assert_eq!(get(&root, path, &[]).await.status, 404, "{path}");
    }
}
