//! `manyhands purge` and `manyhands status`: what is sent, to whom, and what is said when it goes wrong.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::net::SocketAddr;
use std::path::Path;

use common::{Answer, Asked, Log, manyhands, origin};
use manyhands_testkit::{Site, content};

const KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
const JSON: &str = "Content-Type: application/json";

/// A process that answers as ours does, and a log of what it was asked.
async fn process() -> (SocketAddr, Log) {
    let log = Log::default();
    let kept = log.clone();
    let address = origin(move |asked: &Asked| {
        kept.push(asked);
        let right = format!("Bearer {KEY}");
        match (asked.method.as_str(), asked.target.as_str(), asked.field("authorization")) {
            (_, _, Some(other)) if other != right => Answer::new("401 Unauthorized", "", "no\n"),
            ("POST", target, _) if target.starts_with("/.well-known/manyhands/purge?") => {
                Answer::new("200 OK", JSON, "{\"purged\": 1234}")
            }
            ("GET", "/.well-known/manyhands/status.json", Some(_)) => {
                Answer::new("200 OK", JSON, "{\"pages\": 1, \"asset_answers\": 2}")
            }
            ("GET", "/.well-known/manyhands/status.json", None) => {
                Answer::new("403 Forbidden", "", "for the operator\n")
            }
            _ => Answer::new("404 Not Found", "", "nothing\n"),
        }
    })
    .await;
    (address, log)
}

fn state(key: &str) -> tempfile::TempDir {
    let state = tempfile::tempdir().unwrap();
    std::fs::write(state.path().join("operator.key"), key).unwrap();
    state
}

async fn fails(directory: &Path, args: &[&str], words: &[&str]) {
    let output = manyhands(directory, args).await;
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{args:?}: {stderr}");
    assert_eq!(stderr.trim_end().lines().count(), 1, "{args:?}: {stderr}");
    for word in words {
        assert!(stderr.contains(word), "{args:?} does not say {word:?}: {stderr}");
    }
}

#[tokio::test]
async fn purge_sends_paths_and_the_key() {
    let ((address, log), state) = (process().await, state(&format!("{KEY}\n")));
    let site = format!("http://{address}");
    let args =
        ["purge", "/a.iso", "/old/...", "--site", &site, "--state", state.path().to_str().unwrap()];
    let output = manyhands(state.path(), &args).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "purged 1,234 files\n");
    let [asked] = &log.all()[..] else { panic!() };
    assert_eq!(asked.target, "/.well-known/manyhands/purge?path=/a.iso&path=/old/*");
    assert_eq!(asked.field("content-type"), Some("application/json"));
    assert_eq!(asked.field("authorization"), Some(&*format!("Bearer {KEY}")));
}

#[tokio::test]
async fn the_key_is_found_by_the_configuration() {
    let ((address, log), state) = (process().await, state(KEY));
    let config = state.path().join("site.toml");
    let dir = state.path().display();
    let text = format!("[site]\norigin = \"http://{address}\"\n[state]\ndir = \"{dir}\"\n");
    std::fs::write(&config, text).unwrap();
    let args = ["status", "--config", config.to_str().unwrap()];
    let output = manyhands(Path::new("/"), &args).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(String::from_utf8(output.stdout).unwrap().starts_with("pages tagged: 1;"));
    let json = manyhands(Path::new("/"), &[&args[..], &["--json"]].concat()).await;
    assert_eq!(String::from_utf8(json.stdout).unwrap(), "{\"pages\": 1, \"asset_answers\": 2}\n");
    assert!(log.all().iter().all(|asked| asked.field("authorization").is_some()));
}

#[tokio::test]
async fn every_failure_is_one_clear_line() {
    let ((address, log), wrong) = (process().await, state(&KEY.replace("00", "ff")));
    let site = format!("http://{address}");
    let empty = tempfile::tempdir().unwrap();
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let gone = format!("http://{gone}");
    let wrong = wrong.path().to_str().unwrap();
    fails(empty.path(), &["status", "--site", &gone], &[&gone, "refused", "start Manyhands"]).await;
    fails(empty.path(), &["status", "--site", &site], &["403", "operator.key", "--state"]).await;
    fails(empty.path(), &["status", "--site", &site, "--state", wrong], &["--state", wrong]).await;
    let other = origin(|_| Answer::new("404 Not Found", "", "")).await;
    let other = format!("http://{other}");
    fails(empty.path(), &["purge", "/a", "--site", &other], &["404", "--config"]).await;
    let other = origin(|_| Answer::new("200 OK", "", "<html>")).await;
    let other = format!("http://{other}");
    for command in [&["purge", "/a"][..], &["status"]] {
        fails(empty.path(), &[command, &["--site", &other]].concat(), &["is it Manyhands?"]).await;
    }
    // What is in the file is no key, and stays where it is.
    let before = log.all().len();
    let other = state("a line of some other file\n");
    let other = other.path().to_str().unwrap();
    fails(empty.path(), &["status", "--site", &site, "--state", other], &["no key"]).await;
    assert!(log.all()[before..].iter().all(|asked| asked.field("authorization").is_none()));
    assert_eq!(manyhands(empty.path(), &["purge"]).await.status.code(), Some(2));
    assert_eq!(manyhands(empty.path(), &["purge", "a.iso"]).await.status.code(), Some(2));
}

