//! A file that changes: whole old, whole new or an error, never a mixture with a clean end.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod common;

use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use common::{finish, get, open, start};
use http::Method;
use http_body_util::BodyExt;
use manyhands_origin::{BodyError, StaticOptions, StaticRoot};

const LENGTH: usize = 400_000;

/// Overwrites in place, again while the clock of the file system has not moved.
fn overwrite(path: &Path, byte: u8) {
    let stamp = |path: &Path| {
        let metadata = path.metadata().unwrap();
        (metadata.mtime(), metadata.mtime_nsec())
    };
    let before = stamp(path);
    let mut file = std::fs::File::options().write(true).open(path).unwrap();
    while stamp(path) == before {
        file.seek(SeekFrom::Start(0)).unwrap();
        file.write_all(&vec![byte; LENGTH]).unwrap();
    }
}

/// Dates the file back, so that any write moves its date, however coarse the clock.
fn age(file: &Path) {
    let hour_ago = SystemTime::now() - Duration::from_secs(3600);
    std::fs::File::options().write(true).open(file).unwrap().set_modified(hour_ago).unwrap();
}

fn site() -> (tempfile::TempDir, std::path::PathBuf, StaticRoot) {
    let site = tempfile::tempdir().unwrap();
    let file = site.path().join("f.bin");
    std::fs::write(&file, vec![b'a'; LENGTH]).unwrap();
    age(&file);
    let root = open(site.path());
    (site, file, root)
}

#[tokio::test]
async fn an_overwrite_under_way_aborts_the_body() {
    let (_site, file, root) = site();
    let mut response = start(&root, Method::GET, "/f.bin", &[]).await;
    let first = response.body_mut().frame().await.unwrap().unwrap();
    assert!(first.data_ref().unwrap().iter().all(|&byte| byte == b'a'));
    overwrite(&file, b'b');
    let error = finish(response).await.unwrap_err();
    assert!(matches!(error, BodyError::Changed), "{error}");

    let fresh = get(&root, "/f.bin", &[]).await;
    assert!(fresh.body == vec![b'b'; LENGTH]);
}

#[tokio::test]
async fn a_version_is_known_by_its_tag() {
    let (_site, file, root) = site();
    let old = get(&root, "/f.bin", &[]).await;
    let tag = old.header("etag").unwrap();
    overwrite(&file, b'b');
    let range = ("range", "bytes=0-9");
    assert_eq!(get(&root, "/f.bin", &[range, ("if-match", tag)]).await.status, 412);
    let whole = get(&root, "/f.bin", &[range, ("if-range", tag)]).await;
    assert_eq!((whole.status.as_u16(), whole.body.len()), (200, LENGTH));
    assert_ne!(whole.header("etag"), Some(tag));
    assert_ne!(whole.local.unwrap().identity, old.local.unwrap().identity);
}

#[tokio::test]
async fn restoring_size_and_date_does_not_hide_a_change() {
    let (_site, file, root) = site();
    let old = get(&root, "/f.bin", &[]).await;
    let mut response = start(&root, Method::GET, "/f.bin", &[]).await;
    response.body_mut().frame().await.unwrap().unwrap();
    let modified = file.metadata().unwrap().modified().unwrap();
    overwrite(&file, b'b');
    std::fs::File::options().write(true).open(&file).unwrap().set_modified(modified).unwrap();
    assert!(finish(response).await.is_err());
    let new = get(&root, "/f.bin", &[]).await;
    assert_eq!(new.header("last-modified"), old.header("last-modified"));
    assert_ne!(new.header("etag"), old.header("etag"));
}

#[tokio::test]
async fn truncation_and_growth_abort_the_body() {
    for length in [0, 10, 65_536, LENGTH as u64 - 1, LENGTH as u64 + 1] {
        let (_site, file, root) = site();
        let mut response = start(&root, Method::GET, "/f.bin", &[]).await;
        response.body_mut().frame().await.unwrap().unwrap();
        std::fs::File::options().write(true).open(&file).unwrap().set_len(length).unwrap();
        assert!(finish(response).await.is_err(), "{length}");
        assert_eq!(get(&root, "/f.bin", &[]).await.body.len() as u64, length);
    }
}

