//! Methods, content types, directories, validators, conditions: what a request gets.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod common;

use std::time::{Duration, SystemTime};

use common::{get, head, open, options, start};
use http::{HeaderValue, Method};
use manyhands_origin::{OpenError, StaticOptions, StaticRoot};

fn site() -> tempfile::TempDir {
    let site = tempfile::tempdir().unwrap();
    let at = |path: &str| site.path().join(path);
    std::fs::create_dir_all(at("docs/deep er")).unwrap();
    std::fs::create_dir_all(at("empty")).unwrap();
    std::fs::create_dir_all(at("index.html-dir/index.html")).unwrap();
    std::fs::create_dir_all(at(".well-known/.x")).unwrap();
    std::fs::create_dir_all(at(".git")).unwrap();
    for (path, text) in [
        ("index.html", "<h1>home</h1>"),
        ("docs/index.html", "<h1>docs</h1>"),
        ("docs/deep er/a b.txt", "spaced"),
        ("docs/\u{e9}t\u{e9}.txt", "summer"),
        ("docs/100%.txt", "percent"),
        ("docs/a:b.txt", "colon"),
        ("file.zip", "zip"),
        ("wiki.zim", "zim"),
        ("none", ""),
        (".well-known/security.txt", "contact"),
        (".well-known/.x/y", "hidden"),
        (".git/config", "hidden"),
        (".env", "hidden"),
        ("docs/.hidden", "hidden"),
    ] {
        std::fs::write(at(path), text).unwrap();
    }
    site
}

#[tokio::test]
async fn files_and_their_headers() {
    let site = site();
    let root = open(site.path());
    let answer = get(&root, "/file.zip", &[]).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.text(), "zip");
    assert_eq!(answer.header("content-type"), Some("application/zip"));
    assert_eq!(answer.header("content-length"), Some("3"));
    assert_eq!(answer.header("accept-ranges"), Some("bytes"));
    assert_eq!(answer.header("cache-control"), Some("no-transform"));
    let tag = answer.header("etag").unwrap();
    assert!(tag.starts_with('"') && tag.ends_with('"') && tag.len() > 20, "{tag}");
    let modified = httpdate::parse_http_date(answer.header("last-modified").unwrap()).unwrap();
    let age = SystemTime::now().duration_since(modified).unwrap();
    assert!(age < Duration::from_secs(60), "{age:?}");

    let local = answer.local.unwrap();
    assert_eq!(local.path, site.path().canonicalize().unwrap().join("file.zip"));
    assert_eq!(local.identity.size, 3);

    assert_eq!(get(&root, "/file.zip?a=b", &[]).await.text(), "zip");
    assert_eq!(
        get(&root, "/wiki.zim", &[]).await.header("content-type"),
        Some("application/x-zim")
    );
    let empty = get(&root, "/none", &[]).await;
    assert_eq!((empty.status.as_u16(), empty.header("content-length")), (200, Some("0")));
}

#[tokio::test]
async fn head_is_get_without_the_bytes() {
    let site = site();
    let root = open(site.path());
    for path in ["/", "/file.zip", "/docs", "/missing", "/none", "/docs/"] {
        for headers in [&[][..], &[("if-match", "\"x\"")], &[("if-none-match", "*")]] {
            let whole = get(&root, path, headers).await;
            let short = head(&root, path, headers).await;
            assert_eq!(short.status, whole.status, "{path}");
            assert_eq!(short.headers, whole.headers, "{path}");
            assert_eq!(short.local, whole.local, "{path}");
            assert!(short.body.is_empty(), "{path}");
        }
    }
}

#[tokio::test]
async fn other_methods_are_refused_with_the_allowed_ones() {
    let site = site();
    let root = open(site.path());
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT", "BREW", "get"] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let uri = if method == Method::CONNECT { "example.org:443" } else { "/file.zip" };
        let response = start(&root, method.clone(), uri, &[]).await;
        assert_eq!(response.status(), 405, "{method}");
        assert_eq!(response.headers()["allow"], "GET, HEAD");
    }
}

