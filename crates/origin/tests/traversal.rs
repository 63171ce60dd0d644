//! Whatever a path says, nothing outside the root comes out, and nothing hangs.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod common;

use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use common::{get, open, start};
use http::{Method, Uri};
use http_body_util::BodyExt;

const SECRET: &str = "SECRET";

fn farm() -> tempfile::TempDir {
    let top = tempfile::tempdir().unwrap();
    let root = top.path().join("www");
    std::fs::create_dir_all(root.join("a/b/c")).unwrap();
    std::fs::create_dir_all(root.join(".hidden")).unwrap();
    std::fs::create_dir_all(top.path().join("www-other")).unwrap();
    for secret in ["secret.txt", "www-other/secret.txt", "www/.hidden/secret.txt", "www/.secret"] {
        std::fs::write(top.path().join(secret), SECRET).unwrap();
    }
    std::fs::write(root.join("a/b/c/public.txt"), "public").unwrap();
    std::fs::write(root.join("public.txt"), "public").unwrap();
    let link = |target: &Path, name: &str| symlink(target, root.join(name)).unwrap();
    link(Path::new("a/b/c/public.txt"), "inside");
    link(Path::new("a"), "inside-dir");
    link(Path::new("../secret.txt"), "outside");
    link(Path::new(".."), "outside-dir");
    link(Path::new("../www-other"), "sibling");
    link(&top.path().join("secret.txt"), "absolute");
    link(Path::new("/"), "slash");
    link(Path::new("/etc"), "etc");
    link(Path::new("/proc/self/root"), "proc-root");
    link(Path::new("/proc/self/fd"), "proc-fd");
    link(Path::new("/proc/self/cwd"), "proc-cwd");
    link(Path::new("/dev/zero"), "zero");
    link(Path::new("/dev/stdin"), "stdin");
    link(Path::new("loop"), "loop");
    link(Path::new("outside"), "chain");
    link(Path::new("../../../../../../../../etc/passwd"), "a/b/up");
    top
}

/// Ways to write "up", "slash", "dot" and "end" that servers have been fooled by.
fn attacks() -> Vec<String> {
    let ups = [
        "..",
        "%2e%2e",
        ".%2e",
        "%2e.",
        "%2E%2E",
        "%252e%252e",
        "%25252e%25252e",
        "%c0%ae%c0%ae",
        "%e0%80%ae%e0%80%ae",
        "%f0%80%80%ae%f0%80%80%ae",
        "%u002e%u002e",
        "..%00",
        "%00..",
        "...",
        "....",
        "..;",
        "..%09",
        "..%20",
        "%20..",
        "..%0d%0a",
        ". .",
        ".%00.",
        "..%5c",
        "..\u{2215}",
        "%uff0e%uff0e",
        "..%01",
        "%ef%bc%8e%ef%bc%8e",
        ".\\.",
        "..\\",
    ];
    let slashes = [
        "/",
        "%2f",
        "%2F",
        "%252f",
        "%5c",
        "%255c",
        "//",
        "/./",
        "%c0%af",
        "%e0%80%af",
        "%ef%bc%8f",
        "\\",
        "%u2215",
        "/%00/",
    ];
    let mut attacks = Vec::new();
    for up in ups {
        for slash in slashes {
            for target in ["secret.txt", "etc/passwd"] {
                attacks.push(format!("/{up}{slash}{target}"));
                attacks.push(format!("/a/b/{}{target}", format!("{up}{slash}").repeat(6)));
            }
        }
    }
    for name in [
        "outside",
        "outside-dir/secret.txt",
        "outside-dir",
        "outside-dir/",
        "sibling/secret.txt",
        "sibling/",
        "absolute",
        "slash/etc/passwd",
        "slash/",
        "etc/passwd",
        "etc/hostname",
        "proc-root/etc/passwd",
        "proc-fd/0",
        "proc-fd/3",
        "proc-cwd/Cargo.toml",
        "zero",
        "stdin",
        "loop",
        "loop/loop",
        "chain",
        "a/b/up",
        "inside-dir/b/up",
        ".hidden/secret.txt",
        ".secret",
        "%2esecret",
        "a/../.secret",
        "a/..%2f.secret",
        "inside-dir/../../secret.txt",
        "outside-dir/www/public.txt",
        "outside-dir/www/.secret",
        "public.txt%00",
        "public.txt%00.html",
        "public.txt/",
        "public.txt/..",
        "public.txt/../public.txt/x",
        "public.txt::$DATA",
        "public.txt.",
        "con",
        "nul",
        "C:/secret.txt",
        "c%3a/secret.txt",
        "~root",
        "file:///etc/passwd",
    ] {
        attacks.push(format!("/{name}"));
    }
    attacks.push("/etc/passwd".into());
    attacks.push("//etc/passwd".into());
    attacks.push("///etc/passwd".into());
    attacks.push(format!("/{}secret.txt", "../".repeat(200)));
    attacks.push(format!("/{}", "a/".repeat(1000)));
    attacks.push(format!("/{}", "x".repeat(5000)));
    attacks.push(format!("/{}public.txt", "a/../".repeat(300)));
    attacks
}