#[tokio::test]
async fn a_file_replaced_or_removed_is_still_sent_whole() {
    let (site, file, root) = site();
    let mut replaced = start(&root, Method::GET, "/f.bin", &[]).await;
    replaced.body_mut().frame().await.unwrap().unwrap();
    let new = site.path().join("new");
    std::fs::write(&new, vec![b'b'; LENGTH]).unwrap();
    std::fs::rename(&new, &file).unwrap();
    let rest = finish(replaced).await.unwrap();
    assert!(rest.body.iter().all(|&byte| byte == b'a'));

    let mut removed = start(&root, Method::GET, "/f.bin", &[]).await;
    let first = removed.body_mut().frame().await.unwrap().unwrap();
    assert!(first.data_ref().unwrap().iter().all(|&byte| byte == b'b'), "the new one at once");
    std::fs::remove_file(&file).unwrap();
    let rest = finish(removed).await.unwrap();
    assert_eq!(rest.body.len() + first.data_ref().unwrap().len(), LENGTH);
    assert_eq!(get(&root, "/f.bin", &[]).await.status, 404);
}

#[tokio::test]
async fn a_link_that_is_switched_shows_after_the_interval() {
    let (site, _, _) = site();
    std::fs::create_dir(site.path().join("v1")).unwrap();
    std::fs::create_dir(site.path().join("v2")).unwrap();
    std::fs::write(site.path().join("v1/f"), "one").unwrap();
    std::fs::write(site.path().join("v2/f"), "two").unwrap();
    let switch = |to: &str| {
        let new = site.path().join("new");
        std::os::unix::fs::symlink(to, &new).unwrap();
        std::fs::rename(&new, site.path().join("current")).unwrap();
    };
    for (interval, seen) in [(Duration::ZERO, "two"), (Duration::MAX, "one")] {
        let options = common::options().with_revalidate(interval);
        let root = StaticRoot::open(site.path(), options).unwrap();
        switch("v1");
        assert_eq!(get(&root, "/current/f", &[]).await.text(), "one");
        switch("v2");
        assert_eq!(get(&root, "/current/f", &[]).await.text(), seen);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn never_a_mixture_when_a_writer_starts_at_any_moment() {
    let (_site, file, root) = site();
    let (mut aborted, mut whole) = (0, 0);
    for _ in 0..60 {
        std::fs::write(&file, vec![b'a'; LENGTH]).unwrap();
        age(&file);
        let mut response = start(&root, Method::GET, "/f.bin", &[]).await;
        response.body_mut().frame().await.unwrap().unwrap();
        let at = file.clone();
        let writer = tokio::task::spawn_blocking(move || overwrite(&at, b'b'));
        match finish(response).await {
            Ok(rest) => {
                assert!(rest.body.iter().all(|&byte| byte == b'a'), "a mixture");
                whole += 1;
            }
            Err(error) => {
                assert!(matches!(error, BodyError::Changed), "{error}");
                aborted += 1;
            }
        }
        writer.await.unwrap();
    }
    assert_eq!(aborted + whole, 60);
}

#[tokio::test]
async fn a_file_in_the_middle_of_a_write_is_not_served() {
    static NOW: AtomicI64 = AtomicI64::new(0);
    fn now() -> SystemTime {
        let nanoseconds = NOW.load(Ordering::Relaxed).try_into().unwrap();
        SystemTime::UNIX_EPOCH + Duration::from_nanos(nanoseconds)
    }
    let (site, file, _) = site();
    let metadata = file.metadata().unwrap();
    let changed = metadata.ctime() * 1_000_000_000 + metadata.ctime_nsec();
    let root = StaticRoot::open(site.path(), StaticOptions::default().with_clock(now)).unwrap();
    for (milliseconds, status) in [(0, 503), (19, 503), (20, 200), (5_000, 200)] {
        NOW.store(changed + milliseconds * 1_000_000, Ordering::Relaxed);
        let answer = get(&root, "/f.bin", &[]).await;
        assert_eq!(answer.status, status, "{milliseconds}");
        assert_eq!(answer.header("retry-after").is_some(), status == 503);
    }
}

#[tokio::test]
async fn a_clock_that_was_set_back_keeps_nothing_from_being_served() {
    fn long_ago() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000)
    }
    let (site, _, _) = site();
    let root =
        StaticRoot::open(site.path(), StaticOptions::default().with_clock(long_ago)).unwrap();
    let answer = get(&root, "/f.bin", &[]).await;
    assert_eq!((answer.status.as_u16(), answer.local.is_some()), (200, false));
    assert!(answer.header("etag").unwrap().starts_with("W/"));
}