#[tokio::test]
async fn a_redirect_gets_no_key() {
    let state = state(KEY);
    let log = Log::default();
    let kept = log.clone();
    let elsewhere = origin(move |asked| {
        kept.push(asked);
        Answer::new("200 OK", JSON, "{}")
    })
    .await;
    let site =
        origin(move |_| Answer::new("302 Found", &format!("Location: http://{elsewhere}/"), ""))
            .await;
    let (site, to) = (format!("http://{site}"), elsewhere.to_string());
    let dir = state.path().to_str().unwrap();
    fails(state.path(), &["status", "--site", &site, "--state", dir], &[&to, "--site"]).await;
    assert!(log.all().is_empty());
}

#[tokio::test]
async fn a_real_process_tells_and_forgets() {
    let files = tempfile::tempdir().unwrap();
    std::fs::write(files.path().join("big file.zip"), content(0, 2 << 20)).unwrap();
    let site = Site::serve(files.path(), |_| {}).await;
    site.get("/big%20file.zip", &[]).await;
    site.manifest("/big%20file.zip").await.unwrap();
    let origin = format!("http://{}", site.address);
    let status = ["status", "--site", &origin];
    let told = manyhands(files.path(), &status).await;
    let told = String::from_utf8(told.stdout).unwrap();
    assert!(told.contains("/big%20file.zip"), "{told}");
    for (pattern, says) in [
        ("/other.zip", "purged nothing: none of them was known\n"),
        ("/big%20file.zip", "purged 1 file\n"),
        ("/...", "purged nothing: none of them was known\n"),
    ] {
        let output = manyhands(files.path(), &["purge", pattern, "--site", &origin]).await;
        assert_eq!(String::from_utf8_lossy(&output.stdout), says, "{output:?}");
    }
    let gone = site.get("/.well-known/manyhands/manifest/big%20file.zip", &[]).await;
    assert_eq!(gone.status(), 404);
    // A key of some other site is not taken, not even here.
    let wrong = state(KEY);
    let wrong = wrong.path().to_str().unwrap();
    let args = ["status", "--site", &origin, "--state", wrong];
    fails(files.path(), &args, &["does not take the key", "--state"]).await;
}

/// The key lies in the directory that one happens to be in: it is not for any site one asks about.
#[tokio::test]
async fn a_stranger_gets_no_key() {
    let ((address, log), directory) = (process().await, tempfile::tempdir().unwrap());
    let state = directory.path().join("manyhands-state");
    std::fs::create_dir(&state).unwrap();
    std::fs::write(state.join("operator.key"), KEY).unwrap();
    let here = format!("http://{address}");
    let output = manyhands(directory.path(), &["status", "--site", &here]).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(log.all().pop().unwrap().field("authorization").is_some());
    // Leads here, and yet is no loopback name.
    let other = format!("http://0.0.0.0:{}", address.port());
    let state = state.to_str().unwrap();
    let before = log.all().len();
    for more in [&[][..], &["--state", state]] {
        let args = [&["status", "--site", &other], more].concat();
        fails(directory.path(), &args, &["403", "plain http", "https"]).await;
    }
    assert_eq!(log.all().len(), before + 2);
    assert!(log.all()[before..].iter().all(|asked| asked.field("authorization").is_none()));
}

#[tokio::test]
async fn what_is_answered_does_not_steer_the_terminal() {
    let directory = tempfile::tempdir().unwrap();
    let evil = "\x1b]0;pwned\x07\u{9b}31mred";
    for (status, fields, body) in [
        ("500 Oh", "", format!("{evil}\nmore")),
        ("302 Found", "Location: http://a/\u{9b}31m", String::new()),
        ("200 OK", "", evil.to_owned()),
        ("200 OK", "", format!("{{\"a\": \"{evil}\"}}")),
    ] {
        let site = origin(move |_| Answer::new(status, fields, body.clone())).await;
        let site = format!("http://{site}");
        for args in [&["status"][..], &["status", "--json"], &["purge", "/a"]] {
            let output = manyhands(directory.path(), &[args, &["--site", &site]].concat()).await;
            for text in [output.stdout, output.stderr] {
                let text = String::from_utf8(text).unwrap();
                assert!(!text.trim_end().contains(char::is_control), "{args:?}: {text:?}");
            }
        }
    }
}

/// A request is carried out whole or not at all, and there may be several.
#[tokio::test]
async fn a_purge_of_many_says_how_far_it_came() {
    let directory = tempfile::tempdir().unwrap();
    let log = Log::default();
    let kept = log.clone();
    let site = origin(move |asked| {
        kept.push(asked);
        match kept.all().len() {
            1 => Answer::new("200 OK", JSON, "{\"purged\": 1234}"),
            _ => Answer::new("503 Service Unavailable", "", "later\n"),
        }
    })
    .await;
    let site = format!("http://{site}");
    let paths: Vec<String> = (0..200).map(|n| format!("/{n}{}", "a".repeat(50))).collect();
    let mut args = vec!["purge", "--site", &site];
    args.extend(paths.iter().map(String::as_str));
    fails(directory.path(), &args, &["503: later", "1 of 2 requests", "1,234 files"]).await;
    let before = log.all().len();
    assert_eq!(before, 2);
    for bad in ["//b", "/../b", "/a%", "/a*b", "/a%*"] {
        let output = manyhands(directory.path(), &[&args[..], &[bad]].concat()).await;
        assert_eq!(output.status.code(), Some(2), "{bad}: {output:?}");
    }
    assert_eq!(log.all().len(), before, "none is sent unless all can be read");
}