#[tokio::test]
async fn directories_answer_with_their_index_or_send_to_their_slash() {
    let site = site();
    let root = open(site.path());
    let home = get(&root, "/", &[]).await;
    assert_eq!(home.text(), "<h1>home</h1>");
    assert_eq!(home.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(home.header("cache-control"), None);
    assert!(home.local.unwrap().path.ends_with("index.html"));
    assert_eq!(get(&root, "/docs/", &[]).await.text(), "<h1>docs</h1>");

    for (path, location) in [
        ("/docs", "./docs/"),
        ("/docs?q=1&r=/x", "./docs/?q=1&r=/x"),
        ("/docs/deep%20er", "./deep%20er/"),
        ("/docs/../docs", "./docs/"),
        ("/%64ocs", "./docs/"),
    ] {
        let answer = get(&root, path, &[]).await;
        assert_eq!(answer.status, 301, "{path}");
        assert_eq!(answer.header("location"), Some(location), "{path}");
    }
    for path in ["/empty/", "/file.zip/", "/index.html-dir/", "/docs/deep%20er/"] {
        assert_eq!(get(&root, path, &[]).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn names_with_spaces_accents_and_percent_signs() {
    let site = site();
    let root = open(site.path());
    for (path, text) in [
        ("/docs/deep%20er/a%20b.txt", "spaced"),
        ("/docs/%C3%A9t%C3%A9.txt", "summer"),
        ("/docs/%c3%a9t%c3%a9.txt", "summer"),
        ("/docs/100%25.txt", "percent"),
        ("/docs/a:b.txt", "colon"),
        ("/docs/a%3Ab.txt", "colon"),
    ] {
        assert_eq!(get(&root, path, &[]).await.text(), text, "{path}");
    }
}

#[tokio::test]
async fn dotted_names_are_hidden_except_well_known() {
    let site = site();
    let root = open(site.path());
    assert_eq!(get(&root, "/.well-known/security.txt", &[]).await.text(), "contact");
    for path in [
        "/.env",
        "/%2eenv",
        "/.git/config",
        "/.git",
        "/.git/",
        "/docs/.hidden",
        "/.well-known/.x/y",
        "/docs/.well-known/x",
    ] {
        let answer = get(&root, path, &[]).await;
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(answer.text(), "404 Not Found\n", "{path}");
    }
}

#[tokio::test]
async fn a_root_may_bring_its_own_not_found_page() {
    let site = site();
    std::fs::write(site.path().join("404.html"), "<h1>lost</h1>").unwrap();
    let root = open(site.path());
    let answer = get(&root, "/missing", &[("range", "bytes=0-1"), ("if-none-match", "*")]).await;
    assert_eq!(answer.status, 404);
    assert_eq!(answer.text(), "<h1>lost</h1>");
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!((answer.header("etag"), answer.header("accept-ranges")), (None, None));
    assert!(answer.local.is_none());
    assert_eq!(get(&root, "/404.html", &[]).await.status, 200);
}

#[tokio::test]
async fn conditions() {
    let site = site();
    let root = open(site.path());
    let first = get(&root, "/file.zip", &[]).await;
    let tag = first.header("etag").unwrap();
    let modified = first.header("last-modified").unwrap();

    for condition in [("if-none-match", tag), ("if-modified-since", modified)] {
        let answer = get(&root, "/file.zip", &[condition, ("range", "bytes=0-0")]).await;
        assert_eq!(answer.status, 304, "{condition:?}");
        assert!(answer.body.is_empty());
        assert_eq!(answer.header("etag"), Some(tag));
        assert_eq!(answer.header("content-length"), None);
        assert!(answer.local.is_some());
    }
    let failed = get(&root, "/file.zip", &[("if-match", "\"other\"")]).await;
    assert_eq!((failed.status.as_u16(), failed.local.is_some()), (412, false));

    let range = ("range", "bytes=1-1");
    for (if_range, status) in
        [(tag, 206), (modified, 206), ("\"other\"", 200), ("Sun, 06 Nov 1994 08:49:37 GMT", 200)]
    {
        let answer = get(&root, "/file.zip", &[range, ("if-range", if_range)]).await;
        assert_eq!(answer.status, status, "{if_range}");
    }
    assert_eq!(get(&root, "/file.zip", &[range, ("if-match", tag)]).await.text(), "i");
}

#[tokio::test]
async fn a_young_file_is_only_weakly_identified() {
    let site = site();
    let file = site.path().join("young.zip");
    std::fs::write(&file, "young").unwrap();
    let root = StaticRoot::open(site.path(), StaticOptions::default()).unwrap();
    let young = get(&root, "/young.zip", &[]).await;
    assert_eq!((young.status.as_u16(), young.text()), (200, "young"));
    let weak = young.header("etag").unwrap();
    assert!(weak.starts_with("W/\""), "{weak}");
    assert!(young.local.is_none());

    // The same version, seen when it is old enough, is another tag altogether.
    let later = get(&open(site.path()), "/young.zip", &[("if-none-match", weak)]).await;
    assert_eq!(later.status, 200);
    let strong = later.header("etag").unwrap();
    assert!(strong.starts_with('"') && !weak.contains(strong), "{strong} {weak}");
}

#[tokio::test]
async fn a_date_in_the_future_is_not_told() {
    let site = site();
    let file = std::fs::File::options().write(true).open(site.path().join("file.zip")).unwrap();
    file.set_modified(SystemTime::now() + Duration::from_secs(86_400)).unwrap();
    let answer = get(&open(site.path()), "/file.zip", &[]).await;
    assert_eq!((answer.status.as_u16(), answer.header("last-modified")), (200, None));
}

#[tokio::test]
async fn cache_control_as_configured() {
    let site = site();
    let value = HeaderValue::from_static("max-age=60");
    let root = StaticRoot::open(site.path(), options().with_cache_control(Some(value))).unwrap();
    let header = async |path| get(&root, path, &[]).await.header("cache-control").map(String::from);
    assert_eq!(header("/").await.unwrap(), "max-age=60");
    assert_eq!(header("/file.zip").await.unwrap(), "max-age=60, no-transform");
    assert_eq!(header("/missing").await, None);
}

#[tokio::test]
async fn text_is_declared_utf8_unless_told_not_to() {
    let site = site();
    let root = StaticRoot::open(site.path(), options().with_utf8(false)).unwrap();
    assert_eq!(get(&root, "/", &[]).await.header("content-type"), Some("text/html"));
}

#[test]
fn a_root_that_is_none_says_so() {
    let site = site();
    let error =
        StaticRoot::open(&site.path().join("nowhere"), StaticOptions::default()).unwrap_err();
    assert!(matches!(error, OpenError::Refused { .. }));
    assert!(error.to_string().contains("nowhere"), "{error}");
    let error =
        StaticRoot::open(&site.path().join("file.zip"), StaticOptions::default()).unwrap_err();
    assert!(error.to_string().ends_with("file.zip` is not a directory"), "{error}");
}