#[tokio::test]
async fn nothing_outside_the_root_comes_out() {
    let top = farm();
    let root = open(&top.path().join("www"));
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let (mut tried, mut unparsed) = (0, 0);
    for attack in attacks() {
        let Ok(uri) = attack.parse::<Uri>() else {
            unparsed += 1;
            continue;
        };
        tried += 1;
        let answer = get(&root, &uri.to_string(), &[]).await;
        let body = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(!body.contains(SECRET), "{attack}");
        assert!(passwd.is_empty() || !body.contains(&passwd), "{attack}");
        match answer.status.as_u16() {
            200 => assert_eq!(body, "public", "{attack}"),
            301 => assert!(answer.header("location").unwrap().starts_with("./"), "{attack}"),
            status => assert!([400, 404].contains(&status), "{attack} {status}"),
        }
    }
    assert!(tried >= 200, "{tried} tried, {unparsed} no URI");
}

#[tokio::test]
async fn links_within_the_root_work() {
    let top = farm();
    let root = open(&top.path().join("www"));
    for path in ["/inside", "/inside-dir/b/c/public.txt", "/a/b/../../public.txt"] {
        assert_eq!(get(&root, path, &[]).await.text(), "public", "{path}");
    }
}

#[tokio::test]
async fn fifos_sockets_and_devices_are_not_found_at_once() {
    let top = farm();
    let www = top.path().join("www");
    let mode = rustix::fs::Mode::from_raw_mode(0o666);
    rustix::fs::mkfifoat(rustix::fs::CWD, www.join("pipe"), mode).unwrap();
    std::fs::create_dir(www.join("d")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, www.join("d/index.html"), mode).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(www.join("socket")).unwrap();
    let root = open(&www);
    for path in ["/pipe", "/d/", "/socket", "/zero", "/stdin"] {
        let answer = tokio::time::timeout(Duration::from_secs(10), get(&root, path, &[])).await;
        assert_eq!(answer.expect("hangs").status, 404, "{path}");
    }
}

#[tokio::test]
async fn a_directory_swapped_for_a_link_under_load_never_leads_out() {
    let top = farm();
    let www = top.path().join("www");
    std::fs::create_dir(www.join("d")).unwrap();
    std::fs::write(www.join("d/secret.txt"), "public").unwrap();
    let options = common::options().with_open_files(0);
    let root = manyhands_origin::StaticRoot::open(&www, options).unwrap();
    let stop = std::sync::atomic::AtomicBool::new(false);
    let (served, leaked) = std::thread::scope(|scope| {
        scope.spawn(|| {
            let (real, away, link) = (www.join("d"), www.join("away"), www.join("sibling"));
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                std::fs::rename(&real, &away).unwrap();
                std::fs::rename(&link, &real).unwrap();
                std::fs::rename(&real, &link).unwrap();
                std::fs::rename(&away, &real).unwrap();
            }
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let counts = std::thread::spawn(move || {
            runtime.block_on(async {
                let (mut served, mut leaked) = (0, 0);
                for _ in 0..2_000 {
                    let response = start(&root, Method::GET, "/d/secret.txt", &[]).await;
                    let body = response.into_body().collect().await.unwrap().to_bytes();
                    served += usize::from(body == "public");
                    leaked += usize::from(body == SECRET);
                }
                (served, leaked)
            })
        });
        let counts = counts.join().unwrap();
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        counts
    });
    assert_eq!(leaked, 0);
    assert!(served > 0);
}
