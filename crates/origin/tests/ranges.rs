//! A range of a file is the slice of the same numbers.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod common;

use common::{get, head, open, pattern};
use proptest::prelude::*;

#[tokio::test]
async fn ranges_at_the_edges() {
    let site = tempfile::tempdir().unwrap();
    let data = pattern(300_000);
    std::fs::write(site.path().join("f.bin"), &data).unwrap();
    let root = open(site.path());
    for (range, start, end) in [
        ("bytes=0-0", 0, 1),
        ("bytes=0-", 0, 300_000),
        ("bytes=65535-65536", 65_535, 65_537),
        ("bytes=65536-131071", 65_536, 131_072),
        ("bytes=299999-", 299_999, 300_000),
        ("bytes=-1", 299_999, 300_000),
        ("bytes=-999999", 0, 300_000),
        ("bytes=100000-999999", 100_000, 300_000),
    ] {
        let answer = get(&root, "/f.bin", &[("range", range)]).await;
        assert_eq!(answer.status, 206, "{range}");
        let expected = format!("bytes {}-{}/300000", start, end - 1);
        assert_eq!(answer.header("content-range"), Some(&*expected));
        assert_eq!(answer.header("content-length"), Some(&*(end - start).to_string()));
        assert_eq!(answer.header("accept-ranges"), Some("bytes"));
        assert!(answer.body == data[start..end], "{range}");
        assert!(answer.local.is_some() && answer.header("etag").is_some());
    }
    for range in ["bytes=300000-", "bytes=300000-300001", "bytes=-0"] {
        let answer = get(&root, "/f.bin", &[("range", range)]).await;
        assert_eq!(answer.status, 416, "{range}");
        assert_eq!(answer.header("content-range"), Some("bytes */300000"));
    }
    for range in ["bytes=0-1,5-6", "bytes=5-1", "lines=1-2", "bytes=x"] {
        let answer = get(&root, "/f.bin", &[("range", range)]).await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("content-range")),
            (200, None),
            "{range}"
        );
        assert!(answer.body == data, "{range}");
    }
    let twice = get(&root, "/f.bin", &[("range", "bytes=0-1"), ("range", "bytes=2-3")]).await;
    assert_eq!(twice.status, 200);
    let told = head(&root, "/f.bin", &[("range", "bytes=0-1")]).await;
    assert_eq!((told.status.as_u16(), told.header("content-length")), (200, Some("300000")));
}

#[test]
fn any_range_of_any_file_is_its_slice() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let site = tempfile::tempdir().unwrap();
    let data = pattern(200_000);
    let root = open(site.path());
    let config = ProptestConfig { cases: 300, ..ProptestConfig::default() };
    let sizes = prop_oneof![0_usize..5, 65_530_usize..65_545, 0_usize..200_000];
    proptest!(config, |(size in sizes, first in 0_usize..210_000, extra in 0_usize..140_000)| {
        let name = format!("{size}.bin");
        let file = site.path().join(&name);
        if !file.exists() {
            std::fs::write(&file, &data[..size]).unwrap();
        }
        let range = format!("bytes={first}-{}", first + extra);
        let answer = runtime.block_on(get(&root, &format!("/{name}"), &[("range", &range)]));
        match data[..size].get(first..size.min(first + extra + 1)) {
            Some(slice) if !slice.is_empty() => {
                prop_assert_eq!(answer.status.as_u16(), 206);
                prop_assert!(answer.body == slice);
                let told = format!("bytes {first}-{}/{size}", first + slice.len() - 1);
                prop_assert_eq!(answer.header("content-range"), Some(&*told));
            }
            _ => prop_assert_eq!(answer.status.as_u16(), 416),
        }
    });
}
